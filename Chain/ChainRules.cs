// The rules of one chain, made once of its genesis: verified programs, hash functions, limits, fees. Admission is here: it turns
// a transaction into the message that the engine runs, or refuses it with a code.
//
// Fork 0 has no deployment: the programs of genesis are all there are, and the base fee does not move. So what TryPrepare
// finds out about a transaction holds for ever; only its time window is checked anew for each block.
//
// Signatures are not checked here: they cost a hundred times the rest, so ChainService spreads them over workers and
// remembers them.
//
// Threading: immutable, any thread.   Cost: TryPrepare is one keyed hash per declared access.

using System;
using System.Collections.Frozen;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>A transaction that admission found legal, with what was computed on the way.</summary>
/// <param name="Transaction">As it came.</param>
/// <param name="Message">What the engine runs.</param>
/// <param name="EffectiveTip">What it is ordered by: the part of its price that goes to the treasury.</param>
/// <param name="Reservation">What its payer must hold.</param>
public sealed record PreparedTransaction(Transaction Transaction, Message Message, ulong EffectiveTip, UInt128 Reservation);

/// <summary>Rules of one chain.</summary>
public sealed class ChainRules
{
    /// <summary>A transaction's expiry lies at most this far after the time of the block that holds it; ids are remembered as long.</summary>
    public const ulong ExpiryWindowMs = 60_000;

    /// <summary>A block's timestamp lies at most this far ahead of a verifying node's clock.</summary>
    public const ulong MaxAheadMs = 10_000;

    private readonly FrozenDictionary<ProgramId, VerifiedProgram> _programs;

    private ChainRules(Genesis genesis, Dictionary<ProgramId, VerifiedProgram> programs)
    {
        Genesis = genesis;
        _programs = programs.ToFrozenDictionary();
    }

    /// <summary>What the rules were made of.</summary>
    public Genesis Genesis { get; }

    /// <summary>The chain.</summary>
    public ChainId ChainId => Genesis.ChainId;

    /// <summary>What the chain allows.</summary>
    public ChainLimits Limits => Genesis.Limits;

    /// <summary>Burned per gas.</summary>
    public ulong BaseFee => Genesis.BaseFee;

    /// <summary>The state's hash functions.</summary>
    public StateHashing Hashing => Genesis.Hashing;

    /// <summary>Verifies the programs of a genesis.</summary>
    public static bool TryCreate(Genesis genesis, [NotNullWhen(true)] out ChainRules? rules, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(genesis);
        rules = null;
        Dictionary<ProgramId, VerifiedProgram> programs = [];
        foreach (GenesisProgram program in genesis.Programs)
        {
            if (!Verifier.TryVerify(program.Code, VerifierLimits.Default, out VerifiedProgram? verified, out refusal))
            {
                refusal = new Refusal(RefusalCode.GenesisProgramRefused, $"Program {program.Id}: {refusal}");
                return false;
            }

            programs.Add(program.Id, verified);
        }

        rules = new ChainRules(genesis, programs);
        refusal = Refusal.None;
        return true;
    }

    /// <summary>Finds a program that transactions may call.</summary>
    public bool TryFindProgram(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program) => _programs.TryGetValue(id, out program);

    /// <summary>What programs may know of a block.</summary>
    public BlockContext ContextOf(in BlockHeader header) => new(header.Height, header.TimestampMs, ChainId, BaseFee, 0);

    /// <summary>May a block of this time (or a node at this time) take a transaction of this expiry?</summary>
    public static Refusal CheckTime(Transaction transaction, ulong timeMs)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (transaction.ExpiryMs < timeMs)
        {
            return new Refusal(RefusalCode.Expired, $"Transaction {transaction.Id} expired at {transaction.ExpiryMs} ms; the time is {timeMs} ms.");
        }

        if (transaction.ExpiryMs - timeMs > ExpiryWindowMs)
        {
            return new Refusal(RefusalCode.ExpiryTooFar, $"Transaction {transaction.Id} expires {transaction.ExpiryMs - timeMs} ms ahead; at most {ExpiryWindowMs} are allowed.");
        }

