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
}

/// <summary>What a program may know of the block it runs in.</summary>
/// <param name="Height">Height of the block.</param>
/// <param name="TimestampMs">The block's time in milliseconds since 1970.</param>
/// <param name="Chain">The chain.</param>
/// <param name="BaseFee">Base fee per gas.</param>
/// <param name="Fork">Active fork, 0 at launch; selects opcode and gas tables.</param>
public readonly record struct BlockContext(Height Height, ulong TimestampMs, ChainId Chain, ulong BaseFee, uint Fork);
