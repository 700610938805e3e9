// A program that the verifier accepted, in the form the engines run.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>One callable entry: what a transaction names, and what its slots need.</summary>
/// <param name="Selector">What a transaction names.</param>
/// <param name="Function">Function that runs.</param>
/// <param name="SlotModes">Mode that each slot needs; its length is the entry's slot count.</param>
/// <param name="MaxPages">Memory pages the entry may use.</param>
public sealed record ProgramEntry(uint Selector, int Function, AccessMode[] SlotModes, int MaxPages);

/// <summary>Immutable, shared by all workers; made only by the verifier.</summary>
public sealed partial class VerifiedProgram
{
    /// <summary>BLAKE3 of the canonical container bytes.</summary>
    public Bytes32 CodeHash { get; private init; }

    /// <summary>Entries in container order.</summary>
    public ProgramEntry[] Entries { get; private init; } = [];

    /// <summary>Finds an entry by selector.</summary>
    /// <returns>Its index in <see cref="Entries"/>, or -1.</returns>
    public int FindEntry(uint selector) => Array.FindIndex(Entries, entry => entry.Selector == selector);
}
