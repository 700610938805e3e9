// What a worker does next, apart from threads and time: how many take part, how ready chains are cut into pieces, when a worker gives
// some of its own away. The engine's workers and the simulator's virtual ones decide by this and nothing else.
//
//   start      ready chains, the most urgent first, in pieces into one queue that all take from
//   a worker   runs the newest chain of its own stack; what that makes ready goes on top
//   to share   somebody is waiting, and it has more than one: the oldest half, at most a piece, into the queue
//   to take    its stack is empty: the next piece of the queue, the most urgent of it on top
//
// Threading: pure; a ReadyStack is its worker's own.

using System;

namespace ParallelVm.Scheduler;

/// <summary>The decisions.</summary>
public static class WorkerPolicy
{
    private const int TxMin = 8;
    private const ulong CeilingPermilleMin = 1_300;
    private const int PiecesPerWorker = 8;
    private const int PieceMax = 16;

    /// <summary>True when a batch of so many transactions is not worth a graph.</summary>
    public static bool IsTooSmall(int txCount) => txCount < TxMin;

    /// <summary>How many workers a batch is worth, from its work and span: 1 when there is little to gain, else at most what can be busy.</summary>
    /// <param name="workers">How many there are, at least 1.</param>
    public static int WorkersFor(ulong work, ulong span, int workers)
    {
        span = Math.Max(1, span);
        return (UInt128)work * 1_000 / span < CeilingPermilleMin ? 1 : (int)Math.Min((ulong)workers, (work + span - 1) / span);
    }

    /// <summary>Length of the pieces that the chains which are ready at the start are cut into; at least 1.</summary>
    public static int PieceLength(int ready, int workers) => Math.Clamp(ready / (workers * PiecesPerWorker), 1, PieceMax);

    /// <summary>How many of its oldest chains a worker with so many gives away when somebody waits.</summary>
    public static int ShareCount(int own) => Math.Min(PieceMax, own / 2);
}

/// <summary>A worker's own ready chains: the newest on top, the oldest at the bottom.</summary>
/// <param name="places">Its memory; as long as the batch has chains, which is as many as can ever be here.</param>
public struct ReadyStack(int[] places)
{
    private int _bottom;
    private int _top;

    /// <summary>Chains here.</summary>
    public readonly int Count => _top - _bottom;

    /// <summary>Puts a chain on top.</summary>
    public void Push(int chain)
    {
        if (_top == places.Length)
        {
            places.AsSpan(_bottom, Count).CopyTo(places);
            _top -= _bottom;
            _bottom = 0;
        }

        places[_top++] = chain;
    }

    /// <summary>Takes the newest.</summary>
    public int Pop() => places[--_top];

    /// <summary>The oldest, which are still here.</summary>
    public readonly ReadOnlySpan<int> Oldest(int count) => places.AsSpan(_bottom, count);

    /// <summary>Takes the oldest away.</summary>
    public void DropOldest(int count) => _bottom += count;

    /// <summary>Takes a piece in, so that its first is on top.</summary>
    public void PushPiece(ReadOnlySpan<int> piece)
    {
        for (int i = piece.Length - 1; i >= 0; i--)
        {
            Push(piece[i]);
        }
    }
}
