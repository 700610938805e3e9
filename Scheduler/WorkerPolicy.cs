// What a worker does next, apart from threads and time: how many take part (after ParallelGate let the batch in), whose chains it takes and how many. The engine's workers
// and the simulator's virtual ones decide by this and nothing else.
//
//   to run         the most urgent of what is in its hand, on its shelf, or in its row of the start (when that is over, in another's); of equal ones in this order
//   to lay out     its shelf is bare, and it has two chains more than the one it runs: half of its most urgent ones; or somebody is hungry: all of them
//   to steal       all of those are empty: the most urgent shelf of its neighbours
//
// Threading: pure.

using System;

namespace ParallelVm.Scheduler;

/// <summary>The decisions.</summary>
public static class WorkerPolicy
{
    private const ulong CeilingPermilleMin = 1_300;
    private const int NeighboursLooked = 8;
    private const int PiecesPerRow = 8;

    /// <summary>Most chains that change hands at once.</summary>
    public const int PieceMax = 16;

    /// <summary>How many workers a batch is worth, from its work and span: 1 when there is little to gain, else at most what can be busy.</summary>
    /// <param name="workers">How many there are, at least 1.</param>
    public static int WorkersFor(ulong work, ulong span, int workers)
    {
        span = Math.Max(1, span);
        return (UInt128)work * 1_000 / span < CeilingPermilleMin ? 1 : (int)Math.Min((ulong)workers, (work + span - 1) / span);
    }

    /// <summary>How many chains of a row a worker takes at once: the fewer are left, the fewer; at least 1.</summary>
    public static int PieceLength(int left) => Math.Clamp(left / PiecesPerRow, 1, PieceMax);

    /// <summary>Whether a worker whose shelf is bare lays out some of what is in its hand.</summary>
    /// <param name="inHand">Chains besides the one that it is about to run.</param>
    /// <param name="hungry">Workers that wait.</param>
    public static bool LaysOut(int inHand, int hungry) => inHand > 1 || (inHand == 1 && hungry > 0);

    /// <summary>Where the next chain comes from, by urgencies, each -1 when there is none.</summary>
    public static WorkerChoice Choose(int hand, int shelf, int row) =>
        hand >= shelf && hand >= row ? (hand < 0 ? WorkerChoice.Others : WorkerChoice.Hand) : shelf >= row ? WorkerChoice.Shelf : WorkerChoice.Row;

    /// <summary>Whose shelf to take: the most urgent of the nearest that have something on it, or -1.</summary>
    public static int ChooseNeighbour(ReadyShelves shelves, int worker, int workers)
    {
        int best = -1;
        int urgency = -1;
        for (int distance = 1; distance < workers && (best < 0 || distance <= NeighboursLooked); distance++)
        {
            int neighbour = worker + distance < workers ? worker + distance : worker + distance - workers;
            int found = shelves.UrgencyOnShelf(neighbour);
            if (found > urgency)
            {
                best = neighbour;
                urgency = found;
            }
        }

        return best;
    }
}

/// <summary>Where a worker's next chain comes from.</summary>
public enum WorkerChoice
{
    /// <summary>Its own hand.</summary>
    Hand,

    /// <summary>Its own shelf.</summary>
    Shelf,

    /// <summary>The row of what was ready at the start.</summary>
    Row,

    /// <summary>Others' shelves.</summary>
    Others,
}
