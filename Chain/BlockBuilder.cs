// Chooses the transactions of a block. Fees buy span, not only gas: a transaction costs its own work plus the critical path
// that it adds, so one that makes the block longer has to offer more than one that runs beside the others.
//
//   score = price x gas / (gas + span added)              between half the price and the whole; price = base fee + tip
//   span added = how far it ends beyond the block's longest chain, the first 1/16 of block gas free: sixteen workers
//                need that long for a full block anyway
//
//   gas      sum of gas limits                          <= the chain's block gas
//   bytes    header and transactions                    <= the chain's block bytes
//   key      gas limits of those that write one key     <= 25 % of block gas, or a single transaction
//   span     gas limits along the longest chain         <= 60 % of block gas, or a single transaction
//   payer    reservations of one payer, in order        <= its balance before the block
//   code     a program that is active at the block's start, and has the entry; containers of all of them <= what a block may call
//
// Key and span are the builder's manners, not rules of validity: a block that ignores them is slow, not wrong.
//
// Two passes. First the old: whoever has waited for OldAfter blocks goes in by age, whatever it pays, up to 1/8 of gas
// and of bytes, at least one transaction; so little of any key and of the span that neither limit is met. Then the best by score.
//
//   walk   open entries of the mempool, best price first: an upper bound of the score
//   aside  looked at, scored, and something else was better then; comes back when its score is the best
//   queue  of a hot key: the next is let out when the one before it is in, or out of the question
//
// Starvation bound. Let t be legal, its payer good for all that it has waiting, and let t wait since OldAfter blocks behind
// older ones of A gas and Y bytes. Each block from here takes the oldest until one does not fit into the eighth, and that one opens
// the next block's pass; so two blocks together take more than an eighth, of gas or of bytes, and t is in after at most
//
//   1 + 2 x (ceil(8 A / block gas) + ceil(8 Y / block bytes))       blocks, whatever others pay and whichever keys are hot
//
// Two more for each 4 MiB of code that the older ones call. Of those that no block may take now, one block passes OldLooksMax and
// lets them wait anew.
//
// Bound of looks. A look is an evaluation of one entry: at most LooksMax for the best, OldLooksMax for the old; a hot key's queue
// costs at most QueueMissesMax that come to nothing, however long it is. What the branch holds already does not wait (Mempool).
//
// Pure: same pool, same state, same time, same choice; what a builder keeps from block to block is memory.
//
// Threading: ChainService's lock.   Cost: O(accesses) per look.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>Packs blocks of one chain, one after the other.</summary>
internal sealed class BlockBuilder
{
    /// <summary>Most looks at candidates for one block.</summary>
    public const int LooksMax = 32_768;

    /// <summary>Most looks at old transactions for one block.</summary>
    public const int OldLooksMax = 1_024;

    /// <summary>Blocks of the preferred branch after which a waiting transaction is old.</summary>
    public const int OldAfter = 8;

    /// <summary>Looks without success after which a hot key's queue is left alone for this block.</summary>
    public const int QueueMissesMax = 16;

    /// <summary>After so many in a row that did not fit gas or bytes, the block counts as full.</summary>
    private const int FullAfter = 64;

    /// <summary>Times that one entry is set aside; then it is taken at the score that it has.</summary>
    private const int TriesMax = 3;

    private const int OldShare = 8;
    private const int FreeSpanShare = 16;

    private readonly ChainLimits _limits;
    private readonly ulong _keyGasMax;
    private readonly ulong _spanMax;
    private readonly Dictionary<StateKey, KeyLoad> _keys = [];
    private readonly Dictionary<PublicKey, UInt128> _left = [];
    private readonly HashSet<Mempool.Entry> _seen = [];                     // the old that are in
    private readonly Dictionary<HotKeys.Queue, QueueWalk> _queues = [];
    private readonly PriorityQueue<(Mempool.Entry Entry, int Tries), Rank> _aside = new();
    private readonly List<Transaction> _chosen = [];
    private IStateView _state = null!;                                      // these three and what follows: of the block that is being packed
    private BlockPrograms _programs = null!;
    private ulong _timestampMs;
    private ulong _gas;
    private ulong _costly;                                                  // span beyond this is paid for
    private long _bytes;

    public BlockBuilder(ChainLimits limits)
    {
        _limits = limits;
        _keyGasMax = KeyGasMax(limits);
        _spanMax = limits.MaxBlockGas / 5 * 3;
    }

    /// <summary>Evaluations for the last block.</summary>
    public int Looks { get; private set; }

    /// <summary>Gas along the longest chain of what was chosen last.</summary>
    public ulong Span { get; private set; }

    /// <summary>Old ones that no block on this state may take: their waiting begins anew (<see cref="Mempool.Renew"/>).</summary>
    public List<Mempool.Entry> Unfit { get; } = [];

    /// <summary>Gas limits of writers of one key that a block takes at most, but for a single transaction.</summary>
    public static ulong KeyGasMax(ChainLimits limits) => limits.MaxBlockGas / 4;

