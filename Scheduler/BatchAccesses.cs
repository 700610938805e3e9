// What the scheduler knows of a batch: for each transaction its keys as dense integers, a mode for each, and a cost.
// Struct of arrays, borrowed from the caller for the length of one call.
//
//   Offsets   0 3 5 ...      transaction t declares the accesses [Offsets[t], Offsets[t + 1])
//   Keys      4 0 7 | 0 2 |  dense, [0, KeyCount), no key twice in one transaction
//   Modes     R W A | R W |  parallel to Keys
//   Costs     one per transaction, any unit, as long as it is one unit
//
// Threading: a view; nothing here is written.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>The declared accesses of a batch, in batch order.</summary>
public readonly ref struct BatchAccesses
{
    /// <summary>A view of the caller's arrays.</summary>
    /// <param name="offsets">Length = transactions + 1, ascending, from 0 to the number of accesses.</param>
    /// <param name="keys">Dense keys in [0, <paramref name="keyCount"/>); no key twice in one transaction.</param>
    /// <param name="modes">Mode of each access.</param>
    /// <param name="costs">Estimated or measured cost of each transaction.</param>
    /// <param name="keyCount">Number of distinct keys.</param>
    /// <exception cref="InvariantException">The lengths do not fit each other.</exception>
    public BatchAccesses(ReadOnlySpan<int> offsets, ReadOnlySpan<int> keys, ReadOnlySpan<AccessMode> modes, ReadOnlySpan<uint> costs, int keyCount)
    {
        Invariant.Require(offsets.Length == costs.Length + 1);
        Invariant.Require(keys.Length == modes.Length);
        Invariant.Require(offsets[0] == 0 && offsets[^1] == keys.Length);
        Offsets = offsets;
        Keys = keys;
        Modes = modes;
        Costs = costs;
        KeyCount = keyCount;
    }

    /// <summary>Start of each transaction's accesses; one more than there are transactions.</summary>
    public ReadOnlySpan<int> Offsets { get; }

    /// <summary>Dense key of each access, [0, <see cref="KeyCount"/>).</summary>
    public ReadOnlySpan<int> Keys { get; }

    /// <summary>Mode of each access.</summary>
    public ReadOnlySpan<AccessMode> Modes { get; }

    /// <summary>Cost of each transaction.</summary>
    public ReadOnlySpan<uint> Costs { get; }

    /// <summary>Number of distinct keys.</summary>
    public int KeyCount { get; }

    /// <summary>Number of transactions.</summary>
    public int TxCount => Costs.Length;
}
