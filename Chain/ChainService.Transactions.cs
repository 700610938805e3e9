// Admission: bytes -> decoded -> legal -> signed -> into the mempool, or a refusal with a code.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <content>Submitting transactions.</content>
public sealed partial class ChainService
{
    /// <summary>Takes a transaction into the mempool. Its signatures are checked one by one on the calling thread, outside the lock.</summary>
    /// <returns><see cref="Refusal.None"/> when it waits for a block now.</returns>
    public Refusal Submit(ReadOnlySpan<byte> bytes) => Submit(bytes, out _);

    /// <summary>As the other, and says which transaction it is.</summary>
    /// <param name="id">Default when the bytes are no transaction.</param>
    public Refusal Submit(ReadOnlySpan<byte> bytes, out TxId id)
    {
        long start = Clock.Start();
        if (!TryAdmit(bytes.ToArray(), out id, out PreparedTransaction? prepared, out Refusal refusal))
        {
            return refusal;
        }

        Clock.Stop(Stage.Decode, start);

        lock (_gate)
        {
            refusal = CheckNew(prepared);
        }

        if (refusal.IsRefused)
        {
            return refusal;
        }

        start = Clock.Start();
        bool isGood = prepared.Transaction.VerifySignatures();
        Interlocked.Add(ref _signaturesChecked, prepared.Transaction.Signers.Length);
        Clock.Stop(Stage.Verify, start);
        lock (_gate)
        {
            return Admit(prepared, isGood);
        }
    }

    /// <summary>Takes many transactions in, in order, decoded and their signatures checked in batches on all workers, outside the lock.</summary>
    /// <param name="batch">One transaction each; kept by the service, so not to be changed afterwards.</param>
    /// <returns>One answer per transaction.</returns>
    public Refusal[] SubmitBatch(IReadOnlyList<ReadOnlyMemory<byte>> batch) => SubmitBatch(batch, default);

    /// <summary>As the other, and says which transactions they are.</summary>
    /// <param name="ids">One per transaction, or none. Set for all that are transactions, those that are refused too; default for the others.</param>
    public Refusal[] SubmitBatch(IReadOnlyList<ReadOnlyMemory<byte>> batch, Memory<TxId> ids)
    {
        ArgumentNullException.ThrowIfNull(batch);
        TxId[] found = new TxId[batch.Count];
        Refusal[] refusals = new Refusal[batch.Count];
        PreparedTransaction?[] prepared = new PreparedTransaction?[batch.Count];
        long start = Clock.Start();
        _engine.Pool.For(batch.Count, Workers, i => TryAdmit(batch[i], out found[i], out prepared[i], out refusals[i]));
        Clock.Stop(Stage.Decode, start);
        if (!ids.IsEmpty)
        {
            found.CopyTo(ids);
        }

        List<int> legal = KeepNew(prepared, refusals);
        bool[] good = VerifyUnknown(legal.ConvertAll(i => prepared[i]!.Transaction));
        TouchPayers(prepared, legal, good);
        lock (_gate)
        {
            for (int k = 0; k < good.Length; k++)
            {
                int i = legal[k];
                refusals[i] = Admit(prepared[i]!, good[k]);
            }
        }

        return refusals;
    }

    /// <summary>
    /// Does what needs no lock of a submission that will come soon, on the calling thread: while a block is executed, or decided on. The records of what is good
    /// are touched.
    /// </summary>
    /// <param name="coming">One transaction each; kept by the service, so not to be changed afterwards.</param>
    /// <returns>For <see cref="SubmitBatch(CheckedBatch)"/>, which gives the answers that these bytes would be given.</returns>
    public CheckedBatch CheckAhead(IReadOnlyList<ReadOnlyMemory<byte>> coming)
    {
        ArgumentNullException.ThrowIfNull(coming);
        CheckedBatch batch = new(coming.Count);
        List<int> legal = new(coming.Count);
        long start = Clock.Start();
        for (int i = 0; i < coming.Count; i++)
        {
            if (Transaction.TryDecodeInPlace(coming[i], out batch.Transactions[i], out batch.Refusals[i])
                && _rules.TryPrepare(batch.Transactions[i]!, out batch.Prepared[i], out batch.Refusals[i]))
            {
                legal.Add(i);
            }
        }

        Clock.Stop(Stage.Decode, start);
        bool[] good = VerifySignatures(CollectionsMarshal.AsSpan(legal.ConvertAll(i => batch.Transactions[i]!)), workers: 1);
        List<StateKey> keys = [];
        for (int k = 0; k < good.Length; k++)
        {
            int i = legal[k];
            batch.IsSigned[i] = good[k];
            if (good[k])
            {
                keys.AddRange(batch.Prepared[i]!.Keys);
                keys.Add(batch.Prepared[i]!.PayerKey);
            }
        }

        _store.Touch(CollectionsMarshal.AsSpan(keys));

        return batch;
    }

    /// <summary>Takes in, in order, what was checked ahead.</summary>
    /// <returns>One answer per transaction.</returns>
    public Refusal[] SubmitBatch(CheckedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Refusal[] refusals = new Refusal[batch.Count];
        lock (_gate)
        {
            ulong now = NowMs();
            for (int i = 0; i < refusals.Length; i++)
            {
                refusals[i] = batch.Transactions[i] is { } transaction ? ChainRules.CheckTime(transaction, now) : batch.Refusals[i];
                if (!refusals[i].IsRefused)
                {
                    refusals[i] = batch.Prepared[i] is { } prepared ? Admit(prepared, batch.IsSigned[i]) : batch.Refusals[i];
                }
            }
        }

        return refusals;
    }

