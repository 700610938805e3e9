// Draws ranks with Zipf popularity: rank r with weight 1 / (r + 1). The weights are integers, so a seed draws the same
// ranks on every machine.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Workloads;

/// <summary>A Zipf distribution over [0, count). Immutable.</summary>
internal sealed class Zipf
{
    private const int Scale = 1 << 20;

    private readonly int[] _cumulative;

    /// <summary>Ranks 0 to <paramref name="count"/> - 1, the first the most popular.</summary>
    /// <param name="count">[1, 256]: the weights' sum stays below 2^31.</param>
    public Zipf(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 256);
        _cumulative = new int[count];
        int sum = 0;
        for (int rank = 0; rank < count; rank++)
        {
            sum += Scale / (rank + 1);
            _cumulative[rank] = sum;
        }
    }

    /// <summary>A rank.</summary>
    public int Next(SeededRandom random)
    {
        int drawn = random.Next(_cumulative[^1]);
        int found = Array.BinarySearch(_cumulative, drawn + 1);
        return found >= 0 ? found : ~found;
    }
}
