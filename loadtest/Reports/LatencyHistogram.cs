// Latencies in fixed memory: a log-linear histogram. A value's octave (position of its top bit) is split in 128 equal
// parts, so a bucket is at most 1/128 of its value wide and a quantile errs by less than 1 %, upwards.
//
// Invariants
//   L1  every value in [0, 2^63) has exactly one bucket, and buckets are ascending
//   L2  a quantile is the upper edge of the bucket that holds it, but never above the exact maximum
//
// Cost: Record is O(1) without allocation; 58 octaves x 128 counters = 58 KiB.   Threading: one owner thread.

using System;
using System.Numerics;

namespace ParallelVm.Loadtest.Reports;

/// <summary>Counts durations in nanoseconds.</summary>
internal sealed class LatencyHistogram
{
    private const int PartBits = 7;
    private const int Parts = 1 << PartBits;

    private readonly long[] _counts = new long[(64 - PartBits) * Parts];

    /// <summary>How many values were recorded.</summary>
    public long Count { get; private set; }

    /// <summary>The largest value recorded, exact; 0 when there is none.</summary>
    public long Max { get; private set; }

    /// <summary>Counts <paramref name="times"/> values of <paramref name="nanoseconds"/>; a negative one counts as 0.</summary>
    public void Record(long nanoseconds, long times = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(times);
        long value = Math.Max(0, nanoseconds);
        _counts[BucketOf(value)] += times;
        Count += times;
        Max = times > 0 ? Math.Max(Max, value) : Max;
    }

    /// <summary>The smallest bucket edge that at least <paramref name="permyriad"/> / 10,000 of the values do not exceed.</summary>
    /// <param name="permyriad">[0, 10000].</param>
    /// <returns>Nanoseconds; 0 when nothing was recorded.</returns>
    public long Quantile(int permyriad)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)permyriad, 10_000u);
        long rank = Math.Max(1, (long)(((Int128)Count * permyriad + 9_999) / 10_000));
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank)
            {
                return Math.Min(UpperEdge(bucket), Max);                                            // L2
            }
        }

        return Max;
    }

    /// <summary>The report's quantiles, in milliseconds.</summary>
    public LatencySummary Summary() => new(Ms(Quantile(5_000)), Ms(Quantile(9_000)), Ms(Quantile(9_900)), Ms(Quantile(9_990)), Ms(Max));

    private static double Ms(long nanoseconds) => nanoseconds / 1e6;

    private static int BucketOf(long value)
    {
        if (value < Parts)
        {
            return (int)value;
        }

        int shift = BitOperations.Log2((ulong)value) - PartBits;
        return (shift + 1) * Parts + (int)((value >> shift) - Parts);                              // L1
    }

    private static long UpperEdge(int bucket)
    {
        if (bucket < Parts)
        {
            return bucket;
        }

        int shift = bucket / Parts - 1;
        return (((long)(bucket % Parts) + Parts + 1) << shift) - 1;
    }
}
