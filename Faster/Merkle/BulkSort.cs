// Sorting the keys of a whole state by path, for building its tree: first into shards by the top six bits, in place, then each
// shard by the first word of its paths. Paths are hashes, so words that are equal are the exception, sorted by hand.
//
// Cost: two passes and n log n comparisons of single words.   Threading: pure; shards may be sorted at once.

using System;

namespace ParallelVm.Faster;

/// <summary>Sorts changes for <see cref="WorkingTree.Build"/>.</summary>
internal static class BulkSort
{
    /// <summary>Brings the changes of each shard together.</summary>
    /// <returns>Where each shard starts; one entry more than shards.</returns>
    public static int[] ByShard(Span<PathChange> changes)
    {
        int[] starts = new int[Shard.Count + 1];
        foreach (ref readonly PathChange change in changes)
        {
            starts[Shard.Of(change.Path) + 1]++;
        }

        for (int i = 0; i < Shard.Count; i++)
        {
            starts[i + 1] += starts[i];
        }

        // Each shard's next free place; a change that stands elsewhere is swapped to it until the right one comes.
        Span<int> next = stackalloc int[Shard.Count];
        starts.AsSpan(0, Shard.Count).CopyTo(next);
        for (int shard = 0; shard < Shard.Count; shard++)
        {
            while (next[shard] < starts[shard + 1])
            {
                ref PathChange here = ref changes[next[shard]];
                int home = Shard.Of(here.Path);
                if (home == shard)
                {
                    next[shard]++;
                }
                else
                {
                    ref PathChange there = ref changes[next[home]++];
                    (here, there) = (there, here);
                }
            }
        }

        return starts;
    }

    /// <summary>Sorts by path.</summary>
    public static void Sort(Span<PathChange> changes)
    {
        ulong[] words = new ulong[changes.Length];
        int[] order = new int[changes.Length];
        for (int i = 0; i < changes.Length; i++)
        {
            words[i] = changes[i].Path.Value.W0;
            order[i] = i;
        }

        Array.Sort(words, order);
        PathChange[] sorted = new PathChange[changes.Length];
        for (int i = 0; i < sorted.Length; i++)
        {
            sorted[i] = changes[order[i]];
        }

        for (int start = 0; start < sorted.Length;)
        {
            int end = start + 1;
            while (end < sorted.Length && words[end] == words[start])
            {
                end++;
            }

            if (end - start > 1)
            {
                sorted.AsSpan(start, end - start).Sort(static (a, b) => a.Path.CompareTo(b.Path));
            }

            start = end;
        }

        sorted.CopyTo(changes);
    }
}
