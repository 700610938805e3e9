// Texts of ids: the vectors of the fact sheet's section 12 (those of AvalancheGo's own constants among them), and that a text has one
// reading. Random cases print their seed.

using System;
using System.Text;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Tests.Ids;

public sealed class IdTests
{
    private const string Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    [Theory]
    [InlineData("", "45PJLL")]
    [InlineData("00", "1c7hwa")]
    [InlineData("00010203040506070809ff", "1NVSVezva3bAtJesnUj")]
    public void Cb58_is_that_of_the_vectors(string hex, string text)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Assert.Equal(text, Cb58.Encode(bytes));
        byte[] read = new byte[bytes.Length];
        Assert.True(Cb58.TryDecode(text, read, out Refusal refusal), refusal.ToString());
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "11111111111111111111111111111111LpoYY")]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "16qJFWMMHFy3xDdLmvUeyc2S6FrWRhJP51HsvDYdz9cWcm5W")]
    [InlineData("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "2wkBET2rRgE8pahuaczxKbmv7ciehqsne57F9gtzf1PVcUJEQG")]
    [InlineData("eebe88dda297e96d67b830138852ed096a6df16bd0824dc5fde28bab5dd74ebf", "2p9QKfQBWVKiehQTRW61mnTHTC6BfQgS6ExC65XWeAJGKV1S2A")]
    public void Ids_are_printed_as_the_network_prints_them(string hex, string text)
    {
        Assert.True(Bytes32.TryParseHex(hex, out Bytes32 id));
        Assert.Equal(text, IdText.Of(id));
        Assert.True(IdText.TryParse(text, out Bytes32 read, out _));
        Assert.Equal(id, read);
    }

    [Theory]
    [InlineData("subnetevm", "srEXiWaHuhNyGwPUi444Tu47ZEDwxTWrbQiuD7FmgSAQ6X7Dy")]
    [InlineData("xsvm", "v3m4wPxaHpvGr8qfMeyK6PRW3idZrPHmYcMTt7oXdK47yurVH")]
    [InlineData("timestampvm", "tGas3T58KzdjcJ2iKSyiYsWiqYctRXaPTqBCA11BqEkNg8kPc")]
    public void A_vm_id_is_its_name_and_zeros(string name, string text)
    {
        Assert.True(IdText.TryVmId(name, out Bytes32 id, out _));
        Assert.Equal(text, IdText.Of(id));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("with space")]
    [InlineData("caf\u00e9")]
    [InlineData("a-name-of-more-than-thirty-two-bytes")]
    public void No_vm_id_is_made_of_other_names(string? name)
    {
        Assert.False(IdText.TryVmId(name, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.VmNameUnusable, refusal.Code);
    }

    [Theory]
    [InlineData("479f66c8be895830547e70b4b298cafd433dba6e", "NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg")]
    [InlineData("de31b4d8b22991d51aa6aa1fc733f23a851a8c94", "NodeID-MFrZFVCXPv5iCn6M9K6XduxGTYp891xXZ")]
    [InlineData("e9094f73698002fd52c90819b457b9fbc866ab80", "NodeID-NFBbbJ4qCmNaCzeW7sxErhvWqvEQMnYcN")]
    [InlineData("0102030405060708090a0b0c0d0e0f1011121314", "NodeID-6L5yRNPTuciSgXGHqYwn9N6NeoKMvqvy")]
    [InlineData("0000000000000000000000000000000000000000", "NodeID-111111111111111111116DBWJs")]
    public void Node_ids_are_printed_as_the_network_prints_them(string hex, string text)
    {
        Assert.True(NodeId.TryFrom(Convert.FromHexString(hex), out NodeId id));
        Assert.Equal(text, id.ToString());
        Assert.Equal(hex, Convert.ToHexStringLower(id.ToArray()));
        Assert.True(NodeId.TryParse(text, out NodeId read, out _));
        Assert.Equal(id, read);
    }

    [Theory]
    [InlineData("7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg", RefusalCode.IdWithoutPrefix)]
    [InlineData("nodeid-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg", RefusalCode.IdWithoutPrefix)]
    [InlineData(null, RefusalCode.IdWithoutPrefix)]
    [InlineData("NodeID-", RefusalCode.IdWrongLength)]
    [InlineData("NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3L0", RefusalCode.TextNotBase58)]
    [InlineData("NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lh", RefusalCode.TextBadChecksum)]
    [InlineData("NodeID-17Xhw2mDxuDS44j42TCB6U5579esbSt3Lg", RefusalCode.IdWrongLength)]
    [InlineData("NodeID-16qJFWMMHFy3xDdLmvUeyc2S6FrWRhJP51HsvDYdz9cWcm5W", RefusalCode.IdWrongLength)]
    public void Other_texts_are_no_node_id(string? text, RefusalCode code)
    {
        Assert.False(NodeId.TryParse(text, out NodeId id, out Refusal refusal));
        Assert.Equal(code, refusal.Code);
        Assert.Equal(NodeId.Zero, id);
    }

    [Fact]
    public void Node_ids_are_twenty_bytes_and_order_as_their_bytes()
    {
        SeededRandom random = new(20);
        byte[] a = new byte[NodeId.Size];
        byte[] b = new byte[NodeId.Size];
        for (int i = 0; i < 1_000; i++)
        {
            random.Fill(a);
            a.CopyTo(b, 0);
            b[random.Next(NodeId.Size)] ^= (byte)random.Next(256);
            Assert.True(NodeId.TryFrom(a, out NodeId x) & NodeId.TryFrom(b, out NodeId y));
            Assert.Equal(Math.Sign(a.AsSpan().SequenceCompareTo(b)), Math.Sign(x.CompareTo(y)));
        }

        Assert.False(NodeId.TryFrom(a.AsSpan(1), out _));
        Assert.False(NodeId.TryFrom(new byte[21], out _));
    }

    [Theory, InlineData(58ul), InlineData(20_2611ul)]
    public void Every_byte_string_has_one_text_and_the_text_one_reading(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 2_000; round++)
        {
            byte[] bytes = new byte[random.Next(Cb58.MaxBytes + 1)];
            random.Fill(bytes);
            bytes.AsSpan(0, random.Next(bytes.Length + 1) / 3).Clear();             // leading zeros, and all kinds of them
            string text = Cb58.Encode(bytes);
            byte[] read = new byte[bytes.Length];
            Assert.True(Cb58.TryDecode(text, read, out Refusal refusal), $"seed {seed} round {round}: {refusal}");
            Assert.Equal(bytes, read);

            Assert.False(Cb58.TryDecode('1' + text, read, out _), $"seed {seed} round {round}: a one more");
            Assert.False(Cb58.TryDecode(text, new byte[Math.Min(bytes.Length + 1, Cb58.MaxBytes)].AsSpan(bytes.Length == Cb58.MaxBytes ? 1 : 0), out _));
        }
    }

    [Theory, InlineData(1ul), InlineData(2ul)]
    public void What_reads_is_what_would_be_written(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] target = new byte[NodeId.Size];
        int read = 0;
        for (int round = 0; round < 100_000; round++)
        {
            string text = round % 4 == 0 ? Mutated(random) : Random(random);
            if (Cb58.TryDecode(text, target, out _))
            {
                read++;
                Assert.True(Cb58.Encode(target) == text, $"seed {seed} round {round}: '{text}' reads, but is not the text of its bytes");
            }
        }

        Assert.True(read > 0, $"seed {seed}: nothing was ever read");
    }

    private static string Random(SeededRandom random)
    {
        StringBuilder text = new();
        for (int length = random.Next(64); length > 0; length--)
        {
            text.Append(random.Chance(1, 50) ? (char)random.Next(65_536) : Alphabet[random.Next(58)]);
        }

        return text.ToString();
    }

    private static string Mutated(SeededRandom random)
    {
        byte[] bytes = new byte[NodeId.Size];
        random.Fill(bytes);
        char[] text = Cb58.Encode(bytes).ToCharArray();
        if (random.Chance(9, 10))
        {
            text[random.Next(text.Length)] = Alphabet[random.Next(58)];
        }

        return new string(text);
    }
}
