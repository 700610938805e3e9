// Reports to JSON: source-generated, so that the file's shape is known at compile time and nothing is reflected over.
// A report is written whole or not at all: to a neighbour file first, then renamed over the target.

using System;
using System.IO;
using System.Text.Json;
using System.Text.Json.Serialization;
using ParallelVm.Loadtest.Calibration;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Loadtest.Simulate;
using ParallelVm.Loadtest.Traces;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Reports;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, NewLine = "\n")]
[JsonSerializable(typeof(Report))]
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(TraceReport))]
[JsonSerializable(typeof(CalibrationReport))]
[JsonSerializable(typeof(ConflictsReport))]
[JsonSerializable(typeof(SimulateReport))]
[JsonSerializable(typeof(FloodReport))]
[JsonSerializable(typeof(double))]
internal sealed partial class ReportJson : JsonSerializerContext;

/// <summary>Writes reports.</summary>
internal static class ReportFile
{
    /// <summary>Refuses a target that could not be written after a long run: its folder is missing, or it is a folder itself.</summary>
    public static Refusal CheckTarget(string path)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full))
        {
            return new Refusal(RefusalCode.UnwritableFile, $"The report file '{path}' is a folder.");
        }

        string? folder = Path.GetDirectoryName(full);
        return folder is null || Directory.Exists(folder)
            ? Refusal.None
            : new Refusal(RefusalCode.UnwritableFile, $"The folder of the report file '{path}' does not exist.");
    }

    /// <summary>The report's text, with a line break at its end.</summary>
    public static string ToJson(Report report) => JsonSerializer.Serialize(report, ReportJson.Default.Report) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(BenchReport report) => JsonSerializer.Serialize(report, ReportJson.Default.BenchReport) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(TraceReport report) => JsonSerializer.Serialize(report, ReportJson.Default.TraceReport) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(CalibrationReport report) => JsonSerializer.Serialize(report, ReportJson.Default.CalibrationReport) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(ConflictsReport report) => JsonSerializer.Serialize(report, ReportJson.Default.ConflictsReport) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(SimulateReport report) => JsonSerializer.Serialize(report, ReportJson.Default.SimulateReport) + "\n";

    /// <inheritdoc cref="ToJson(Report)"/>
    public static string ToJson(FloodReport report) => JsonSerializer.Serialize(report, ReportJson.Default.FloodReport) + "\n";

    /// <summary>Replaces the file by <paramref name="json"/>.</summary>
    /// <exception cref="IOException">The folder or the disk refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder is read-only.</exception>
    public static void Write(string path, string json)
    {
        string draft = path + ".draft";
        File.WriteAllText(draft, json);
        File.Move(draft, path, overwrite: true);
    }
}
