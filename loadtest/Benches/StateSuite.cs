// Suite "state". Question: what does keeping the state cost, in memory, in time and on disk?
// Decides: the shape of the tree (docs/adr), worker counts, and how often to checkpoint.
//
//   root.U.N       root after U changed values in a tree of N keys: leaves hashed from value hashes, tree updated, made the
//                  base; in ms, one worker
//   root.U.N.w2    the same with two workers; its twin is the row of one worker
//   build.perKey   a tree of 2^24 keys from unsorted paths and value hashes, one worker, in ns per key
//   tree.perKey    bytes of tree per key at 2^20 keys, and at 2^24
//
// Rows of the store itself are in StateSuite.Store.cs.
//
// Threading: the caller's thread; the pool has workers of its own.

using System;
using System.Collections.Generic;
using ParallelVm.Engine;
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
        using WorkerPool pool = new(2);
        AddRootRows(rows, pool);
        string folder = System.IO.Directory.CreateTempSubdirectory("parallelvm-bench-").FullName;
        List<IDisposable> open = [];
        try
        {
            AddStoreRows(rows, folder, open, pool);
            return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
        }
        finally
        {
            open.ForEach(static store => store.Dispose());
            System.IO.Directory.Delete(folder, recursive: true);
        }
    }

    private static void AddRootRows(List<BenchRow> rows, WorkerPool pool)
    {
        RootBench small = new(20, pool);
        RootBench large = new(24, pool);
        foreach ((string name, RootBench tree, int changes) in new[]
        {
            ("root.1k.2^20", small, 1_000), ("root.10k.2^20", small, 10_000), ("root.100k.2^24", large, 100_000), ("root.1m.2^24", large, 1_000_000),
        })
        {
            rows.Add(new BenchRow(name, "ms", "", () => tree.Measure(changes, workers: 1)));
            rows.Add(new BenchRow(name + ".w2", "ms", name, () => tree.Measure(changes, workers: 2)));
        }

        rows.Add(new BenchRow("build.perKey", "ns", "", large.MeasureBuild));
        rows.Add(new BenchRow("tree.perKey.2^20", "B", "", () => small.BytesPerKey));
        rows.Add(new BenchRow("tree.perKey.2^24", "B", "", () => large.BytesPerKey));
    }

    /// <summary>One tree of 2^bits keys that is changed again and again, by one worker or two.</summary>
    private sealed class RootBench(int bits, WorkerPool pool)
    {
        private const int PathsAtOnce = 256;

        private readonly StateTreeHash _hash = new(Hashing);
        private readonly SeededRandom _random = new(20);
        private int _workers = 1;
        private double _nsPerKey;
        private MerkleTree? _tree;

        public double BytesPerKey => (double)Tree.MemoryBytes / Tree.Count;

        private MerkleTree Tree => _tree ??= Build();

        public double MeasureBuild()
        {
            _tree = null;
            _ = Tree;
            return _nsPerKey;
        }

        public double Measure(int changes, int workers)
        {
            MerkleTree tree = Tree;
            PathChange[] batch = Batch(changes);
            _workers = workers;
            long start = TimeProvider.System.GetTimestamp();
            _tree = tree.Update(batch);
            _tree.BecomeBase();
            return TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
        }

        private MerkleTree Build()
        {
            PathChange[] keys = new PathChange[1 << bits];
            Bytes32[] pairs = new Bytes32[2 * PathsAtOnce];
            Bytes32[] paths = new Bytes32[PathsAtOnce];
            for (int i = 0; i < keys.Length; i++)
            {
                int at = i % PathsAtOnce;
                if (at == 0)
                {
                    for (int j = 0; j < PathsAtOnce; j++)
                    {
                        (pairs[2 * j], pairs[(2 * j) + 1]) = (ProgramId.Native.Value, LocalKeyAt(i + j).Value);
                    }

                    Hashing.Keys(pairs, paths);
                }

                keys[i] = new PathChange(new StateKey(paths[at]), AnyHash());
            }

            _workers = 1;
            long start = TimeProvider.System.GetTimestamp();
            MerkleTree tree = MerkleTree.Build(_hash, keys, (count, job) => pool.For(count, _workers, job));
            _nsPerKey = TimeProvider.System.GetElapsedTime(start).TotalNanoseconds / keys.Length;
            return tree;
        }

        /// <summary>New values for different keys of the tree, sorted by path.</summary>
        private PathChange[] Batch(int count)
        {
            Dictionary<int, PathChange> chosen = [];
            while (chosen.Count < count)
            {
                int index = _random.Next(1 << bits);
                chosen[index] = new PathChange(PathAt(index), AnyHash());
            }

            PathChange[] sorted = new PathChange[count];
            chosen.Values.CopyTo(sorted, 0);
            sorted.AsSpan().Sort(static (a, b) => a.Path.CompareTo(b.Path));
            return sorted;
        }

        private Bytes32 AnyHash() => new(_random.NextU64(), _random.NextU64(), 1, 1);

        private static StateKey PathAt(int index) => Hashing.KeyOf(ProgramId.Native, LocalKeyAt(index));

        private static LocalKey LocalKeyAt(int index) => new(new Bytes32(0, 0, 0, (ulong)index));
    }
}
