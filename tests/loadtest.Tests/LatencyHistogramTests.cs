using System;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class LatencyHistogramTests
{
    // The oracle is a sorted array: the quantile q is the smallest value that at least q of the values do not exceed.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Every_quantile_is_within_one_percent_above_the_exact_one(int seed)
    {
        SeededRandom random = new((ulong)seed);
        LatencyHistogram histogram = new();
        long[] values = new long[5_000];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (long)(random.NextU64() >> (1 + random.Next(62)));
            histogram.Record(values[i]);
        }

        Array.Sort(values);
        for (int permyriad = 0; permyriad <= 10_000; permyriad += 50)
        {
            long exact = values[Math.Max(0, (values.Length * permyriad + 9_999) / 10_000 - 1)];
            long told = histogram.Quantile(permyriad);
            Assert.True(told >= exact && told - exact <= exact / 100 + 1, $"seed {seed} permyriad {permyriad}: {told} for {exact}");
        }

        Assert.Equal(values[^1], histogram.Max);
        Assert.Equal(values.Length, histogram.Count);
    }

    [Fact]
    public void Extremes_have_a_bucket()
    {
        LatencyHistogram histogram = new();
        Assert.Equal(0, histogram.Quantile(5_000));
        histogram.Record(long.MaxValue);
        Assert.Equal(long.MaxValue, histogram.Quantile(10_000));
        histogram.Record(-5, times: 3);
        Assert.Equal(0, histogram.Quantile(5_000));
    }
}
