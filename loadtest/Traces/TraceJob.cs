// trace: one transaction, watched instruction by instruction.
//
//   of a load     --seed S --height H --index I     the load's own transactions of heights 1..H, each height one batch
//   of a folder   --data F --height H --index I     the blocks that the folder's chain accepted
//
// Everything before the transaction is executed on a state in memory, from genesis, one transaction after another. Then the
// transaction runs twice: watched alone, and unwatched behind its predecessors as the engine does it. Both have to end the
// same; if they do not, that is a divergence and the exit code says so.
//
// Cost: all blocks up to the height.   Threading: the caller's thread.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Traces;

/// <summary>The command <c>trace</c>.</summary>
internal static class TraceJob
{
    /// <summary>The transactions of a height and their block's context; false when there is no such block.</summary>
    private delegate bool BlockSource(Height height, [NotNullWhen(true)] out Transaction[]? transactions, out BlockContext context);

    /// <summary>Traces a transaction.</summary>
    public static int Run(TraceOptions options, Terminal terminal)
    {
        if (options.Data is null)
        {
            DexWorld world = new(options.Seed);
            ChainRules rules = RulesOf(world);
            Workload workload = new(new WorkloadShape(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, options.Mix, options.ConflictPermyriad));
            TransactionFactory factory = new(world);
            bool Offer(Height height, [NotNullWhen(true)] out Transaction[]? transactions, out BlockContext context)
            {
                transactions = Array.ConvertAll(workload.At(height, options.Txs), intent => factory.Sign(intent, height));
                context = new BlockContext(height, TransactionFactory.TimeMsAt(height), rules.ChainId, rules.BaseFee, 0);
                return true;
            }

            return Trace(options, world, rules, Offer, terminal);
        }

        if (!DataFolder.TryRead(options.Data, out DexWorld? owner, out Refusal refusal)
            || !ChainSession.TryOpen(owner!, options.Data, workers: 1, isReader: true, out ChainSession? session, out refusal))
        {
            return terminal.Fail(refusal);
        }

        using (session)
        {
            bool Accepted(Height height, [NotNullWhen(true)] out Transaction[]? transactions, out BlockContext context)
            {
                bool found = session.Chain.TryGetBlock(height, out Block? block);
                transactions = block?.Transactions;
                ChainRules rules = session.Chain.Rules;
                context = found ? new BlockContext(height, block!.Header.TimestampMs, rules.ChainId, rules.BaseFee, 0) : default;
                return found;
            }

            return Trace(options, session.World, session.Chain.Rules, Accepted, terminal);
        }
    }

    private static int Trace(TraceOptions options, DexWorld world, ChainRules rules, BlockSource source, Terminal terminal)
    {
        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        ExecutionRules execution = new() { Hashing = rules.Hashing, Treasury = world.Genesis.Treasury };
        IStateView state = new MemoryState(rules.Hashing).Apply(world.Genesis.ToDiff());
        Message[] batch = [];
        BlockContext context = default;
        for (ulong height = 1; height <= options.Height; height++)
        {
            if (!source(new Height(height), out Transaction[]? transactions, out context))
            {
                return terminal.Fail(new Refusal(RefusalCode.BadOption, $"There is no block of height {height}."));
            }

            BlockPrograms programs = new(rules, state);
            context = context with { Programs = programs };
            batch = Array.ConvertAll(transactions, transaction => MessageOf(rules, programs, transaction));
            if (height < options.Height)
            {
                state = engine.Execute(batch, context, state, execution, workers: 1).Post;
            }
        }

        if (options.Index >= batch.Length)
        {
            return terminal.Fail(new Refusal(RefusalCode.BadOption, $"Height {options.Height} has {batch.Length} transactions; there is none of index {options.Index}."));
        }

        Message message = batch[options.Index];
        if (message.Native is not null)
        {
            return terminal.Fail(new Refusal(RefusalCode.BadOption, $"Transaction {options.Index} calls a native program, which has no instructions."));
        }

        Outcome unwatched = engine.Execute(batch.AsSpan(0, options.Index + 1), context, state, execution, workers: 1).Receipts.Span[options.Index].Outcome;
        if (options.Index > 0)
        {
            state = engine.Execute(batch.AsSpan(0, options.Index), context, state, execution, workers: 1).Post;
        }

        TransactionTrace trace = new();
        Outcome watched = new Interpreter().Run(message, RecordsOf(message, state), context, trace);
        TraceReport report = TraceReport.Make(world.Seed, context.Height, options.Index, message, watched, trace);
        report.Print(terminal.Output);
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        if (watched != unwatched)
        {
            terminal.Output.WriteLine($"divergence    unwatched it ends {unwatched}");
            return ExitCodes.Divergence;
        }

        return ExitCodes.Success;
    }

    private static ChainRules RulesOf(DexWorld world) => ChainRules.TryCreate(world.Genesis, out ChainRules? rules, out Refusal refusal)
        ? rules
        : throw new InvariantException($"The load's own genesis is refused: {refusal}");

    private static Message MessageOf(ChainRules rules, BlockPrograms programs, Transaction transaction) =>
        rules.TryPrepare(transaction, out PreparedTransaction? prepared, out Refusal refusal) && programs.TryBind(prepared, out Message? message, out refusal)
        ? message
        : throw new InvariantException($"A transaction that was accepted is refused: {refusal}");

    private static Record[] RecordsOf(Message message, IStateView state)
    {
        Span<byte> value = stackalloc byte[StateLimits.MaxRecordBytes];
        Record[] records = new Record[message.Keys.Length];
        for (int i = 0; i < records.Length; i++)
        {
            records[i] = new Record();
            int length = state.Read(message.Keys[i], value);
            if (length >= 0)
            {
                records[i].Set(value[..length]);
            }
        }

        return records;
    }
}
