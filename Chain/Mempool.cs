// Legal transactions that wait for a block: the highest tip first, then the oldest. Bounded in every direction an outsider
// can push: count, bytes, transactions per payer, and what one payer may promise to pay.
//
// A builder does not see them all at once: of those that want to write one hot key, it sees the best (HotKeys), and it sees
// how long each has waited, counted in blocks of the preferred branch, so that nobody is passed over for ever.
//
//   waits   in the orders; the payer's totals count it
//   aside   a processing block of the preferred branch holds it: in the index alone, until that block is accepted (it leaves) or
//           is preferred no more (it waits again, since when it did). What is built, told or admitted meanwhile is as if it had left,
//           so nothing of it depends on how soon a block that is preferred is accepted
//
// When it is full, a newcomer displaces those that tip strictly less, cheapest and youngest first; if that is not enough
// room, it is refused and nothing is displaced.
//
// Invariants
//   Q1  an id is here once; the orders hold the entries of the index that wait, expiry all of them
//   Q2  bytes is the sum over all entries, count and each payer's totals over those that wait
//   Q3  the order is a function of the sequence of calls: no clock, no hash order
//   Q4  ByAge is ascending in WaitsSince
//
// A transaction stays until a block with it is accepted, because a rejected block must not lose it.
//
// Threading: ChainService's lock.   Cost: O(log n) per transaction in, out, aside and back.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Bounds of a mempool.</summary>
public sealed record MempoolOptions
{
    /// <summary>Most transactions, those of preferred blocks that are not accepted yet included; so with <see cref="MaxBytes"/>.</summary>
    public int MaxCount { get; init; } = 65_536;

    /// <summary>Most bytes of transactions.</summary>
    public long MaxBytes { get; init; } = 64L << 20;

    /// <summary>Most transactions of one payer.</summary>
    public int MaxPerPayer { get; init; } = 16_384;
}

/// <summary>The waiting transactions.</summary>
internal sealed class Mempool
{
    /// <summary>Highest tip first, then the oldest.</summary>
    public static readonly Comparer<Entry> BestFirst = Comparer<Entry>.Create(static (a, b) =>
        a.Prepared.EffectiveTip != b.Prepared.EffectiveTip ? b.Prepared.EffectiveTip.CompareTo(a.Prepared.EffectiveTip) : a.Sequence.CompareTo(b.Sequence));

    private readonly MempoolOptions _options;
    private readonly Dictionary<TxId, Entry> _entries = [];
    private readonly SortedSet<Entry> _byTip = new(BestFirst);
    private readonly SortedSet<Entry> _byExpiry = new(Comparer<Entry>.Create(static (a, b) =>
        a.ExpiryMs != b.ExpiryMs ? a.ExpiryMs.CompareTo(b.ExpiryMs) : a.Sequence.CompareTo(b.Sequence)));

    private readonly Dictionary<PublicKey, PayerTotals> _payers = [];
    private readonly LinkedList<Entry> _byAge = [];
    private readonly HotKeys _hotKeys;
    private ulong _nextSequence;

    /// <param name="keyGasMax">Gas limits of writers of one key that a block takes at most.</param>
    public Mempool(MempoolOptions options, ulong keyGasMax = ulong.MaxValue)
    {
        _options = options;
        _hotKeys = new HotKeys(keyGasMax);
    }

    /// <summary>Its bounds.</summary>
    public MempoolOptions Options => _options;

    /// <summary>Transactions that wait.</summary>
    public int Count => _byTip.Count;

    /// <summary>Bytes of these and of those set aside.</summary>
    public long Bytes { get; private set; }

    /// <summary>The waiting transactions, best first. Not to be changed while it is walked.</summary>
    public SortedSet<Entry> Ordered => _byTip;

    /// <summary>The same without those that wait behind a better one of a hot key.</summary>
    public SortedSet<Entry> Open => _hotKeys.Open;

    /// <summary>The waiting transactions, those that have waited longest first (Q4).</summary>
    public LinkedList<Entry> ByAge => _byAge;

    /// <summary>The greatest height that the preferred branch has reached: what waiting is counted in.</summary>
    public ulong Height { get; private set; }

    /// <summary>True when the id waits or is set aside.</summary>
    public bool Contains(TxId id) => _entries.ContainsKey(id);

