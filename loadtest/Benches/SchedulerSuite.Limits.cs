// Rows of the suite "scheduler" that the engine's constants and the hand-over of work are chosen by: what a run of chains costs beside
// its transactions, how long chains should be, what waking takes, what a transaction takes that does nothing.
//
//   run.<shape>.w<n>     us per transaction of 0.3 us that the run alone takes, the graph built before; twin: a plain loop over the same work
//        apart           nobody shares a key             random1000, random20   two keys of so many, written
//        star            one writer, then all read       tails                  roots that set free a long chain and many short ones
//   cut.<us>             ns per microsecond of work of 2,000 microseconds, in transactions of 1 us, cut into such chains, two workers; twin: 50 us
//   fold.<n>             ns per key to fold the shards of n workers into records; twin: a look at each record
//   limit.wake           us from a ring until a parked thread runs: ParallelEngine.Limits.Wake
//   limit.engine         ns that the engine takes around a transaction in the run: CostModel
//
//   limit.free           ns per transaction of a graph in which nobody waits for anybody, built and drained: GateLimits.GraphPerTransaction
//
// GateLimits.GraphPerAccess is between schedule.interned5 and contended.interned5, for each of five keys.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Simulate;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Benches;

/// <content>Runs without the engine around them, and limits.</content>
internal static partial class SchedulerSuite
{
    private const int RunTxCount = 3_000;
    private const int RunRounds = 20;
    private const int FoldKeys = 4_096;
    private const uint GasOfProbe = 120;                // 0.3 us

    private static void AddRuns(List<BenchRow> rows, ParallelEngine engine, int workers)
    {
        SeededRandom random = new(11);
        AddRun("apart", tx => [(tx, AccessMode.Write)], _ => GasOfProbe);
        AddRun("star", tx => [(0, tx == 0 ? AccessMode.Write : AccessMode.Read), (tx + 1, AccessMode.Write)], _ => GasOfProbe);
        AddRun("random1000", _ => TwoOf(1_000), _ => GasOfProbe);
        AddRun("random20", _ => TwoOf(20), _ => GasOfProbe);
        AddRun("tails", Tails, tx => tx % 60 == 1 ? 60 * GasOfProbe : GasOfProbe);

        foreach (int microseconds in new[] { 50, 5, 10, 20, 100, 200 })
        {
            Lazy<RunBatch> made = new(() => new RunBatch(engine.Pool, TxCount, tx => [(tx % 100, AccessMode.Write)], _ => 400, (ulong)microseconds * 400));
            rows.Add(new BenchRow($"cut.{microseconds}", "ns/us", microseconds == 50 ? "" : "cut.50", () => made.Value.Measure(workers, RunRounds)));
        }

        void AddRun(string shape, Func<int, (int Key, AccessMode Mode)[]> keysOf, Func<int, uint> gasOf)
        {
            Lazy<RunBatch> made = new(() => new RunBatch(engine.Pool, RunTxCount, keysOf, gasOf, ParallelEngine.ChainGasMax));
            rows.Add(new BenchRow($"run.{shape}.plain", "us/tx", "", () => made.Value.MeasurePlain(RunRounds) / 1_000));
            rows.Add(new BenchRow($"run.{shape}.w1", "us/tx", $"run.{shape}.plain", () => made.Value.Measure(1, RunRounds) / 1_000));
            rows.Add(new BenchRow($"run.{shape}.w2", "us/tx", $"run.{shape}.plain", () => made.Value.Measure(workers, RunRounds) / 1_000));
        }

        (int, AccessMode)[] TwoOf(int keys)
        {
            int one = random.Next(keys);
            return [(one, AccessMode.Write), ((one + 1 + random.Next(keys - 1)) % keys, AccessMode.Write)];
        }
    }

    // Of sixty transactions: one that writes two keys, one long one after it that all the other long ones wait in turn for, and 58 short ones after the first.
    private static (int Key, AccessMode Mode)[] Tails(int tx)
    {
        int root = 1 + (tx / 60 * 2);
        return (tx % 60) switch
        {
            0 => [(root, AccessMode.Write), (root + 1, AccessMode.Write)],
            1 => [(root, AccessMode.Read), (0, AccessMode.Write)],
            _ => [(root + 1, AccessMode.Read)],
        };
    }

    private static void AddLimits(List<BenchRow> rows, ParallelEngine engine)
    {
        foreach (int workers in new[] { 2, 8 })
        {
            Lazy<FoldBatch> made = new(() => new FoldBatch(workers));
            rows.Add(new BenchRow($"fold.look.{workers}", "ns/key", "", () => made.Value.MeasureLook(RunRounds)));
            rows.Add(new BenchRow($"fold.{workers}", "ns/key", $"fold.look.{workers}", () => made.Value.Measure(RunRounds)));
        }

        Message[] nothing = new SchedulerProbe(0).Independent(TxCount);
        ProbeState state = new(new HashSet<StateKey>());
        rows.Add(new BenchRow("limit.engine", "ns/tx", "", () => (double)Stages(engine, nothing, state, in Context, 1, RunRounds).RunNs / nothing.Length));
        Lazy<DrainBatch> free = new(() => new DrainBatch(RunTxCount, keysEach: 0, hotKeys: 0));
        rows.Add(new BenchRow("limit.free", "ns/tx", "", () => free.Value.Measure(RunRounds)));
        rows.Add(new BenchRow("limit.wake", "us", "", () =>
        {
            using WorkerPool pool = new(2);
            return CostProbe.Arrival(pool, isParked: true) / 1_000.0;
        }));
    }

