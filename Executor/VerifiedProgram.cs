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
public sealed record ProgramEntry(uint Selector, int Function, AccessMode[] SlotModes, int MaxPages)
{
    /// <summary>Per slot, whose records it writes or adds to: null for the program's own. Empty when all are its own.</summary>
    public ProgramId?[] SlotOwners { get; init; } = [];

    /// <summary>It only reads, and may be called while its program is open already.</summary>
    public bool IsView { get; init; }

    /// <summary>A program can call it: no HALT leaves results undefined.</summary>
    public bool IsCallable { get; init; }

    /// <summary>Cells that a calling program passes; a transaction can call an entry only if this is 0.</summary>
    public int Args { get; init; }

    /// <summary>Cells that a calling program gets back.</summary>
    public int Rets { get; init; }
}

/// <summary>What is known of a function before it runs.</summary>
/// <param name="Instructions">Its length.</param>
/// <param name="Blocks">Its basic blocks.</param>
/// <param name="LoopDepth">Its deepest nest of loops.</param>
public readonly record struct FunctionShape(int Instructions, int Blocks, int LoopDepth);

/// <summary>Immutable, shared by all workers; made only by the verifier.</summary>
public sealed class VerifiedProgram
{
    private LoadedCode[] _loaded = [];

    internal VerifiedProgram(Container container, FunctionFacts[] facts, in Bytes32 codeHash)
    {
        Container = container;
        CodeHash = codeHash;
        Entries = Array.ConvertAll(container.Entries, entry => EntryOf(container, entry, facts));
        Functions = Array.ConvertAll(facts, static function => function.Shape);
    }

    /// <summary>BLAKE3 of the canonical container bytes.</summary>
    public Bytes32 CodeHash { get; }

    /// <summary>Entries in container order.</summary>
    public ProgramEntry[] Entries { get; }

    /// <summary>Functions in container order.</summary>
    public FunctionShape[] Functions { get; }

    /// <summary>Fork under whose rules the code was verified.</summary>
    public uint Fork => Container.Fork;

    /// <summary>Programs that its code names: whom it may call, and owners of what it hands on. Not to be changed.</summary>
    public ProgramId[] Named => Container.Programs;

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

    private static ProgramEntry EntryOf(Container container, ContainerEntry entry, FunctionFacts[] facts) => new(entry.Selector, entry.Function, entry.SlotModes, entry.MaxPages)
    {
        SlotOwners = Array.ConvertAll(entry.SlotOwners, owner => owner == 0 ? (ProgramId?)null : container.Programs[owner - 1]),
        IsView = entry.IsView,
        IsCallable = container.Functions[entry.Function].Rets == 0 || !facts[entry.Function].MayHalt,
        Args = container.Functions[entry.Function].Args,
        Rets = container.Functions[entry.Function].Rets,
    };

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
