// The Warp codec: the vectors of the fact sheet's section 13, and that reading is total and what reads encodes to the same bytes.

using System;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Tests.Warp;

public sealed class WarpTests
{
    private const string CallHex = "000000000001000000140101010101010101010101010101010101010101000000026869";
    private const string HashHex = "000000000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    private const string UnsignedHex =
        "000000003039000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00000024000000000001000000140101010101010101010101010101010101010101000000026869";

    private static readonly Bytes32 Counting = Bytes32.From(Convert.FromHexString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));

    [Fact]
    public void An_addressed_call_is_that_of_the_vector()
    {
        byte[] address = new byte[20];
        Array.Fill(address, (byte)1);
        AddressedCall call = new(address, "hi"u8.ToArray());
        Assert.Equal(CallHex, Convert.ToHexStringLower(call.Encode()));
        Assert.True(WarpPayload.TryDecode(Convert.FromHexString(CallHex), out WarpPayload? read, out _));
        Assert.Equal(call, read);
    }

    [Fact]
    public void A_hash_is_that_of_the_vector()
    {
        Assert.Equal(HashHex, Convert.ToHexStringLower(new HashPayload(Counting).Encode()));
        Assert.True(WarpPayload.TryDecode(Convert.FromHexString(HashHex), out WarpPayload? read, out _));
        Assert.Equal(new HashPayload(Counting), read);
    }

    [Fact]
    public void An_unsigned_message_and_its_id_are_those_of_the_vector()
    {
        UnsignedMessage message = UnsignedMessage.Create(12345, Counting, Convert.FromHexString(CallHex));
        Assert.Equal(UnsignedHex, Convert.ToHexStringLower(message.Bytes.Span));
        Assert.Equal("057ed91ce015e5cab44fa1d1533a234fe4bc0ce60c1067a9997fd99b3dfc59d4", message.Id.ToString());
        Assert.Equal("3RNm7Q5814F7fVUmqKjfvZvVc6jr9WUxG27XLUJVHr28CoqpP", IdText.Of(message.Id));
        Assert.True(UnsignedMessage.TryDecode(message.Bytes.Span, out UnsignedMessage? read, out _));
        Assert.Equal((12345u, Counting, message.Id), (read.NetworkId, read.SourceChainId, read.Id));
    }

    [Fact]
    public void A_signed_message_is_as_long_as_the_vector_and_knows_its_signers()
    {
        byte[] signature = new byte[96];
        new SeededRandom(96).Fill(signature);
        UnsignedMessage unsigned = UnsignedMessage.Create(12345, Counting, Convert.FromHexString(CallHex));
        SignedMessage message = SignedMessage.Create(unsigned, [5], signature);
        byte[] bytes = message.Encode();
        Assert.Equal(183, bytes.Length);
        Assert.Equal(UnsignedHex + "00000000" + "00000001" + "05" + Convert.ToHexStringLower(signature), Convert.ToHexStringLower(bytes));

        Assert.True(SignedMessage.TryDecode(bytes, out SignedMessage? read, out _));
        Assert.Equal(bytes, read.Encode());
        Assert.Equal((2, 3), (read.SignerCount, read.SignerLimit));
        Assert.True(read.HasSigned(0) && !read.HasSigned(1) && read.HasSigned(2) && !read.HasSigned(3) && !read.HasSigned(10_000));
    }

    [Fact]
    public void Signers_are_written_one_way()
    {
        UnsignedMessage unsigned = UnsignedMessage.Create(1, Counting, []);
        byte[] bytes = SignedMessage.Create(unsigned, [1, 0], new byte[96]).Encode();
        Assert.True(SignedMessage.TryDecode(bytes, out SignedMessage? message, out _));
        Assert.True(message.HasSigned(8) && message.SignerLimit == 9);

        bytes[unsigned.Bytes.Length + 8] = 0;
        Assert.False(SignedMessage.TryDecode(bytes, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.WarpSignersNotCanonical, refusal.Code);

        Assert.Throws<ArgumentException>(() => SignedMessage.Create(unsigned, [0], new byte[96]));
        Assert.Throws<ArgumentException>(() => SignedMessage.Create(unsigned, [1], new byte[95]));
        Assert.Equal(0, SignedMessage.Create(unsigned, [], new byte[96]).SignerLimit);
    }

    [Theory]
    [InlineData("0001" + "00000000", RefusalCode.UnknownVersion)]
    [InlineData("0000" + "00000002", RefusalCode.WarpUnknownType)]
    [InlineData("0000" + "00000001" + "ffffffff", RefusalCode.Truncated)]
    [InlineData("0000" + "00000001" + "7fffffff", RefusalCode.Truncated)]
    [InlineData(HashHex + "00", RefusalCode.TrailingBytes)]
    [InlineData(CallHex + "00", RefusalCode.TrailingBytes)]
    [InlineData("", RefusalCode.Truncated)]
    public void Other_bytes_are_no_payload(string hex, RefusalCode code)
    {
        Assert.False(WarpPayload.TryDecode(Convert.FromHexString(hex), out _, out Refusal refusal));
        Assert.Equal(code, refusal.Code);
    }

    [Fact]
    public void Messages_are_refused_cut_at_every_length_and_above_their_limits()
    {
        byte[] signed = SignedMessage.Create(UnsignedMessage.Create(7, Counting, Convert.FromHexString(CallHex)), [0x80, 1], new byte[96]).Encode();
        for (int length = 0; length < signed.Length; length++)
        {
            Assert.False(SignedMessage.TryDecode(signed.AsSpan(0, length), out _, out Refusal refusal));
            Assert.True(refusal.IsRefused);
        }

        AddressedCall largest = new(new byte[20], new byte[WarpPayload.MaxBytes - 34]);
        Assert.True(WarpPayload.TryDecode(largest.Encode(), out _, out _));
        Assert.Throws<ArgumentException>(() => new AddressedCall(new byte[21], largest.Payload).Encode());
        Assert.False(WarpPayload.TryDecode(new byte[WarpPayload.MaxBytes + 1], out _, out Refusal long1));
        Assert.False(UnsignedMessage.TryDecode(new byte[UnsignedMessage.MaxBytes + 1], out _, out Refusal long2));
        Assert.Equal((RefusalCode.TooLong, RefusalCode.TooLong), (long1.Code, long2.Code));
        Assert.Throws<ArgumentOutOfRangeException>(() => UnsignedMessage.Create(1, Counting, new byte[WarpPayload.MaxBytes + 1]));
    }

    [Theory, InlineData(13ul), InlineData(1_118ul)]
    public void Reading_is_total_and_what_reads_is_written_back(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[][] seeds =
        [
            Convert.FromHexString(CallHex),
            Convert.FromHexString(HashHex),
            Convert.FromHexString(UnsignedHex),
            SignedMessage.Create(UnsignedMessage.Create(9, Counting, Convert.FromHexString(HashHex)), [0x11, 0x22], new byte[96]).Encode(),
        ];
        int read = 0;
        for (int round = 0; round < 100_000; round++)
        {
            byte[] bytes = Mutated(random, seeds[random.Next(seeds.Length)]);
            if (WarpPayload.TryDecode(bytes, out WarpPayload? payload, out _))
            {
                read++;
                Assert.True(bytes.AsSpan().SequenceEqual(payload.Encode()), $"seed {seed} round {round}");
            }

            if (UnsignedMessage.TryDecode(bytes, out UnsignedMessage? unsigned, out _))
            {
                read++;
                Assert.True(bytes.AsSpan().SequenceEqual(unsigned.Bytes.Span), $"seed {seed} round {round}");
            }

            if (SignedMessage.TryDecode(bytes, out SignedMessage? signed, out _))
            {
                read++;
                Assert.True(bytes.AsSpan().SequenceEqual(signed.Encode()), $"seed {seed} round {round}");
            }
        }

        Assert.True(read > 1_000, $"seed {seed}: only {read} were read");
    }

    private static byte[] Mutated(SeededRandom random, byte[] from)
    {
        byte[] bytes = from.AsSpan(0, random.Chance(1, 4) ? random.Next(from.Length + 1) : from.Length).ToArray();
        for (int changes = random.Next(3); changes > 0 && bytes.Length > 0; changes--)
        {
            bytes[random.Next(bytes.Length)] = random.Chance(1, 2) ? (byte)random.Next(256) : (byte)random.Next(3);
        }

        return bytes;
    }
}
