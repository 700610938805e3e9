// The rules of one chain, made once of its genesis: hash functions, limits, fees, and the programs that the chain itself has.
// Admission begins here: it turns a transaction into what a message needs beside its code, or refuses it with a code.
//
// The base fee does not move, so what TryPrepare finds out about a transaction holds for ever. Its time window and what it calls
// are checked anew for each block: a program is what the state says that the block starts from (BlockPrograms).
//
// Signatures are not checked here: they cost a hundred times the rest, so ChainService spreads them over workers and
// remembers them.
//
// Threading: any thread; immutable but for the loader's memory, which locks itself.   Cost: TryPrepare is one keyed hash per declared access.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>A transaction that admission found legal, with what was computed on the way. Its code is not: that is the block's matter.</summary>
/// <param name="Transaction">As it came.</param>
/// <param name="Keys">State key of each access.</param>
/// <param name="PayerKey">State key of the payer's native balance.</param>
/// <param name="IntrinsicGas">Charged before the first instruction.</param>
/// <param name="EffectiveTip">What it is ordered by: the part of its price that goes to the treasury.</param>
/// <param name="Price">What its payer pays per gas: the base fee and the effective tip.</param>
/// <param name="Reservation">What its payer must hold.</param>
public sealed record PreparedTransaction(
    Transaction Transaction, StateKey[] Keys, StateKey PayerKey, ulong IntrinsicGas, ulong EffectiveTip, ulong Price, UInt128 Reservation)
{
    /// <summary>What the engine runs, with the code that a block binds it to.</summary>
    internal Message ToMessage(VerifiedProgram program, int entry, INativeProgram? native) => new()
    {
        Id = Transaction.Id,
        Programs = Transaction.Programs,
        Program = program,
        Native = native,
        EntryIndex = entry,
        Arguments = Transaction.Arguments,
        Accesses = Transaction.Accesses,
        Keys = Keys,
        SlotTable = Transaction.SlotTable,
        Payer = Transaction.Payer,
        PayerKey = PayerKey,
        Signers = Transaction.Signers,
        GasLimit = Transaction.GasLimit,
        IntrinsicGas = IntrinsicGas,
        MaxPrice = Transaction.MaxPrice,
        Tip = Transaction.Tip,
    };
}

/// <summary>Rules of one chain.</summary>
public sealed class ChainRules
{
    /// <summary>A transaction's expiry lies at most this far after the time of the block that holds it; ids are remembered as long.</summary>
    public const ulong ExpiryWindowMs = 60_000;

    /// <summary>A block's timestamp lies at most this far ahead of a verifying node's clock.</summary>
    public const ulong MaxAheadMs = 10_000;

    private ChainRules(Genesis genesis, ProgramLoader loader)
    {
        Genesis = genesis;
        Loader = loader;
        System = new SystemProgram(loader);
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

    /// <summary>Verified programs.</summary>
    internal ProgramLoader Loader { get; }

    /// <summary>The program that deploys programs.</summary>
    internal SystemProgram System { get; }

    /// <summary>Verifies the programs of a genesis.</summary>
    public static bool TryCreate(Genesis genesis, [NotNullWhen(true)] out ChainRules? rules, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(genesis);
        rules = null;
        ProgramLoader loader = new();
        foreach (GenesisProgram program in genesis.Programs)
        {
            if (!loader.TryVerify(program.Code, Blake3.Hash(program.Code), fork: 0, out _, out refusal))
            {
                refusal = new Refusal(RefusalCode.GenesisProgramRefused, $"Program {program.Id}: {refusal}");
                return false;
            }
        }

        rules = new ChainRules(genesis, loader);
        refusal = Refusal.None;
        return true;
    }

    /// <summary>What programs may know of a block.</summary>
    /// <param name="programs">Those that its transactions were bound by.</param>
    public BlockContext ContextOf(in BlockHeader header, BlockPrograms programs) =>
        new(header.Height, header.TimestampMs, ChainId, BaseFee, 0) { Programs = programs };

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

    /// <summary>Everything about a transaction that depends neither on time nor on state nor on signatures.</summary>
    public bool TryPrepare(Transaction transaction, [NotNullWhen(true)] out PreparedTransaction? prepared, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        prepared = null;
        refusal = CheckLimits(transaction);
        if (refusal.IsRefused)
        {
            return false;
        }

        ulong intrinsic = GasPrices.Launch.Intrinsic(transaction.Bytes.Length, transaction.Signers.Length, transaction.Accesses.Accesses);
        if (transaction.GasLimit < intrinsic)
        {
            refusal = new Refusal(RefusalCode.GasLimitBelowIntrinsic, $"The gas limit is {transaction.GasLimit}; {intrinsic} is charged before the first instruction.");
            return false;
        }

        ReadOnlySpan<Access> accesses = transaction.Accesses.Accesses;
        StateKey[] keys = new StateKey[accesses.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = Hashing.KeyOf(transaction.Programs[accesses[i].ProgramIndex], accesses[i].Key);
        }

        ulong price = Fees.PriceOf(BaseFee, transaction.MaxPrice, transaction.Tip);
        prepared = new PreparedTransaction(
            transaction,
            keys,
            Hashing.KeyOf(ProgramId.Native, new LocalKey(transaction.Payer.Value)),
            intrinsic,
            Fees.EffectiveTip(BaseFee, transaction.MaxPrice, transaction.Tip),
            price,
            Fees.Reservation(transaction.GasLimit, price));
        return true;
    }

    /// <summary>Is what a transaction calls there in a state?</summary>
    /// <param name="active">The programs of that state.</param>
    /// <param name="entry">Index of the entry.</param>
    /// <remarks>Reads the program's record, never its code: cheap enough to come before the signatures.</remarks>
    internal Refusal CheckCall(Transaction transaction, ActivePrograms active, IStateView state, out int entry)
    {
        ProgramId id = transaction.Programs[0];
        entry = -1;
        if (id == ProgramId.System)
        {
            entry = System.Face.FindEntry(transaction.Selector);
        }
        else if (active.TryFind(state, id, out ProgramRecord? record))
        {
            entry = record.FindEntry(transaction.Selector);
        }
        else
        {
            return new Refusal(RefusalCode.UnknownProgram, $"Program {id} does not exist on this chain.");
        }

        return entry < 0
            ? new Refusal(RefusalCode.UnknownEntry, $"Program {id} has no entry of selector {transaction.Selector}.")
            : Refusal.None;
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

        if (transaction.Arguments.Length > Limits.MaxArgumentBytes && transaction.Programs[0] != ProgramId.System)
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
}
