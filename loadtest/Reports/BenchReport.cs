// The report of a benchmark suite: schema parallelvm.bench/1, the frame of every benchmark of the project.

using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ParallelVm.Loadtest.Reports;

/// <summary>Schema <c>parallelvm.bench/1</c>.</summary>
internal sealed record BenchReport
{
    /// <summary>The schema's name.</summary>
    public const string SchemaName = "parallelvm.bench/1";

    public string Schema { get; init; } = SchemaName;

    public required string Suite { get; init; }

    public required EnvironmentInfo Environment { get; init; }

    public required BenchRowReport[] Rows { get; init; }

    /// <summary>Which rows are left out on this machine, and why; null, and not written, when all are there.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string[]? Notes { get; init; }
}

/// <summary>One row.</summary>
/// <param name="Value">Median of the runs, in <paramref name="Unit"/>.</param>
/// <param name="Twin">What the row is measured against in the same run; empty when there is nothing.</param>
/// <param name="TwinValue">Median of the twin's runs; null without a twin.</param>
/// <param name="Ratio">Value over twin value; null without a twin.</param>
/// <param name="Spread">Smallest and largest run.</param>
/// <param name="Runs">How many runs the median is of.</param>
internal sealed record BenchRowReport(string Name, double Value, string Unit, string Twin, double? TwinValue, double? Ratio, double[] Spread, int Runs)
{
    /// <summary>Other figures of the row, written as fields of it; null, and not written, when there are none.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Extra { get; set; }

    /// <summary>Figures as fields.</summary>
    public static Dictionary<string, JsonElement>? ExtraOf(IReadOnlyList<(string Name, double Value)>? figures)
    {
        if (figures is null)
        {
            return null;
        }

        Dictionary<string, JsonElement> fields = [];
        foreach ((string name, double value) in figures)
        {
            fields.Add(name, JsonSerializer.SerializeToElement(value, ReportJson.Default.Double));
        }

        return fields;
    }
}
