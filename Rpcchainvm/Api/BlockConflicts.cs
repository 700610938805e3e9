// A block as the scheduler sees it, explained: the analysis is Scheduler's, this gives its dense numbers their names back.
//
// A transaction costs the gas that it used, or, where its receipt is not kept any more, its gas limit.
//
// Threading: one thread.   Cost: that of ConflictAnalysis, O(accesses).

using System;
using System.Collections.Generic;
using System.Text.Json;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Why a block takes as long as it does.</summary>
internal sealed class BlockConflicts
{
    private const int KeysShown = 16;

    private readonly Block _block;
    private readonly bool _hasReceipts;
    private readonly List<(ProgramId Program, LocalKey Key)> _names = [];
    private readonly ConflictAnalysis _analysis;

    /// <summary>Analyses a block.</summary>
    /// <param name="receipts">In block order; empty when they are not kept.</param>
    public BlockConflicts(Block block, ReadOnlySpan<Receipt> receipts)
    {
        _block = block;
        _hasReceipts = !receipts.IsEmpty;
        Dictionary<(ProgramId Program, LocalKey Key), int> numbers = [];
        int[] offsets = new int[block.Transactions.Length + 1];
        uint[] costs = new uint[block.Transactions.Length];
        List<int> keys = [];
        List<AccessMode> modes = [];
        for (int tx = 0; tx < costs.Length; tx++)
        {
            Transaction transaction = block.Transactions[tx];
            offsets[tx] = keys.Count;
            foreach (ref readonly Access access in transaction.Accesses.Accesses)
            {
                (ProgramId, LocalKey) name = (transaction.Programs[access.ProgramIndex], access.Key);
                if (!numbers.TryGetValue(name, out int number))
                {
                    number = _names.Count;
                    numbers.Add(name, number);
                    _names.Add(name);
                }

                keys.Add(number);
                modes.Add(access.Mode);
            }

            costs[tx] = (uint)Math.Min(uint.MaxValue, _hasReceipts ? receipts[tx].Outcome.GasUsed : transaction.GasLimit);
        }

        offsets[^1] = keys.Count;
        BatchAccesses accesses = new(offsets, keys.ToArray(), modes.ToArray(), costs, _names.Count);
        _analysis = ConflictAnalysis.Of(in accesses, KeysShown);
    }

    /// <summary>Writes what came of it.</summary>
    public void Write(Utf8JsonWriter json)
    {
        WorkSpan shape = _analysis.Shape;
        json.WriteStartObject();
        json.WriteBlockPlace("block", _block);
        json.WriteNumber("transactions", _block.Transactions.Length);
        json.WriteString("costs", _hasReceipts ? "gasUsed" : "gasLimit");
        json.WriteNumber("work", shape.Work);
        json.WriteNumber("span", shape.Span);
        json.WriteNumber("ceilingPermille", shape.CeilingPermille);
        json.WriteNumber("levels", shape.Levels);
        json.WriteNumber("width", shape.Width);
        json.WriteStartArray("criticalPath");
        foreach (ref readonly PathStep step in _analysis.CriticalPath)
        {
            json.WriteStartObject();
            json.WriteNumber("index", step.Tx);
            json.WriteBytes32("id", _block.Transactions[step.Tx].Id.Value);
            json.WriteNumber("start", step.Start);
            json.WriteNumber("cost", step.Cost);
            if (step.Key >= 0)
            {
                WriteName(json, step.Key);
                json.WriteString("mode", JsonForms.WordOf(step.Mode));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("hottestKeys");
        foreach (ref readonly KeyHeat heat in _analysis.HottestKeys)
        {
            json.WriteStartObject();
            WriteName(json, heat.Key);
            json.WriteNumber("onPath", heat.OnPath);
            json.WriteNumber("alone", heat.Alone);
            json.WriteNumber("saves", heat.Saves);
            json.WriteNumber("reads", heat.Reads);
            json.WriteNumber("writes", heat.Writes);
            json.WriteNumber("adds", heat.Adds);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteName(Utf8JsonWriter json, int key)
    {
        json.WriteBytes32("program", _names[key].Program.Value);
        json.WriteBytes32("key", _names[key].Key.Value);
    }
}
