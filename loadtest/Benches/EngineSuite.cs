// Suite "engine". Question: what does a transaction cost in the engine, and what does running in parallel win?
// Decides: whether work on scheduling, on the interpreter or on the stages around them pays more.
// Read it as: us per transaction of whole batches, signatures, roots and disk off; ratio below 1 means faster than the twin.
//
//   <workload>.<engine>.serial     the plain loop; engine is interp (every instruction interpreted) or jit (compiled at the first use)
//   <workload>.<engine>            all workers; twin: the row above
//
// Beside the value, each row has: tps; workUs and spanUs of its batch, in time measured on one core; ceiling = work / span;
// efficiency = max(work / workers, span) over what the run and the graph took; interference = what a plain loop takes while another one runs
// beside it, over what it takes alone (two cores that are threads of one, or share a cache, slow each other without any scheduling), and
// coreEfficiency = the efficiency if work took that much longer: what is left to win; cpuSecondsPerMTx and bytesPerTx of the process; and
// where the nanoseconds of a transaction go: loadNs, planNs, runNs, settleNs, diffNs.
//
// Workloads: EngineWorkloads.   Threading: the caller's thread; the engine has workers of its own.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Simulate;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Benches;

/// <summary>The engine alone.</summary>
internal static class EngineSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "engine";

    /// <summary>The chain that its batches are on.</summary>
    public static readonly ChainId Chain = new(new Bytes32(0, 0, 0, 0x62656e6368));

    /// <summary>The block that its batches run in.</summary>
    public static readonly BlockContext Context = new(new Height(1), 1, Chain, BaseFee: 1, Fork: 0);

    private const int TxCount = 2_000;

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        List<string> notes = [];
        List<EngineWorkload> workloads = EngineWorkloads.All(TxCount, notes);
        using ParallelEngine interpreted = new(TimeProvider.System, options.Workers, jit: JitMode.Off);
        using ParallelEngine compiled = new(TimeProvider.System, options.Workers, jit: JitMode.AtOnce);
        using ParallelEngine interpretedBeside = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        using ParallelEngine compiledBeside = new(TimeProvider.System, maxWorkers: 1, salt: null, compiled.Code);     // a cache of its own would take each program's link away, every time
        using WorkerPool pool = new(2);
        List<BenchRow> rows = [];
        foreach (EngineWorkload workload in workloads)
        {
            AddPair(rows, workload, new Engines(interpreted, interpretedBeside, pool), "interp", options.Workers);
            AddPair(rows, workload, new Engines(compiled, compiledBeside, pool), "jit", options.Workers);
        }

        return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress) with { Notes = notes.Count == 0 ? null : [.. notes] };
    }

    /// <summary>Transfers no two of which share a key, and a state that never changes: also what the scheduler suite takes apart.</summary>
    internal static (Message[] Batch, IStateView State) TransferBatch(int count)
    {
        EngineWorkload workload = EngineWorkloads.Transfers(count);
        return (workload.Batch, workload.State);
    }

    private static void AddPair(List<BenchRow> rows, EngineWorkload workload, Engines engines, string engineName, int workers)
    {
        EngineProbe serial = new(workload, engines, 1, null);
        EngineProbe parallel = new(workload, engines, workers, serial);
        string name = $"{workload.Name}.{engineName}";
        rows.Add(new BenchRow(name + ".serial", "us/tx", "", serial.Measure) { Extra = serial.Figures });
        rows.Add(new BenchRow(name, "us/tx", name + ".serial", parallel.Measure) { Extra = parallel.Figures });
    }

    /// <summary>The engine that is measured, and another for what runs beside it.</summary>
    private sealed record Engines(ParallelEngine Measured, ParallelEngine Beside, WorkerPool Pool);

    /// <summary>One row's measurements.</summary>
    /// <param name="twin">The plain loop's; null for the plain loop itself.</param>
    private sealed class EngineProbe(EngineWorkload workload, Engines engines, int workers, EngineProbe? twin)
    {
        private const int BatchesPerRun = 5;
        private const int MeasuredBatches = 15;
        private const int TogetherMax = 7;

        private readonly ExecutionRules _rules = new() { Hashing = new StateHashing(Chain), Treasury = default };
        private readonly List<BatchStages> _stages = [];
        private readonly List<double> _values = [];
        private bool _isWarm;
        private long _allocated;
        private TimeSpan _cpu;

        /// <summary>Microseconds per transaction of a few batches; the first call warms and is not remembered.</summary>
        public double Measure()
        {
            long allocated = GC.GetTotalAllocatedBytes();
            TimeSpan cpu = Environment.CpuUsage.TotalTime;
            TimeProvider time = TimeProvider.System;
            long start = time.GetTimestamp();
            Span<BatchStages> stages = stackalloc BatchStages[BatchesPerRun];
            for (int i = 0; i < BatchesPerRun; i++)
            {
                stages[i] = Execute(engines.Measured, workers).Stages;
            }

            double value = time.GetElapsedTime(start).TotalMicroseconds / BatchesPerRun / workload.Batch.Length;
            if (_isWarm)
            {
                _cpu += Environment.CpuUsage.TotalTime - cpu;
                _allocated += GC.GetTotalAllocatedBytes() - allocated;
                _stages.AddRange(stages);
                _values.Add(value);
            }

            _isWarm = true;
            return value;
        }

        /// <summary>What the row has beside its value; after the last run.</summary>
        public IReadOnlyList<(string Name, double Value)> Figures()
        {
            double count = workload.Batch.Length;
            double executed = Math.Max(1, _stages.Count) * count;
            (double work, double span) = WorkAndSpan();
            double overhead = Typical(s => s.PlanNs) - (twin ?? this).Typical(s => s.PlanNs);
            double bound = Math.Max(work / workers, span);
            double interference = twin is null ? 1 : Interference();
            double taken = Math.Max(1, Typical(s => s.RunNs) + overhead);
            return
            [
                ("tps", 1e6 / Middle(_values)),
                ("workUs", work / 1e3),
                ("spanUs", span / 1e3),
                ("ceiling", work / Math.Max(1, span)),
                ("efficiency", bound / taken),
                ("interference", interference),
                ("coreEfficiency", Math.Max(work * interference / workers, span) / taken),
                ("cpuSecondsPerMTx", _cpu.TotalSeconds / executed * 1e6),
                ("bytesPerTx", _allocated / executed),
                ("loadNs", Typical(s => s.LoadNs) / count),
                ("planNs", Typical(s => s.PlanNs) / count),
                ("runNs", Typical(s => s.RunNs) / count),
                ("settleNs", Typical(s => s.SettleNs) / count),
                ("diffNs", Typical(s => s.DiffNs + s.ApplyNs) / count),
            ];
        }

        // Work is what the plain loop takes; the span is its share of that by the timed transactions, each of which has a clock
        // reading in it that the plain loop has not. The least of a few counts: a transaction that the machine held up for a
        // millisecond would be the whole span.
        private (double Work, double Span) WorkAndSpan()
        {
            (long timed, long span) = (long.MaxValue, long.MaxValue);
            engines.Measured.MeasuresTransactions = true;
            for (int i = 0; i < MeasuredBatches; i++)
            {
                BatchTrace trace = Execute(engines.Measured, 1);
                (timed, span) = (Math.Min(timed, trace.WorkNs), Math.Min(span, trace.SpanNs));
            }

            engines.Measured.MeasuresTransactions = false;
            double work = (twin ?? this).Typical(s => s.RunNs);
            return (work, work * Math.Min(1, span / (double)Math.Max(1, timed)));
        }

        // The least of a few, alone and together: whatever else the machine does only adds.
        private double Interference()
        {
            (long alone, long together) = (long.MaxValue, long.MaxValue);
            for (int i = 0; i < TogetherMax; i++)
            {
                Execute(engines.Measured, 1);
                alone = Math.Min(alone, Execute(engines.Measured, 1).Stages.RunNs);
                long sum = 0;
                bool met = CostProbe.TryTogether(engines.Pool, worker =>
                {
                    ParallelEngine engine = worker == 0 ? engines.Measured : engines.Beside;
                    Execute(engine, 1);                                 // warms, beside the other's
                    Interlocked.Add(ref sum, Execute(engine, 1).Stages.RunNs);
                });
                together = met ? Math.Min(together, sum) : together;
            }

            return together == long.MaxValue ? 1 : Math.Max(1, together / (2.0 * Math.Max(1, alone)));
        }

        private BatchTrace Execute(ParallelEngine engine, int used)
        {
            bool runs = engine.TryExecute(
                workload.Batch, Context, workload.State, _rules, used, out BatchResult? result, out _);
            Invariant.Require(runs);
            Invariant.Require(result!.Receipts.Span[^1].Succeeded);
            result.Recycle();
            return result.Trace;
        }

        private double Typical(Func<BatchStages, long> stage) => Middle(_stages.Select(stages => (double)stage(stages)));

        private static double Middle(IEnumerable<double> values)
        {
            double[] sorted = [.. values.Order()];
            return sorted.Length == 0 ? 0 : BenchRunner.Median(sorted);
        }
    }
}
