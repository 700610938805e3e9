// Suite "ahead". Question: what does a follower's Verify gain when blocks were looked at after they were parsed?
// Decides: whether the plugin looks ahead, and how far (docs/adr/0029).
//
//   verify         a block of 1,000 transfers and swaps that this node has never seen, parsed in a batch of 16, then verified and accepted one after
//                  the other at once: mean time of one TryVerify, in ms
//   verify.ahead   the same with the plugin's thread beside it
//   follow, .ahead the whole way of such a block, parsing and acceptance included, in ms: what the thread takes from the others shows here
//
// Both followers take the same blocks in turn. The worst case for looking ahead: nobody waits for the network between two calls.
//
// Threading: the caller's thread, the engines' workers, and the thread that is measured.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Loadtest.Benches;

/// <summary>Blocks looked at before they are verified.</summary>
internal static class AheadSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "ahead";

    private const int BatchBlocks = 16;
    private const int BlockTransactions = 1_000;

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        DexWorld world = new(1);
        string folder = Directory.CreateTempSubdirectory("parallelvm-bench-").FullName;
        try
        {
            using Author author = new(world, Path.Combine(folder, "author"), options.Workers);
            using Follower plain = new(world, Path.Combine(folder, "plain"), options.Workers, looksAhead: false);
            using Follower ahead = new(world, Path.Combine(folder, "ahead"), options.Workers, looksAhead: true);
            BenchRow[] rows =
            [
                new("verify", "ms", "", () => plain.Follow(author.Next(BatchBlocks))),
                new("verify.ahead", "ms", "verify", () => ahead.Follow(author.Last)),
                new("follow", "ms", "", () => plain.FollowMs),
                new("follow.ahead", "ms", "follow", () => ahead.FollowMs),
            ];
            return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static ChainSession Open(DexWorld world, string folder, int workers) =>
        ChainSession.TryOpen(world, folder, workers, isReader: false, out ChainSession? session, out Refusal refusal)
            ? session : throw new InvariantException($"A fresh chain does not open: {refusal}");

    /// <summary>Makes blocks that nobody else has seen.</summary>
    private sealed class Author(DexWorld world, string folder, int workers) : IDisposable
    {
        private readonly ChainSession _session = Open(world, folder, workers);
        private readonly Workload _load = new(new WorkloadShape(1, DexWorld.AccountCount, DexWorld.PoolCount, new WorkloadMix(60, 40, 0), 0));
        private readonly TransactionFactory _factory = new(world);

        public List<Block> Last { get; } = [];

        public List<Block> Next(int blocks)
        {
            Last.Clear();
            ChainService chain = _session.Chain;
            for (int i = 0; i < blocks; i++)
            {
                Height height = chain.LastAccepted.Header.Height.Next;
                _session.Clock.Set(TransactionFactory.TimeMsAt(height));
                List<ReadOnlyMemory<byte>> batch = [];
                foreach (Intent intent in _load.At(height, BlockTransactions))
                {
                    batch.Add(_factory.Sign(intent, height).Bytes);
                }

                chain.SubmitBatch(batch);
                bool isBuilt = chain.TryBuild(out Block? block);
                Invariant.Require(isBuilt && block!.Transactions.Length == BlockTransactions);
                bool isGood = chain.TryVerify(block!, out _);
                Invariant.Require(isGood);
                chain.Accept(block!.Id);
                Last.Add(block);
            }

            return Last;
        }

        public void Dispose() => _session.Dispose();
    }

    /// <summary>Takes blocks from their bytes.</summary>
    private sealed class Follower : IDisposable
    {
        private readonly ChainSession _session;
        private readonly AheadThread? _ahead;

        public Follower(DexWorld world, string folder, int workers, bool looksAhead)
        {
            _session = Open(world, folder, workers);
            _ahead = looksAhead ? new AheadThread(_session.Chain, static failure => throw new InvariantException(failure.ToString())) : null;
        }

        /// <summary>Of the last batch, per block.</summary>
        public double FollowMs { get; private set; }

        public double Follow(List<Block> blocks)
        {
            ChainService chain = _session.Chain;
            _session.Clock.Set(blocks[^1].Header.TimestampMs);
            TimeSpan verifying = default;
            long start = TimeProvider.System.GetTimestamp();
            List<Block> parsed = [];
            foreach (Block block in blocks)
            {
                bool parses = chain.TryParse(block.Bytes.Span, out Block? own, out _);
                Invariant.Require(parses);
                parsed.Add(own!);
            }

            LookAhead();
            foreach (Block block in parsed)
            {
                long before = TimeProvider.System.GetTimestamp();
                bool isGood = chain.TryVerify(block, out _);
                verifying += TimeProvider.System.GetElapsedTime(before);
                Invariant.Require(isGood);
                LookAhead();
                chain.SetPreference(block.Id);
                chain.Accept(block.Id);
            }

            FollowMs = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds / blocks.Count;
            return verifying.TotalMilliseconds / blocks.Count;
        }

        public void Dispose()
        {
            _ahead?.Dispose();
            _session.Dispose();
        }

        private void LookAhead()
        {
            if (_ahead is { } ahead && _session.Chain.ExpectParsed())
            {
                ahead.Wake();
            }
        }
    }
}
