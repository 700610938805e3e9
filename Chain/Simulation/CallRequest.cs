// A call before it is a transaction: what a client knows before it knows its keys. Slots may be named, or left open for discovery.
//
// Threading: immutable.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>What a client says of one slot: null is not said.</summary>
/// <param name="Owner">Owner of the record. It is looked at for slots that are only read; a slot that is written has the owner that the entry says.</param>
/// <param name="Key">Local key of the record.</param>
public readonly record struct RequestedSlot(ProgramId? Owner, LocalKey? Key);

/// <summary>A call without access list and signatures.</summary>
public sealed record CallRequest
{
    /// <summary>The payer, then up to seven co-signers.</summary>
    public required PublicKey[] Signers { get; init; }

    /// <summary>What is called.</summary>
    public required ProgramId Program { get; init; }

    /// <summary>Its entry.</summary>
    public required uint Selector { get; init; }

    /// <summary>Arguments of the entry.</summary>
    public ReadOnlyMemory<byte> Arguments { get; init; }

    /// <summary>What is known of the slots; shorter than the entry's slots means that the rest is open.</summary>
    public RequestedSlot[] Slots { get; init; } = [];

    /// <summary>Upper bound of gas.</summary>
    public required ulong GasLimit { get; init; }

    /// <summary>Highest price per gas.</summary>
    public required ulong MaxPrice { get; init; }

    /// <summary>Tip per gas.</summary>
    public ulong Tip { get; init; }

    /// <summary>Last moment to enter a block.</summary>
    public ulong ExpiryMs { get; init; }

    /// <summary>The call that a transaction makes; its slots are said, its modes and what no slot names are forgotten.</summary>
    public static CallRequest Of(Transaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        RequestedSlot[] slots = new RequestedSlot[transaction.SlotTable.Length];
        for (int i = 0; i < slots.Length; i++)
        {
            Access access = transaction.Accesses[transaction.SlotTable[i]];
            slots[i] = new RequestedSlot(transaction.Programs[access.ProgramIndex], access.Key);
        }

        return new CallRequest
        {
            Signers = transaction.Signers,
            Program = transaction.Programs[0],
            Selector = transaction.Selector,
            Arguments = transaction.Arguments,
            Slots = slots,
            GasLimit = transaction.GasLimit,
            MaxPrice = transaction.MaxPrice,
            Tip = transaction.Tip,
            ExpiryMs = transaction.ExpiryMs,
        };
    }

    /// <summary>The transaction with these slots, and zeros for signatures: its id, its length and its gas are those of the signed one.</summary>
    /// <param name="slots">Owner, key and mode of each slot of the entry.</param>
    /// <param name="declared">Accesses without a slot, which native programs use.</param>
    public bool TryBuild(
        ChainId chain, ReadOnlySpan<BoundSlot> slots, ReadOnlySpan<BoundSlot> declared, [NotNullWhen(true)] out Transaction? transaction, out Refusal refusal)
    {
        TransactionBuilder builder = new(chain) { ExpiryMs = ExpiryMs, GasLimit = GasLimit, MaxPrice = MaxPrice, Tip = Tip };
        builder.Call(Program, Selector, Arguments.Span);
        foreach (BoundSlot slot in slots)
        {
            builder.Slot(slot.Owner, slot.Key, slot.Mode);
        }

        foreach (BoundSlot access in declared)
        {
            builder.Declare(access.Owner, access.Key, access.Mode);
        }

        ISigner[] signers = Array.ConvertAll(Signers, static key => (ISigner)new Unsigned(key));
        return builder.TrySign(signers[0], signers.AsSpan(1), out transaction, out refusal);
    }

    private sealed class Unsigned(PublicKey key) : ISigner
    {
        public PublicKey PublicKey => key;

        public Signature Sign(ReadOnlySpan<byte> payload) => default;
    }
}

/// <summary>A slot, or an access without one, that is wholly known.</summary>
public readonly record struct BoundSlot(ProgramId Owner, LocalKey Key, AccessMode Mode);
