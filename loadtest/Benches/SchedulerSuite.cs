// Suite "scheduler". Question: what does it cost to find out who may run beside whom, and when does running side by side win?
// Decides: where the engine falls back to the plain loop, how long chains are, whether a stage is worth more workers.
// Read it as: times, so a ratio below 1 is faster than the twin.
//
//   serialChain, chain.<cost>          us per transaction when all write one key; twin: the plain loop
//   serialChain.cores                  processors busy meanwhile
//   independent.<cost>.w2              us per transaction when no two share a key; twin: one worker
//   payers1vs100                       us per transaction, one payer for all; twin: a hundred payers
//   schedule.interned5                 ns per transaction to build and drain the graph, five keys of its own, as integers; twin: one look at each access
//   contended.interned5                the same with five keys of eight hot ones, where each is a chain link; twin: schedule.interned5
//   schedule.interning5                checking, interning, an empty load and the graph, through the engine; twin: schedule.interned5
//   schedule.all5                      checking, interning, an empty load, building and draining the graph, on one thread
//   contendedVsUncontended             the same with five keys of eight hot ones; twin: schedule.all5
//   allocatedBytesPerTx                bytes per transaction on all threads, from the difference of two batch lengths
//   adversarial.<shape>.<n>            ns per declared key of a batch of n that does nothing; twin: the plain loop
//   graph.<shape>.<n>                  the same when the graph is built and drained by two workers whatever it costs; twin: the plain loop
//   stage.<workload>.<n>.<stage>.w2    ns per transaction of each stage of the engine; twin: the same with one worker
//   run.<shape>.w<n>, cut.<us>, fold.<workers>, limit.<name>: SchedulerSuite.Limits.cs
//
// A time is the least of several rounds: what else the machine does only adds.
// Threading: the caller's thread; the engine has workers of its own.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Benches;

