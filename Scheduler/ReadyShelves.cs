// Where ready chains wait. Each worker has a hand, sixteen stacks by urgency (ConflictGraph.UrgencyOf) that only it touches, and a shelf with one piece
// of it, laid out for others; what is ready at the start lies in rows, one for each worker's share of the batch, the most urgent first.
//
//   hand of worker 1     15 | .                  shelf of worker 1   [ urgency 14: c7 -> c3 ]      one word: count, urgency, first chain
//                        14 | c9 -> c4           row of worker 1     [ c0 c8 c2 | c5 c6 ]          taken from the left by a cursor
//                         : | .
//
// A share is as long as any other and at the same place in every batch, as are the shares of the passes around the run: what a transaction
// touches is then in the cache of the worker that runs it. Whose row is over takes from the next one's.
//
// Why not one deque that thieves reach into (Chase and Lev): its owner pays a fence for each chain that it pops, and a chain may be a third of a
// microsecond. Here the owner pays for a chain nothing that others see; it lays a piece out when its shelf is bare, which is as often as somebody
// takes from it. Private deques: Acar, Charguéraud and Rainey, PPoPP 2013; that thieves need not ask is the shelf's doing. ADR 0026 has the measurements.
//
// Invariants
//   S1  a chain is in one place: a hand, a shelf, a row right of its cursor, or it was given out
//   S2  a shelf is filled by its owner only, and only when bare; it is emptied by whoever exchanges it for nothing, whole. So a piece has one taker, and
//       no word that comes again can be mistaken: nobody compares
//   S3  the link of a chain belongs to whoever has the chain
// Memory order: laying out and taking are exchanges, full fences: who takes a piece sees its links, and who laid one out and then looks for the hungry sees them, or is seen.
//
// Cost: a chain of one's own is a few instructions; a piece of up to sixteen that changes hands is two exchanges. No allocation once the arrays have grown.
// Threading: Begin before workers start. Then hand and LayOut by their worker alone, the rest by anybody for a worker's own hand.

using System;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>Ready chains by worker and urgency.</summary>
public sealed class ReadyShelves
{
    /// <summary>An urgency is in [0, Urgencies), the highest first.</summary>
    public const int Urgencies = 16;

    /// <summary>Chains of a batch are fewer.</summary>
    public const int ChainsMax = 1 << UrgencyShift;

    private const int UrgencyShift = 27;                // of an entry of the row: urgency, chain
    private const int HandStride = 32;                  // two lines: sixteen tops, the most urgent, the count, whose row
    private const int MostUrgentAt = Urgencies;
    private const int CountAt = Urgencies + 1;
    private const int RowAt = Urgencies + 2;            // distance to the next worker whose row may not be over
    private const int CursorStride = 32;
    private const int ShelfStride = 16;                 // two lines: neighbours are fetched in pairs
    private const int CountShift = 40;
    private const int ShelfUrgencyShift = 32;

    private int[] _hands = [];                          // by worker and urgency: top chain + 1, or 0
    private long[] _shelves = [];                       // by worker: count << 40 | urgency << 32 | first chain + 1, or 0
    private int[] _below = [];                          // by chain: the one below + 1, or 0
    private int[] _rows = [];                           // one after the other
    private int[] _cursors = [];                        // by worker: place in the rows
    private int[] _rowEnds = [];                        // by worker
    private ConflictGraph? _graph;
    private int _workers;

    /// <summary>Bare shelves, empty hands, and the chains of a graph that was just built which wait for nobody.</summary>
    public void Begin(ConflictGraph graph, int workers)
    {
        _graph = graph;
        _workers = workers;
        Reused.Room(ref _hands, workers * HandStride);
        Reused.Room(ref _shelves, (workers + 1) * ShelfStride);
        Reused.Room(ref _below, graph.ChainCount);
        Reused.Room(ref _rows, graph.ReadyChains.Length);
        Reused.Room(ref _cursors, (workers + 1) * CursorStride);
        Reused.Room(ref _rowEnds, workers);
        Array.Clear(_hands, 0, workers * HandStride);
        Array.Clear(_shelves, 0, (workers + 1) * ShelfStride);
        for (int worker = 0; worker < workers; worker++)
        {
            Hand(worker)[MostUrgentAt] = -1;
        }

        FillRows(graph.ReadyChains);
    }

