// The p2p SDK's bytes. Google.Protobuf with the generated messages is the oracle of the reader and the writer; the bloom filter has the
// published check value and a plain set beside it.

using System;
using System.Collections.Generic;
using Google.Protobuf;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Protos.Sdk;

namespace ParallelVm.Rpcchainvm.Tests.Gossip;

public sealed class SdkMessageTests
{
    [Theory, InlineData(11ul), InlineData(111ul)]
    public void Messages_are_written_as_protobuf_writes_them(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 1_000; round++)
        {
            byte[] a = Bytes(random, 300);
            byte[] b = Bytes(random, 300);
            PullGossipRequest pull = new() { Salt = ByteString.CopyFrom(a), Filter = ByteString.CopyFrom(b) };
            Assert.Equal(pull.ToByteArray(), SdkMessages.WritePair(2, a, b));
            SignatureRequest sign = new() { Message = ByteString.CopyFrom(a), Justification = ByteString.CopyFrom(b) };
            Assert.Equal(sign.ToByteArray(), SdkMessages.WritePair(1, a, b));

            PushGossip push = new();
            List<ReadOnlyMemory<byte>> elements = [];
            for (int i = random.Next(5); i > 0; i--)
            {
                elements.Add(Bytes(random, 200));
                push.Gossip.Add(ByteString.CopyFrom(elements[^1].Span));
            }

            Assert.Equal(push.ToByteArray(), SdkMessages.WriteElements(elements));
        }
    }

    [Theory, InlineData(12ul), InlineData(112ul)]
    public void Messages_are_read_as_protobuf_reads_them(ulong seed)
    {
        SeededRandom random = new(seed);
        int read = 0;
        for (int round = 0; round < 100_000; round++)
        {
            byte[] bytes = Body(random);
            bool isOurs = SdkMessages.TryReadPair(bytes, 2, out ReadOnlyMemory<byte> salt, out ReadOnlyMemory<byte> filter, out Refusal refusal);
            List<ReadOnlyMemory<byte>> elements = [];
            Assert.Equal(isOurs, SdkMessages.TryReadElements(bytes, elements, out _));
            Assert.Equal(isOurs, !refusal.IsRefused);
            if (!isOurs)
            {
                continue;                                       // groups, which protobuf skips and we refuse, are the difference
            }

            read++;
            PullGossipRequest pull = PullGossipRequest.Parser.ParseFrom(bytes);
            Assert.True(pull.Salt.Span.SequenceEqual(salt.Span) && pull.Filter.Span.SequenceEqual(filter.Span), $"seed {seed} round {round}");
            PushGossip push = PushGossip.Parser.ParseFrom(bytes);
            Assert.Equal(push.Gossip.Count, elements.Count);
            for (int i = 0; i < elements.Count; i++)
            {
                Assert.True(push.Gossip[i].Span.SequenceEqual(elements[i].Span), $"seed {seed} round {round}");
            }
        }

        Assert.True(read > 5_000, $"seed {seed}: only {read} were read");
    }

    [Theory]
    [InlineData(0ul, "00")]
    [InlineData(2ul, "02")]
    [InlineData(128ul, "8001")]
    [InlineData(ulong.MaxValue, "ffffffffffffffffff01")]
    public void A_handler_number_stands_before_its_message(ulong handler, string prefix)
    {
        byte[] message = SdkMessages.WithHandler(handler, [7, 8]);
        Assert.Equal(prefix + "0708", Convert.ToHexStringLower(message));
        Assert.True(SdkMessages.TryReadHandler(message, out ulong read, out ReadOnlyMemory<byte> body));
        Assert.Equal(handler, read);
        Assert.Equal([7, 8], body.ToArray());
    }

    [Theory]
    [InlineData("")]
    [InlineData("80")]
    [InlineData("ffffffffffffffffff02")]
    [InlineData("ffffffffffffffffffff01")]
    public void Other_bytes_begin_with_no_handler(string hex) =>
        Assert.False(SdkMessages.TryReadHandler(Convert.FromHexString(hex), out _, out _));

    [Fact]
    public void A_message_of_more_elements_than_a_set_takes_is_refused()
    {
        byte[] bytes = new byte[2 * (SdkMessages.MaxElements + 1)];
        for (int i = 0; i < bytes.Length; i += 2)
        {
            bytes[i] = 0x0A;
        }

        Assert.True(SdkMessages.TryReadElements(bytes.AsMemory(2), [], out _));
        Assert.False(SdkMessages.TryReadElements(bytes, [], out Refusal refusal));
        Assert.Equal(RefusalCode.TooLong, refusal.Code);
    }

    [Fact]
    public void The_hash_is_the_published_one()
    {
        byte[] salt = new byte[32];
        Array.Fill(salt, (byte)1);
        Assert.Equal(6666899060534969324UL, BloomFilter.HashOf(default, Bytes32.From(salt)));
    }

    // values of the SDK's own tests: parameters of 10,000 ids at 0.01 and of 100,000 at 0.001
    [Fact]
    public void Shapes_and_counts_are_those_of_the_sdk()
    {
        Assert.Equal(new BloomShape(7, 11_982), BloomShape.For(10_000, 0.01));
        Assert.Equal(new BloomShape(10, 179_720), BloomShape.For(100_000, 0.001));
        Assert.Equal(9_993, new BloomShape(7, 11_982).CountAt(0.01));
        Assert.Equal(14_449, new BloomShape(7, 11_982).CountAt(0.05));
        Assert.Equal(100_000, new BloomShape(10, 179_720).CountAt(0.001));
        Assert.Equal(1, BloomShape.For(1, 0.99).EntryBytes);
    }

    [Theory, InlineData(1ul), InlineData(77ul)]
    public void A_filter_knows_all_that_was_added_and_little_else(ulong seed)
    {
        SeededRandom random = new(seed);
        BloomFilter filter = BloomFilter.Create(BloomShape.For(2_000, 0.01), random.Fork(1));
        HashSet<ulong> added = [];
        for (int i = 0; i < 2_000; i++)
        {
            ulong hash = random.NextU64();
            filter.Add(hash);
            added.Add(hash);
        }

        Assert.True(BloomFilter.TryDecode(filter.Encode(), out BloomFilter? read, out _));
        Assert.Equal(filter.Encode(), read.Encode());
        foreach (ulong hash in added)
        {
            Assert.True(filter.Contains(hash) && read.Contains(hash), $"seed {seed}: {hash} was forgotten");
        }

        int wrong = 0;
        for (int i = 0; i < 50_000; i++)
        {
            ulong hash = random.NextU64();
            Assert.Equal(filter.Contains(hash), read.Contains(hash));
            wrong += filter.Contains(hash) && !added.Contains(hash) ? 1 : 0;
        }

        Assert.InRange(wrong, 250, 1_000);                      // 1 % of 50,000 is 500
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("0000")]
    [InlineData("010102030405060708")]
    [InlineData("11")]
    public void Other_bytes_are_no_filter(string hex)
    {
        Assert.False(BloomFilter.TryDecode(Convert.FromHexString(hex), out _, out Refusal refusal));
        Assert.Equal(RefusalCode.BloomMalformed, refusal.Code);
        Assert.False(BloomFilter.TryDecode(new byte[200] is var b && (b[0] = 17) > 0 ? b : [], out _, out _));
    }

    private static byte[] Bytes(SeededRandom random, int max)
    {
        byte[] bytes = new byte[random.Next(max)];
        random.Fill(bytes);
        return bytes;
    }

    // Fields that might be: small numbers, all kinds, lengths that mostly fit; then sometimes a change anywhere.
    private static byte[] Body(SeededRandom random)
    {
        List<byte> bytes = [];
        for (int fields = random.Next(5); fields > 0; fields--)
        {
            int kind = random.Chance(3, 4) ? 2 : random.Next(8);
            bytes.Add((byte)((random.Next(6) << 3) | kind));
            if (kind == 2)
            {
                int length = random.Next(20);
                bytes.Add((byte)length);
                for (int i = 0; i < length; i++)
                {
                    bytes.Add((byte)random.Next(256));
                }
            }
            else
            {
                for (int i = kind == 1 ? 8 : kind == 5 ? 4 : 1 + random.Next(3); i > 0; i--)
                {
                    bytes.Add((byte)random.Next(kind == 0 ? 128 : 256));
                }
            }
        }

        if (bytes.Count > 0 && random.Chance(1, 3))
        {
            bytes[random.Next(bytes.Count)] = (byte)random.Next(256);
        }

        return [.. bytes];
    }
}
