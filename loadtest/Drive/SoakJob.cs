// soak: the same accounts and pools, block after block, and what the folder and the process grow to.
//
//   seconds SECONDS height HEIGHT records R disk BYTES blocks BYTES tables BYTES history BYTES rss BYTES       every ten seconds
//   growth disk RATIO rss RATIO                                                                                 at the end
//
// Everything that is bounded has a small bound here (512 blocks kept, 256 of history), so that the bounds are reached within
// the first minutes. Growth is the largest value of the last quarter over the largest of the quarter before; flat is 1. The exit
// code is 3 above 1.25: files are dropped whole, so a value swings by about one file.
//
// Threading: the caller's thread, one signer, and the store's own.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The command <c>soak</c>.</summary>
internal static class SoakJob
{
    private const double GrowthMax = 1.25;

    /// <summary>Loads a temporary chain for so long.</summary>
    public static int Run(ulong seed, TimeSpan length, int txs, int workers, Terminal terminal)
    {
        string folder = Directory.CreateTempSubdirectory("parallelvm-soak-").FullName;
        try
        {
            DexWorld world = new(seed);
            Refusal refusal = DataFolder.Claim(folder, world);
            if (refusal.IsRefused
                || !ChainSession.TryOpen(
                    world, folder, workers, isReader: false, out ChainSession? session, out refusal,
                    settings: static options => options with
                    {
                        CheckpointEveryBlocks = 64,
                        KeepBlocks = 512,
                        HistoryBlocks = 256,
                        LogSegmentBytes = 4 << 20,
                        HistorySegmentBytes = 4 << 20,
                        TableSegmentBytes = 16 << 20,
                        RewriteAfterBytes = 32 << 20,
                    }))
            {
                return terminal.Fail(refusal, ExitCodes.LocalFailure);
            }

            using (session)
            {
                return Load(session, folder, seed, length, txs, terminal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Load(ChainSession session, string folder, ulong seed, TimeSpan length, int txs, Terminal terminal)
    {
        WorkloadShape shape = new(seed, DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0);
        using LoadGenerator generator = new(
            new Workload(shape), new TransactionFactory(session.World), new Height(1), uint.MaxValue, txs, threads: 1, aheadMax: 4);
        using LoadDriver driver = new(session, generator);
        List<(long Disk, long Rss)> samples = [];
        long start = TimeProvider.System.GetTimestamp();
        for (TimeSpan next = TimeSpan.FromSeconds(10); next <= length; next += TimeSpan.FromSeconds(10))
        {
            while (TimeProvider.System.GetElapsedTime(start) < next)
            {
                driver.Step();
            }

            string store = DataFolder.StoreOf(folder);
            (long disk, long rss) = (BytesOf(store), Environment.WorkingSet);
            samples.Add((disk, rss));
            terminal.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"seconds {next.TotalSeconds:F0} height {session.Chain.LastAccepted.Header.Height} records {session.Store.Records} disk {disk} "
                + $"blocks {BytesOf(Path.Combine(store, "blocks"))} tables {BytesOf(Path.Combine(store, "tables"))} history {BytesOf(Path.Combine(store, "history"))} rss {rss}"));
            terminal.Output.Flush();
        }

        (double Disk, double Rss) growth = (Growth(samples.ConvertAll(static sample => sample.Disk)), Growth(samples.ConvertAll(static sample => sample.Rss)));
        terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"growth disk {growth.Disk:F3} rss {growth.Rss:F3}"));
        return growth.Disk > GrowthMax || growth.Rss > GrowthMax
            ? terminal.Fail(new Refusal(RefusalCode.LocalFailure, "The disk or the memory grows under a constant set of keys."), ExitCodes.LocalFailure)
            : ExitCodes.Success;
    }

    private static double Growth(List<long> values)
    {
        int quarter = values.Count / 4;
        return quarter == 0 ? 1 : (double)Max(values, values.Count - quarter, values.Count) / Max(values, values.Count - (2 * quarter), values.Count - quarter);
    }

    private static long Max(List<long> values, int from, int to)
    {
        long max = 1;
        for (int i = from; i < to; i++)
        {
            max = Math.Max(max, values[i]);
        }

        return max;
    }

    /// <summary>Bytes of all files below a folder; what is deleted meanwhile is not counted.</summary>
    public static long BytesOf(string folder)
    {
        long bytes = 0;
        if (Directory.Exists(folder))
        {
            foreach (string path in Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            {
                FileInfo file = new(path);
                bytes += file.Exists ? file.Length : 0;
            }
        }

        return bytes;
    }
}
