// Laws of the 32-byte value: it is its bytes, in their order.

using System;
using System.Buffers.Binary;

namespace ParallelVm.Primitives.Tests;

public class Bytes32Tests
{
    [Fact]
    public void Word_k_holds_bytes_8k_to_8k_plus_7_big_endian()
    {
        byte[] bytes = new byte[32];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(i + 1);
        }

        Bytes32 value = Bytes32.From(bytes);
        Assert.Equal(new Bytes32(0x0102030405060708, 0x090A0B0C0D0E0F10, 0x1112131415161718, 0x191A1B1C1D1E1F20), value);
        Assert.Equal("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", value.ToString());
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Bytes_and_hex_of_either_case_round_trip(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] bytes = new byte[40];
        byte[] copy = new byte[40];
        for (int round = 0; round < 300; round++)
        {
            random.Fill(bytes);
            Bytes32 value = Bytes32.From(bytes);
            value.CopyTo(copy);
            string context = $"seed {seed} round {round}: {value}";
            Assert.True(bytes.AsSpan(0, 32).SequenceEqual(copy.AsSpan(0, 32)), context);
            Assert.True(copy.AsSpan(32).IndexOfAnyExcept((byte)0) < 0, context + " wrote past its end");
            Assert.True(bytes.AsSpan(0, 32).SequenceEqual(value.ToArray()), context);
            Assert.True(Bytes32.TryParseHex(value.ToString(), out Bytes32 lower) && lower == value, context);
            Assert.True(Bytes32.TryParseHex(Convert.ToHexString(bytes.AsSpan(0, 32)), out Bytes32 upper) && upper == value, context);
            Assert.True(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(16)) == value.W2, context);
        }
    }

    // Pairs share a prefix of random length, so that every word decides the order in some of them.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void The_order_is_the_order_of_the_bytes(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] left = new byte[32];
        byte[] right = new byte[32];
        for (int round = 0; round < 3000; round++)
        {
            random.Fill(left);
            random.Fill(right);
            left.AsSpan(0, random.Next(33)).CopyTo(right);
            Bytes32 a = Bytes32.From(left);
            Bytes32 b = Bytes32.From(right);
            int expected = Math.Sign(left.AsSpan().SequenceCompareTo(right));
            string context = $"seed {seed} round {round}: {a} against {b}";
            Assert.True(expected == Math.Sign(a.CompareTo(b)), context);
            Assert.True(-expected == Math.Sign(b.CompareTo(a)), context);
            Assert.True((expected == 0) == (a == b), context);
            Assert.True(a != b || a.GetHashCode() == b.GetHashCode(), context);
            Assert.True(expected == Math.Sign(new StateKey(a).CompareTo(new StateKey(b))), context);
            Assert.True(expected == Math.Sign(new LocalKey(a).CompareTo(new LocalKey(b))), context);
            Assert.True(expected == Math.Sign(new ProgramId(a).CompareTo(new ProgramId(b))), context);
            Assert.True(expected == Math.Sign(new PublicKey(a).CompareTo(new PublicKey(b))), context);
            Assert.True(expected == Math.Sign(new TxId(a).CompareTo(new TxId(b))), context);
            Assert.True(expected == Math.Sign(new BlockId(a).CompareTo(new BlockId(b))), context);
        }
    }

    [Fact]
    public void Bit_i_is_set_in_the_value_of_that_bit_alone()
    {
        for (int set = 0; set < 256; set++)
        {
            byte[] bytes = new byte[32];
            bytes[set / 8] = (byte)(0x80 >> (set % 8));
            Bytes32 value = Bytes32.From(bytes);
            for (int bit = 0; bit < 256; bit++)
            {
                Assert.True(value.Bit(bit) == (bit == set), $"bit {bit} of the value with bit {set}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void The_first_different_bit_decides_the_order(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] bytes = new byte[32];
        for (int bit = 0; bit < 256; bit++)
        {
            random.Fill(bytes);
            Bytes32 a = Bytes32.From(bytes);
            random.Fill(bytes);
            Bytes32 b = Bytes32.From(bytes);
            int first = 0;
            while (a.Bit(first) == b.Bit(first))
            {
                first++;
            }

            Assert.True((a.CompareTo(b) < 0) == b.Bit(first), $"seed {seed}: {a} against {b}");
        }
    }

    [Fact]
    public void Text_that_is_not_64_hex_digits_is_refused()
    {
        string good = new('a', 64);
        Assert.True(Bytes32.TryParseHex(good, out _));
        string?[] refused =
        [
            null, "", "aa", good[1..], good + "a", good + "aa", "0x" + good, "0x" + good[2..],
            " " + good[1..], good[1..] + " ", good[1..] + "\n",
        ];
        foreach (string? text in refused)
        {
            Assert.False(Bytes32.TryParseHex(text, out Bytes32 value), $"'{text}'");
            Assert.Equal(Bytes32.Zero, value);
        }

        // one wrong character at every place: the neighbours of the digits in ASCII, a sign, and a digit of another script
        foreach (char wrong in new[] { '/', ':', '@', 'G', '`', 'g', '-', '+', '\0', '\u0661', '\uFF11' })
        {
            for (int place = 0; place < 64; place++)
            {
                string text = good[..place] + wrong + good[(place + 1)..];
                Assert.False(Bytes32.TryParseHex(text, out Bytes32 value), $"U+{(int)wrong:X4} at {place}");
                Assert.Equal(Bytes32.Zero, value);
            }
        }
    }

    [Fact]
    public void Too_little_room_is_refused_before_anything_is_written()
    {
        byte[] room = new byte[31];
        Bytes32 value = new(1, 2, 3, 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => Bytes32.From(room));
        Assert.Throws<ArgumentOutOfRangeException>(() => value.CopyTo(room));
        Assert.Equal(new byte[31], room);
    }

    [Fact]
    public void A_signature_is_R_then_S()
    {
        SeededRandom random = new(9);
        byte[] bytes = new byte[Signature.Size];
        random.Fill(bytes);
        Signature signature = Signature.From(bytes);
        Assert.Equal(Bytes32.From(bytes), signature.R);
        Assert.Equal(Bytes32.From(bytes.AsSpan(32)), signature.S);
        byte[] copy = new byte[Signature.Size];
        signature.CopyTo(copy);
        Assert.Equal(bytes, copy);
    }
}