    /// <summary>True while the transaction waits for a block, or for a preferred block to be decided.</summary>
    public bool IsWaiting(TxId id)
    {
        lock (_gate)
        {
            return _mempool.Contains(id);
        }
    }

    /// <summary>Adds all transactions that wait to a list, best first: a copy of references, O(waiting).</summary>
    public void ListWaiting(List<Transaction> target)
    {
        ArgumentNullException.ThrowIfNull(target);
        lock (_gate)
        {
            foreach (Mempool.Entry entry in _mempool.Ordered)
            {
                target.Add(entry.Prepared.Transaction);
            }
        }
    }

    private bool TryAdmit(ReadOnlyMemory<byte> bytes, out TxId id, [NotNullWhen(true)] out PreparedTransaction? prepared, out Refusal refusal)
    {
        prepared = null;
        bool decodes = Transaction.TryDecodeInPlace(bytes, out Transaction? transaction, out refusal);
        id = transaction?.Id ?? default;
        return decodes
            && !(refusal = ChainRules.CheckTime(transaction!, NowMs())).IsRefused
            && _rules.TryPrepare(transaction!, out prepared, out refusal);
    }

    // Indexes of what was admitted and is not known yet.
    private List<int> KeepNew(PreparedTransaction?[] prepared, Refusal[] refusals)
    {
        List<int> kept = new(prepared.Length);
        lock (_gate)
        {
            for (int i = 0; i < prepared.Length; i++)
            {
                if (prepared[i] is { } one && !(refusals[i] = CheckNew(one)).IsRefused)
                {
                    kept.Add(i);
                }
            }
        }

        return kept;
    }

    // Admission reads their balances under the lock. No more than that is touched for a transaction that nobody has paid for yet.
    private void TouchPayers(PreparedTransaction?[] prepared, List<int> legal, bool[] good)
    {
        List<StateKey> payers = new(legal.Count);
        for (int k = 0; k < good.Length; k++)
        {
            if (good[k])
            {
                payers.Add(prepared[legal[k]]!.PayerKey);
            }
        }

        _store.Touch(CollectionsMarshal.AsSpan(payers));
    }

    // Cheap, and before the signatures: a flood of copies, or of calls of what does not exist, costs no signature checks.
    private Refusal CheckNew(PreparedTransaction prepared)
    {
        TxId id = prepared.Transaction.Id;
        if (_mempool.Contains(id))
        {
            return new Refusal(RefusalCode.DuplicateTransaction, $"Transaction {id} waits in the mempool already.");
        }

        return PreferredScope().Contains(id)
            ? new Refusal(RefusalCode.DuplicateTransaction, $"Transaction {id} is in the chain already.")
            : _rules.CheckCall(prepared.Transaction, PreferredPrograms(), PreferredState(), out _);
    }

    private Refusal Admit(PreparedTransaction prepared, bool isSigned)
    {
        Refusal refusal = CheckNew(prepared);
        if (refusal.IsRefused || !isSigned)
        {
            return refusal.IsRefused ? refusal : BadSignature(prepared.Transaction);
        }

        refusal = _mempool.Add(prepared, NativeBalance.Read(PreferredState(), prepared.PayerKey));
        foreach (Transaction displaced in _mempool.Displaced)
        {
            _verified.Add(VerifiedMemory.HashOf(displaced));                // a block with it need not check it again
        }

        if (!refusal.IsRefused)
        {
            _onPending?.Invoke();
        }

        return refusal;
    }

    // Verdicts for all; only what was not checked ahead is checked.
    private bool[] VerifyUnknown(List<Transaction> transactions)
    {
        if (_verified.IsEmpty)
        {
            return VerifySignatures(CollectionsMarshal.AsSpan(transactions), Workers);       // nothing to look up: no hash of each
        }

        bool[] good = new bool[transactions.Count];
        List<int> unknown = [];
        for (int i = 0; i < good.Length; i++)
        {
            good[i] = _verified.Contains(VerifiedMemory.HashOf(transactions[i]));
            if (!good[i])
            {
                unknown.Add(i);
            }
        }

        bool[] verdicts = VerifySignatures(CollectionsMarshal.AsSpan(unknown.ConvertAll(i => transactions[i])), Workers);
        for (int k = 0; k < verdicts.Length; k++)
        {
            good[unknown[k]] = verdicts[k];
        }

        return good;
    }

    private bool[] VerifySignatures(ReadOnlySpan<Transaction> transactions, int workers)
    {
        long start = Clock.Start();
        bool[] good = new bool[transactions.Length];
        Interlocked.Add(ref _signaturesChecked, _signatures.Verify(transactions, good, workers));
        Clock.Stop(Stage.Verify, start);
        return good;
    }

    private ProcessingBlock? PreferredTip() => _branch.Count == 0 ? null : _branch[^1];

    private Block PreferredBlock => PreferredTip()?.Block ?? _last;

    private ReplayScope PreferredScope() => new(_window, PreferredTip());

    private IStateView PreferredState() => PreferredTip()?.View ?? _store.Accepted;

    private ActivePrograms PreferredPrograms() => PreferredTip()?.Programs ?? _programs;

    private static Refusal BadSignature(Transaction transaction) =>
        new(RefusalCode.BadSignature, $"A signature of transaction {transaction.Id} does not verify.");
}
