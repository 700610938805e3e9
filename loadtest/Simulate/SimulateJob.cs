// simulate: what the scheduler would reach on more cores than there are, and what each rule about keys is worth.
//
//   of a trace   FILE --us N           blocks of a write trace; each transaction is busy for N microseconds (0: it touches its keys, no more)
//   of a load    --seed S --txs T ...  blocks of the load, interpreted
//   of a batch   --batch NAME --txs T  a workload of the engine suite, interpreted: of counter.add, what `adds` reaches beside `feesReserved` is
//                                      what a counter that is added to reaches beside one that is written
//
//   1  measure    each transaction alone on one core; the plain loop; two workers; the constants; all in this run, taking turns
//   2  validate   simulate the same for one and two workers; more than 10 % off, and nothing beyond two is printed
//   3  ladder     the same times under each key model, on 1 to 64 virtual workers, beside the ceiling
//
// Threading: the caller's thread; engines have workers of their own.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>The command <c>simulate</c>.</summary>
internal static class SimulateJob
{
    private const double ErrorMax = 0.10;
    private const int Real = 2;

    private static readonly int[] Workers = [1, 2, 4, 8, 16, 32, 64];

    /// <summary>Measures, validates, simulates.</summary>
    public static int Run(SimulateOptions options, Terminal terminal)
    {
        if (Environment.ProcessorCount < Real)
        {
            return terminal.Fail(new Refusal(RefusalCode.LocalFailure, "simulate compares itself with two workers, and this machine has one core."), ExitCodes.LocalFailure);
        }

        List<SimulatedBlock> blocks = [];
        Refusal refusal = Refusal.None;
        if (options.File is null && options.Batch is null)
        {
            ReadLoad(options, blocks);
        }
        else if (!(options.Batch is null ? TryReadTrace(options, blocks, out refusal) : TryReadBatch(options, blocks, out refusal)))
        {
            return terminal.Fail(refusal);
        }

        Reality reality = Reality.Measure(blocks, options.Rounds);
        VirtualRun run = new(reality.Costs);
        Validation[] validations = [.. Workers.Where(workers => workers <= Real).Select(workers => Validate(run, reality, workers))];
        bool isTrusted = validations.All(validation => Math.Abs(validation.Error) <= ErrorMax);
        int[] shown = isTrusted || options.Anyway ? Workers : [.. Workers.Where(workers => workers <= Real)];
        ModelRow[] models = [.. KeyModels.Names.Select((name, model) => Simulate(run, reality, blocks, name, model, shown))];
        SimulateReport report = new(
            SimulateReport.SchemaName, options.File ?? options.Batch ?? $"load of seed {options.Seed}", blocks.Count, blocks.Sum(block => block.Batch.Length),
            reality.Costs, reality.ClockNs, reality.Distance, validations, isTrusted, models);
        report.Print(terminal.Output);
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        if (!isTrusted)
        {
            terminal.Output.WriteLine(options.Anyway
                ? "not trusted   the simulation is more than 10 % off what was measured; figures beyond two workers are shown because --anyway asks for them"
                : "not trusted   the simulation is more than 10 % off what was measured, so nothing beyond two workers is shown (--anyway shows it)");
        }

        return isTrusted ? ExitCodes.Success : ExitCodes.LocalFailure;
    }

    private static Validation Validate(VirtualRun run, Reality reality, int workers)
    {
        long simulated = reality.Records.Sum(record => run.MakespanNs(record.Accesses, record.TimesNs, workers));
        long measured = workers == 1 ? reality.SerialNs : reality.ParallelNs;
        return new Validation(workers, measured / 1e3, simulated / 1e3, (simulated - measured) / (double)Math.Max(1, measured));
    }

    private static ModelRow Simulate(VirtualRun run, Reality reality, List<SimulatedBlock> blocks, string name, int model, int[] shown)
    {
        ulong work = 0;
        ulong span = 0;
        long[] runNs = new long[shown.Length];
        for (int i = 0; i < blocks.Count; i++)
        {
            BatchRecord record = reality.Records[i];
            AccessTable table = blocks[i].Models[model].WithCosts(record.Costs);
            WorkSpan shape = WorkSpan.Measure(table.View, record.TimesNs);
            work += shape.Work;
            span += shape.Span;
            for (int p = 0; p < shown.Length; p++)
            {
                runNs[p] += run.MakespanNs(table.View, record.TimesNs, shown[p]);
            }
        }

        return new ModelRow(
            name, work / 1e3, span / 1e3, work / (double)Math.Max(1, span),
            [.. shown.Select((workers, p) => new ModelPoint(workers, runNs[p] / 1e3, work / (double)Math.Max(1, runNs[p]), workers <= Real ? "validated" : "simulated"))]);
    }