        return Refusal.None;
    }

    /// <summary>Everything about a transaction that does not depend on time, state or signatures.</summary>
    public bool TryPrepare(Transaction transaction, [NotNullWhen(true)] out PreparedTransaction? prepared, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        prepared = null;
        refusal = CheckLimits(transaction);
        if (refusal.IsRefused)
        {
            return false;
        }

        if (!_programs.TryGetValue(transaction.Programs[0], out VerifiedProgram? program))
        {
            refusal = new Refusal(RefusalCode.UnknownProgram, $"Program {transaction.Programs[0]} does not exist on this chain.");
            return false;
        }

        int entry = program.FindEntry(transaction.Selector);
        if (entry < 0)
        {
            refusal = new Refusal(RefusalCode.UnknownEntry, $"Program {transaction.Programs[0]} has no entry of selector {transaction.Selector}.");
            return false;
        }

        ulong intrinsic = GasPrices.Launch.Intrinsic(transaction.Bytes.Length, transaction.Signers.Length, transaction.Accesses.Accesses);
        if (transaction.GasLimit < intrinsic)
        {
            refusal = new Refusal(RefusalCode.GasLimitBelowIntrinsic, $"The gas limit is {transaction.GasLimit}; {intrinsic} is charged before the first instruction.");
            return false;
        }

        Message message = ToMessage(transaction, program, entry, intrinsic);
        prepared = new PreparedTransaction(
            transaction,
            message,
            Fees.EffectiveTip(BaseFee, message.MaxPrice, message.Tip),
            Fees.Reservation(message, BaseFee));
        return true;
    }

    private Refusal CheckLimits(Transaction transaction)
    {
        if (transaction.Chain != ChainId)
        {
            return new Refusal(RefusalCode.WrongChain, $"The transaction is for chain {transaction.Chain}; this is {ChainId}.");
        }

        if (transaction.Bytes.Length > Limits.MaxTransactionBytes)
        {
            return new Refusal(RefusalCode.TooLong, $"The transaction is {transaction.Bytes.Length} bytes long; this chain allows {Limits.MaxTransactionBytes}.");
        }

        if (transaction.Arguments.Length > Limits.MaxArgumentBytes)
        {
            return new Refusal(RefusalCode.TooLong, $"The arguments are {transaction.Arguments.Length} bytes long; this chain allows {Limits.MaxArgumentBytes}.");
        }

        if (transaction.Accesses.Count > Limits.MaxAccesses)
        {
            return new Refusal(RefusalCode.TooManyAccesses, $"The access list declares {transaction.Accesses.Count} accesses; this chain allows {Limits.MaxAccesses}.");
        }

        if (transaction.GasLimit > Limits.MaxTransactionGas)
        {
            return new Refusal(RefusalCode.GasLimitTooHigh, $"The gas limit is {transaction.GasLimit}; this chain allows {Limits.MaxTransactionGas}.");
        }

        if (transaction.MaxPrice < BaseFee)
        {
            return new Refusal(RefusalCode.PriceBelowBaseFee, $"The highest price is {transaction.MaxPrice} per gas; the base fee is {BaseFee}.");
        }

        return Refusal.None;
    }

    private Message ToMessage(Transaction transaction, VerifiedProgram program, int entry, ulong intrinsic)
    {
        ReadOnlySpan<Access> accesses = transaction.Accesses.Accesses;
        StateKey[] keys = new StateKey[accesses.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = Hashing.KeyOf(transaction.Programs[accesses[i].ProgramIndex], accesses[i].Key);
        }

        return new Message
        {
            Id = transaction.Id,
            Programs = transaction.Programs,
            Program = program,
            EntryIndex = entry,
            Arguments = transaction.Arguments,
            Accesses = transaction.Accesses,
            Keys = keys,
            SlotTable = transaction.SlotTable,
            Payer = transaction.Payer,
            PayerKey = Hashing.KeyOf(ProgramId.Native, new LocalKey(transaction.Payer.Value)),
            Signers = transaction.Signers,
            GasLimit = transaction.GasLimit,
            IntrinsicGas = intrinsic,
            MaxPrice = transaction.MaxPrice,
            Tip = transaction.Tip,
        };
    }
}