    // A graph, and a run that spends time instead of executing.
    private sealed class RunBatch
    {
        private readonly WorkerPool _pool;
        private readonly ConflictGraph _graph;
        private readonly Spender _spender;
        private readonly ParallelRun<Spender> _run;
        private readonly int[] _offsets;
        private readonly int[] _keys;
        private readonly AccessMode[] _modes;
        private readonly uint[] _costs;
        private readonly int _keyCount;

        public RunBatch(WorkerPool pool, int txCount, Func<int, (int Key, AccessMode Mode)[]> keysOf, Func<int, uint> gasOf, ulong chainGasMax)
        {
            _pool = pool;
            List<int> keys = [];
            List<AccessMode> modes = [];
            _offsets = new int[txCount + 1];
            _costs = new uint[txCount];
            for (int tx = 0; tx < txCount; tx++)
            {
                foreach ((int key, AccessMode mode) in keysOf(tx))
                {
                    keys.Add(key);
                    modes.Add(mode);
                    _keyCount = Math.Max(_keyCount, key + 1);
                }

                _offsets[tx + 1] = keys.Count;
                _costs[tx] = gasOf(tx);
            }

            _keys = [.. keys];
            _modes = [.. modes];
            _graph = new ConflictGraph(chainGasMax);
            _spender = new Spender(Array.ConvertAll(_costs, gas => SchedulerProbe.StepsOf((int)(gas * 5 / 2))));
            _run = new ParallelRun<Spender>(_graph, _spender);
        }

        public double MeasurePlain(int rounds)
        {
            TimeProvider time = TimeProvider.System;
            double least = double.MaxValue;
            for (int round = 0; round < rounds; round++)
            {
                long start = time.GetTimestamp();
                for (int tx = 0; tx < _costs.Length; tx++)
                {
                    _spender.RunOne(0, tx);
                }

                least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
            }

            return least / _costs.Length;
        }

        public double Measure(int workers, int rounds)
        {
            TimeProvider time = TimeProvider.System;
            double least = double.MaxValue;
            for (int round = 0; round < rounds; round++)
            {
                _graph.Build(new BatchAccesses(_offsets, _keys, _modes, _costs, _keyCount));
                long start = time.GetTimestamp();
                _run.Run(_pool, workers, driver: null);
                least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
            }

            return least / _costs.Length;
        }
    }

    private sealed class Spender(int[] steps) : IRunTarget
    {
        private ulong _sum;

        public void RunOne(int worker, int tx)
        {
            ulong sum = SchedulerProbe.Spend(steps[tx]);
            if (sum == 0)
            {
                _sum = sum;                     // never; it keeps the loop from being removed
            }
        }

        public void Expect(int next, int afterNext)
        {
            // nothing to fetch
        }

        public void Fold(int key)
        {
            // nothing was added
        }
    }

    // Every worker has added to every key.
    private sealed class FoldBatch
    {
        private readonly AddShards _shards = new();
        private readonly Record?[] _records = new Record?[FoldKeys];
        private readonly int _workers;

        public FoldBatch(int workers)
        {
            _workers = workers;
            for (int key = 0; key < FoldKeys; key++)
            {
                _records[key] = new Record();
                _records[key]!.Set(new byte[16]);
            }
        }

        public double Measure(int rounds)
        {
            TimeProvider time = TimeProvider.System;
            double least = double.MaxValue;
            for (int round = 0; round < rounds; round++)
            {
                _shards.Begin(FoldKeys, _workers);
                for (int key = 0; key < FoldKeys; key++)
                {
                    _shards.Declare(key);
                }

                _shards.Reserve(isDirty: false);
                for (int worker = 0; worker < _workers; worker++)
                {
                    for (int key = 0; key < FoldKeys; key++)
                    {
                        _shards.Add(worker, key, 1);
                    }
                }

                long start = time.GetTimestamp();
                _shards.Fold(0, FoldKeys, _records);
                least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
            }

            return least / FoldKeys;
        }

        public double MeasureLook(int rounds)
        {
            TimeProvider time = TimeProvider.System;
            double least = double.MaxValue;
            UInt128 sum = 0;
            for (int round = 0; round < rounds; round++)
            {
                long start = time.GetTimestamp();
                foreach (Record? record in _records)
                {
                    sum += record!.Accumulator;
                }

                least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
            }

            Invariant.Require(sum >= 0);
            return least / FoldKeys;
        }
    }
}
