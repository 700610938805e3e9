// The frame of every benchmark: rows measured in turn, round after round, so that a row and its twin see the same
// machine at nearly the same time; then medians.
//
//   round 0 (thrown away: it warms code and caches)   row A, twin of A, row B, ...
//   round 1..runs                                     row A, twin of A, row B, ...
//
// A row's twin is another row, named by it; every round measures each row once, so both have the same runs.
//
// Threading: the caller's thread.

using System;
using System.Collections.Generic;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Benches;

/// <summary>One row of a suite.</summary>
/// <param name="Name">Name in the report.</param>
/// <param name="Unit">Unit of what <paramref name="Measure"/> gives.</param>
/// <param name="Twin">Name of the row that this one is measured against; empty for none.</param>
/// <param name="Measure">Measures once.</param>
internal sealed record BenchRow(string Name, string Unit, string Twin, Func<double> Measure)
{
    /// <summary>Other figures of the row, asked for after the last run; null for none.</summary>
    public Func<IReadOnlyList<(string Name, double Value)>>? Extra { get; init; }
}

/// <summary>Runs suites.</summary>
internal static class BenchRunner
{
    /// <summary>Measures every row <paramref name="runs"/> times after a round that does not count.</summary>
    /// <param name="rows">A twin may stand before or after its row.</param>
    /// <param name="progress">Told the round before it starts; 0 is the warm-up.</param>
    public static BenchReport Run(string suite, IReadOnlyList<BenchRow> rows, int runs, EnvironmentInfo environment, Action<int> progress)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 1);
        double[][] values = new double[rows.Count][];
        for (int row = 0; row < rows.Count; row++)
        {
            values[row] = new double[runs];
        }

        for (int round = 0; round <= runs; round++)
        {
            progress(round);
            for (int row = 0; row < rows.Count; row++)
            {
                double value = rows[row].Measure();
                if (round > 0)
                {
                    values[row][round - 1] = value;
                }
            }
        }

        BenchRowReport[] reports = new BenchRowReport[rows.Count];
        for (int row = 0; row < rows.Count; row++)
        {
            Array.Sort(values[row]);
        }

        for (int row = 0; row < rows.Count; row++)
        {
            int twin = TwinOf(rows, row);
            double value = Median(values[row]);
            double? twinValue = twin < 0 ? null : Median(values[twin]);
            reports[row] = new BenchRowReport(
                rows[row].Name, value, rows[row].Unit, rows[row].Twin, twinValue, value / twinValue, [values[row][0], values[row][^1]], runs)
            {
                Extra = BenchRowReport.ExtraOf(rows[row].Extra?.Invoke()),
            };
        }

        return new BenchReport { Suite = suite, Environment = environment, Rows = reports };
    }

    /// <summary>The middle of sorted values, or the mean of the two in the middle.</summary>
    internal static double Median(ReadOnlySpan<double> sorted)
    {
        int half = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    private static int TwinOf(IReadOnlyList<BenchRow> rows, int row)
    {
        if (rows[row].Twin.Length == 0)
        {
            return -1;
        }

        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i].Name == rows[row].Twin)
            {
                return i;
            }
        }

        throw new InvariantException($"Row {rows[row].Name} names the twin {rows[row].Twin}, which the suite does not have.");
    }
}