/// <summary>Scheduling alone.</summary>
internal static partial class SchedulerSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "scheduler";

    private const int TxCount = 2_000;
    private const int GraphTxCount = 10_000;
    private const int GraphRounds = 5;
    private const int KeysEach = 5;
    private const int HotKeys = 8;
    private const double BudgetUs = 20_000;             // of one measurement of one row

    private static readonly string[] Shapes = ["readersThenWriter", "comb", "hotWriters", "wide64", "crafted"];
    private static readonly int[] Lengths = [1_000, 10_000, 100_000];
    private static readonly (string Name, int Nanoseconds)[] Costs = [("0.3us", 300), ("1us", 1_000), ("5us", 5_000), ("100us", 100_000)];
    private static readonly (string Name, Func<BatchStages, long> Of)[] StageNames =
    [
        ("load", stages => stages.LoadNs), ("plan", stages => stages.PlanNs), ("run", stages => stages.RunNs), ("settle", stages => stages.SettleNs),
        ("diff", stages => stages.DiffNs), ("all", stages => stages.LoadNs + stages.PlanNs + stages.RunNs + stages.SettleNs + stages.DiffNs),
    ];

    private static readonly ExecutionRules Rules = new() { Hashing = new StateHashing(default), Treasury = default };
    private static readonly BlockContext Context = new(new Height(1), 1, default, BaseFee: 0, Fork: 0);
    private static readonly BlockContext PaidContext = new(new Height(1), 1, default, BaseFee: 1, Fork: 0);

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        using ParallelEngine engine = new(TimeProvider.System, options.Workers, salt: 0x5C4ED);
        List<BenchRow> rows = [];
        AddCosts(rows, engine, options.Workers);
        AddPayers(rows, engine, options.Workers);
        AddGraph(rows, engine);
        AddAdversarial(rows, engine, options.Workers);
        AddStages(rows, engine, options.Workers);
        AddRuns(rows, engine, options.Workers);
        AddLimits(rows, engine);
        return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
    }

    private static void AddCosts(List<BenchRow> rows, ParallelEngine engine, int workers)
    {
        Add("serialChain", "plain.serialChain", 1_000, probe => probe.Chain(TxCount), TxCount);
        Message[] chain = new SchedulerProbe(1_000).Chain(TxCount);
        rows.Add(new BenchRow("serialChain.cores", "cores", "", () => CoresBusy(engine, chain, new ProbeState(PayersOf(chain)), workers)));
        foreach ((string name, int nanoseconds) in Costs)
        {
            int count = (int)Math.Clamp(BudgetUs * 1_000 / nanoseconds, 200, TxCount);
            Add($"independent.{name}.w2", $"independent.{name}.w1", nanoseconds, probe => probe.Independent(count), count);
            Add($"chain.{name}", $"plain.chain.{name}", nanoseconds, probe => probe.Chain(count), count);
        }

        void Add(string row, string twin, int nanoseconds, Func<SchedulerProbe, Message[]> make, int count)
        {
            Message[] batch = make(new SchedulerProbe(nanoseconds));
            ProbeState state = new(PayersOf(batch));
            int rounds = (int)Math.Max(1, BudgetUs * 1_000 / ((double)nanoseconds * count));
            rows.Add(new BenchRow(twin, "us/tx", "", () => Measure(engine, batch, state, 1, rounds) / 1_000));
            rows.Add(new BenchRow(row, "us/tx", twin, () => Measure(engine, batch, state, workers, rounds) / 1_000));
        }
    }

    private static void AddPayers(List<BenchRow> rows, ParallelEngine engine, int workers)
    {
        foreach ((string row, string twin, int payers) in new[] { ("payers100", "", 100), ("payers1vs100", "payers100", 1) })
        {
            Message[] batch = new SchedulerProbe(300).Independent(TxCount, payers);
            ProbeState state = new(PayersOf(batch));
            rows.Add(new BenchRow(row, "us/tx", twin, () => Measure(engine, batch, state, workers, 20) / 1_000));
        }
    }

    private static void AddGraph(List<BenchRow> rows, ParallelEngine engine)
    {
        DrainBatch own = new(GraphTxCount, KeysEach, 0);
        DrainBatch hot = new(GraphTxCount, KeysEach, HotKeys);
        rows.Add(new BenchRow("schedule.walk5", "ns/tx", "", () => own.MeasureWalk(GraphRounds)));
        rows.Add(new BenchRow("schedule.interned5", "ns/tx", "schedule.walk5", () => own.Measure(GraphRounds)));
        rows.Add(new BenchRow("contended.interned5", "ns/tx", "schedule.interned5", () => hot.Measure(GraphRounds)));

        Message[] five = new SchedulerProbe(0).Five(GraphTxCount);
        Message[] fiveHot = new SchedulerProbe(0).Five(GraphTxCount, HotKeys);
        ProbeState state = new(new HashSet<StateKey>());        // nobody pays, and no key has a record
        rows.Add(new BenchRow("schedule.interning5", "ns/tx", "schedule.interned5", () =>
        {
            engine.AlwaysParallel = true;                       // with one worker there would be no graph
            BatchStages stages = Stages(engine, five, state, in Context, 2, GraphRounds);
            engine.AlwaysParallel = false;
            return (double)(stages.LoadNs + stages.PlanNs) / five.Length;
        }));
        rows.Add(new BenchRow("schedule.all5", "ns/tx", "", () => All(five, own)));
        rows.Add(new BenchRow("contendedVsUncontended", "ns/tx", "schedule.all5", () => All(fiveHot, hot)));
        rows.Add(new BenchRow("allocatedBytesPerTx", "bytes/tx", "", () => AllocatedPerTx(engine, state, five)));

        double All(Message[] messages, DrainBatch graph) =>
            ((double)Stages(engine, messages, state, in Context, 1, GraphRounds).LoadNs / messages.Length) + graph.Measure(GraphRounds);
    }

    private static void AddAdversarial(List<BenchRow> rows, ParallelEngine engine, int workers)
    {
        SchedulerProbe probe = new(0);
        foreach (string shape in Shapes)
        {
            foreach (int length in Lengths)
            {
                Lazy<Message[]> made = new(() => probe.Adversarial(shape, length));
                ProbeState state = new(new HashSet<StateKey>());
                int rounds = Math.Max(2, 20_000 / length);
                string twin = $"plain.{shape}.{length}";
                rows.Add(new BenchRow(twin, "ns/key", "", () => PerKey(1, hasGraph: false)));
                rows.Add(new BenchRow($"adversarial.{shape}.{length}", "ns/key", twin, () => PerKey(workers, hasGraph: false)));
                rows.Add(new BenchRow($"graph.{shape}.{length}", "ns/key", twin, () => PerKey(workers, hasGraph: true)));

                double PerKey(int used, bool hasGraph)
                {
                    engine.AlwaysParallel = hasGraph;
                    double perTx = Measure(engine, made.Value, state, used, rounds);
                    engine.AlwaysParallel = false;
                    return perTx * length / DeclaredBy(made.Value);
                }
            }
        }
    }

    private static void AddStages(List<BenchRow> rows, ParallelEngine engine, int workers)
    {
        foreach (int length in new[] { 1_000, 10_000 })
        {
            (Message[] batch, IStateView state) = EngineSuite.TransferBatch(length);
            AddStages(rows, engine, workers, $"stage.transfer.{length}", batch, state);
        }
    }

    // One measurement serves all rows of a batch: the first row of a round takes it.
    private static void AddStages(List<BenchRow> rows, ParallelEngine engine, int workers, string prefix, Message[] batch, IStateView state)
    {
        BatchStages serial = default;
        BatchStages parallel = default;
        int rounds = Math.Max(1, 20_000 / batch.Length);
        for (int stage = 0; stage < StageNames.Length; stage++)
        {
            (string name, Func<BatchStages, long> of) = StageNames[stage];
            bool isFirst = stage == 0;
            string twin = $"{prefix}.{name}.w1";
            rows.Add(new BenchRow(twin, "ns/tx", "", () =>
            {
                serial = isFirst ? Stages(engine, batch, state, in PaidContext, 1, rounds) : serial;
                parallel = isFirst ? Stages(engine, batch, state, in PaidContext, workers, rounds) : parallel;
                return (double)of(serial) / batch.Length;
            }));
            rows.Add(new BenchRow($"{prefix}.{name}.w2", "ns/tx", twin, () => (double)of(parallel) / batch.Length));
        }
    }

    // Nanoseconds per transaction, the whole engine.
    private static double Measure(ParallelEngine engine, Message[] batch, IStateView state, int workers, int rounds)
    {
        TimeProvider time = TimeProvider.System;
        double least = double.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            long start = time.GetTimestamp();
            engine.Execute(batch, in Context, state, Rules, workers).Recycle();
            least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
        }

        return least / batch.Length;
    }

    private static double CoresBusy(ParallelEngine engine, Message[] batch, IStateView state, int workers)
    {
        TimeProvider time = TimeProvider.System;
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long start = time.GetTimestamp();
        _ = Measure(engine, batch, state, workers, 50);
        return (Environment.CpuUsage.TotalTime - before) / time.GetElapsedTime(start);
    }

    // The round with the least total, so that stages add up.
    private static BatchStages Stages(ParallelEngine engine, Message[] batch, IStateView state, in BlockContext context, int workers, int rounds)
    {
        BatchStages[] all = new BatchStages[rounds];
        long[] totals = new long[rounds];
        for (int round = 0; round < rounds; round++)
        {
            BatchResult result = engine.Execute(batch, in context, state, Rules, workers);
            all[round] = result.Trace.Stages;
            result.Recycle();
            totals[round] = StageNames[^1].Of(all[round]);
        }

        Array.Sort(totals, all);
        return all[0];
    }

    private static double AllocatedPerTx(ParallelEngine engine, ProbeState state, Message[] large)
    {
        Message[] small = large[..(large.Length / 2)];
        _ = Measure(engine, large, state, 2, 2);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        _ = Measure(engine, small, state, 2, 4);
        long between = GC.GetTotalAllocatedBytes(precise: true);
        _ = Measure(engine, large, state, 2, 4);
        long after = GC.GetTotalAllocatedBytes(precise: true);
        return (double)(after - between - (between - before)) / 4 / (large.Length - small.Length);
    }

    private static HashSet<StateKey> PayersOf(Message[] batch)
    {
        HashSet<StateKey> payers = [];
        foreach (Message message in batch)
        {
            payers.Add(message.PayerKey);
        }

        return payers;
    }

    private static long DeclaredBy(Message[] batch)
    {
        long declared = 0;
        foreach (Message message in batch)
        {
            declared += message.Keys.Length;
        }

        return declared;
    }

    // A batch of integers, and the graph that drains it on one thread.
    private sealed class DrainBatch
    {
        private readonly ConflictGraph _graph = new();
        private readonly int[] _offsets;
        private readonly int[] _keys;
        private readonly AccessMode[] _modes;
        private readonly uint[] _costs;
        private readonly int _keyCount;
        private readonly ReadyShelves _shelves = new();

        public DrainBatch(int count, int keysEach, int hotKeys)
        {
            SeededRandom random = new(5);
            _offsets = new int[count + 1];
            _keys = new int[count * keysEach];
            _modes = new AccessMode[_keys.Length];
            _costs = new uint[count];
            _keyCount = hotKeys == 0 ? _keys.Length : hotKeys;
            Array.Fill(_costs, 320u);
            for (int tx = 0; tx < count; tx++)
            {
                _offsets[tx + 1] = (tx + 1) * keysEach;
                int first = hotKeys == 0 ? tx * keysEach : random.Next(hotKeys);
                for (int k = 0; k < keysEach; k++)
                {
                    _keys[_offsets[tx] + k] = hotKeys == 0 ? first + k : (first + k) % hotKeys;
                    _modes[_offsets[tx] + k] = k < 2 ? AccessMode.Write : k < 4 ? AccessMode.Read : AccessMode.Add;
                }
            }
        }

        public double MeasureWalk(int rounds)
        {
            TimeProvider time = TimeProvider.System;
            long start = time.GetTimestamp();
            long sum = 0;
            for (int round = 0; round < rounds; round++)
            {
                for (int tx = 0; tx < _costs.Length; tx++)
                {
                    for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
                    {
                        sum += _keys[access] + (int)_modes[access];
                    }
                }
            }

            Invariant.Require(sum > 0);
            return time.GetElapsedTime(start).TotalNanoseconds / rounds / _costs.Length;
        }

        public double Measure(int rounds)
        {
            TimeProvider time = TimeProvider.System;
            double least = double.MaxValue;
            for (int round = 0; round < rounds; round++)
            {
                long start = time.GetTimestamp();
                _graph.Build(new BatchAccesses(_offsets, _keys, _modes, _costs, _keyCount));
                _shelves.Begin(_graph, 1);
                HandSink sink = new(_shelves);
                int done = 0;
                while (_shelves.CountOf(0) > 0 || _shelves.TryTakeFromRow(0))
                {
                    int chain = _shelves.Pop(0);
                    done += _graph.TransactionsOf(chain).Length;
                    _graph.Complete(chain, ref sink);
                }

                Invariant.Require(done == _costs.Length);
                least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
            }

            return least / _costs.Length;
        }
    }

    private readonly struct HandSink(ReadyShelves shelves) : ICompletionSink
    {
        public void AdderGroupFinished(int key)
        {
            // nothing was added
        }

        public void Ready(int chain) => shelves.Push(0, chain);
    }
}
