// What discovery found out about a call.

using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Where a slot's key comes from.</summary>
public enum SlotOrigin
{
    /// <summary>The request said it.</summary>
    Given,

    /// <summary>The program wants this key and no other.</summary>
    Found,

    /// <summary>Nothing in the run decides it: the caller has to say which record it means.</summary>
    Open,
}

/// <summary>A slot of the called entry.</summary>
/// <param name="Owner">Owner of the record.</param>
/// <param name="Key">Its local key; null when it is open.</param>
/// <param name="Mode">The mode that the entry needs, which is the least that may be declared.</param>
/// <param name="Origin">Where the key comes from.</param>
/// <param name="Uses">What the last run really did with the record.</param>
public readonly record struct DiscoveredSlot(ProgramId Owner, LocalKey? Key, AccessMode Mode, SlotOrigin Origin, RecordUses Uses);

/// <summary>The keys of a call.</summary>
public sealed record Discovery
{
    /// <summary>The block on whose state it ran.</summary>
    public required Block On { get; init; }

    /// <summary>The slots of the entry, in order; none for the system program.</summary>
    public required DiscoveredSlot[] Slots { get; init; }

    /// <summary>How the last run ended. Open slots named records that do not exist.</summary>
    public required Outcome Outcome { get; init; }

    /// <summary>The transaction of the last run, with placeholders for the keys of open slots. Not to be signed while there are any.</summary>
    public required Transaction LastTried { get; init; }

    /// <summary>The transaction with everything that was found, and zeros for signatures; null while slots are open.</summary>
    public Transaction? Transaction { get; init; }

    /// <summary>What would become of it; null while slots are open, or when no block could hold it.</summary>
    public Simulation? Simulation { get; init; }

    /// <summary>Why no block could hold it, although its keys are known.</summary>
    public Refusal Refusal { get; init; }

    /// <summary>Runs that it took.</summary>
    public required int Runs { get; init; }

    /// <summary>The bound of runs or gas was reached: a longer search might have found more.</summary>
    public required bool IsExhausted { get; init; }

    /// <summary>Every slot is known.</summary>
    public bool IsComplete => Transaction is not null;
}
