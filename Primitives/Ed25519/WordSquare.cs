// Eight rows of eight words, turned so that rows become lanes: how points in memory get into vectors and back.
//
// Only where FieldVector.IsSupported.   Cost: 24 shuffles.   Threading: pure.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

/// <summary>An 8 x 8 square of words.</summary>
internal struct WordSquare
{
    public Vector512<ulong> W0;
    public Vector512<ulong> W1;
    public Vector512<ulong> W2;
    public Vector512<ulong> W3;
    public Vector512<ulong> W4;
    public Vector512<ulong> W5;
    public Vector512<ulong> W6;
    public Vector512<ulong> W7;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public WordSquare(
        Vector512<ulong> w0,
        Vector512<ulong> w1,
        Vector512<ulong> w2,
        Vector512<ulong> w3,
        Vector512<ulong> w4,
        Vector512<ulong> w5,
        Vector512<ulong> w6,
        Vector512<ulong> w7)
    {
        W0 = w0;
        W1 = w1;
        W2 = w2;
        W3 = w3;
        W4 = w4;
        W5 = w5;
        W6 = w6;
        W7 = w7;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WordSquare Load(ref ulong buckets, ReadOnlySpan<int> offsets, int skip) => new(
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[0] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[1] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[2] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[3] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[4] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[5] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[6] + skip)),
        Vector512.LoadUnsafe(ref buckets, (nuint)(offsets[7] + skip)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(ref ulong buckets, ReadOnlySpan<int> offsets, int skip)
    {
        W0.StoreUnsafe(ref buckets, (nuint)(offsets[0] + skip));
        W1.StoreUnsafe(ref buckets, (nuint)(offsets[1] + skip));
        W2.StoreUnsafe(ref buckets, (nuint)(offsets[2] + skip));
        W3.StoreUnsafe(ref buckets, (nuint)(offsets[3] + skip));
        W4.StoreUnsafe(ref buckets, (nuint)(offsets[4] + skip));
        W5.StoreUnsafe(ref buckets, (nuint)(offsets[5] + skip));
        W6.StoreUnsafe(ref buckets, (nuint)(offsets[6] + skip));
        W7.StoreUnsafe(ref buckets, (nuint)(offsets[7] + skip));
    }

    /// <summary>Word j of row i becomes word i of row j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Transpose()
    {
        // pairs of rows: even words of both in t0, t2, t4, t6, odd ones in t1, t3, t5, t7
        Vector512<ulong> t0 = Avx512F.UnpackLow(W0, W1);
        Vector512<ulong> t1 = Avx512F.UnpackHigh(W0, W1);
        Vector512<ulong> t2 = Avx512F.UnpackLow(W2, W3);
        Vector512<ulong> t3 = Avx512F.UnpackHigh(W2, W3);
        Vector512<ulong> t4 = Avx512F.UnpackLow(W4, W5);
        Vector512<ulong> t5 = Avx512F.UnpackHigh(W4, W5);
        Vector512<ulong> t6 = Avx512F.UnpackLow(W6, W7);
        Vector512<ulong> t7 = Avx512F.UnpackHigh(W6, W7);

        // words 0 and 4 (2 and 6, 1 and 5, 3 and 7) of four rows
        Vector512<ulong> a04 = Avx512F.Shuffle4x128(t0, t2, 0x88);
        Vector512<ulong> a26 = Avx512F.Shuffle4x128(t0, t2, 0xDD);
        Vector512<ulong> b04 = Avx512F.Shuffle4x128(t4, t6, 0x88);
        Vector512<ulong> b26 = Avx512F.Shuffle4x128(t4, t6, 0xDD);
        Vector512<ulong> a15 = Avx512F.Shuffle4x128(t1, t3, 0x88);
        Vector512<ulong> a37 = Avx512F.Shuffle4x128(t1, t3, 0xDD);
        Vector512<ulong> b15 = Avx512F.Shuffle4x128(t5, t7, 0x88);
        Vector512<ulong> b37 = Avx512F.Shuffle4x128(t5, t7, 0xDD);

        W0 = Avx512F.Shuffle4x128(a04, b04, 0x88);
        W4 = Avx512F.Shuffle4x128(a04, b04, 0xDD);
        W2 = Avx512F.Shuffle4x128(a26, b26, 0x88);
        W6 = Avx512F.Shuffle4x128(a26, b26, 0xDD);
        W1 = Avx512F.Shuffle4x128(a15, b15, 0x88);
        W5 = Avx512F.Shuffle4x128(a15, b15, 0xDD);
        W3 = Avx512F.Shuffle4x128(a37, b37, 0x88);
        W7 = Avx512F.Shuffle4x128(a37, b37, 0xDD);
    }
}
