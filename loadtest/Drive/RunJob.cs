// run: a fixed number of blocks, on a temporary folder or on one that stays. The same seed makes the same blocks for any
// number of workers, and a run over a folder continues at the height where the last one stopped, however it stopped.
//
//   tip HEIGHT BLOCK ROOT             what the folder held
//   accepted HEIGHT BLOCK ROOT        after the block is durable; one line each, at once
//
// Threading: driver on the caller's thread, one signer beside it.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The command <c>run</c>, and <c>info</c> beside it.</summary>
internal static class RunJob
{
    /// <summary>Bytes of blocks that may wait for the serial twin; then it runs, and the load's clock stands still.</summary>
    private const long UnverifiedBytesMax = 64L << 20;

    private const int AheadMax = 4;

    /// <summary>Transactions that may wait, signed, with <c>--sign-first</c>: about 150 MiB.</summary>
    public const int SignedFirstMax = 500_000;

    /// <summary>Runs blocks.</summary>
    public static int Run(RunOptions options, Terminal terminal)
    {
        string folder = options.Data ?? Directory.CreateTempSubdirectory("parallelvm-loadtest-").FullName;
        try
        {
            DexWorld world = new(options.Seed);
            Refusal refusal = DataFolder.Claim(folder, world);
            if (refusal.IsRefused)
            {
                return terminal.Fail(refusal);
            }

            if (!ChainSession.TryOpen(world, folder, options.Workers, isReader: false, out ChainSession? session, out refusal, options.Jit))
            {
                return terminal.Fail(refusal, ExitCodeOf(refusal));
            }

            using (session)
            {
                return Run(options, session, terminal);
            }
        }
        finally
        {
            if (options.Data is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Prints what a data folder holds.</summary>
    /// <param name="lines">Also one line per accepted block.</param>
    public static int Info(string folder, bool lines, Terminal terminal)
    {
        if (!DataFolder.TryRead(folder, out DexWorld? world, out Refusal refusal))
        {
            return terminal.Fail(refusal);
        }

        if (!ChainSession.TryOpen(world!, folder, workers: 1, isReader: true, out ChainSession? session, out refusal))
        {
            return terminal.Fail(refusal, ExitCodeOf(refusal));
        }

        using (session)
        {
            Block tip = session.Chain.LastAccepted;
            terminal.Output.WriteLine($"chain {world!.Genesis.ChainId}");
            terminal.Output.WriteLine($"seed {world.Seed}");
            terminal.Output.WriteLine($"records {session.Store.Records}");
            foreach (string note in session.Store.Notes)
            {
                terminal.Output.WriteLine($"note {Terminal.OneLine(note)}");
            }

            for (ulong height = 1; lines && height <= tip.Header.Height.Value; height++)
            {
                if (session.Chain.TryGetBlock(new Height(height), out Block? block))
                {
                    PrintBlock("accepted", block, terminal);
                }
            }

            PrintBlock("tip", tip, terminal);
        }

        return ExitCodes.Success;
    }

    private static int Run(RunOptions options, ChainSession session, Terminal terminal)
    {
        Block tip = session.Chain.LastAccepted;
        PrintBlock("tip", tip, terminal);
        SerialTwin? twin = options.Verify ? new SerialTwin(session.World, session.Engine, options.Workers) : null;
        if (twin is not null && !TryCatchUp(twin, session, out Refusal refusal))
        {
            return terminal.Fail(refusal, ExitCodes.LocalFailure);
        }

        WorkloadShape shape = new(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, options.Mix, options.ConflictPermyriad);
        using LoadGenerator generator = new(
            new Workload(shape), new TransactionFactory(session.World), tip.Header.Height.Next, (ulong)options.AllBlocks, options.Txs,
            threads: options.SignsFirst ? Environment.ProcessorCount : 1, options.SignsFirst ? options.AllBlocks : AheadMax);
        while (options.SignsFirst && generator.Waiting < options.AllBlocks)
        {
            Thread.Sleep(100);
        }

        bool isWatched = terminal.IsLive && !options.Lines;
        UnverifiedBlocks blocks = new(twin);
        using LoadDriver driver = new(session, generator, block =>
        {
            blocks.Add(block);
            if (!isWatched)
            {
                PrintBlock("accepted", block, terminal);
            }
        });
        if (isWatched)
        {
            Progress.Watch(terminal, progress => RunBlocks(options, driver, blocks, progress));
        }
        else
        {
            RunBlocks(options, driver, blocks, progress: null);
        }

        Report report = LoadReport.Make("run", session, driver, twin) with { WarmUpBlocks = options.WarmUp, Bottleneck = options.SignsFirst ? driver.Bottleneck() : null };
        LoadReport.Summarise(report, terminal.Output);
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        return report.RootsEqual == false ? ExitCodes.Divergence : ExitCodes.Success;
    }

    private static bool RunBlocks(RunOptions options, LoadDriver driver, UnverifiedBlocks blocks, Progress? progress)
    {
        for (int i = 1; i <= options.AllBlocks; i++)
        {
            driver.Step();
            progress?.Report(driver.Sample());
            if (blocks.Bytes >= UnverifiedBytesMax || i == options.WarmUp || i == options.AllBlocks)
            {
                driver.Finish();                                            // the twin has the cores for itself
                blocks.Verify(isTimed: i > options.WarmUp);
            }

            if (i == options.WarmUp)
            {
                driver.Forget();
            }
        }

        return true;
    }

    // The twin starts at genesis, whatever the folder holds already.
    private static bool TryCatchUp(SerialTwin twin, ChainSession session, out Refusal refusal)
    {
        refusal = Refusal.None;
        ulong tip = session.Chain.LastAccepted.Header.Height.Value;
        for (ulong height = 1; height <= tip; height++)
        {
            if (!session.Chain.TryGetBlock(new Height(height), out Block? block))
            {
                refusal = new Refusal(
                    RefusalCode.LocalFailure, $"The data folder keeps no block {height}, which the serial twin needs; run with --no-verify.");
                return false;
            }

            twin.Run(block.Bytes, isTimed: false);
        }

        return true;
    }

    private static int ExitCodeOf(in Refusal refusal) =>
        refusal.Code == RefusalCode.GenesisMismatch ? ExitCodes.BadInput : ExitCodes.LocalFailure;

    private static void PrintBlock(string word, Block block, Terminal terminal)
    {
        terminal.Output.WriteLine($"{word} {block.Header.Height} {block.Id} {block.Header.StateRoot}");
        terminal.Output.Flush();
    }

    // Accepted blocks that the twin has not run yet.
    private sealed class UnverifiedBlocks(SerialTwin? twin)
    {
        private readonly List<ReadOnlyMemory<byte>> _blocks = [];

        public long Bytes { get; private set; }

        public void Add(Block block)
        {
            _blocks.Add(block.Bytes);
            Bytes += block.Bytes.Length;
        }

        public void Verify(bool isTimed)
        {
            foreach (ReadOnlyMemory<byte> block in _blocks)
            {
                twin?.Run(block, isTimed);
            }

            _blocks.Clear();
            Bytes = 0;
        }
    }
}
