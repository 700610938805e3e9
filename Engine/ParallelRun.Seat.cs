// The steps of a worker.

using System;
using System.Threading;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

/// <content>Steps.</content>
internal sealed partial class ParallelRun<TTarget>
{
    /// <summary>Where a worker is: the step that it takes next.</summary>
    internal enum At
    {
        /// <summary>Decides where the next chain comes from.</summary>
        Look,

        /// <summary>Takes what is on its own shelf back into its hand.</summary>
        Unload,

        /// <summary>Takes a piece of a row of what was ready at the start.</summary>
        TakeRow,

        /// <summary>Lays some of its hand out for others.</summary>
        LayOut,

        /// <summary>Promises a hungry worker that there is something.</summary>
        Wake,

        /// <summary>Rings.</summary>
        Ring,

        /// <summary>Runs a transaction.</summary>
        Run,

        /// <summary>Tells the graph that a chain ran, and takes into its hand what that sets free.</summary>
        Complete,

        /// <summary>Says how much it has completed.</summary>
        Report,

        /// <summary>Looks at others' shelves.</summary>
        Search,

        /// <summary>Takes what is on one of them.</summary>
        Steal,

        /// <summary>Says that it is about to wait.</summary>
        Hunger,

        /// <summary>Looks at others' shelves once more.</summary>
        Again,

        /// <summary>Found something, and is not hungry any more.</summary>
        Sated,

        /// <summary>Waits for a ring.</summary>
        Wait,

        /// <summary>The run is over for it.</summary>
        Over,
    }

    /// <summary>One step of one worker; see the picture in ParallelRun.cs.</summary>
    /// <param name="mayBlock">The calling thread is the worker's own.</param>
    internal StepResult Step(int worker, bool mayBlock)
    {
        Seat seat = _seats[worker];
        switch (seat.At)
        {
            case At.Look:
                Look(worker, seat);
                break;
            case At.Unload:
                _shelves.TryTake(worker, worker);                               // or somebody else did
                seat.At = At.Look;
                break;
            case At.TakeRow:
                _shelves.TryTakeFromRow(worker);
                seat.At = At.Look;
                break;
            case At.LayOut:
                _shelves.LayOut(worker, all: Volatile.Read(ref _hungry) > 0);
                seat.At = Volatile.Read(ref _hungry) > 0 ? At.Wake : At.Run;
                break;
            case At.Wake:
                seat.At = TryUnhunger() ? At.Ring : At.Run;
                break;
            case At.Ring:
                _bell.Ring();
                seat.At = At.Run;
                break;
            case At.Run:
                ReadOnlySpan<int> chain = _graph.TransactionsOf(seat.Chain);
                int next = seat.Position + 1;
                _target.Expect(
                    next < chain.Length ? chain[next] : _shelves.NextOf(worker), next + 1 < chain.Length ? chain[next + 1] : next < chain.Length ? _shelves.NextOf(worker) : -1);
                _target.RunOne(worker, chain[seat.Position++]);
                seat.At = seat.Position == chain.Length ? At.Complete : At.Run;
                break;
            case At.Complete:
                Sink sink = new(this, worker);
                seat.Unreported += seat.Position;
                _graph.Complete(seat.Chain, ref sink);
                seat.At = At.Look;
                break;
            case At.Report:
                Report(seat);
                break;
            case At.Search:
                seat.Neighbour = WorkerPolicy.ChooseNeighbour(_shelves, worker, _workers);
                seat.At = seat.Neighbour < 0 ? At.Hunger : At.Steal;
                break;
            case At.Steal:
                _shelves.TryTake(worker, seat.Neighbour);                       // or somebody else did
                seat.At = At.Look;
                break;
            case At.Hunger:
                Interlocked.Increment(ref _hungry);                             // L3
                seat.At = At.Again;
                break;
            case At.Again:
                seat.Neighbour = WorkerPolicy.ChooseNeighbour(_shelves, worker, _workers);
                seat.At = seat.Neighbour < 0 ? At.Wait : At.Sated;
                break;
            case At.Sated:
                TryUnhunger();                                                  // if not, a ring is under way, and will be one too many
                seat.At = At.Steal;
                break;
            case At.Wait:
                if (mayBlock)
                {
                    _bell.Wait(WorkerPool.MaySpin(_workers));
                }
                else if (!_bell.TryTake())
                {
                    return StepResult.Asleep;
                }

                seat.At = At.Look;
                break;
            default:
                return StepResult.Over;
        }

        return StepResult.Moved;
    }

    private void Look(int worker, Seat seat)
    {
        if (Volatile.Read(ref _ended) != 0)
        {
            seat.At = At.Over;
            return;
        }

        int shelf = _shelves.UrgencyOnShelf(worker);
        switch (WorkerPolicy.Choose(_shelves.UrgencyInHand(worker), shelf, _shelves.UrgencyInRow(worker)))
        {
            case WorkerChoice.Hand:
                seat.Chain = _shelves.Pop(worker);
                seat.Position = 0;
                seat.At = shelf < 0 && WorkerPolicy.LaysOut(_shelves.CountOf(worker), Volatile.Read(ref _hungry)) ? At.LayOut : At.Run;
                break;
            case WorkerChoice.Shelf:
                seat.At = At.Unload;
                break;
            case WorkerChoice.Row:
                seat.At = At.TakeRow;
                break;
            default:
                seat.At = seat.Unreported != 0 ? At.Report : At.Search;
                break;
        }
    }

    private void Report(Seat seat)
    {
        int unreported = seat.Unreported;
        seat.Unreported = 0;
        seat.At = At.Search;
        if (Interlocked.Add(ref _left, -unreported) == 0)
        {
            End();
            seat.At = At.Over;
        }
    }

    private bool TryUnhunger()
    {
        int hungry = Volatile.Read(ref _hungry);
        while (hungry > 0)
        {
            int before = Interlocked.CompareExchange(ref _hungry, hungry - 1, hungry);
            if (before == hungry)
            {
                return true;
            }

            hungry = before;
        }

        return false;
    }

    private readonly ref struct Sink(ParallelRun<TTarget> run, int worker) : ICompletionSink
    {
        public void AdderGroupFinished(int key) => run._target.Fold(key);

        public void Ready(int chain) => run._shelves.Push(worker, chain);
    }

    // Where one worker is. Nobody else looks at it during a run.
    private sealed class Seat
    {
        private Padded<Progress> _progress;

        public ref At At => ref _progress.Value.At;

        public ref int Chain => ref _progress.Value.Chain;

        public ref int Position => ref _progress.Value.Position;

        public ref int Neighbour => ref _progress.Value.Neighbour;

        public ref int Unreported => ref _progress.Value.Unreported;

        public void Begin()
        {
            At = At.Look;
            Unreported = 0;
        }

        public void Describe(Action<int> part)
        {
            part((int)At);
            part(Unreported);
            part(At is At.LayOut or At.Wake or At.Ring or At.Run or At.Complete ? Chain : -1);
            part(At is At.Run or At.Complete ? Position : -1);
            part(At is At.Steal or At.Sated ? Neighbour : -1);
        }
    }

    private struct Progress
    {
        public At At;
        public int Chain;
        public int Position;            // in the chain
        public int Neighbour;           // whose shelf has something, as far as it knows
        public int Unreported;          // transactions
    }
}
