// Suite "state". Question: what does keeping the state cost, in memory, in time and on disk?
// Decides: the shape of the tree (docs/adr), worker counts, and how often to checkpoint.
//
//   root.U.N    root after U changed values in a tree of N keys, leaves hashed from value hashes, in ms, one worker
//   root.U.N.w2 the same with two workers; its twin is the row of one worker
//
// Rows of the store itself are in StateSuite.Store.cs.
//
// Threading: the caller's thread; the pool has workers of its own.

using System;
using System.Collections.Generic;
using ParallelVm.Faster;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Benches;

/// <summary>The tree and the store.</summary>
internal static partial class StateSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "state";

    private static readonly StateHashing Hashing = new(new ChainId(new Bytes32(0, 0, 0, 0x7374617465)));

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        List<BenchRow> rows = [];
        RootBench small = new(20);
        rows.Add(new BenchRow("root.1k.2^20", "ms", "", () => small.Measure(1_000)));
        rows.Add(new BenchRow("root.10k.2^20", "ms", "", () => small.Measure(10_000)));
        return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
    }

    /// <summary>One tree of 2^bits keys that is changed again and again.</summary>
    private sealed class RootBench(int bits)
    {
        private readonly SeededRandom _random = new(20);
        private MerkleTree? _tree;

        public double Measure(int changes)
        {
            _tree ??= MerkleTree.Empty.Update(Hashing, Sorted(1 << bits, everyKey: true));
            LeafChange[] batch = Sorted(changes, everyKey: false);
            long start = TimeProvider.System.GetTimestamp();
            _tree = _tree.Update(Hashing, batch);
            return TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
        }

        private LeafChange[] Sorted(int count, bool everyKey)
        {
            SortedDictionary<StateKey, LeafChange> chosen = [];
            for (int i = 0; chosen.Count < count; i++)
            {
                int index = everyKey ? i : _random.Next(1 << bits);
                StateKey path = Hashing.KeyOf(ProgramId.Native, new LocalKey(new Bytes32(0, 0, 0, (ulong)index)));
                chosen[path] = new LeafChange(path, new Bytes32(_random.NextU64(), 1, 1, 1));
            }

            LeafChange[] sorted = new LeafChange[count];
            chosen.Values.CopyTo(sorted, 0);
            return sorted;
        }
    }
}