    /// <summary>Chains in a worker's hand.</summary>
    public int CountOf(int worker) => Hand(worker)[CountAt];

    /// <summary>The highest urgency in a worker's hand, or -1.</summary>
    public int UrgencyInHand(int worker) => Hand(worker)[MostUrgentAt];

    /// <summary>The urgency of what is on a worker's shelf now, or -1 when it is bare.</summary>
    public int UrgencyOnShelf(int worker)
    {
        long piece = Volatile.Read(ref Shelf(worker));
        return piece == 0 ? -1 : UrgencyOf(piece);
    }

    /// <summary>The urgency of the next chain of the row that a worker takes from now, its own as long as that lasts; or -1 when all are over.</summary>
    public int UrgencyInRow(int worker)
    {
        ref int distance = ref Hand(worker)[RowAt];
        for (; distance < _workers; distance++)                         // a row that is over stays so
        {
            int row = RowOf(worker, distance);
            int cursor = Volatile.Read(ref Cursor(row));
            if (cursor < _rowEnds[row])
            {
                return _rows[cursor] >> UrgencyShift;
            }
        }

        return -1;
    }

    /// <summary>Takes a chain into a worker's hand.</summary>
    public void Push(int worker, int chain)
    {
        int urgency = _graph!.UrgencyOf(chain);
        Span<int> hand = Hand(worker);
        _below[chain] = hand[urgency];
        hand[urgency] = chain + 1;
        hand[MostUrgentAt] = Math.Max(hand[MostUrgentAt], urgency);
        hand[CountAt]++;
    }

    /// <summary>Gives out the newest of the most urgent chains of a hand that is not empty.</summary>
    public int Pop(int worker)
    {
        Span<int> hand = Hand(worker);
        int urgency = hand[MostUrgentAt];
        int chain = hand[urgency] - 1;
        hand[urgency] = _below[chain];
        hand[CountAt]--;
        Settle(hand);
        return chain;
    }

    /// <summary>The transaction that a worker's hand begins with, or -1 when it is empty.</summary>
    public int NextOf(int worker)
    {
        Span<int> hand = Hand(worker);
        int urgency = hand[MostUrgentAt];
        return urgency < 0 ? -1 : _graph!.TransactionsOf(hand[urgency] - 1)[0];
    }

    /// <summary>Lays some of the most urgent stack of a hand on the worker's shelf, which is bare (S2): half, at least one chain, or all, but not more than a piece.</summary>
    public void LayOut(int worker, bool all)
    {
        Span<int> hand = Hand(worker);
        int urgency = hand[MostUrgentAt];
        int first = hand[urgency];
        int last = first;
        int count = 1;
        for (int ahead = Below(first); count < WorkerPolicy.PieceMax && (all ? Below(last) : Below(Below(ahead))) != 0; count++)
        {
            ahead = Below(Below(ahead));                // is at the 2nd, 4th, 6th chain when `last` is at the 1st, 2nd, 3rd
            last = Below(last);
        }

        hand[urgency] = Below(last);
        hand[CountAt] -= count;
        _below[last - 1] = 0;
        Settle(hand);
        Interlocked.Exchange(ref Shelf(worker), ((long)count << CountShift) | ((long)urgency << ShelfUrgencyShift) | (uint)first);
    }