    /// <summary>The chosen transactions of a block, in block order.</summary>
    /// <param name="state">The parent's state.</param>
    /// <param name="programs">Of that state.</param>
    /// <param name="batch">Gets their messages, in the same order.</param>
    public Transaction[] Pack(Mempool pool, IStateView state, BlockPrograms programs, ulong timestampMs, List<Message> batch)
    {
        (_state, _programs, _timestampMs) = (state, programs, timestampMs);
        (_gas, _costly, _bytes, Looks, Span) = (0, _limits.MaxBlockGas / FreeSpanShare, BlockFormat.HeaderBytes, 0, 0);
        Unfit.Clear();
        TakeOld(pool, batch);
        TakeBest(pool, batch);
        Transaction[] chosen = [.. _chosen];
        LetGo();
        return chosen;
    }

    private void LetGo()
    {
        (_state, _programs) = (null!, null!);
        _keys.Clear();
        _left.Clear();
        _seen.Clear();
        _queues.Clear();
        _aside.Clear();
        _chosen.Clear();
    }

    private void TakeOld(Mempool pool, List<Message> batch)
    {
        ulong gasMax = _limits.MaxBlockGas / OldShare;
        long bytesMax = _limits.MaxBlockBytes / OldShare;
        for (LinkedListNode<Mempool.Entry>? node = pool.ByAge.First; node is not null && Looks < OldLooksMax; node = node.Next)
        {
            Mempool.Entry entry = node.Value;
            if (pool.Height - entry.WaitsSince < OldAfter)
            {
                return;                                                     // Q4: so have all that follow
            }

            bool isFirst = _chosen.Count == 0;
            if (!isFirst && (_gas + entry.Prepared.Transaction.GasLimit > gasMax || _bytes - BlockFormat.HeaderBytes + BytesOf(entry) > bytesMax))
            {
                return;
            }

            Looks++;
            Refusal refusal = default;
            if (!IsLegal(entry) || !IsCovered(entry) || !_programs.TryBind(entry.Prepared, out Message? message, out refusal))
            {
                if (!isFirst && refusal.Code == RefusalCode.BlockCodeExceeded)
                {
                    return;                                                 // with less code before it, the next block may have it
                }

                Unfit.Add(entry);
                continue;
            }

            bool ends = TryEnd(entry, out ulong end);
            Invariant.Require(ends && FitsBlock(entry));                    // an eighth, or one alone, meets no limit
            Take(entry, message, end, batch);
            _seen.Add(entry);
        }
    }

    private void TakeBest(Mempool pool, List<Message> batch)
    {
        int looksMax = Looks + LooksMax;
        int full = 0;
        using SortedSet<Mempool.Entry>.Enumerator walk = pool.Open.GetEnumerator();
        bool isWalking = walk.MoveNext();
        while (Looks < looksMax && full < FullAfter)
        {
            Mempool.Entry entry;
            int tries = 0;
            if (isWalking && (_aside.Count == 0 || Bound(walk.Current).CompareTo(BestAside()) < 0))
            {
                entry = walk.Current;
                isWalking = walk.MoveNext();
            }
            else if (_aside.Count != 0)
            {
                (entry, tries) = _aside.Dequeue();
            }
            else
            {
                return;
            }

            if (_seen.Contains(entry))
            {
                LetOut(entry, isMiss: false);
                continue;
            }

            Looks++;
            if (!FitsBlock(entry))
            {
                full++;
                LetOut(entry, isMiss: true);
                continue;
            }

            if (!IsLegal(entry) || !IsCovered(entry) || !TryEnd(entry, out ulong end))
            {
                LetOut(entry, isMiss: true);
                continue;
            }

            Rank rank = new(ScoreOf(entry, end), entry.Sequence);
            bool isBest = (!isWalking || rank.CompareTo(Bound(walk.Current)) < 0) && (_aside.Count == 0 || rank.CompareTo(BestAside()) < 0);
            if (!isBest && tries < TriesMax)
            {
                _aside.Enqueue((entry, tries + 1), rank);
                continue;
            }

            bool isBound = _programs.TryBind(entry.Prepared, out Message? message, out _);
            if (isBound)
            {
                full = 0;
                Take(entry, message!, end, batch);
            }

            LetOut(entry, isMiss: !isBound);
        }
    }

    private static Rank Bound(Mempool.Entry entry) => new(PriceOf(entry), entry.Sequence);

    private Rank BestAside()
    {
        _aside.TryPeek(out _, out Rank rank);
        return rank;
    }

    // One of a hot key's queue is in, or out of the question: the next one may be looked at.
    private void LetOut(Mempool.Entry entry, bool isMiss)
    {
        if (entry.Queue is not { } queue)
        {
            return;
        }

        ref QueueWalk? walk = ref CollectionsMarshal.GetValueRefOrAddDefault(_queues, queue, out _);
        walk ??= new QueueWalk(queue);
        walk.Misses += isMiss ? 1 : 0;
        if (walk.Misses < QueueMissesMax && walk.TryNext(out Mempool.Entry? next))
        {
            _aside.Enqueue((next, 0), Bound(next));
        }
    }