    /// <summary>Finds a transaction that waits or is set aside.</summary>
    public bool TryFind(TxId id, [NotNullWhen(true)] out PreparedTransaction? prepared)
    {
        prepared = _entries.TryGetValue(id, out Entry? entry) ? entry.Prepared : null;
        return prepared is not null;
    }

    /// <summary>What a payer's waiting transactions may cost at most.</summary>
    public UInt128 ReservedBy(PublicKey payer) => _payers.TryGetValue(payer, out PayerTotals totals) ? totals.Reserved : 0;

    /// <summary>How many transactions of a payer wait.</summary>
    public int CountOf(PublicKey payer) => _payers.TryGetValue(payer, out PayerTotals totals) ? totals.Count : 0;

    /// <summary>Those that the last <see cref="Add"/> displaced.</summary>
    public List<Transaction> Displaced { get; } = [];

    /// <summary>Takes a transaction in, or says why not.</summary>
    /// <param name="payerBalance">Balance of the payer now; its waiting transactions may not promise more.</param>
    public Refusal Add(PreparedTransaction prepared, UInt128 payerBalance)
    {
        Displaced.Clear();
        TxId id = prepared.Transaction.Id;
        if (_entries.ContainsKey(id))
        {
            return new Refusal(RefusalCode.DuplicateTransaction, $"Transaction {id} waits in the mempool already.");
        }

        PublicKey payer = prepared.Transaction.Payer;
        _payers.TryGetValue(payer, out PayerTotals totals);
        if (totals.Count >= _options.MaxPerPayer)
        {
            return new Refusal(RefusalCode.TooManyFromPayer, $"Payer {payer} has {totals.Count} transactions waiting; at most {_options.MaxPerPayer} may.");
        }

        if (payerBalance < totals.Reserved || payerBalance - totals.Reserved < prepared.Reservation)
        {
            return new Refusal(
                RefusalCode.PayerUnderfunded,
                $"Payer {payer} holds {payerBalance}; this transaction reserves {prepared.Reservation} beside {totals.Reserved} for those waiting.");
        }

        if (!TryMakeRoom(prepared))
        {
            return new Refusal(
                RefusalCode.MempoolFull,
                $"The mempool holds {Count} transactions of {Bytes} bytes, and too few of them tip less than {prepared.EffectiveTip}.");
        }

        Entry entry = new(prepared, _nextSequence++) { WaitsSince = Height };
        _entries.Add(id, entry);
        _byExpiry.Add(entry);
        Bytes += prepared.Transaction.Bytes.Length;
        _byAge.AddLast(entry.Age);
        Enter(entry);
        return Refusal.None;
    }

    /// <summary>Takes a transaction out.</summary>
    /// <returns>False when it was not here.</returns>
    public bool Remove(TxId id)
    {
        if (!_entries.TryGetValue(id, out Entry? entry))
        {
            return false;
        }

        Remove(entry);
        return true;
    }

    /// <summary>A block has become preferred that holds the transaction: it waits no more, and is not forgotten yet.</summary>
    public void SetAside(TxId id)
    {
        if (_entries.TryGetValue(id, out Entry? entry) && !entry.IsAside)
        {
            Leave(entry);
            entry.IsAside = true;
        }
    }

    /// <summary>Blocks are preferred no more: what they held waits again, as long as it has waited before.</summary>
    public void TakeBack(IEnumerable<TxId> ids)
    {
        List<Entry> back = [];
        foreach (TxId id in ids)
        {
            if (_entries.TryGetValue(id, out Entry? entry) && entry.IsAside)
            {
                entry.IsAside = false;
                back.Add(entry);
            }
        }

        back.Sort(static (a, b) => a.WaitsSince != b.WaitsSince ? a.WaitsSince.CompareTo(b.WaitsSince) : a.Sequence.CompareTo(b.Sequence));
        LinkedListNode<Entry>? later = _byAge.First;
        foreach (Entry entry in back)
        {
            while (later is not null && later.Value.WaitsSince <= entry.WaitsSince)
            {
                later = later.Next;
            }

            if (later is null)
            {
                _byAge.AddLast(entry.Age);                                  // Q4
            }
            else
            {
                _byAge.AddBefore(later, entry.Age);
            }

            Enter(entry);
        }
    }