    /// <summary>Takes what is on a shelf into the hand of a worker which has nothing as urgent; false when it is bare by now.</summary>
    /// <param name="shelf">Whose shelf; may be its own.</param>
    public bool TryTake(int worker, int shelf)
    {
        long piece = Interlocked.Exchange(ref Shelf(shelf), 0);
        if (piece == 0)
        {
            return false;
        }

        Span<int> hand = Hand(worker);
        int urgency = UrgencyOf(piece);
        hand[urgency] = (int)piece;
        hand[MostUrgentAt] = urgency;
        hand[CountAt] += (int)(piece >> CountShift);
        return true;
    }

    /// <summary>Takes the next piece of a row into a worker's hand; false when all are over, or somebody was faster.</summary>
    public bool TryTakeFromRow(int worker)
    {
        if (UrgencyInRow(worker) < 0)
        {
            return false;
        }

        int row = RowOf(worker, Hand(worker)[RowAt]);
        int from = Volatile.Read(ref Cursor(row));
        int length = WorkerPolicy.PieceLength(_rowEnds[row] - from);
        if (from >= _rowEnds[row] || Interlocked.CompareExchange(ref Cursor(row), from + length, from) != from)
        {
            return false;
        }

        for (int place = from + length - 1; place >= from; place--)
        {
            Push(worker, _rows[place] & (ChainsMax - 1));
        }

        return true;
    }

    /// <summary>Where every chain is, as numbers, for a search that wants to know whether it was here before.</summary>
    /// <remarks>While nobody is at work.</remarks>
    public void Describe(Action<int> part)
    {
        for (int worker = 0; worker < _workers; worker++)
        {
            part(Cursor(worker));
            foreach (int top in Hand(worker)[..Urgencies])
            {
                Describe(top, part);
            }

            Describe((int)Shelf(worker), part);
        }
    }

    private void Describe(int first, Action<int> part)
    {
        for (int chain = first; chain != 0; chain = Below(chain))
        {
            part(chain);
        }

        part(0);
    }

    // Ready chains are in batch order, so those of a share lie together.
    private void FillRows(ReadOnlySpan<int> ready)
    {
        int start = 0;
        for (int worker = 0; worker < _workers; worker++)
        {
            long shareEnd = (long)_graph!.TxCount * (worker + 1) / _workers;
            int end = start;
            while (end < ready.Length && _graph.TransactionsOf(ready[end])[0] < shareEnd)
            {
                end++;
            }

            FillRow(ready[start..end], start);
            Cursor(worker) = start;
            _rowEnds[worker] = start = end;
        }
    }

    // A counting sort, stable, so that equally urgent chains stay in batch order.
    private void FillRow(ReadOnlySpan<int> ready, int first)
    {
        Span<int> starts = stackalloc int[Urgencies + 1];
        starts.Clear();
        foreach (int chain in ready)
        {
            starts[Urgencies - _graph!.UrgencyOf(chain)]++;
        }

        starts[0] = first;
        for (int place = 0; place < Urgencies; place++)
        {
            starts[place + 1] += starts[place];
        }

        foreach (int chain in ready)
        {
            int urgency = _graph!.UrgencyOf(chain);
            _rows[starts[Urgencies - 1 - urgency]++] = (urgency << UrgencyShift) | chain;
        }
    }

    private static void Settle(Span<int> hand)
    {
        int urgency = hand[MostUrgentAt];
        while (urgency >= 0 && hand[urgency] == 0)
        {
            urgency--;
        }

        hand[MostUrgentAt] = urgency;
    }

    private static int UrgencyOf(long piece) => (int)(piece >> ShelfUrgencyShift) & (Urgencies - 1);

    // Below nothing is nothing.
    private int Below(int chain) => chain == 0 ? 0 : _below[chain - 1];

    private ref int Cursor(int worker) => ref _cursors[(worker + 1) * CursorStride];

    private int RowOf(int worker, int distance) => worker + distance < _workers ? worker + distance : worker + distance - _workers;

    private Span<int> Hand(int worker) => _hands.AsSpan(worker * HandStride, HandStride);

    private ref long Shelf(int worker) => ref _shelves[(worker + 1) * ShelfStride];
}
