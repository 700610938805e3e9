// conflicts: why a block takes as long as it does, whatever runs it.
//
//   of a folder   --data DIR --height H        a block that the folder's chain accepted; costs are the gas it used
//   of a trace    FILE [--block N]             one block of a write trace, or all of them; costs are one each
//
// Threading: the caller's thread.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Conflicts;

/// <summary>The command <c>conflicts</c>.</summary>
internal static class ConflictsJob
{
    private const int Slices = 32;

    /// <summary>Analyses the blocks.</summary>
    public static int Run(ConflictsOptions options, Terminal terminal)
    {
        List<(ulong Block, AccessTable Table)> tables = [];
        Refusal refusal;
        if (options.File is null ? !TryReadFolder(options, tables, out refusal) : !TryReadTrace(options, tables, out refusal))
        {
            return terminal.Fail(refusal);
        }

        if (options.Dot is not null && tables.Count != 1)
        {
            return terminal.Fail(new Refusal(RefusalCode.BadOption, $"--dot draws one block; the trace has {tables.Count}: choose one with --block."));
        }

        ConflictBlock[] blocks = new ConflictBlock[tables.Count];
        for (int i = 0; i < blocks.Length; i++)
        {
            (ulong number, AccessTable table) = tables[i];
            ConflictAnalysis analysis = ConflictAnalysis.Of(table.View, options.Keys, Slices);
            blocks[i] = ConflictBlock.Of(number, table, analysis);
            if (options.Dot is not null)
            {
                File.WriteAllText(options.Dot, ConflictsDot.Draw(number, table, analysis));
            }
        }

        ConflictsReport report = new(
            ConflictsReport.SchemaName, options.File ?? options.Data!, options.CostsGas ? "gas" : "unit", blocks);
        report.Print(terminal.Output);
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        return ExitCodes.Success;
    }

    private static bool TryReadFolder(ConflictsOptions options, List<(ulong, AccessTable)> tables, out Refusal refusal)
    {
        if (!FolderBlock.TryRead(options.Data!, options.Height, out FolderBlock? block, out refusal))
        {
            return false;
        }

        tables.Add((options.Height, AccessTable.Of(block.Batch, CostsOf(block.Result, options.CostsGas), new KeyNames(block.World))));
        return true;
    }

    private static bool TryReadTrace(ConflictsOptions options, List<(ulong, AccessTable)> tables, out Refusal refusal)
    {
        if (!TraceBlock.TryReadFile(options.File!, out TraceBlock[] blocks, out refusal))
        {
            return false;
        }

        TraceBatcher batcher = new(new StateHashing(default), options.BalancesAdd);
        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        foreach (TraceBlock block in blocks)
        {
            if (options.Block is null || block.Number == options.Block)
            {
                AccessTable table = AccessTable.Of(block, options.BalancesAdd);
                tables.Add((block.Number, options.CostsGas ? table.WithCosts(GasOf(engine, batcher.MessagesOf(block))) : table));
            }
        }

        if (tables.Count == 0)
        {
            refusal = new Refusal(RefusalCode.BadOption, $"The trace '{options.File}' has no block {options.Block}.");
        }

        return tables.Count > 0;
    }

    private static uint[] GasOf(ParallelEngine engine, Message[] batch)
    {
        StateHashing hashing = new(default);
        ExecutionRules rules = new() { Hashing = hashing, Treasury = default };
        BlockContext context = new(new Height(1), 1, default, BaseFee: 0, Fork: 0);
        return CostsOf(engine.Execute(batch, context, new MemoryState(hashing), rules, workers: 1), isGas: true);
    }

    private static uint[] CostsOf(BatchResult result, bool isGas) =>
        Array.ConvertAll(result.Receipts.ToArray(), receipt => isGas ? (uint)Math.Min(uint.MaxValue, receipt.Outcome.GasUsed) : 1);
}