    /// <summary>The preferred branch has a block of that height: everybody has waited until there.</summary>
    public void Reach(Height height) => Height = Math.Max(Height, height.Value);

    /// <summary>Lets transactions that no block may take now wait as if they had just come, so that they do not stand before others.</summary>
    public void Renew(List<Entry> entries)
    {
        foreach (Entry entry in entries)
        {
            _byAge.Remove(entry.Age);
            _byAge.AddLast(entry.Age);
            entry.WaitsSince = Height;
        }
    }

    /// <summary>Takes out what no block of this time or later may hold.</summary>
    public void RemoveExpired(ulong timeMs)
    {
        while (_byExpiry.Min is { } oldest && oldest.ExpiryMs < timeMs)
        {
            Remove(oldest);
        }
    }

    private bool TryMakeRoom(PreparedTransaction newcomer)
    {
        int count = _entries.Count + 1 - _options.MaxCount;
        long bytes = Bytes + newcomer.Transaction.Bytes.Length - _options.MaxBytes;
        if (count <= 0 && bytes <= 0)
        {
            return true;
        }

        List<Entry> displaced = [];
        foreach (Entry entry in _byTip.Reverse())
        {
            if (entry.Prepared.EffectiveTip >= newcomer.EffectiveTip)
            {
                return false;
            }

            displaced.Add(entry);
            count--;
            bytes -= entry.Prepared.Transaction.Bytes.Length;
            if (count <= 0 && bytes <= 0)
            {
                foreach (Entry cheaper in displaced)
                {
                    Remove(cheaper);
                    Displaced.Add(cheaper.Prepared.Transaction);
                }

                return true;
            }
        }

        return false;
    }

    private void Remove(Entry entry)
    {
        bool removed = _entries.Remove(entry.Prepared.Transaction.Id) & _byExpiry.Remove(entry);
        Invariant.Require(removed);                                         // Q1
        Bytes -= entry.Prepared.Transaction.Bytes.Length;
        if (!entry.IsAside)
        {
            Leave(entry);
        }
    }

    // Into the orders but for the one by age.
    private void Enter(Entry entry)
    {
        _byTip.Add(entry);
        _hotKeys.Add(entry);
        ref PayerTotals totals = ref CollectionsMarshal.GetValueRefOrAddDefault(_payers, entry.Prepared.Transaction.Payer, out _);
        totals = new PayerTotals(totals.Count + 1, totals.Reserved + entry.Prepared.Reservation);
    }

    private void Leave(Entry entry)
    {
        bool removed = _byTip.Remove(entry);
        Invariant.Require(removed);                                         // Q1
        _byAge.Remove(entry.Age);
        _hotKeys.Remove(entry);
        PublicKey payer = entry.Prepared.Transaction.Payer;
        ref PayerTotals totals = ref CollectionsMarshal.GetValueRefOrNullRef(_payers, payer);
        totals = new PayerTotals(totals.Count - 1, totals.Reserved - entry.Prepared.Reservation);
        if (totals.Count == 0)
        {
            Invariant.Require(totals.Reserved == 0);                        // Q2
            _payers.Remove(payer);
        }
    }

    /// <summary>A transaction and its arrival number.</summary>
    internal sealed class Entry
    {
        public Entry(PreparedTransaction prepared, ulong sequence)
        {
            Prepared = prepared;
            Sequence = sequence;
            Age = new LinkedListNode<Entry>(this);
        }

        /// <summary>The transaction.</summary>
        public PreparedTransaction Prepared { get; }

        /// <summary>Ascending with arrival.</summary>
        public ulong Sequence { get; }

        /// <summary>Last moment to enter a block.</summary>
        public ulong ExpiryMs => Prepared.Transaction.ExpiryMs;

        /// <summary><see cref="Height"/> when its waiting began.</summary>
        public ulong WaitsSince { get; set; }

        /// <summary>A preferred block holds it: it does not wait.</summary>
        public bool IsAside { get; set; }

        /// <summary>Its place in <see cref="ByAge"/>.</summary>
        public LinkedListNode<Entry> Age { get; }

        /// <summary>Whom it waits with; null for one that writes no hot key.</summary>
        public HotKeys.Queue? Queue { get; set; }
    }

    private readonly record struct PayerTotals(int Count, UInt128 Reserved);
}