    private static bool TryReadTrace(SimulateOptions options, List<SimulatedBlock> blocks, out Refusal refusal)
    {
        if (!TraceBlock.TryReadFile(options.File!, out TraceBlock[] traced, out refusal))
        {
            return false;
        }

        StateHashing hashing = new(default);
        TraceBatcher batcher = new(hashing, balancesAdd: true, options.Microseconds == 0 ? null : new SchedulerProbe(options.Microseconds * 1_000));
        ProbeState state = new(new HashSet<StateKey>());
        ExecutionRules rules = new() { Hashing = hashing, Treasury = default };
        foreach (TraceBlock block in traced)
        {
            BlockContext context = new(new Height(1), 1, default, BaseFee: 0, Fork: 0);
            blocks.Add(new SimulatedBlock(batcher.MessagesOf(block), context, state, rules, KeyModels.Of(block)));
        }

        return true;
    }

    private static bool TryReadBatch(SimulateOptions options, List<SimulatedBlock> blocks, out Refusal refusal)
    {
        List<EngineWorkload> all = EngineWorkloads.All(options.Txs, []);
        refusal = all.Any(one => one.Name == options.Batch) ? Refusal.None
            : new Refusal(RefusalCode.BadOption, $"--batch is one of {string.Join(", ", all.Select(one => one.Name))}; not '{Terminal.OneLine(options.Batch!)}'.");
        foreach (EngineWorkload workload in all.Where(one => one.Name == options.Batch))
        {
            uint[] unit = new uint[workload.Batch.Length];
            Array.Fill(unit, 1u);
            ExecutionRules rules = new() { Hashing = new StateHashing(EngineSuite.Chain), Treasury = default };
            AccessTable[] models = KeyModels.Of(AccessTable.Of(workload.Batch, unit, new KeyNames()), workload.Batch);
            for (int i = 0; i < options.Blocks; i++)
            {
                blocks.Add(new SimulatedBlock(workload.Batch, EngineSuite.Context, workload.State, rules, models));
            }
        }

        return !refusal.IsRefused;
    }

    private static void ReadLoad(SimulateOptions options, List<SimulatedBlock> blocks)
    {
        DexWorld world = new(options.Seed);
        ChainRules rules = ChainRules.TryCreate(world.Genesis, out ChainRules? made, out Refusal refusal)
            ? made
            : throw new InvariantException($"The load's own genesis is refused: {refusal}");
        Workload workload = new(new WorkloadShape(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, options.Mix, options.ConflictPermyriad));
        TransactionFactory factory = new(world);
        ExecutionRules execution = new() { Hashing = rules.Hashing, Treasury = world.Genesis.Treasury };
        KeyNames names = new(world);
        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        IStateView state = new MemoryState(rules.Hashing).Apply(world.Genesis.ToDiff());
        for (ulong height = 1; height <= (ulong)options.Blocks; height++)
        {
            BlockPrograms programs = new(rules, state);
            BlockContext context = new(new Height(height), TransactionFactory.TimeMsAt(new Height(height)), rules.ChainId, rules.BaseFee, 0) { Programs = programs };
            Message[] batch = Array.ConvertAll(workload.At(new Height(height), options.Txs), intent => MessageOf(rules, programs, factory.Sign(intent, new Height(height))));
            uint[] unit = new uint[batch.Length];
            Array.Fill(unit, 1u);
            blocks.Add(new SimulatedBlock(batch, context, new RootlessView(state), execution, KeyModels.Of(AccessTable.Of(batch, unit, names), batch)));
            state = engine.Execute(batch, context, state, execution, workers: 1).Post;
        }
    }

    private static Message MessageOf(ChainRules rules, BlockPrograms programs, Transaction transaction) =>
        rules.TryPrepare(transaction, out PreparedTransaction? prepared, out Refusal refusal) && programs.TryBind(prepared, out Message? message, out refusal)
        ? message
        : throw new InvariantException($"A transaction of the load is refused: {refusal}");
}

/// <summary>A block that can be run again and again on the same state, and what the scheduler would see of it under each key model.</summary>
internal sealed record SimulatedBlock(Message[] Batch, BlockContext Context, IStateView State, ExecutionRules Rules, AccessTable[] Models);
