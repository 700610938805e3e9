// bench: runs a suite, prints its rows, writes its report.

using System;
using System.Collections.Generic;
using System.Globalization;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Benches;

/// <summary>The command <c>bench</c>.</summary>
internal static class BenchJob
{
    private static readonly Dictionary<string, Func<BenchOptions, Action<int>, BenchReport>> Measured = new()
    {
        [EngineSuite.Name] = EngineSuite.Run,
        [CryptoSuite.Name] = CryptoSuite.Run,
        [VmSuite.Name] = VmSuite.Run,
        [SchedulerSuite.Name] = SchedulerSuite.Run,
        [StateSuite.Name] = StateSuite.Run,
        [AheadSuite.Name] = AheadSuite.Run,
        [ColdSuite.Name] = ColdSuite.Run,
    };

    /// <summary>Names of the suites.</summary>
    public static ICollection<string> Suites => Measured.Keys;

    /// <summary>Runs a suite that exists.</summary>
    public static int Run(BenchOptions options, Terminal terminal)
    {
        BenchReport report = Measured[options.Suite](
            options, round => terminal.Output.WriteLine(round == 0 ? "warming up" : $"run {round} of {options.Runs}"));
        foreach (BenchRowReport row in report.Rows)
        {
            string line = string.Create(
                CultureInfo.InvariantCulture, $"{row.Name,-36} {row.Value,9:F3} {row.Unit}  [{row.Spread[0]:F3}, {row.Spread[1]:F3}]");
            terminal.Output.WriteLine(row.Ratio is double ratio
                ? line + string.Create(CultureInfo.InvariantCulture, $"  {ratio:F3} of {row.Twin}")
                : line);
        }

        foreach (string note in report.Notes ?? [])
        {
            terminal.Output.WriteLine($"note: {note}");
        }

        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        return ExitCodes.Success;
    }
}
