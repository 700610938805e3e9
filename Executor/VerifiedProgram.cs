// A program that the verifier accepted. What engines run is its LoadedCode for the fork of the block.
//
// Threading: immutable but for the table of loaded codes, which only grows and is published whole.

using System;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>One callable entry: what a transaction names, and what its slots need.</summary>
/// <param name="Selector">What a transaction names.</param>
/// <param name="Function">Function that runs.</param>
/// <param name="SlotModes">Mode that each slot needs; its length is the entry's slot count.</param>
/// <param name="MaxPages">Memory pages the entry may use.</param>
public sealed record ProgramEntry(uint Selector, int Function, AccessMode[] SlotModes, int MaxPages);

/// <summary>Immutable, shared by all workers; made only by the verifier.</summary>
public sealed class VerifiedProgram
{
    private LoadedCode[] _loaded = [];

    internal VerifiedProgram(Container container, in Bytes32 codeHash)
    {
        Container = container;
        CodeHash = codeHash;
        Entries = Array.ConvertAll(container.Entries, static entry => new ProgramEntry(entry.Selector, entry.Function, entry.SlotModes, entry.MaxPages));
    }

    /// <summary>BLAKE3 of the canonical container bytes.</summary>
    public Bytes32 CodeHash { get; }

    /// <summary>Entries in container order.</summary>
    public ProgramEntry[] Entries { get; }

    /// <summary>Fork under whose rules the code was verified.</summary>
    public uint Fork => Container.Fork;

    /// <summary>The canonical code.</summary>
    internal Container Container { get; }

    /// <summary>Finds an entry by selector.</summary>
    /// <returns>Its index in <see cref="Entries"/>, or -1.</returns>
    public int FindEntry(uint selector) => Array.FindIndex(Entries, entry => entry.Selector == selector);

    /// <summary>The run form at a fork's prices; built at the first call, then the same object again.</summary>
    internal LoadedCode CodeFor(ForkRules rules)
    {
        foreach (LoadedCode code in Volatile.Read(ref _loaded))
        {
            if (ReferenceEquals(code.Rules, rules))
            {
                return code;
            }
        }

        return Load(rules);
    }

    private LoadedCode Load(ForkRules rules)
    {
        LoadedCode built = new(this, rules);
        while (true)
        {
            LoadedCode[] known = Volatile.Read(ref _loaded);
            if (Array.Find(known, code => ReferenceEquals(code.Rules, rules)) is LoadedCode other)
            {
                return other;
            }

            if (Interlocked.CompareExchange(ref _loaded, [.. known, built], known) == known)
            {
                return built;
            }
        }
    }
}
