// The main job: a temporary chain, a few seconds of signing ahead, about ten seconds of mixed load, then the same blocks
// once more with the serial twin. Exit code 1 when the roots differ.
//
// Threading: driver on the caller's thread, one signer per core beside it.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Threading;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The command without a name.</summary>
internal static class MainJob
{
    /// <summary>Signing ahead takes at most this share of the load's length.</summary>
    private const double AheadShare = 0.5;

    /// <summary>Transactions that may wait, signed: about 64 MiB.</summary>
    private const int AheadTxMax = 200_000;

    /// <summary>Batches ahead while the load runs: the signers rest until what was signed before is nearly used up.</summary>
    private const int AheadWhileRunning = 4;

    /// <summary>Runs it.</summary>
    public static int Run(MainOptions options, Terminal terminal)
    {
        TextWriter output = terminal.Output;
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"ParallelVm load: seed {options.Seed}, {options.Workers} workers, {options.Txs} transactions per block, {DexWorld.PoolCount} pools, mix {WorkloadMix.Default}"));
        string folder = Directory.CreateTempSubdirectory("parallelvm-loadtest-").FullName;
        try
        {
            DexWorld world = new(options.Seed);
            Refusal refusal = DataFolder.Claim(folder, world);
            if (refusal.IsRefused || !ChainSession.TryOpen(world, folder, options.Workers, isReader: false, out ChainSession? session, out refusal, options.Jit))
            {
                return terminal.Fail(refusal);
            }

            using (session)
            {
                Report report = Drive(options, session, terminal);
                LoadReport.Summarise(report, output);
                ReportFile.Write(options.Json, ReportFile.ToJson(report));
                output.WriteLine($"report        {options.Json}");
                return report.RootsEqual == true ? ExitCodes.Success : ExitCodes.Divergence;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Report Drive(MainOptions options, ChainSession session, Terminal terminal)
    {
        WorkloadShape shape = new(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, ConflictPermyriad: 0);
        int aheadMax = Math.Max(2, AheadTxMax / options.Txs);
        int signers = Math.Max(1, Environment.ProcessorCount);
        List<ReadOnlyMemory<byte>> blocks = [];
        LoadDriver driver;
        using (LoadGenerator generator = new(
            new Workload(shape), new TransactionFactory(session.World), new Height(1), ulong.MaxValue / 2, options.Txs, signers, aheadMax))
        {
            SignAhead(generator, aheadMax, TimeSpan.FromSeconds(options.Seconds * AheadShare), options.Txs, terminal);
            using LoadDriver load = new(session, generator, block => blocks.Add(block.Bytes));
            TimeSpan length = TimeSpan.FromSeconds(options.Seconds);
            Progress.Watch(terminal, progress =>
            {
                while (load.Elapsed < length)
                {
                    load.Step();
                    progress.Report(load.Sample());
                }

                load.Finish();
                return true;
            });
            driver = load;
        }

        terminal.Output.WriteLine($"executing the {blocks.Count} blocks again, one transaction after another");
        SerialTwin twin = new(session.World, session.Engine, options.Workers);
        foreach (ReadOnlyMemory<byte> block in blocks)
        {
            twin.Run(block, isTimed: true);
        }

        return LoadReport.Make("main", session, driver, twin);
    }

    // Clients sign on machines of their own; here they get a head start, so that the node has the cores for itself.
    private static void SignAhead(LoadGenerator generator, int aheadMax, TimeSpan atMost, int txs, Terminal terminal)
    {
        TimeProvider time = TimeProvider.System;
        long start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < atMost && generator.Waiting < aheadMax)
        {
            Thread.Sleep(100);
        }

        generator.LimitAhead(AheadWhileRunning);
        terminal.Output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"signed ahead: {generator.Waiting * (long)txs} transactions in {time.GetElapsedTime(start).TotalSeconds:F1} s"));
    }
}
