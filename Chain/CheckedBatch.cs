// What of a submission needs neither the chain's state nor its lock, done before it: bytes decoded, rules of one transaction applied,
// signatures checked. A node does that for what comes next while it executes a block.
//
// Threading: made on one thread, submitted on any, once.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Transactions that <see cref="ChainService.CheckAhead(System.Collections.Generic.IReadOnlyList{ReadOnlyMemory{byte}})"/> looked at.</summary>
/// <remarks>It says nothing about the state, the time, or what else waits: their submission does.</remarks>
public sealed class CheckedBatch
{
    internal CheckedBatch(int count)
    {
        Transactions = new Transaction?[count];
        Prepared = new PreparedTransaction?[count];
        Refusals = new Refusal[count];
        IsSigned = new bool[count];
    }

    /// <summary>How many were given, those included that are no transactions.</summary>
    public int Count => Refusals.Length;

    /// <summary>Null for bytes that are no transaction.</summary>
    internal Transaction?[] Transactions { get; }

    /// <summary>Null for what is refused.</summary>
    internal PreparedTransaction?[] Prepared { get; }

    internal Refusal[] Refusals { get; }

    /// <summary>All signatures verify.</summary>
    internal bool[] IsSigned { get; }
}
