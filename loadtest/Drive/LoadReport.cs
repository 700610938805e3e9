// A load's tally, its twin's and its chain's stage clock as one report, and the report as a summary for people.
//
// Threading: the caller's thread.

using System;
using System.Globalization;
using System.IO;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Drive;

/// <summary>Makes reports of loads.</summary>
internal static class LoadReport
{
    /// <summary>The report of a load that has ended.</summary>
    /// <param name="twin">Null when the blocks were not executed again.</param>
    public static Report Make(string command, ChainSession session, LoadDriver driver, SerialTwin? twin)
    {
        TransactionCounts transactions = driver.Transactions;
        double seconds = Math.Max(driver.Elapsed.TotalSeconds, 1e-9);
        EnvironmentInfo environment = EnvironmentProbe.Read();
        string root = session.Chain.LastAccepted.Header.StateRoot.ToString();
        return new Report
        {
            Command = command,
            Seed = session.World.Seed,
            Workers = session.Chain.Workers,
            Environment = environment,
            Transactions = transactions,
            Blocks = driver.Blocks,
            Shared = driver.Blocks == 0 ? null : driver.SharedBlocks / (double)driver.Blocks,
            DurationSeconds = seconds,
            Throughput = new Throughput(
                transactions.Included / seconds, Ratio(twin?.Transactions, twin?.Times.SerialNs / 1e9), (double)driver.Gas / seconds),
            Parallelism = ParallelismOf(twin?.Times, session.Chain.Workers, environment.Cores),
            LatencyMs = driver.Latency,
            StageSeconds = driver.Stages,
            StateRoot = root,
            SerialStateRoot = twin?.Root.ToString(),
            RootsEqual = twin is null ? null : twin.FirstDivergence is null && twin.Root.ToString() == root,
            AllocatedBytesPerTx = driver.AllocatedBytesPerTx(),
        };
    }

    /// <summary>Work, span and what was made of them; nothing is known without times.</summary>
    public static Parallelism ParallelismOf(BlockTimes? measured, int workers, int cores)
    {
        BlockTimes times = measured ?? default;
        double ceiling = times.SpanNs == 0 ? 1 : times.WorkNs / (double)times.SpanNs;
        double? speedup = Ratio(times.SerialNs, times.ParallelNs);
        double reachable = Math.Max(1, Math.Min(ceiling, Math.Min(workers, cores)));
        return new Parallelism(times.WorkNs / 1e9, times.SpanNs / 1e9, ceiling, speedup, speedup / reachable);
    }

    /// <summary>Prints the report in words.</summary>
    public static void Summarise(Report report, TextWriter output)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        TransactionCounts t = report.Transactions;
        Throughput rate = report.Throughput;
        Parallelism p = report.Parallelism;
        LatencySummary latency = report.LatencyMs;
        StageSeconds stages = report.StageSeconds;
        output.WriteLine();
        output.WriteLine(string.Create(culture, $"blocks        {report.Blocks} in {report.DurationSeconds:F2} s{(report.WarmUpBlocks > 0 ? $" after {report.WarmUpBlocks} to warm up" : "")}, {report.Workers} workers on {report.Environment.Cores} cores{(report.Shared is { } shared ? $", more than one for {shared:P0}" : "")}"));
        output.WriteLine(string.Create(culture, $"transactions  {t.Offered} offered, {t.Accepted} accepted, {t.Rejected} rejected; {t.Included} included: {t.Succeeded} succeeded, {t.Failed} failed"));
        output.WriteLine(string.Create(culture, $"throughput    {rate.Tps:F0} tx/s {(report.Replay is null ? "the whole way" : "of execution")} (serial execution alone: {Or(rate.SerialTps, "F0")} tx/s), {rate.GasPerSecond / 1e6:F1} Mgas/s"));
        output.WriteLine(string.Create(culture, $"parallelism   ceiling {p.Ceiling:F2}x, achieved {Or(p.Speedup, "F2")}x of serial execution, efficiency {Or(p.Efficiency, "F2")}"));
        output.WriteLine(string.Create(culture, $"latency       p50 {latency.P50:F1}  p90 {latency.P90:F1}  p99 {latency.P99:F1}  p99.9 {latency.P999:F1}  max {latency.Max:F1} ms"));
        output.WriteLine(string.Create(culture, $"stages        decode {stages.Decode:F2}  verify {stages.Verify:F2}  build {stages.Build:F2}  execute {stages.Execute:F2}  root {stages.Root:F2}  commit {stages.Commit:F2} s"));
        if (report.Bottleneck is { } slowest)
        {
            output.WriteLine(string.Create(culture, $"bottleneck    {slowest.Stage} alone: {slowest.StageTps:F0} tx/s; reached {slowest.Tps:F0}, {slowest.Reached:F2} of it, with {slowest.BusyCores:F2} cores busy"));
        }

        output.WriteLine(report.Rpc is { } rpc
            ? string.Create(culture, $"rpc           {rpc.Calls} calls of {rpc.Nodes} {(rpc.Nodes == 1 ? "node" : "nodes")}, p50 {rpc.P50Ms:F2}  p99 {rpc.P99Ms:F2} ms")
            : string.Create(culture, $"allocated     {report.AllocatedBytesPerTx:F0} bytes per transaction"));
        output.WriteLine($"state root    {report.StateRoot}");
        output.WriteLine($"serial root   {report.SerialStateRoot ?? "not computed"}{(report.RootsEqual switch { true => "  equal", false => "  DIFFERENT", null => "" })}");
    }

    private static double? Ratio(double? value, double? unit) => unit is > 0 ? value / unit : null;

    private static string Or(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