    private bool FitsBlock(Mempool.Entry entry) =>
        _gas + entry.Prepared.Transaction.GasLimit <= _limits.MaxBlockGas && _bytes + BytesOf(entry) <= _limits.MaxBlockBytes;

    private bool IsLegal(Mempool.Entry entry) => !ChainRules.CheckTime(entry.Prepared.Transaction, _timestampMs).IsRefused;

    private bool IsCovered(Mempool.Entry entry)
    {
        ref UInt128 left = ref CollectionsMarshal.GetValueRefOrAddDefault(_left, entry.Prepared.Transaction.Payer, out bool isKnown);
        if (!isKnown)
        {
            left = NativeBalance.Read(_state, entry.Prepared.PayerKey);
        }

        return left >= entry.Prepared.Reservation;
    }

    // Where would it end, if every transaction took its whole gas limit? False when a key or the span would pass its limit.
    private bool TryEnd(Mempool.Entry entry, out ulong end)
    {
        ReadOnlySpan<Access> accesses = entry.Prepared.Transaction.Accesses.Accesses;
        StateKey[] keys = entry.Prepared.Keys;
        ulong gas = entry.Prepared.Transaction.GasLimit;
        ulong start = 0;
        end = 0;
        for (int i = 0; i < accesses.Length; i++)
        {
            if (!_keys.TryGetValue(keys[i], out KeyLoad load))
            {
                continue;
            }

            start = Math.Max(start, load.FreeFor(accesses[i].Mode));
            if (accesses[i].Mode == AccessMode.Write && load.Written != 0 && load.Written + gas > _keyGasMax)
            {
                return false;
            }
        }

        end = start + gas;
        return start == 0 || end <= _spanMax;
    }

    private ulong ScoreOf(Mempool.Entry entry, ulong end)
    {
        ulong gas = entry.Prepared.Transaction.GasLimit;
        ulong added = end > _costly ? end - _costly : 0;
        return added == 0 ? PriceOf(entry) : (ulong)((UInt128)PriceOf(entry) * gas / (gas + added));
    }

    private void Take(Mempool.Entry entry, Message message, ulong end, List<Message> batch)
    {
        Transaction transaction = entry.Prepared.Transaction;
        ReadOnlySpan<Access> accesses = transaction.Accesses.Accesses;
        for (int i = 0; i < accesses.Length; i++)
        {
            ref KeyLoad load = ref CollectionsMarshal.GetValueRefOrAddDefault(_keys, entry.Prepared.Keys[i], out _);
            load = load.With(accesses[i].Mode, end, transaction.GasLimit);
        }

        _left[transaction.Payer] -= entry.Prepared.Reservation;
        _gas += transaction.GasLimit;
        _bytes += BytesOf(entry);
        Span = Math.Max(Span, end);
        _costly = Math.Max(_costly, end);
        _chosen.Add(transaction);
        batch.Add(message);
    }

    private static long BytesOf(Mempool.Entry entry) => 4 + entry.Prepared.Transaction.Bytes.Length;

    private static ulong PriceOf(Mempool.Entry entry) => entry.Prepared.Price;

    // The walk through a hot key's queue behind its best, which the pool shows itself.
    private sealed class QueueWalk
    {
        private SortedSet<Mempool.Entry>.Enumerator _walk;

        public QueueWalk(HotKeys.Queue queue)
        {
            _walk = queue.Waiting.GetEnumerator();
            _walk.MoveNext();
        }

        public int Misses { get; set; }

        public bool TryNext(out Mempool.Entry next)
        {
            bool hasNext = _walk.MoveNext();
            next = hasNext ? _walk.Current : null!;
            return hasNext;
        }
    }

    // The better is the smaller: higher score, then earlier arrival. No two entries are equal.
    private readonly record struct Rank(ulong Score, ulong Sequence) : IComparable<Rank>
    {
        public int CompareTo(Rank other) => Score != other.Score ? other.Score.CompareTo(Score) : Sequence.CompareTo(other.Sequence);
    }

    // When, in gas on endless cores, a key's last reader, writer and adder are done, and how much gas its writers took.
    private readonly record struct KeyLoad(ulong ReadEnd, ulong WriteEnd, ulong AddEnd, ulong Written)
    {
        public ulong FreeFor(AccessMode mode) => mode switch
        {
            AccessMode.Read => Math.Max(WriteEnd, AddEnd),
            AccessMode.Add => Math.Max(WriteEnd, ReadEnd),
            _ => Math.Max(WriteEnd, Math.Max(ReadEnd, AddEnd)),
        };

        public KeyLoad With(AccessMode mode, ulong end, ulong gas) => mode switch
        {
            AccessMode.Read => this with { ReadEnd = Math.Max(ReadEnd, end) },
            AccessMode.Add => this with { AddEnd = Math.Max(AddEnd, end) },
            _ => this with { WriteEnd = end, Written = Written + gas },
        };
    }
}
