// Many messages of one length at once, one lane of a vector each: what batches of tree nodes, the chunks of a long input and the
// parents above them all come down to.
//
//   message rows   word w of every lane = row w                     16 rows, turned block by block
//   value rows     word w of every lane's chaining value            8 rows, kept between the blocks
//   counters       low words, high words                            2 rows
//
// A row takes 64 bytes at every width, so one table of places serves all. The state of a compression is 16 vectors, and no word
// ever crosses its lane. Spare lanes work on message 0 again and their results are dropped: the time of a compression hardly
// depends on its width, so a padded wide step is cheaper than two narrow ones.
//
// Invariants
//   I1  count is [1, lanes of the width]; every offset points at length readable bytes
//   I2  only whole blocks are read from the messages; the bytes of a last part are copied behind zeros first
//
// Cost: per block of every lane one compression, 32 to 48 shuffles, 112 loads of rows.
// Threading: pure.   Source: the BLAKE3 specification, sections 2.2 and 5.3.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    /// <summary>Lanes of the widest vector.</summary>
    internal const int MaxLanes = 16;

    /// <summary>32-bit words from one row to the next.</summary>
    private const int RowWords = MaxLanes;

    /// <summary>Most lanes that this machine runs at full speed: 16, 8, 4, or 1 where there are no vectors.</summary>
    internal static int WidestLanes
    {
        get
        {
            if (!BitConverter.IsLittleEndian || !Vector128.IsHardwareAccelerated)
            {
                return 1;
            }

            if (Vector512.IsHardwareAccelerated && Avx512BW.IsSupported)
            {
                return 16;
            }

            return Avx2.IsSupported ? 8 : 4;
        }
    }

    /// <summary>Row r: at which word from the first row on each of the 16 places of round r finds its row.</summary>
    private static ReadOnlySpan<byte> RowSchedule =>
    [
        0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
        32, 96, 48, 160, 112, 0, 64, 208, 16, 176, 192, 80, 144, 224, 240, 128,
        48, 64, 160, 192, 208, 32, 112, 224, 96, 80, 144, 0, 176, 240, 128, 16,
        160, 112, 192, 144, 224, 48, 208, 240, 64, 0, 176, 32, 80, 128, 16, 96,
        192, 208, 144, 176, 240, 160, 224, 128, 112, 32, 80, 48, 0, 16, 96, 64,
        144, 224, 176, 80, 128, 192, 240, 16, 208, 48, 0, 160, 32, 96, 64, 112,
        176, 240, 80, 0, 16, 144, 128, 96, 224, 160, 32, 192, 48, 64, 112, 208,
    ];

    /// <summary>What the kernel is told about the messages of a step, beside their bytes.</summary>
    /// <param name="Length">Bytes of every message, [0, 1024].</param>
    /// <param name="Stride">Bytes from one message to the next.</param>
    /// <param name="Counter">Counter of message 0.</param>
    /// <param name="CounterStep">1 for the chunks of one input, 0 for messages of their own.</param>
    /// <param name="Flags">On every block.</param>
    /// <param name="First">Also on the first block.</param>
    /// <param name="Last">Also on the last block.</param>
    /// <param name="FromValues">Messages are memory of <see cref="Bytes32"/>, not bytes in order; then their length is 64.</param>
    /// <param name="ToValues">Results are written as memory of <see cref="Bytes32"/>.</param>
    private readonly record struct Batch(
        int Length, nuint Stride, ulong Counter, ulong CounterStep, uint Flags, uint First, uint Last, bool FromValues, bool ToValues);

    /// <summary>Hashes <paramref name="count"/> messages in the narrowest vectors that hold them all.</summary>
    /// <param name="count">[1, <paramref name="lanes"/>].</param>
    /// <param name="lanes">4, 8 or 16, and at most <see cref="WidestLanes"/>.</param>
    /// <param name="output">32 bytes for each message.</param>
    private static void Step(ReadOnlySpan<uint> key, ref byte input, in Batch batch, int count, int lanes, Span<byte> output)
    {
        if (lanes == 16 && count > 8)
        {
            Step<Vector512<uint>, Lanes16>(key, ref input, batch, count, output);
        }
        else if (lanes >= 8 && count > 4)
        {
            Step<Vector256<uint>, Lanes8>(key, ref input, batch, count, output);
        }
        else
        {
            Step<Vector128<uint>, Lanes4>(key, ref input, batch, count, output);
        }
    }

    // SAFETY: I1 and I2; rows are indexed below 16 x RowWords, and results below MaxLanes x 32 bytes.
    [SkipLocalsInit]
    private static void Step<TVector, TLanes>(ReadOnlySpan<uint> key, ref byte input, in Batch batch, int count, Span<byte> output)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        Span<nuint> offsets = stackalloc nuint[MaxLanes];
        Span<uint> counters = stackalloc uint[2 * RowWords];
        for (int lane = 0; lane < TLanes.Count; lane++)
        {
            int message = lane < count ? lane : 0;
            offsets[lane] = (nuint)message * batch.Stride;
            ulong counter = batch.Counter + ((ulong)message * batch.CounterStep);
            counters[lane] = (uint)counter;
            counters[RowWords + lane] = (uint)(counter >> 32);
        }

        Span<uint> values = stackalloc uint[8 * RowWords];
        for (int word = 0; word < 8; word++)
        {
            TLanes.Store(TLanes.Create(key[word]), ref values[word * RowWords]);
        }

        Span<uint> rows = stackalloc uint[16 * RowWords];
        uint flags = batch.Flags | batch.First;
        int at = 0;
        for (; batch.Length - at > BlockBytes; at += BlockBytes)
        {
            TurnIn<TVector, TLanes>(ref input, offsets, (nuint)at, batch.FromValues, rows);
            CompressRows<TVector, TLanes>(values, rows, counters, BlockBytes, flags);
            flags = batch.Flags;
        }

        int rest = batch.Length - at;
        if (rest == BlockBytes)
        {
            TurnIn<TVector, TLanes>(ref input, offsets, (nuint)at, batch.FromValues, rows);
        }
        else
        {
            TurnInRest<TVector, TLanes>(ref input, offsets, at, rest, rows);
        }

        CompressRows<TVector, TLanes>(values, rows, counters, (uint)rest, flags | batch.Last);
        if (count == TLanes.Count)
        {
            TurnOut<TVector, TLanes>(values, batch.ToValues, output[..(TLanes.Count * Bytes32.Size)]);
        }
        else
        {
            Span<byte> results = stackalloc byte[MaxLanes * Bytes32.Size];
            TurnOut<TVector, TLanes>(values, batch.ToValues, results);
            results[..(count * Bytes32.Size)].CopyTo(output);
        }
    }

    /// <summary>One block of every message into rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnIn<TVector, TLanes>(ref byte input, Span<nuint> offsets, nuint at, bool reversed, Span<uint> rows)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        ref nuint offset = ref MemoryMarshal.GetReference(offsets);
        ref uint row = ref MemoryMarshal.GetReference(rows);
        for (int piece = 0; piece < 4; piece++)
        {
            TVector a = TLanes.Gather(ref input, ref offset, at);
            TVector b = TLanes.Gather(ref input, ref Unsafe.Add(ref offset, 1), at);
            TVector c = TLanes.Gather(ref input, ref Unsafe.Add(ref offset, 2), at);
            TVector d = TLanes.Gather(ref input, ref Unsafe.Add(ref offset, 3), at);
            if (reversed)
            {
                a = TLanes.ReverseEights(a);
                b = TLanes.ReverseEights(b);
                c = TLanes.ReverseEights(c);
                d = TLanes.ReverseEights(d);
            }

            Turn<TVector, TLanes>(ref a, ref b, ref c, ref d);
            TLanes.Store(a, ref row);
            TLanes.Store(b, ref Unsafe.Add(ref row, RowWords));
            TLanes.Store(c, ref Unsafe.Add(ref row, 2 * RowWords));
            TLanes.Store(d, ref Unsafe.Add(ref row, 3 * RowWords));
            row = ref Unsafe.Add(ref row, 4 * RowWords);
            at += 16;
        }
    }

    /// <summary>The last part of every message into rows, zeros behind it.</summary>
    /// <param name="rest">Bytes of the part, [0, 64).</param>
    [SkipLocalsInit]
    private static void TurnInRest<TVector, TLanes>(ref byte input, Span<nuint> offsets, int at, int rest, Span<uint> rows)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        Span<byte> padded = stackalloc byte[MaxLanes * BlockBytes];
        Span<nuint> places = stackalloc nuint[MaxLanes];
        padded.Clear();
        for (int lane = 0; lane < TLanes.Count; lane++)
        {
            places[lane] = (nuint)(lane * BlockBytes);
            MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref input, offsets[lane] + (nuint)at), rest).CopyTo(padded[(lane * BlockBytes)..]);
        }

        TurnIn<TVector, TLanes>(ref MemoryMarshal.GetReference(padded), places, 0, false, rows);
    }

    /// <summary>The chaining values out of their rows, 32 bytes after 32 bytes.</summary>
    private static void TurnOut<TVector, TLanes>(Span<uint> values, bool reversed, Span<byte> output)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        ref byte target = ref MemoryMarshal.GetReference(output);
        for (int half = 0; half < 2; half++)
        {
            Span<uint> row = values.Slice(half * 4 * RowWords, 4 * RowWords);
            TVector a = TLanes.Load(ref row[0]);
            TVector b = TLanes.Load(ref row[RowWords]);
            TVector c = TLanes.Load(ref row[2 * RowWords]);
            TVector d = TLanes.Load(ref row[3 * RowWords]);
            Turn<TVector, TLanes>(ref a, ref b, ref c, ref d);
            if (reversed)
            {
                a = TLanes.ReverseEights(a);
                b = TLanes.ReverseEights(b);
                c = TLanes.ReverseEights(c);
                d = TLanes.ReverseEights(d);
            }

            TLanes.Scatter(a, ref target);
            TLanes.Scatter(b, ref Unsafe.Add(ref target, Bytes32.Size));
            TLanes.Scatter(c, ref Unsafe.Add(ref target, 2 * Bytes32.Size));
            TLanes.Scatter(d, ref Unsafe.Add(ref target, 3 * Bytes32.Size));
            target = ref Unsafe.Add(ref target, Bytes32.Size / 2);
        }
    }

    /// <summary>Transposes 4x4 words within each 128 bits. Its own inverse.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn<TVector, TLanes>(ref TVector a, ref TVector b, ref TVector c, ref TVector d)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        TVector lowAB = TLanes.UnpackLow(a, b);
        TVector highAB = TLanes.UnpackHigh(a, b);
        TVector lowCD = TLanes.UnpackLow(c, d);
        TVector highCD = TLanes.UnpackHigh(c, d);
        a = TLanes.UnpackLowHalves(lowAB, lowCD);
        b = TLanes.UnpackHighHalves(lowAB, lowCD);
        c = TLanes.UnpackLowHalves(highAB, highCD);
        d = TLanes.UnpackHighHalves(highAB, highCD);
    }

    /// <summary>One compression in every lane; the chaining values become the next ones.</summary>
    // optimized from its first call: without inlining every operation of a lane is a call
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CompressRows<TVector, TLanes>(Span<uint> values, Span<uint> rows, Span<uint> counters, uint length, uint flags)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        _ = rows[(16 * RowWords) - 1];
        ref uint m = ref MemoryMarshal.GetReference(rows);
        TVector v0 = TLanes.Load(ref values[0]);
        TVector v1 = TLanes.Load(ref values[RowWords]);
        TVector v2 = TLanes.Load(ref values[2 * RowWords]);
        TVector v3 = TLanes.Load(ref values[3 * RowWords]);
        TVector v4 = TLanes.Load(ref values[4 * RowWords]);
        TVector v5 = TLanes.Load(ref values[5 * RowWords]);
        TVector v6 = TLanes.Load(ref values[6 * RowWords]);
        TVector v7 = TLanes.Load(ref values[7 * RowWords]);
        TVector v8 = TLanes.Create(Iv0);
        TVector v9 = TLanes.Create(Iv1);
        TVector v10 = TLanes.Create(Iv2);
        TVector v11 = TLanes.Create(Iv3);
        TVector v12 = TLanes.Load(ref counters[0]);
        TVector v13 = TLanes.Load(ref counters[RowWords]);
        TVector v14 = TLanes.Create(length);
        TVector v15 = TLanes.Create(flags);

        ref byte place = ref MemoryMarshal.GetReference(RowSchedule);
        for (int round = 0; round < 7; round++)
        {
            Mix<TVector, TLanes>(
                ref v0, ref v1, ref v2, ref v3, ref v4, ref v5, ref v6, ref v7,
                ref v8, ref v9, ref v10, ref v11, ref v12, ref v13, ref v14, ref v15, ref m, ref place);
            Mix<TVector, TLanes>(
                ref v0, ref v1, ref v2, ref v3, ref v5, ref v6, ref v7, ref v4,
                ref v10, ref v11, ref v8, ref v9, ref v15, ref v12, ref v13, ref v14, ref m, ref Unsafe.Add(ref place, 8));
            place = ref Unsafe.Add(ref place, 16);
        }

        TLanes.Store(TLanes.Xor(v0, v8), ref values[0]);
        TLanes.Store(TLanes.Xor(v1, v9), ref values[RowWords]);
        TLanes.Store(TLanes.Xor(v2, v10), ref values[2 * RowWords]);
        TLanes.Store(TLanes.Xor(v3, v11), ref values[3 * RowWords]);
        TLanes.Store(TLanes.Xor(v4, v12), ref values[4 * RowWords]);
        TLanes.Store(TLanes.Xor(v5, v13), ref values[5 * RowWords]);
        TLanes.Store(TLanes.Xor(v6, v14), ref values[6 * RowWords]);
        TLanes.Store(TLanes.Xor(v7, v15), ref values[7 * RowWords]);
    }

    /// <summary>Four quarter-rounds in every lane, with the eight message rows that <paramref name="place"/> names.</summary>
    /// <remarks>Step by step for all four: each alone is one chain of dependent instructions, and the compiler keeps our order.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix<TVector, TLanes>(
        ref TVector a0, ref TVector a1, ref TVector a2, ref TVector a3,
        ref TVector b0, ref TVector b1, ref TVector b2, ref TVector b3,
        ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3,
        ref TVector d0, ref TVector d1, ref TVector d2, ref TVector d3,
        ref uint rows, ref byte place)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        a0 = TLanes.Add(TLanes.Add(a0, b0), Row<TVector, TLanes>(ref rows, ref place, 0));
        a1 = TLanes.Add(TLanes.Add(a1, b1), Row<TVector, TLanes>(ref rows, ref place, 2));
        a2 = TLanes.Add(TLanes.Add(a2, b2), Row<TVector, TLanes>(ref rows, ref place, 4));
        a3 = TLanes.Add(TLanes.Add(a3, b3), Row<TVector, TLanes>(ref rows, ref place, 6));
        d0 = TLanes.RotateRight(TLanes.Xor(d0, a0), 16);
        d1 = TLanes.RotateRight(TLanes.Xor(d1, a1), 16);
        d2 = TLanes.RotateRight(TLanes.Xor(d2, a2), 16);
        d3 = TLanes.RotateRight(TLanes.Xor(d3, a3), 16);
        c0 = TLanes.Add(c0, d0);
        c1 = TLanes.Add(c1, d1);
        c2 = TLanes.Add(c2, d2);
        c3 = TLanes.Add(c3, d3);
        b0 = TLanes.RotateRight(TLanes.Xor(b0, c0), 12);
        b1 = TLanes.RotateRight(TLanes.Xor(b1, c1), 12);
        b2 = TLanes.RotateRight(TLanes.Xor(b2, c2), 12);
        b3 = TLanes.RotateRight(TLanes.Xor(b3, c3), 12);
        a0 = TLanes.Add(TLanes.Add(a0, b0), Row<TVector, TLanes>(ref rows, ref place, 1));
        a1 = TLanes.Add(TLanes.Add(a1, b1), Row<TVector, TLanes>(ref rows, ref place, 3));
        a2 = TLanes.Add(TLanes.Add(a2, b2), Row<TVector, TLanes>(ref rows, ref place, 5));
        a3 = TLanes.Add(TLanes.Add(a3, b3), Row<TVector, TLanes>(ref rows, ref place, 7));
        d0 = TLanes.RotateRight(TLanes.Xor(d0, a0), 8);
        d1 = TLanes.RotateRight(TLanes.Xor(d1, a1), 8);
        d2 = TLanes.RotateRight(TLanes.Xor(d2, a2), 8);
        d3 = TLanes.RotateRight(TLanes.Xor(d3, a3), 8);
        c0 = TLanes.Add(c0, d0);
        c1 = TLanes.Add(c1, d1);
        c2 = TLanes.Add(c2, d2);
        c3 = TLanes.Add(c3, d3);
        b0 = TLanes.RotateRight(TLanes.Xor(b0, c0), 7);
        b1 = TLanes.RotateRight(TLanes.Xor(b1, c1), 7);
        b2 = TLanes.RotateRight(TLanes.Xor(b2, c2), 7);
        b3 = TLanes.RotateRight(TLanes.Xor(b3, c3), 7);
    }

    // SAFETY: places are multiples of RowWords below 16 x RowWords.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Row<TVector, TLanes>(ref uint rows, ref byte place, int index)
        where TVector : struct
        where TLanes : struct, ILanes<TVector> => TLanes.Load(ref Unsafe.Add(ref rows, (nuint)Unsafe.Add(ref place, index)));
}
