// What calls cost, as the caller sees them: a sample of durations, and how many there were.
//
// Threading: any; one lock.   Cost: a list of at most MaxSamples; above it every second sample is dropped and half are kept.

using System;
using System.Collections.Generic;
using System.Threading;

namespace ParallelVm.NodeHost;

/// <summary>Durations of calls.</summary>
internal sealed class RpcMeter
{
    private const int MaxSamples = 1 << 20;

    private readonly Lock _gate = new();
    private readonly List<long> _ticks = [];
    private int _stride = 1;

    /// <summary>Calls that ended.</summary>
    public long Calls { get; private set; }

    /// <summary>Counts a call.</summary>
    public void Add(TimeSpan took)
    {
        lock (_gate)
        {
            if (Calls++ % _stride == 0)
            {
                _ticks.Add(took.Ticks);
                if (_ticks.Count == MaxSamples)
                {
                    _stride *= 2;
                    int kept = 0;
                    _ticks.RemoveAll(_ => (kept++ & 1) == 1);
                }
            }
        }
    }

    /// <summary>Forgets all calls.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            Calls = 0;
            _ticks.Clear();
            _stride = 1;
        }
    }

    /// <summary>The duration that a share of the calls does not exceed, in milliseconds.</summary>
    /// <param name="permille">[0, 1000].</param>
    public double QuantileMs(int permille)
    {
        lock (_gate)
        {
            if (_ticks.Count == 0)
            {
                return 0;
            }

            long[] sorted = [.. _ticks];
            Array.Sort(sorted);
            return TimeSpan.FromTicks(sorted[Math.Min(sorted.Length - 1, (int)((long)sorted.Length * permille / 1000))]).TotalMilliseconds;
        }
    }
}
