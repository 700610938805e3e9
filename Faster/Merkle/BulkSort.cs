// The order of the keys of a whole state by path, for building its tree, without moving the keys: first a counting sort of their
// numbers into shards by the top six bits, then in each shard a counting sort by as many further bits as give each place about
// two keys, and those few sorted by hand. Paths are hashes, so places are even; where they are not, a general sort takes over.
//
// Cost: a few passes over 12 bytes per key.   Threading: Shards first, then Sorted for different shards at once.

using System;
using System.Buffers;
using System.Numerics;

namespace ParallelVm.Faster;

/// <summary>Sorts changes for <see cref="WorkingTree.Build"/>.</summary>
internal sealed class BulkSort
{
    private const int ByHand = 16;
    private const int PlaceBitsMax = 20;

    private readonly ReadOnlyMemory<PathChange> _changes;
    private readonly ulong[] _words;      // first word of each path, by shard
    private readonly int[] _order;        // whose it is
    private readonly int[] _starts = new int[Shard.Count + 1];

    /// <summary>Sorts by shard.</summary>
    public BulkSort(ReadOnlyMemory<PathChange> changes)
    {
        _changes = changes;
        _words = GC.AllocateUninitializedArray<ulong>(changes.Length);
        _order = GC.AllocateUninitializedArray<int>(changes.Length);
        ReadOnlySpan<PathChange> all = changes.Span;
        foreach (ref readonly PathChange change in all)
        {
            _starts[Shard.Of(change.Path) + 1]++;
        }

        for (int i = 0; i < Shard.Count; i++)
        {
            _starts[i + 1] += _starts[i];
        }

        Span<int> next = stackalloc int[Shard.Count];
        _starts.AsSpan(0, Shard.Count).CopyTo(next);
        for (int i = 0; i < all.Length; i++)
        {
            int at = next[Shard.Of(all[i].Path)]++;
            _words[at] = all[i].Path.Value.W0;
            _order[at] = i;
        }
    }

    /// <summary>Number of changes of a shard.</summary>
    public int CountOf(int shard) => _starts[shard + 1] - _starts[shard];

    /// <summary>Copies the changes of a shard, ascending by path.</summary>
    /// <param name="sorted">As long as <see cref="CountOf"/> says.</param>
    public void Sorted(int shard, Span<PathChange> sorted)
    {
        int start = _starts[shard];
        int count = sorted.Length;
        Span<ulong> words = _words.AsSpan(start, count);
        Span<int> order = _order.AsSpan(start, count);
        SortWords(words, order);

        ReadOnlySpan<PathChange> all = _changes.Span;
        for (int i = 0; i < sorted.Length; i++)
        {
            sorted[i] = all[order[i]];
        }

        for (int from = 0; from < count;)
        {
            int to = from + 1;
            while (to < count && words[to] == words[from])
            {
                to++;
            }

            if (to - from > 1)
            {
                sorted[from..to].Sort(static (a, b) => a.Path.CompareTo(b.Path));
            }

            from = to;
        }
    }

    private static void SortWords(Span<ulong> words, Span<int> order)
    {
        int bits = Math.Clamp(BitOperations.Log2((uint)words.Length | 1) - 1, 1, PlaceBitsMax);
        Span<int> ends = new int[1 << bits];
        foreach (ulong word in words)
        {
            ends[PlaceOf(word, bits)]++;
        }

        for (int i = 1; i < ends.Length; i++)
        {
            ends[i] += ends[i - 1];
        }

        ulong[] oldWords = ArrayPool<ulong>.Shared.Rent(words.Length);
        int[] oldOrder = ArrayPool<int>.Shared.Rent(words.Length);
        words.CopyTo(oldWords);
        order.CopyTo(oldOrder);
        for (int i = words.Length - 1; i >= 0; i--)
        {
            int at = --ends[PlaceOf(oldWords[i], bits)];
            words[at] = oldWords[i];
            order[at] = oldOrder[i];
        }

        ArrayPool<ulong>.Shared.Return(oldWords);
        ArrayPool<int>.Shared.Return(oldOrder);

        // ends have become starts
        for (int place = 0; place < ends.Length; place++)
        {
            int to = place + 1 < ends.Length ? ends[place + 1] : words.Length;
            SortPlace(words[ends[place]..to], order[ends[place]..to]);
        }
    }

    private static void SortPlace(Span<ulong> words, Span<int> order)
    {
        if (words.Length > ByHand)
        {
            words.Sort(order);
            return;
        }

        for (int i = 1; i < words.Length; i++)
        {
            (ulong word, int whose) = (words[i], order[i]);
            int at = i;
            for (; at > 0 && words[at - 1] > word; at--)
            {
                words[at] = words[at - 1];
                order[at] = order[at - 1];
            }

            words[at] = word;
            order[at] = whose;
        }
    }

    /// <summary>The bits behind those of the shard.</summary>
    private static int PlaceOf(ulong word, int bits) => (int)(word << Shard.Depth >> (64 - bits));
}
