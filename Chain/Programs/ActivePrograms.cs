// Which programs exist after a block, and what their records say. A call binds to what is active at the start of its block, so
// this is a function of the parent's state: siblings with other upgrades have other tables.
//
//   last accepted --- A (no deploy)          A shares the table of the last accepted block
//                \--- B (deploys P)          B has its own, without what was known of P: the next question reads B's state
//
// Only records are kept here, and only some: any of them can be read from the state again.
//
// Invariant
//   A1  whoever shares a table has the same records below the system program, so any of their states answers for all
//
// Threading: ChainService's lock, or one thread.   Cost: a record read and decoded at the first question, a lookup after it.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>The programs after one block.</summary>
internal sealed class ActivePrograms
{
    private const int MaxKept = 4096;

    private readonly StateHashing _hashing;
    private readonly Dictionary<ProgramId, ProgramRecord> _known;

    public ActivePrograms(StateHashing hashing)
        : this(hashing, [])
    {
    }

    private ActivePrograms(StateHashing hashing, Dictionary<ProgramId, ProgramRecord> known)
    {
        _hashing = hashing;
        _known = known;
    }

    /// <summary>Finds a program's record.</summary>
    /// <param name="state">Of a block that has this table.</param>
    public bool TryFind(IStateView state, in ProgramId id, [NotNullWhen(true)] out ProgramRecord? record)
    {
        if (_known.TryGetValue(id, out record))
        {
            return true;
        }

        if (!TryRead(state, _hashing, id, out record))
        {
            return false;                                       // not kept: outsiders can name any number of such ids
        }

        if (_known.Count == MaxKept)
        {
            _known.Clear();
        }

        _known.Add(id, record);
        return true;
    }

    /// <summary>The table after a block on this one.</summary>
    public ActivePrograms After(Transaction[] transactions, ReadOnlySpan<Receipt> receipts)
    {
        List<ProgramId> changed = ChangedBy(transactions, receipts);
        if (changed.Count == 0)
        {
            return this;
        }

        Dictionary<ProgramId, ProgramRecord> known = new(_known);
        foreach (ProgramId id in changed)
        {
            known.Remove(id);
        }

        return new ActivePrograms(_hashing, known);
    }

    /// <summary>Programs that a block deployed or changed; one that was changed twice is there twice.</summary>
    public static List<ProgramId> ChangedBy(Transaction[] transactions, ReadOnlySpan<Receipt> receipts)
    {
        List<ProgramId> changed = [];
        for (int i = 0; i < transactions.Length; i++)
        {
            if (transactions[i].Programs[0] == ProgramId.System && receipts[i].Succeeded && SystemProgram.TryFindChanged(transactions[i], out ProgramId id))
            {
                changed.Add(id);
            }
        }

        return changed;
    }

    /// <summary>Reads a program's record from a state.</summary>
    public static bool TryRead(IStateView state, StateHashing hashing, in ProgramId id, [NotNullWhen(true)] out ProgramRecord? record)
    {
        byte[] bytes = new byte[StateLimits.MaxRecordBytes];
        int length = state.Read(hashing.KeyOf(ProgramId.System, new LocalKey(id.Value)), bytes);
        record = length < 0 ? null : ProgramRecord.Decode(bytes.AsSpan(0, length));
        return record is not null;
    }
}
