// Metrics in Prometheus' model, as Gather returns them: counters, gauges and histograms that belong to somebody, read when asked.
//
// A family is added once: a name that comes twice breaks the node's whole metrics page, so it throws here. Families come out sorted by name. No label is called
// "chain": the node adds that one.
//
// Threading: families are added by anyone; a counter or histogram is moved from any thread with interlocked operations; Gather from any thread.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Rpcchainvm.Protos.Prometheus;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>A number that only grows.</summary>
internal sealed class CountMetric
{
    private long _value;

    /// <summary>The number.</summary>
    public long Value => Interlocked.Read(ref _value);

    /// <summary>Adds to it.</summary>
    public void Add(long amount = 1) => Interlocked.Add(ref _value, amount);
}

/// <summary>How often something took how long, in seconds.</summary>
internal sealed class TimeMetric
{
    private static readonly double[] BoundsSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly long[] _buckets = new long[BoundsSeconds.Length + 1];
    private long _ticks;

    /// <summary>Takes in one duration.</summary>
    public void Add(TimeSpan took)
    {
        int place = Array.BinarySearch(BoundsSeconds, took.TotalSeconds);
        Interlocked.Increment(ref _buckets[place < 0 ? ~place : place]);
        Interlocked.Add(ref _ticks, took.Ticks);
    }

    /// <summary>As Prometheus has it: buckets are cumulative, the last one is the count.</summary>
    public Histogram ToHistogram()
    {
        Histogram histogram = new() { SampleSum = TimeSpan.FromTicks(Interlocked.Read(ref _ticks)).TotalSeconds };
        ulong count = 0;
        for (int i = 0; i < BoundsSeconds.Length; i++)
        {
            count += (ulong)Interlocked.Read(ref _buckets[i]);
            histogram.Bucket.Add(new Bucket { CumulativeCount = count, UpperBound = BoundsSeconds[i] });
        }

        histogram.SampleCount = count + (ulong)Interlocked.Read(ref _buckets[^1]);
        return histogram;
    }
}

/// <summary>Somebody who counts.</summary>
internal interface IMeasured
{
    /// <summary>Adds its families; called once.</summary>
    void AddTo(MetricSet metrics);
}

/// <summary>Families of metrics.</summary>
internal sealed class MetricSet
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, (string Help, MetricType Type, Func<IEnumerable<Metric>> Read)> _families = new(StringComparer.Ordinal);

    /// <summary>A counter of one value.</summary>
    public void Counter(string name, string help, Func<double> read) =>
        Add(name, help, MetricType.Counter, () => [new Metric { Counter = new Counter { Value = read() } }]);

    /// <summary>A counter with a value per label.</summary>
    public void Counters(string name, string help, Func<IEnumerable<(LabelPair[] Labels, double Value)>> read) => Add(name, help, MetricType.Counter, () =>
    {
        List<Metric> metrics = [];
        foreach ((LabelPair[] labels, double value) in read())
        {
            metrics.Add(new Metric { Label = { labels }, Counter = new Counter { Value = value } });
        }

        return metrics;
    });

    /// <summary>A number that goes up and down.</summary>
    public void Gauge(string name, string help, Func<double> read) =>
        Add(name, help, MetricType.Gauge, () => [new Metric { Gauge = new Gauge { Value = read() } }]);

    /// <summary>Durations with a histogram per label.</summary>
    public void Times(string name, string help, Func<IEnumerable<(LabelPair Label, TimeMetric Times)>> read) => Add(name, help, MetricType.Histogram, () =>
    {
        List<Metric> metrics = [];
        foreach ((LabelPair label, TimeMetric times) in read())
        {
            metrics.Add(new Metric { Label = { label }, Histogram = times.ToHistogram() });
        }

        return metrics;
    });

    /// <summary>All families, sorted by name; those without a metric are left out.</summary>
    public List<MetricFamily> Gather()
    {
        List<MetricFamily> families = [];
        lock (_gate)
        {
            foreach ((string name, (string help, MetricType type, Func<IEnumerable<Metric>> read)) in _families)
            {
                MetricFamily family = new() { Name = name, Help = help, Type = type };
                family.Metric.AddRange(read());
                if (family.Metric.Count > 0)
                {
                    families.Add(family);
                }
            }
        }

        return families;
    }

    private void Add(string name, string help, MetricType type, Func<IEnumerable<Metric>> read)
    {
        lock (_gate)
        {
            _families.Add(name, (help, type, read));
        }
    }
}
