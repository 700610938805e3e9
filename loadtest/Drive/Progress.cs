// What a person sees while a load runs: a table that redraws on a terminal, plain lines elsewhere. The driver reports
// a sample after every accepted block; the view decides what to show, at most about once a second.
//
// Threading: the driver's thread only.

using System;
using System.Globalization;
using ParallelVm.Loadtest.Cli;
using Spectre.Console;

namespace ParallelVm.Loadtest.Drive;

/// <summary>Where a load stands after an accepted block.</summary>
/// <param name="Elapsed">Since the load began.</param>
/// <param name="Included">Transactions in accepted blocks.</param>
/// <param name="Failed">Of these, with a receipt of revert or trap.</param>
/// <param name="Gas">Gas used so far.</param>
/// <param name="LatencyMsP50">Median so far.</param>
/// <param name="LatencyMsP99">99th percentile so far.</param>
internal readonly record struct ProgressSample(
    TimeSpan Elapsed, ulong Height, long Included, long Failed, UInt128 Gas, double LatencyMsP50, double LatencyMsP99);

/// <summary>Shows progress.</summary>
internal abstract class Progress
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private ProgressSample _shown;

    /// <summary>Runs <paramref name="load"/> with the view that suits the terminal.</summary>
    public static T Watch<T>(Terminal terminal, Func<Progress, T> load)
    {
        if (!terminal.IsLive)
        {
            return load(new LineProgress(terminal));
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Output) });
        Table table = TableProgress.NewTable();
        return console.Live(table).Start(context => load(new TableProgress(table, context)));
    }

    /// <summary>Takes a sample; shows it when about a second has passed since the last one shown.</summary>
    public void Report(in ProgressSample sample)
    {
        if (sample.Elapsed - _shown.Elapsed < Pause)
        {
            return;
        }

        double seconds = (sample.Elapsed - _shown.Elapsed).TotalSeconds;
        Show(sample, (sample.Included - _shown.Included) / seconds, (double)(sample.Gas - _shown.Gas) / seconds);
        _shown = sample;
    }

    /// <summary>Shows a sample with the rates since the sample before.</summary>
    protected abstract void Show(in ProgressSample sample, double tps, double gasPerSecond);

    private sealed class LineProgress(Terminal terminal) : Progress
    {
        protected override void Show(in ProgressSample sample, double tps, double gasPerSecond) =>
            terminal.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{sample.Elapsed.TotalSeconds,5:F1} s  height {sample.Height}  {tps:F0} tx/s  {gasPerSecond / 1e6:F1} Mgas/s  included {sample.Included}  failed {sample.Failed}  latency p50 {sample.LatencyMsP50:F1} ms  p99 {sample.LatencyMsP99:F1} ms"));
    }

    private sealed class TableProgress(Table table, LiveDisplayContext context) : Progress
    {
        private const int RowsMax = 12;

        public static Table NewTable()
        {
            Table table = new() { Border = TableBorder.Rounded };
            foreach (string name in new[] { "s", "height", "tx/s", "Mgas/s", "included", "failed", "p50 ms", "p99 ms" })
            {
                table.AddColumn(new TableColumn(name).RightAligned());
            }

            return table;
        }

        protected override void Show(in ProgressSample sample, double tps, double gasPerSecond)
        {
            if (table.Rows.Count == RowsMax)
            {
                table.RemoveRow(0);
            }

            CultureInfo culture = CultureInfo.InvariantCulture;
            table.AddRow(
                sample.Elapsed.TotalSeconds.ToString("F1", culture),
                sample.Height.ToString(culture),
                tps.ToString("F0", culture),
                (gasPerSecond / 1e6).ToString("F1", culture),
                sample.Included.ToString(culture),
                sample.Failed.ToString(culture),
                sample.LatencyMsP50.ToString("F1", culture),
                sample.LatencyMsP99.ToString("F1", culture));
            context.Refresh();
        }
    }
}
