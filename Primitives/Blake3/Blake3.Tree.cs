// The tree of one long input, in lanes: chunks side by side, then their parents side by side.
//
// A subtree of more chunks than lanes is split like the tree itself, the largest power of two of chunks to the left, and each side
// gives at most as many chaining values as there are lanes, not one: so the parents of two sides fill a step, and only the top
// of the tree runs in narrow ones. Parents cost 6 % beside their chunks; joined chunk by chunk they would cost 25 %.
//
//   Subtree(input)          chaining values of some level, left to right, [1, max(lanes, 2)]
//   Parents(values)         the next level; a value without a partner goes up as it is
//   Join(values)            Parents until one is left, or two where the root is to be compressed by the caller
//
// Cost: 1 KiB of stack per level of the split, at most 21 levels (a span has at most 2^21 chunks).
// Threading: pure.   Source: the BLAKE3 specification, sections 2.1 and 5.3.

using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    /// <summary>Chaining values that a subtree may give: one per lane, but two where a lane is one.</summary>
    private const int MaxSubtreeBytes = MaxLanes * Bytes32.Size;

    /// <summary>Chaining values of chunks under the key of no key, from any counter on: what a test of the counter needs.</summary>
    internal static int ChunkValues(ReadOnlySpan<byte> input, ulong chunk, int lanes, Span<byte> values) =>
        Chunks(Iv, input, chunk, 0, lanes, values);

    /// <summary>Runs the subtree of an input that is not all of the message, or has more than one chunk.</summary>
    /// <param name="chunk">Index of its first chunk; a multiple of the largest power of two that is below its chunks.</param>
    /// <param name="values">Filled with chaining values, 32 bytes each.</param>
    /// <returns>How many values there are.</returns>
    [SkipLocalsInit]
    private static int Subtree(ReadOnlySpan<uint> key, ReadOnlySpan<byte> input, ulong chunk, uint mode, int lanes, Span<byte> values)
    {
        int chunks = (int)(((long)input.Length + ChunkBytes - 1) / ChunkBytes);
        if (chunks <= Math.Max(lanes, 2))
        {
            return Chunks(key, input, chunk, mode, lanes, values);
        }

        int left = (int)(BitOperations.RoundUpToPowerOf2((uint)chunks) / 2);
        Span<byte> both = stackalloc byte[2 * MaxSubtreeBytes];
        int count = Subtree(key, input[..(left * ChunkBytes)], chunk, mode, lanes, both);
        count += Subtree(key, input[(left * ChunkBytes)..], chunk + (ulong)left, mode, lanes, both[(count * Bytes32.Size)..]);
        return Parents(key, both[..(count * Bytes32.Size)], mode, lanes, values);
    }

    /// <summary>Chaining values of at most max(<paramref name="lanes"/>, 2) chunks, of which the last may be short.</summary>
    [SkipLocalsInit]
    private static int Chunks(ReadOnlySpan<uint> key, ReadOnlySpan<byte> input, ulong chunk, uint mode, int lanes, Span<byte> values)
    {
        int done = 0;
        int whole = input.Length / ChunkBytes;
        if (lanes > 1 && whole >= FewestForLanes)
        {
            Batch batch = new(
                ChunkBytes, ChunkBytes, chunk, 1, mode, FlagChunkStart, FlagChunkEnd, FromValues: false, ToValues: false);
            Step(key, ref MemoryMarshal.GetReference(input), batch, whole, lanes, values);
            done = whole;
        }

        Span<uint> cv = stackalloc uint[8];
        Span<uint> block = stackalloc uint[16];
        for (; done * ChunkBytes < input.Length; done++)
        {
            ReadOnlySpan<byte> one = input[(done * ChunkBytes)..];
            one = one[..Math.Min(ChunkBytes, one.Length)];
            uint flags = ChunkButLastBlock(key, one, chunk + (ulong)done, mode, cv, block, out uint length);
            Compress(cv, block, chunk + (ulong)done, length, flags, cv);
            StoreWords(cv, values[(done * Bytes32.Size)..]);
        }

        return done;
    }

    /// <summary>The parents of chaining values.</summary>
    /// <param name="children">At most 2 max(<paramref name="lanes"/>, 2) values, 32 bytes each.</param>
    /// <param name="values">Filled with half as many, rounded up; must not overlap <paramref name="children"/>.</param>
    /// <returns>How many there are.</returns>
    [SkipLocalsInit]
    private static int Parents(ReadOnlySpan<uint> key, ReadOnlySpan<byte> children, uint mode, int lanes, Span<byte> values)
    {
        int done = 0;
        int pairs = children.Length / BlockBytes;
        if (lanes > 1 && pairs >= FewestForLanes)
        {
            Batch batch = new(BlockBytes, BlockBytes, 0, 0, mode | FlagParent, 0, 0, FromValues: false, ToValues: false);
            Step(key, ref MemoryMarshal.GetReference(children), batch, pairs, lanes, values);
            done = pairs;
        }

        Span<uint> cv = stackalloc uint[8];
        Span<uint> block = stackalloc uint[16];
        for (; done < pairs; done++)
        {
            LoadFull(children.Slice(done * BlockBytes, BlockBytes), block);
            Compress(key, block, 0, BlockBytes, mode | FlagParent, cv);
            StoreWords(cv, values[(done * Bytes32.Size)..]);
        }

        ReadOnlySpan<byte> alone = children[(pairs * BlockBytes)..];
        alone.CopyTo(values[(pairs * Bytes32.Size)..]);
        return pairs + (alone.Length / Bytes32.Size);
    }

    /// <summary>Joins chaining values up to the last one, or up to the two below the root.</summary>
    /// <param name="values">What a subtree gave; the result replaces its beginning.</param>
    /// <param name="count">How many.</param>
    /// <param name="until">1 or 2.</param>
    [SkipLocalsInit]
    private static void Join(ReadOnlySpan<uint> key, Span<byte> values, int count, int until, uint mode, int lanes)
    {
        Span<byte> next = stackalloc byte[MaxSubtreeBytes];
        while (count > until)
        {
            count = Parents(key, values[..(count * Bytes32.Size)], mode, lanes, next);
            next[..(count * Bytes32.Size)].CopyTo(values);
        }
    }
}
