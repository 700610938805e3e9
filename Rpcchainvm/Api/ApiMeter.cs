// How often which method was called, how it ended and how long it took, as families of metrics. What names no method is counted under "none": outsiders must not
// decide how many labels there are.
//
// Threading: any.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Counts the API's calls.</summary>
internal sealed class ApiMeter
{
    private readonly ConcurrentDictionary<(string Method, int Code), CountMetric> _errors = [];
    private readonly ConcurrentDictionary<string, TimeMetric> _times = [];

    /// <summary>A call ended.</summary>
    /// <param name="method">A name of the method table; null: there was none.</param>
    /// <param name="code">0, or the error's code.</param>
    public void Add(string? method, int code, TimeSpan took)
    {
        _times.GetOrAdd(method ?? "none", static _ => new TimeMetric()).Add(took);
        if (code != 0)
        {
            _errors.GetOrAdd((method ?? "none", code), static _ => new CountMetric()).Add();
        }
    }

    /// <summary>Adds the families.</summary>
    public void AddTo(MetricSet metrics)
    {
        metrics.Times("vm_api_call_seconds", "Calls of the API by method, and how long they took.", Times);
        metrics.Counters("vm_api_errors_total", "Calls that ended in an error, by method and code.", Errors);
    }

    private IEnumerable<(LabelPair Label, TimeMetric Times)> Times()
    {
        foreach ((string method, TimeMetric times) in _times)
        {
            yield return (new LabelPair { Name = "method", Value = method }, times);
        }
    }

    private IEnumerable<(LabelPair[] Labels, double Value)> Errors()
    {
        foreach (((string method, int code), CountMetric count) in _errors)
        {
            yield return (
                [new LabelPair { Name = "method", Value = method }, new LabelPair { Name = "code", Value = code.ToString(CultureInfo.InvariantCulture) }], count.Value);
        }
    }
}
