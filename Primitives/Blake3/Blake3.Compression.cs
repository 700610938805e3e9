// The BLAKE3 compression function, twice: with four-lane vectors (what runs) and as the plain definition (the oracle).
//
//   state    v0..v15 = chaining value (8) | IV (4) | counter low, counter high, block length, flags
//   rounds   7; each mixes the four columns, then the four diagonals, with the message words in a permuted order
//   result   words 0..7 = v[i] ^ v[i+8] (the next chaining value), words 8..15 = v[i+8] ^ cv[i] (more root output)
//
// In the vector form a row of the 4x4 state is one vector, so one quarter-round works on four columns. To reach the
// diagonals, rows a, c, d are turned and row b stays: b is the value computed last, so its turn would be waited for.
// The message words of that half are taken in the order of the turned lanes, which begins with the last diagonal.
//
// Source: the BLAKE3 specification, sections 2.1-2.3.   Threading: pure.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    private const uint Iv0 = 0x6A09E667;
    private const uint Iv1 = 0xBB67AE85;
    private const uint Iv2 = 0x3C6EF372;
    private const uint Iv3 = 0xA54FF53A;
    private const uint Iv4 = 0x510E527F;
    private const uint Iv5 = 0x9B05688C;
    private const uint Iv6 = 0x1F83D9AB;
    private const uint Iv7 = 0x5BE0CD19;

    /// <summary>Row r: which message word each of the 16 places of round r takes.</summary>
    private static ReadOnlySpan<byte> Schedule =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8,
        3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1,
        10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6,
        12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4,
        9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7,
        11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13,
    ];

    /// <summary>One compression with vectors.</summary>
    /// <param name="cv">Chaining value or key words, 8.</param>
    /// <param name="m">Message words, 16.</param>
    /// <param name="counter">Chunk index, 0 for parents, or the index of the output block at the root.</param>
    /// <param name="length">Message bytes in the block, [0, 64].</param>
    /// <param name="flags">Domain flags.</param>
    /// <param name="result">16 words; only the first 8 are written when it is shorter. May be <paramref name="cv"/>.</param>
    internal static void Compress(
        ReadOnlySpan<uint> cv, ReadOnlySpan<uint> m, ulong counter, uint length, uint flags, Span<uint> result)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            CompressPlain(cv, m, counter, length, flags, result);
            return;
        }

        Vector128<uint> low = Vector128.Create(cv);
        Vector128<uint> high = Vector128.Create(cv[4..]);
        CompressVector(low, high, m, counter, length, flags, out Vector128<uint> a, out Vector128<uint> b, out Vector128<uint> c, out Vector128<uint> d);
        (a ^ c).CopyTo(result);
        (b ^ d).CopyTo(result[4..]);
        if (result.Length >= 16)
        {
            (c ^ low).CopyTo(result[8..]);
            (d ^ high).CopyTo(result[12..]);
        }
    }

    /// <summary>The seven rounds; the caller folds the rows.</summary>
    private static void CompressVector(
        Vector128<uint> low,
        Vector128<uint> high,
        ReadOnlySpan<uint> m,
        ulong counter,
        uint length,
        uint flags,
        out Vector128<uint> rowA,
        out Vector128<uint> rowB,
        out Vector128<uint> rowC,
        out Vector128<uint> rowD)
    {
        _ = m[15]; // one bounds check for all that follow
        Vector128<uint> a = low;
        Vector128<uint> b = high;
        Vector128<uint> c = Vector128.Create(Iv0, Iv1, Iv2, Iv3);
        Vector128<uint> d = Vector128.Create((uint)counter, (uint)(counter >> 32), length, flags);

        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[0], m[2], m[4], m[6]), Vector128.Create(m[1], m[3], m[5], m[7]),
            Vector128.Create(m[14], m[8], m[10], m[12]), Vector128.Create(m[15], m[9], m[11], m[13]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[2], m[3], m[7], m[4]), Vector128.Create(m[6], m[10], m[0], m[13]),
            Vector128.Create(m[15], m[1], m[12], m[9]), Vector128.Create(m[8], m[11], m[5], m[14]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[3], m[10], m[13], m[7]), Vector128.Create(m[4], m[12], m[2], m[14]),
            Vector128.Create(m[8], m[6], m[9], m[11]), Vector128.Create(m[1], m[5], m[0], m[15]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[10], m[12], m[14], m[13]), Vector128.Create(m[7], m[9], m[3], m[15]),
            Vector128.Create(m[1], m[4], m[11], m[5]), Vector128.Create(m[6], m[0], m[2], m[8]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[12], m[9], m[15], m[14]), Vector128.Create(m[13], m[11], m[10], m[8]),
            Vector128.Create(m[6], m[7], m[5], m[0]), Vector128.Create(m[4], m[2], m[3], m[1]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[9], m[11], m[8], m[15]), Vector128.Create(m[14], m[5], m[12], m[1]),
            Vector128.Create(m[4], m[13], m[0], m[2]), Vector128.Create(m[7], m[3], m[10], m[6]));
        Round(ref a, ref b, ref c, ref d,
            Vector128.Create(m[11], m[5], m[1], m[8]), Vector128.Create(m[15], m[0], m[9], m[6]),
            Vector128.Create(m[7], m[14], m[2], m[3]), Vector128.Create(m[13], m[10], m[12], m[4]));

        rowA = a;
        rowB = b;
        rowC = c;
        rowD = d;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(
        ref Vector128<uint> a,
        ref Vector128<uint> b,
        ref Vector128<uint> c,
        ref Vector128<uint> d,
        Vector128<uint> columnX,
        Vector128<uint> columnY,
        Vector128<uint> diagonalX,
        Vector128<uint> diagonalY)
    {
        Quarter(ref a, ref b, ref c, ref d, columnX, columnY);
        a = Vector128.Shuffle(a, Vector128.Create(3u, 0, 1, 2));
        c = Vector128.Shuffle(c, Vector128.Create(1u, 2, 3, 0));
        d = Vector128.Shuffle(d, Vector128.Create(2u, 3, 0, 1));
        Quarter(ref a, ref b, ref c, ref d, diagonalX, diagonalY);
        a = Vector128.Shuffle(a, Vector128.Create(1u, 2, 3, 0));
        c = Vector128.Shuffle(c, Vector128.Create(3u, 0, 1, 2));
        d = Vector128.Shuffle(d, Vector128.Create(2u, 3, 0, 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(
        ref Vector128<uint> a, ref Vector128<uint> b, ref Vector128<uint> c, ref Vector128<uint> d, Vector128<uint> x, Vector128<uint> y)
    {
        a = a + x + b;
        d = RotateRight(d ^ a, 16);
        c += d;
        b = RotateRight(b ^ c, 12);
        a = a + y + b;
        d = RotateRight(d ^ a, 8);
        c += d;
        b = RotateRight(b ^ c, 7);
    }

    /// <summary>Rotation of each lane. The bits are the same on every path; only the instruction differs.</summary>
    /// <param name="bits">A literal at every call, so one arm is left after inlining.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> RotateRight(Vector128<uint> value, [ConstantExpected] byte bits)
    {
        if (Avx512F.VL.IsSupported)
        {
            return Avx512F.VL.RotateRight(value, bits);
        }

        if (bits == 16)
        {
            return Vector128.Shuffle(
                value.AsByte(), Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)).AsUInt32();
        }

        if (bits == 8)
        {
            return Vector128.Shuffle(
                value.AsByte(), Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)).AsUInt32();
        }

        return (value >>> bits) | (value << (32 - bits));
    }

    /// <summary>One compression as the specification writes it: the oracle of <see cref="Compress"/>, and what runs where
    /// there are no vectors.</summary>
    internal static void CompressPlain(
        ReadOnlySpan<uint> cv, ReadOnlySpan<uint> m, ulong counter, uint length, uint flags, Span<uint> result)
    {
        Span<uint> v =
        [
            cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
            Iv0, Iv1, Iv2, Iv3, (uint)counter, (uint)(counter >> 32), length, flags,
        ];
        for (int round = 0; round < 7; round++)
        {
            ReadOnlySpan<byte> order = Schedule.Slice(round * 16, 16);
            for (int i = 0; i < 4; i++)
            {
                QuarterPlain(v, i, 4 + i, 8 + i, 12 + i, m[order[2 * i]], m[order[(2 * i) + 1]]);
            }

            for (int i = 0; i < 4; i++)
            {
                QuarterPlain(
                    v, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3), m[order[8 + (2 * i)]], m[order[9 + (2 * i)]]);
            }
        }

        for (int i = 0; i < 8; i++)
        {
            uint next = v[i] ^ v[i + 8];
            if (result.Length >= 16)
            {
                result[i + 8] = v[i + 8] ^ cv[i];
            }

            result[i] = next;
        }
    }

    private static void QuarterPlain(Span<uint> v, int a, int b, int c, int d, uint x, uint y)
    {
        v[a] += v[b] + x;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 12);
        v[a] += v[b] + y;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 8);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 7);
    }
}
