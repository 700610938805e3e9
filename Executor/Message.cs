// What runs: a transaction without its signatures, resolved once at admission so that the batch loop looks nothing up.
// Program and entry are found, state keys are hashed, the slot table is widened.
//
// Invariants
//   M1  Keys[i] is the state key of Accesses[i] under Programs[Accesses[i].ProgramIndex]
//   M2  every slot names an access of the list
//   M3  Programs[0] is the program that is called
//
// Threading: immutable.   Cost: made once per transaction at admission; arrays owned by the message.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Executor;

/// <summary>A transaction as the engine runs it.</summary>
public sealed class Message
{
    /// <summary>Identity, for receipts and replay protection.</summary>
    public required TxId Id { get; init; }

    /// <summary>Program table of the transaction; the first is called.</summary>
    public required ProgramId[] Programs { get; init; }

    /// <summary>Verified code of <c>Programs[0]</c>.</summary>
    public required VerifiedProgram Program { get; init; }

    /// <summary>What runs instead of the bytecode of <see cref="Program"/>; null for every program but the chain's own.</summary>
    public INativeProgram? Native { get; init; }

    /// <summary>Index of the called entry in <see cref="VerifiedProgram.Entries"/>.</summary>
    public required int EntryIndex { get; init; }

    /// <summary>Arguments, at most 2 KiB.</summary>
    public required ReadOnlyMemory<byte> Arguments { get; init; }

    /// <summary>Declared accesses.</summary>
    public required AccessList Accesses { get; init; }

    /// <summary>State key of each access (M1).</summary>
    public required StateKey[] Keys { get; init; }

    /// <summary>Slot -> index into the access list (M2).</summary>
    public required ushort[] SlotTable { get; init; }

    /// <summary>Who pays and is the caller; its native balance lives at <see cref="PayerKey"/>.</summary>
    public required PublicKey Payer { get; init; }

    /// <summary>State key of the payer's native balance: owner <see cref="ProgramId.Native"/>, local key = the payer's public key.</summary>
    public required StateKey PayerKey { get; init; }

    /// <summary>All signers, the payer first.</summary>
    public required PublicKey[] Signers { get; init; }

    /// <summary>Upper bound of gas, at most 2^40.</summary>
    public required ulong GasLimit { get; init; }

    /// <summary>Gas charged before the first instruction: base, bytes and declared keys. At most <see cref="GasLimit"/>, or admission refuses.</summary>
    public required ulong IntrinsicGas { get; init; }

    /// <summary>Highest price per gas that the payer accepts, base fee and tip together.</summary>
    public required ulong MaxPrice { get; init; }

    /// <summary>Tip per gas for the treasury, as far as <see cref="MaxPrice"/> leaves room.</summary>
    public required ulong Tip { get; init; }

    /// <summary>A message without a transaction around it, for those who embed the engine without a chain: one signer, own keys only.</summary>
    /// <param name="hashing">Of the state that it will run on.</param>
    /// <param name="id">Unique in its batch.</param>
    /// <param name="programId">Owner of the keys, and what SELF says.</param>
    /// <param name="program">Verified code of that program.</param>
    /// <param name="selector">Entry to call.</param>
    /// <param name="arguments">Kept, not copied.</param>
    /// <param name="slots">What each slot of the entry names, in slot order; equal keys become one access.</param>
    /// <param name="payer">Caller and payer; at price 0 it needs no balance.</param>
    /// <param name="gasLimit">At least the intrinsic gas, or the engine refuses the batch.</param>
    /// <param name="maxPrice">Highest price per gas.</param>
    /// <exception cref="System.ArgumentException">No such entry, or more keys than an access list holds.</exception>
    public static Message ForCall(
        StateHashing hashing,
        TxId id,
        ProgramId programId,
        VerifiedProgram program,
        uint selector,
        ReadOnlyMemory<byte> arguments,
        ReadOnlySpan<(LocalKey Key, AccessMode Mode)> slots,
        PublicKey payer,
        ulong gasLimit,
        ulong maxPrice = 0)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        ArgumentNullException.ThrowIfNull(program);
        int entry = program.FindEntry(selector);
        Access[] uses = new Access[slots.Length];
        for (int i = 0; i < uses.Length; i++)
        {
            uses[i] = new Access(0, slots[i].Key, slots[i].Mode);
        }

        if (!AccessList.TryCreate(AccessList.Normalise(uses), 1, out AccessList accesses, out Refusal refusal))
        {
            throw new ArgumentException(refusal.ToString(), nameof(slots));
        }

        if (entry < 0)
        {
            throw new ArgumentException($"The program has no entry of selector {selector}.", nameof(selector));
        }

        StateKey[] keys = new StateKey[accesses.Count];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = hashing.KeyOf(programId, accesses[i].Key);
        }

        return new Message
        {
            Id = id,
            Programs = [programId],
            Program = program,
            EntryIndex = entry,
            Arguments = arguments,
            Accesses = accesses,
            Keys = keys,
            SlotTable = Array.ConvertAll(uses, use => (ushort)accesses.IndexOf(0, use.Key)),
            Payer = payer,
            PayerKey = hashing.KeyOf(ProgramId.Native, new LocalKey(payer.Value)),
            Signers = [payer],
            GasLimit = gasLimit,
            IntrinsicGas = GasPrices.Launch.Intrinsic(arguments.Length, 1, accesses.Accesses),
            MaxPrice = maxPrice,
            Tip = 0,
        };
    }
}

/// <summary>What a program may know of the block it runs in.</summary>
/// <param name="Height">Height of the block.</param>
/// <param name="TimestampMs">The block's time in milliseconds since 1970.</param>
/// <param name="Chain">The chain.</param>
/// <param name="BaseFee">Base fee per gas.</param>
/// <param name="Fork">Active fork, 0 at launch; selects opcode and gas tables.</param>
public readonly record struct BlockContext(Height Height, ulong TimestampMs, ChainId Chain, ulong BaseFee, uint Fork)
{
    /// <summary>The forks that <see cref="Fork"/> is looked up in; null is <see cref="ForkSchedule.Launched"/>.</summary>
    public ForkSchedule? Forks { get; init; }

    /// <summary>The programs that calls of other programs find; null is none.</summary>
    public IProgramSource? Programs { get; init; }

    /// <summary>Rules of the active fork.</summary>
    public ForkRules Rules => (Forks ?? ForkSchedule.Launched)[Fork];
}
