// Many short messages at once: what the levels of a tree of hashes need.
//
//   KeyedPairs   64-byte nodes held as pairs of values
//   KeyedMany    messages of one length, at most a chunk, one behind the other in memory: leaves
//
// One lane of a vector per message, as many lanes as the machine has (Blake3.Kernel.cs). One or two messages, and machines without
// vectors, take the single path, which is also the oracle.
//
// Cost: rows blake3.* of the crypto suite. Nothing allocates.   Threading: pure.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    // below this many, one at a time is not slower
    private const int FewestForLanes = 3;

    /// <summary>Keyed hashes of pairs: output i is <see cref="KeyedPair"/> of inputs 2i and 2i + 1.</summary>
    /// <param name="key">The key of all of them.</param>
    /// <param name="pairs">Left, right, left, right, ...: twice as many as <paramref name="hashes"/>.</param>
    /// <param name="hashes">Filled from the first to the last; may be the first half of <paramref name="pairs"/>' memory.</param>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static void KeyedPairs(in Bytes32 key, ReadOnlySpan<Bytes32> pairs, Span<Bytes32> hashes) =>
        KeyedPairs(key, pairs, hashes, WidestLanes);

    /// <summary>Keyed hashes of messages of one length: output i is <see cref="Keyed(in Bytes32, ReadOnlySpan{byte})"/> of message i.</summary>
    /// <param name="key">The key of all of them.</param>
    /// <param name="messages">One behind the other, nothing between.</param>
    /// <param name="messageBytes">Length of each, [0, 1024].</param>
    /// <param name="hashes">Filled from the first to the last; must not overlap <paramref name="messages"/>.</param>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static void KeyedMany(in Bytes32 key, ReadOnlySpan<byte> messages, int messageBytes, Span<Bytes32> hashes) =>
        KeyedMany(key, messages, messageBytes, hashes, WidestLanes);

    /// <summary>As the public one, with at most so many lanes.</summary>
    /// <param name="lanes">1, 4, 8 or 16, and at most <see cref="WidestLanes"/>.</param>
    [SkipLocalsInit]
    internal static void KeyedPairs(in Bytes32 key, ReadOnlySpan<Bytes32> pairs, Span<Bytes32> hashes, int lanes)
    {
        if (pairs.Length != 2 * hashes.Length)
        {
            throw new ArgumentException($"{pairs.Length} values are not the pairs of {hashes.Length} hashes.", nameof(pairs));
        }

        int done = 0;
        if (lanes > 1)
        {
            Batch batch = new(BlockBytes, BlockBytes, 0, 0, FlagKeyed | OneBlock, 0, 0, FromValues: true, ToValues: true);
            Span<uint> words = stackalloc uint[8];
            WordsOf(key, words);
            while (hashes.Length - done >= FewestForLanes)
            {
                int count = Math.Min(lanes, hashes.Length - done);
                Step(
                    words,
                    ref MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pairs[(2 * done)..])),
                    batch,
                    count,
                    lanes,
                    MemoryMarshal.AsBytes(hashes[done..]));
                done += count;
            }
        }

        for (; done < hashes.Length; done++)
        {
            hashes[done] = KeyedPair(key, pairs[2 * done], pairs[(2 * done) + 1]);
        }
    }

    /// <inheritdoc cref="KeyedPairs(in Bytes32, ReadOnlySpan{Bytes32}, Span{Bytes32}, int)"/>
    [SkipLocalsInit]
    internal static void KeyedMany(in Bytes32 key, ReadOnlySpan<byte> messages, int messageBytes, Span<Bytes32> hashes, int lanes)
    {
        if (messageBytes is < 0 or > ChunkBytes || messages.Length != (long)messageBytes * hashes.Length)
        {
            throw new ArgumentException(
                $"{messages.Length} bytes are not {hashes.Length} messages of {messageBytes} bytes.", nameof(messages));
        }

        Span<uint> words = stackalloc uint[8];
        WordsOf(key, words);
        int done = 0;
        if (lanes > 1)
        {
            Batch batch = new(
                messageBytes, (nuint)messageBytes, 0, 0, FlagKeyed, FlagChunkStart, FlagChunkEnd | FlagRoot, FromValues: false, ToValues: true);
            while (hashes.Length - done >= FewestForLanes)
            {
                int count = Math.Min(lanes, hashes.Length - done);
                Step(words, ref MemoryMarshal.GetReference(messages[(done * messageBytes)..]), batch, count, lanes, MemoryMarshal.AsBytes(hashes[done..]));
                done += count;
            }
        }

        for (; done < hashes.Length; done++)
        {
            hashes[done] = Short(words, messages.Slice(done * messageBytes, messageBytes), FlagKeyed);
        }
    }
}
