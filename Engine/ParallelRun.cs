// The chains of one batch on several workers. A worker runs a chain to its end, takes the successors that it made ready into its hand, and
// goes on with the most urgent; a piece of its hand lies on its shelf, where who has nothing finds it (ReadyShelves). What to do
// next is WorkerPolicy's, how threads do it is here; the steps are in ParallelRun.Seat.cs.
//
//   Look --> [LayOut [-> Wake -> Ring]] -> Run ... Run --> Complete --> Look          a worker is at one of these steps
//    |
//    +---> Unload | TakeRow ----------------------------------------> Look            its shelf, or the row of the start, is more urgent
//    |
//    +---> [Report] -> Search -> Steal -----------------------------> Look            it has nothing, others have
//                        +-----> Hunger -> Again -> Wait -----------> Look | Over     nobody has
//
// A step does at most one thing that another worker can see, or one that nobody can see half done. In production each worker's thread
// calls Step until it is over; a controlled schedule calls Step of whichever worker it chooses, all on one thread, and so can put
// any worker between any two steps of another (IRunDriver).
//
// Invariants
//   L1  a worker that goes to wait leaves nothing in its hand or on its shelf, so no chain waits for anybody to be woken
//   L2  _left = transactions that have not completed, as far as workers have reported; 0 ends the run. A worker reports before
//       it looks at others' shelves, so what is missing from the sum is on its way
//   L3  _hungry = workers that wait or are about to and have been promised nothing. Who lays something out and sees one takes it from the count and rings.
//       A worker counts itself before its last look, and both are full fences: either it sees the piece or it is seen
//   L4  the end, or a fault, rings for each worker: whoever waits wakes and leaves. A ring too many costs a look
//
// Threading: workers meet at the shelves, in the graph's counters, in three interlocked integers and at the bell.

using System;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

/// <summary>What a run does with transactions and keys.</summary>
internal interface IRunTarget
{
    /// <summary>Runs a transaction under a worker's number.</summary>
    void RunOne(int worker, int tx);

    /// <summary>A worker will run these next, each -1 when that is not known: a hint, before <see cref="RunOne"/> of the one at hand.</summary>
    void Expect(int next, int afterNext);

    /// <summary>All adders of a group of the key are done and somebody waits for the sum.</summary>
    void Fold(int key);
}

/// <summary>What came of a step.</summary>
internal enum StepResult
{
    /// <summary>The worker goes on.</summary>
    Moved,

    /// <summary>It waits for a ring, and there was none.</summary>
    Asleep,

    /// <summary>The run is over for it.</summary>
    Over,
}

internal sealed partial class ParallelRun<TTarget>
    where TTarget : IRunTarget
{
    private readonly ConflictGraph _graph;
    private readonly TTarget _target;
    private readonly Action<int> _work;
    private readonly ReadyShelves _shelves = new();
    private readonly Bell _bell = new();
    private Seat[] _seats = [];
    private int _left;
    private int _hungry;
    private int _ended;
    private int _workers;

    public ParallelRun(ConflictGraph graph, TTarget target)
    {
        _graph = graph;
        _target = target;
        _work = Work;
    }

    /// <summary>Called by a worker's thread before each of its steps: where a campaign delays it. Null for nothing.</summary>
    internal Action<int>? BeforeStep { get; set; }

    /// <summary>Every transaction has been reported as completed.</summary>
    internal bool IsDone => Volatile.Read(ref _left) == 0;

    /// <summary>Runs every transaction of the batch that the graph was just built from.</summary>
    /// <param name="driver">Steps the workers instead of the pool's threads, when there is one.</param>
    /// <exception cref="Exception">What a worker threw; the batch is lost.</exception>
    public void Run(WorkerPool pool, int workers, IRunDriver? driver)
    {
        Begin(workers);
        if (driver is null)
        {
            pool.Run(workers, _work);
        }
        else
        {
            driver.Drive(this, workers);
        }

        Invariant.Require(IsDone);                                              // L2
    }

    /// <summary>Puts all workers at their start.</summary>
    internal void Begin(int workers)
    {
        while (_bell.TryTake())
        {
            // rings that nobody needed
        }

        _workers = workers;
        _left = _graph.TxCount;
        _hungry = 0;
        _ended = 0;
        int known = _seats.Length;
        if (known < workers)
        {
            Array.Resize(ref _seats, workers);
            for (; known < workers; known++)
            {
                _seats[known] = new Seat();
            }
        }

        for (int worker = 0; worker < workers; worker++)
        {
            _seats[worker].Begin();
        }

        _shelves.Begin(_graph, workers);
    }

    /// <summary>The step that a worker takes next.</summary>
    /// <remarks>Between steps of a controlled schedule only.</remarks>
    internal At PlaceOf(int worker) => _seats[worker].At;

    /// <summary>Everything that decides what can still happen, as numbers, for a search that wants to know whether it was here before.</summary>
    /// <remarks>Between steps of a controlled schedule only.</remarks>
    internal void Describe(Action<int> part)
    {
        part(_left);
        part(_hungry);
        part(_ended);
        part(_bell.Rings);
        _shelves.Describe(part);
        for (int worker = 0; worker < _workers; worker++)
        {
            _seats[worker].Describe(part);
        }
    }

    private void Work(int worker)
    {
        bool isDone = false;
        try
        {
            do
            {
                BeforeStep?.Invoke(worker);
            }
            while (Step(worker, mayBlock: true) != StepResult.Over);

            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                End();                                                          // L4
            }
        }
    }

    private void End()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            _bell.Ring(_workers);                                            // L4
        }
    }
}
