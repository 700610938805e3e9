// Scalars: integers mod L = 2^252 + 27742317777372353535851937790883648493, the order of the base point. Four 64-bit words,
// least significant first.
//
// Reduction is Barrett's: q = floor(x * mu / 2^512) with mu = floor(2^512 / L) is at most 2 too small for any x below 2^512, so
// x - q*L is below 3L and two masked subtractions end it. No branch or index depends on a word, so the secret scalars of
// signing may pass here. Only Windows (the signed windows of verification) is not constant time; its scalars are public.

using System;
using System.Buffers.Binary;

namespace ParallelVm.Primitives;

/// <summary>An integer mod L, below L unless said otherwise.</summary>
/// <param name="W0">Bits 0..63.</param>
/// <param name="W1">Bits 64..127.</param>
/// <param name="W2">Bits 128..191.</param>
/// <param name="W3">Bits 192..255.</param>
internal readonly record struct Scalar(ulong W0, ulong W1, ulong W2, ulong W3)
{
    private static ReadOnlySpan<ulong> Order =>
        [0x5812631A5CF5D3ED, 0x14DEF9DEA2F79CD6, 0x0000000000000000, 0x1000000000000000];

    private static ReadOnlySpan<ulong> Mu =>
    [
        0xED9CE5A30A2C131B,
        0x2106215D086329A7,
        0xFFFFFFFFFFFFFFEB,
        0xFFFFFFFFFFFFFFFF,
        0x000000000000000F,
    ];

    /// <summary>Reads 32 little-endian bytes as they stand, whether below L or not.</summary>
    public static Scalar Load(in Bytes32 bytes) => new(
        BinaryPrimitives.ReverseEndianness(bytes.W0),
        BinaryPrimitives.ReverseEndianness(bytes.W1),
        BinaryPrimitives.ReverseEndianness(bytes.W2),
        BinaryPrimitives.ReverseEndianness(bytes.W3));

    /// <summary>Thirty-two little-endian bytes.</summary>
    public Bytes32 Store() => new(
        BinaryPrimitives.ReverseEndianness(W0),
        BinaryPrimitives.ReverseEndianness(W1),
        BinaryPrimitives.ReverseEndianness(W2),
        BinaryPrimitives.ReverseEndianness(W3));

    /// <summary>Below L. Not constant time.</summary>
    public bool IsCanonical()
    {
        ReadOnlySpan<ulong> order = Order;
        if (W3 != order[3])
        {
            return W3 < order[3];
        }

        if (W2 != order[2])
        {
            return W2 < order[2];
        }

        return W1 != order[1] ? W1 < order[1] : W0 < order[0];
    }

    /// <summary>64 little-endian bytes mod L.</summary>
    public static Scalar Reduce(ReadOnlySpan<byte> wide)
    {
        Span<ulong> x = stackalloc ulong[8];
        for (int i = 0; i < 8; i++)
        {
            x[i] = BinaryPrimitives.ReadUInt64LittleEndian(wide[(8 * i)..]);
        }

        return Reduce(x);
    }

    /// <summary>a * b + c mod L, for any operands below 2^255.</summary>
    public static Scalar MultiplyAdd(in Scalar a, in Scalar b, in Scalar c)
    {
        Span<ulong> product = stackalloc ulong[8];
        product.Clear();
        Multiply([a.W0, a.W1, a.W2, a.W3], [b.W0, b.W1, b.W2, b.W3], product);
        ReadOnlySpan<ulong> addend = [c.W0, c.W1, c.W2, c.W3];
        ulong carry = 0;
        for (int i = 0; i < 8; i++)
        {
            ulong sum = product[i] + carry;
            carry = sum < carry ? 1UL : 0UL;
            ulong term = i < 4 ? addend[i] : 0;
            sum += term;
            carry += sum < term ? 1UL : 0UL;
            product[i] = sum;
        }

        return Reduce(product);
    }

    /// <summary>L - a, or zero for zero; a below L. Not constant time.</summary>
    public Scalar Negate()
    {
        if (this == default)
        {
            return this;
        }

        Span<ulong> r = stackalloc ulong[4];
        ReadOnlySpan<ulong> words = [W0, W1, W2, W3];
        ulong borrow = 0;
        for (int i = 0; i < 4; i++)
        {
            r[i] = SubtractWithBorrow(Order[i], words[i], ref borrow);
        }

        return new Scalar(r[0], r[1], r[2], r[3]);
    }

    /// <summary>Signed digits of a public scalar: the sum of digits[i] * 2^i is the value, a digit is 0 or odd with
    /// |digit| below 2^(<paramref name="width"/> - 1), and after a digit the next width - 1 are 0.</summary>
    /// <param name="digits">256 places.</param>
    /// <param name="width">[2, 8].</param>
    public void Windows(Span<sbyte> digits, int width)
    {
        digits.Clear();
        ReadOnlySpan<ulong> words = [W0, W1, W2, W3, 0];
        ulong range = 1UL << width;
        ulong carry = 0;
        for (int position = 0; position < 256;)
        {
            int word = position >> 6;
            int bit = position & 63;
            ulong bits = words[word] >> bit;
            if (bit > 64 - width)
            {
                bits |= words[word + 1] << (64 - bit);
            }

            ulong window = carry + (bits & (range - 1));
            if ((window & 1) == 0)
            {
                position++; // an even window: the carry, if any, stays for the next bit
                continue;
            }

            carry = window >= range / 2 ? 1UL : 0UL;
            digits[position] = (sbyte)((long)window - (long)(carry << width));
            position += width;
        }
    }

    private static Scalar Reduce(Span<ulong> x)
    {
        Span<ulong> estimate = stackalloc ulong[13];
        estimate.Clear();
        Multiply(x, Mu, estimate);
        Span<ulong> multiple = stackalloc ulong[9];
        multiple.Clear();
        Multiply(estimate[8..], Order, multiple);

        // the difference is below 3L < 2^254, so four words of both hold all of it
        Span<ulong> r = stackalloc ulong[4];
        ulong borrow = 0;
        for (int i = 0; i < 4; i++)
        {
            r[i] = SubtractWithBorrow(x[i], multiple[i], ref borrow);
        }

        SubtractOrderOnce(r);
        SubtractOrderOnce(r);
        return new Scalar(r[0], r[1], r[2], r[3]);
    }

    private static void SubtractOrderOnce(Span<ulong> r)
    {
        Span<ulong> less = stackalloc ulong[4];
        ulong borrow = 0;
        for (int i = 0; i < 4; i++)
        {
            less[i] = SubtractWithBorrow(r[i], Order[i], ref borrow);
        }

        ulong keep = 0 - borrow; // all ones when r was below L
        for (int i = 0; i < 4; i++)
        {
            r[i] = less[i] ^ (keep & (less[i] ^ r[i]));
        }
    }

    private static ulong SubtractWithBorrow(ulong a, ulong b, ref ulong borrow)
    {
        ulong difference = a - b;
        ulong under = a < b ? 1UL : 0UL;
        ulong result = difference - borrow;
        borrow = under | (difference < borrow ? 1UL : 0UL);
        return result;
    }

    /// <summary>Adds a * b to <paramref name="sum"/>, which has a.Length + b.Length words and is zero above what it holds.</summary>
    private static void Multiply(ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b, Span<ulong> sum)
    {
        for (int i = 0; i < a.Length; i++)
        {
            ulong factor = a[i];
            ulong carry = 0;
            Span<ulong> row = sum.Slice(i, b.Length + 1);
            for (int j = 0; j < b.Length; j++)
            {
                ulong high = Field.Product(factor, b[j], out ulong low);
                low += carry;
                high += low < carry ? 1UL : 0UL;
                ulong old = row[j];
                low += old;
                high += low < old ? 1UL : 0UL;
                row[j] = low;
                carry = high;
            }

            row[b.Length] = carry;
        }
    }
}
