// replay: the blocks of a trace, one batch and one barrier each, executed in parallel and by the serial twin, each on a state
// of its own; the roots are compared after every block. Times come from BlockTimer; a first pass over the trace warms
// the code and does not count.
//
// What the numbers can say: a trace of writes bounds the parallelism from above, because it does not say who read
// what others wrote. Rates are of execution alone: the state in memory computes its roots by definition, not by diligence.
//
// Threading: the caller's thread; the engine has workers of its own.

using System;
using System.Globalization;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Replays;

/// <summary>The command <c>replay</c>.</summary>
internal static class ReplayJob
{
    private const int WarmRounds = 1;
    private const int TimedRounds = 5;

    private static readonly ChainId Chain = new(new Bytes32(0, 0, 0, 0x7265706c6179));

    /// <summary>Replays a trace.</summary>
    public static int Run(ReplayOptions options, Terminal terminal)
    {
        if (!TraceBlock.TryReadFile(options.File, out TraceBlock[] blocks, out Refusal refusal))
        {
            return terminal.Fail(refusal);
        }

        terminal.Output.WriteLine($"replaying {blocks.Length} blocks with balances as {(options.BalancesAdd ? "Add" : "Write")}, {options.Workers} workers");
        TraceBatcher batcher = new(new StateHashing(Chain), options.BalancesAdd);
        Message[][] batches = new Message[blocks.Length][];
        long spanUnits = 0;
        int transactions = 0;
        for (int i = 0; i < blocks.Length; i++)
        {
            batches[i] = batcher.MessagesOf(blocks[i]);
            spanUnits += (long)batcher.MeasureAtUnitCost(blocks[i]).Span;
            transactions += batches[i].Length;
        }

        using ParallelEngine engine = new(TimeProvider.System, options.Workers);
        new Pass(engine, options.Workers, WarmRounds).Run(batches);
        Pass pass = new(engine, options.Workers, TimedRounds);
        pass.Run(batches);

        ReplaySummary summary = new(
            blocks.Length, transactions, spanUnits, spanUnits == 0 ? 1 : transactions / (double)spanUnits, options.BalancesAdd ? "add" : "write");
        Report report = pass.ToReport(options, summary);
        LoadReport.Summarise(report, terminal.Output);
        terminal.Output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"replay        {transactions} transactions, span {spanUnits} at unit cost, ceiling {summary.CeilingUnits:F2}x, balances as {summary.Balances}"));
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        return report.RootsEqual == true ? ExitCodes.Success : ExitCodes.Divergence;
    }

    /// <summary>One way through the trace.</summary>
    private sealed class Pass
    {
        private readonly ParallelEngine _engine;
        private readonly int _workers;
        private readonly ExecutionRules _rules = new() { Hashing = new StateHashing(Chain), Treasury = default };
        private readonly BlockTimer _timer;
        private readonly LatencyHistogram _latency = new();
        private IStateView _serialState = new MemoryState(new StateHashing(Chain));
        private IStateView _parallelState = new MemoryState(new StateHashing(Chain));
        private bool _areRootsEqual = true;
        private BlockTimes _times;
        private UInt128 _gas;
        private long _rootNs;
        private long _allocated;
        private long _included;
        private long _succeeded;

        public Pass(ParallelEngine engine, int workers, int rounds)
        {
            _engine = engine;
            _workers = workers;
            _timer = new BlockTimer(engine, _rules, workers, rounds);
        }

        public void Run(Message[][] batches)
        {
            for (int i = 0; i < batches.Length; i++)
            {
                BlockContext context = new(new Height((ulong)i + 1), (ulong)i, Chain, BaseFee: 0, Fork: 0);
                BlockTimes times = _timer.Measure(batches[i], context, _parallelState);
                _times = _times.Plus(times);
                long allocated = GC.GetTotalAllocatedBytes();
                BatchResult parallel = Execute(batches[i], context, _parallelState, _workers);
                _allocated += GC.GetTotalAllocatedBytes() - allocated;
                BatchResult serial = Execute(batches[i], context, _serialState, 1);
                _areRootsEqual &= serial.Root == parallel.Root;
                _serialState = serial.Post;
                _parallelState = parallel.Post;
                _latency.Record(times.ParallelNs + parallel.Trace.RootNs, batches[i].Length);
                Count(parallel);
            }
        }

        public Report ToReport(ReplayOptions options, ReplaySummary summary)
        {
            EnvironmentInfo environment = EnvironmentProbe.Read();
            double seconds = Math.Max(_times.ParallelNs / 1e9, 1e-9);
            return new Report
            {
                Command = "replay",
                Seed = 0,
                Workers = options.Workers,
                Environment = environment,
                Transactions = new TransactionCounts(_included, _included, 0, _included, _succeeded, _included - _succeeded),
                Blocks = summary.Blocks,
                DurationSeconds = seconds,
                Throughput = new Throughput(_included / seconds, _included / Math.Max(_times.SerialNs / 1e9, 1e-9), (double)_gas / seconds),
                Parallelism = LoadReport.ParallelismOf(_times, options.Workers, environment.Cores),
                LatencyMs = _latency.Summary(),
                StageSeconds = new StageSeconds(0, 0, 0, seconds, _rootNs / 1e9, 0),
                StateRoot = _parallelState.Root.ToString(),
                SerialStateRoot = _serialState.Root.ToString(),
                RootsEqual = _areRootsEqual,
                AllocatedBytesPerTx = _allocated / (double)Math.Max(1, _included),
                Replay = summary,
            };
        }

        private BatchResult Execute(Message[] batch, in BlockContext context, IStateView state, int workers) =>
            _engine.TryExecute(batch, context, state, _rules, workers, out BatchResult? result, out BatchFault fault)
                ? result
                : throw new InvariantException($"Block {context.Height} of the trace does not execute: {fault.Refusal}");

        private void Count(BatchResult result)
        {
            foreach (Receipt receipt in result.Receipts.Span)
            {
                _succeeded += receipt.Succeeded ? 1 : 0;
            }

            _included += result.Receipts.Length;
            _gas += result.GasUsed;
            _rootNs += result.Trace.RootNs;
        }
    }
}
