// Multiples of the base point, computed once per process from B itself, so there is no table to trust.
//
//   Comb    [32][8]: (j + 1) * 256^i * B, for signing: 64 signed nibbles, every entry of a row read for each of them
//   Multiples [129]: j * B in rows of 16 words, for eight verifications side by side: digits of 8 bits
//   Odd     [64]:    (2j + 1) * B, for verification: windows of width 8
//
// Cost: about 56 KiB and three inversions (all Z of a table are inverted together).   Threading: immutable after its initialiser.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives;

/// <summary>Tables of the base point.</summary>
internal static class BaseTable
{
    /// <summary>Words of a row of <see cref="Multiples"/>.</summary>
    public const int RowWords = 16;

    private const int Rows = 32;
    private const int Columns = 8;
    private const int NielsWords = 15;

    private static readonly Niels[] Comb = BuildComb();
    private static readonly Niels[] OddMultiples = BuildOdd();

    /// <summary>(2j + 1) * B at index j, [0, 64).</summary>
    public static ReadOnlySpan<Niels> Odd => OddMultiples;

    /// <summary>j * B, [0, 128], in rows of <see cref="RowWords"/> words: y + x, y - x, 2dxy in 51-bit limbs, one word over.</summary>
    public static ulong[] Multiples { get; } = BuildMultiples();

    /// <summary>scalar * B in constant time.</summary>
    /// <param name="scalar">Below 2^255; secret.</param>
    /// <param name="r">All four coordinates.</param>
    public static void Multiply(in Scalar scalar, out Point r)
    {
        // signed nibbles in [-8, 8), the last one in [0, 8]
        Span<sbyte> digits = stackalloc sbyte[64];
        ReadOnlySpan<ulong> words = [scalar.W0, scalar.W1, scalar.W2, scalar.W3];
        int carry = 0;
        for (int i = 0; i < 63; i++)
        {
            int nibble = (int)(words[i >> 4] >> (4 * (i & 15)) & 15) + carry;
            carry = (nibble + 8) >> 4;
            digits[i] = (sbyte)(nibble - (carry << 4));
        }

        digits[63] = (sbyte)((int)(scalar.W3 >> 60) + carry);

        // the odd nibbles, times 16, then the even ones: two nibbles share a row
        r = Point.Neutral;
        for (int i = 1; i < 64; i += 2)
        {
            Select(i / 2, digits[i], out Niels entry);
            Point.Add(out Completed sum, r, entry);
            sum.ToPoint(ref r);
        }

        for (int i = 0; i < 4; i++)
        {
            Point.Double(out Completed twice, r);
            twice.ToPoint(ref r);
        }

        for (int i = 0; i < 64; i += 2)
        {
            Select(i / 2, digits[i], out Niels entry);
            Point.Add(out Completed sum, r, entry);
            sum.ToPoint(ref r);
        }

        digits.Clear();
    }

    /// <summary>digit * 256^row * B, reading the whole row whatever the digit is.</summary>
    private static void Select(int row, sbyte digit, out Niels entry)
    {
        ulong negative = (ulong)((long)digit >> 63);
        ulong magnitude = ((ulong)(long)digit ^ negative) - negative;

        // 15 words in four vectors, the last two sharing word 11; the neutral point where no entry is meant
        ulong none = 0 - ((magnitude - 1) >> 63);
        Vector256<ulong> a = Vector256.Create(1UL, 0, 0, 0) & Vector256.Create(none); // Sum = 1
        Vector256<ulong> b = Vector256.Create(0UL, 1, 0, 0) & Vector256.Create(none); // Difference = 1
        Vector256<ulong> c = Vector256<ulong>.Zero;
        Vector256<ulong> d = Vector256<ulong>.Zero;
        ref ulong words = ref Unsafe.As<Niels, ulong>(ref Comb[row * Columns]);
        for (int j = 0; j < Columns; j++)
        {
            Vector256<ulong> mask = Vector256.Create(0 - (((magnitude ^ (ulong)(j + 1)) - 1) >> 63));
            nuint start = (nuint)(j * NielsWords);
            a |= mask & Vector256.LoadUnsafe(ref words, start);
            b |= mask & Vector256.LoadUnsafe(ref words, start + 4);
            c |= mask & Vector256.LoadUnsafe(ref words, start + 8);
            d |= mask & Vector256.LoadUnsafe(ref words, start + 11);
        }

        Unsafe.SkipInit(out entry);
        ref ulong target = ref Unsafe.As<Niels, ulong>(ref entry);
        a.StoreUnsafe(ref target);
        b.StoreUnsafe(ref target, 4);
        c.StoreUnsafe(ref target, 8);
        d.StoreUnsafe(ref target, 11);

        Field sum = entry.Sum;
        entry.Sum.Select(entry.Difference, negative);
        entry.Difference.Select(sum, negative);
        Field.Negate(out Field negated, entry.Xy2d);
        entry.Xy2d.Select(negated, negative);
    }

    private static Niels[] BuildComb()
    {
        Point[] points = new Point[Rows * Columns];
        Point row = Point.Base();
        for (int i = 0; i < Rows; i++)
        {
            row.ToCached(out Cached step);
            Point entry = row;
            for (int j = 0; j < Columns; j++)
            {
                points[(i * Columns) + j] = entry;
                Point.Add(out Completed sum, entry, step);
                sum.ToPoint(ref entry);
            }

            for (int k = 0; k < 8; k++)
            {
                Point.Double(out Completed twice, row);
                twice.ToPoint(ref row);
            }
        }

        return Normalise(points);
    }

    private static Niels[] BuildOdd()
    {
        Point[] points = new Point[64];
        Point entry = Point.Base();
        Point.Double(out Completed twice, entry);
        Point two = default;
        twice.ToPoint(ref two);
        two.ToCached(out Cached step);
        for (int j = 0; j < points.Length; j++)
        {
            points[j] = entry;
            Point.Add(out Completed sum, entry, step);
            sum.ToPoint(ref entry);
        }

        return Normalise(points);
    }

    private static ulong[] BuildMultiples()
    {
        Point[] points = new Point[129];
        Point.Base().ToCached(out Cached step);
        Point entry = Point.Neutral;
        for (int j = 0; j < points.Length; j++)
        {
            points[j] = entry;
            Point.Add(out Completed sum, entry, step);
            sum.ToPoint(ref entry);
        }

        ulong[] rows = new ulong[points.Length * RowWords];
        Niels[] multiples = Normalise(points);
        for (int j = 0; j < multiples.Length; j++)
        {
            MemoryMarshal.Cast<Niels, ulong>(multiples.AsSpan(j, 1)).CopyTo(rows.AsSpan(j * RowWords));
        }

        return rows;
    }

    /// <summary>All Z to 1 with one inversion: invert the product of all, then peel one factor after the other.</summary>
    private static Niels[] Normalise(Point[] points)
    {
        Field[] before = new Field[points.Length]; // product of the Z of all earlier points
        Field product = Field.One;
        for (int i = 0; i < points.Length; i++)
        {
            before[i] = product;
            Field.Multiply(out product, product, points[i].Z);
        }

        Field.Invert(out Field inverse, product);
        Niels[] result = new Niels[points.Length];
        for (int i = points.Length - 1; i >= 0; i--)
        {
            Field.Multiply(out Field inverseZ, inverse, before[i]);
            Field.Multiply(out inverse, inverse, points[i].Z);
            points[i].ToNiels(inverseZ, out result[i]);
        }

        return result;
    }
}
