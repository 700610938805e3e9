// The chains of one batch on several workers. Ready chains lie in one log, each exactly once; a piece of the log is what
// crosses threads, through a channel. A worker runs a chain to its end and goes on with the successors it made ready;
// it publishes from its own stack only while somebody is hungry. What to do next is WorkerPolicy's, how threads do it is here.
//
//   log:  [ ready at the start | published by w2 | published by w0 | ... ]     pieces (start, count) travel in the channel
//
//   Look --> Run ... Run --> Complete --> [Reserve --> Publish] --> Look              a worker is at one of these steps
//    |                                                               |
//    +---> Report --> Take --> [Hunger --> Wait --> Sated] --> Got --+---> Over
//
// A step does at most one thing that another worker can see, or one that nobody can see half done. In production each worker's thread
// calls Step until it is over; a controlled schedule calls Step of whichever worker it chooses, all on one thread, and so can put
// any worker between any two steps of another (IRunDriver).
//
// Invariants
//   L1  a chain enters the log when it becomes ready at the start or is shared from a stack; chains that came out of the log
//       are shared again only while the log has room, so two places per chain are enough
//   L2  _left = transactions that have not completed, as far as workers have reported; 0 ends the run. A worker reports before
//       it takes a piece, so what is missing from the sum is on its way
//   L3  the end, or a fault, puts one end piece into the channel for each worker: whoever is parked wakes and leaves
//
// Threading: workers meet in the channel, in the graph's counters, and in four interlocked integers.

using System;
using System.Threading;
using System.Threading.Channels;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

/// <summary>What a run does with transactions and keys.</summary>
internal interface IRunTarget
{
    /// <summary>Runs a transaction under a worker's number.</summary>
    void RunOne(int worker, int tx);

    /// <summary>All adders of a group of the key are done and somebody waits for the sum.</summary>
    void Fold(int key);
}

/// <summary>What came of a step.</summary>
internal enum StepResult
{
    /// <summary>The worker goes on.</summary>
    Moved,

    /// <summary>It waits for a piece, and there is none.</summary>
    Asleep,

    /// <summary>The run is over for it.</summary>
    Over,
}

internal sealed class ParallelRun<TTarget>
    where TTarget : IRunTarget
{
    private static readonly Piece EndPiece = new(-1, 0);

    private readonly ConflictGraph _graph;
    private readonly TTarget _target;
    private readonly Action<int> _work;
    private readonly Channel<Piece> _pieces = Channel.CreateUnbounded<Piece>(new UnboundedChannelOptions { AllowSynchronousContinuations = true });
    private int[] _log = [];
    private Seat[] _seats = [];
    private int _logUsed;
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

    /// <summary>Where a worker is: the step that it takes next.</summary>
    internal enum At
    {
        Look,
        Run,
        Complete,
        Reserve,
        Publish,
        Report,
        Take,
        Hunger,
        Wait,
        Sated,
        Got,
        Over,
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
        while (_pieces.Reader.TryRead(out _))
        {
            // end pieces that nobody needed, or, after a fault, chains that nobody will run
        }

        int chains = _graph.ChainCount;
        _workers = workers;
        _left = _graph.TxCount;
        _hungry = 0;
        _ended = 0;
        if (_log.Length < chains * 2)
        {
            _log = new int[Math.Max(chains * 2, _log.Length * 2)];
        }

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
            _seats[worker].Begin(chains);
        }

        ReadOnlySpan<int> ready = _graph.ReadyChains;
        ready.CopyTo(_log);
        _logUsed = ready.Length;
        int length = WorkerPolicy.PieceLength(ready.Length, workers);
        for (int i = 0; i < ready.Length; i += length)
        {
            _pieces.Writer.TryWrite(new Piece(i, Math.Min(length, ready.Length - i)));
        }
    }

    /// <summary>One step of one worker; see the picture above.</summary>
    /// <param name="mayBlock">The calling thread is the worker's own.</param>
    internal StepResult Step(int worker, bool mayBlock)
    {
        Seat seat = _seats[worker];
        switch (seat.At)
        {
            case At.Look:
                seat.Look(Volatile.Read(ref _ended) != 0);
                break;
            case At.Run:
                ReadOnlySpan<int> chain = _graph.TransactionsOf(seat.Chain);
                _target.RunOne(worker, chain[seat.Position++]);
                seat.At = seat.Position == chain.Length ? At.Complete : At.Run;
                break;
            case At.Complete:
                Sink sink = new(this, seat);
                seat.Unreported += _graph.TransactionsOf(seat.Chain).Length;
                _graph.Complete(seat.Chain, ref sink);
                seat.At = seat.Stack.Count > 1 && Volatile.Read(ref _hungry) > 0 ? At.Reserve : At.Look;
                break;
            case At.Reserve:
                Reserve(seat);
                break;
            case At.Publish:
                Publish(seat);
                break;
            case At.Report:
                int unreported = seat.Unreported;
                seat.Unreported = 0;
                seat.At = At.Take;
                if (Interlocked.Add(ref _left, -unreported) == 0)
                {
                    End();
                    seat.At = At.Over;
                }

                break;
            case At.Take:
                seat.At = _pieces.Reader.TryRead(out seat.Piece) ? At.Got : At.Hunger;
                break;
            case At.Hunger:
                Interlocked.Increment(ref _hungry);
                seat.At = At.Wait;
                break;
            case At.Wait:
                if (mayBlock)
                {
                    seat.Piece = WorkerPool.Take(_pieces.Reader, WorkerPool.MaySpin(_workers));
                }
                else if (!_pieces.Reader.TryRead(out seat.Piece))
                {
                    return StepResult.Asleep;
                }

                seat.At = At.Sated;
                break;
            case At.Sated:
                Interlocked.Decrement(ref _hungry);
                seat.At = At.Got;
                break;
            case At.Got:
                seat.At = seat.Piece.Count == 0 ? At.Over : At.Look;
                seat.Stack.PushPiece(_log.AsSpan(Math.Max(0, seat.Piece.Start), seat.Piece.Count));
                break;
            default:
                return StepResult.Over;
        }

        return StepResult.Moved;
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
        part(_logUsed);
        for (int i = 0; i < _logUsed; i++)
        {
            part(_log[i]);
        }

        int waiting = _pieces.Reader.Count;
        part(waiting);
        for (; waiting > 0 && _pieces.Reader.TryRead(out Piece piece); waiting--)
        {
            part(piece.Start);
            part(piece.Count);
            _pieces.Writer.TryWrite(piece);
        }

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
                End();                                                          // L3
            }
        }
    }

    private void Reserve(Seat seat)
    {
        int count = WorkerPolicy.ShareCount(seat.Stack.Count);
        int start = Volatile.Read(ref _logUsed);
        bool isMine = start + count <= _log.Length && Interlocked.CompareExchange(ref _logUsed, start + count, start) == start;
        seat.Piece = new Piece(start, count);
        seat.At = isMine ? At.Publish : At.Look;                                // full, or somebody else is sharing: that is enough
    }

    private void Publish(Seat seat)
    {
        seat.Stack.Oldest(seat.Piece.Count).CopyTo(_log.AsSpan(seat.Piece.Start));
        seat.Stack.DropOldest(seat.Piece.Count);
        _pieces.Writer.TryWrite(seat.Piece);
        seat.At = At.Look;
    }

    private void End()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            for (int worker = 0; worker < _workers; worker++)
            {
                _pieces.Writer.TryWrite(EndPiece);                              // L3
            }
        }
    }

    private readonly record struct Piece(int Start, int Count);

    private readonly ref struct Sink(ParallelRun<TTarget> run, Seat seat) : ICompletionSink
    {
        public void AdderGroupFinished(int key) => run._target.Fold(key);

        public void Ready(int chain) => seat.Stack.Push(chain);
    }

    // Where one worker is, and its own stack of ready chains. Nobody else looks at it during a run.
    private sealed class Seat
    {
        public ReadyStack Stack;
        public Piece Piece;
        public At At;
        public int Chain;
        public int Position;
        public int Unreported;

        private int[] _places = [];

        public void Begin(int chains)
        {
            if (_places.Length < chains)
            {
                _places = new int[Math.Max(chains, _places.Length * 2)];
            }

            Stack = new ReadyStack(_places);
            At = At.Look;
            Unreported = 0;
        }

        public void Look(bool hasEnded)
        {
            if (hasEnded)
            {
                At = At.Over;
            }
            else if (Stack.Count > 0)
            {
                Chain = Stack.Pop();
                Position = 0;
                At = At.Run;
            }
            else
            {
                At = Unreported != 0 ? At.Report : At.Take;
            }
        }

        public void Describe(Action<int> part)
        {
            part((int)At);
            part(Unreported);
            part(At is At.Run or At.Complete ? Chain : -1);
            part(At == At.Run ? Position : -1);
            part(At is At.Publish or At.Sated or At.Got ? Piece.Start : -1);
            part(Stack.Count);
            foreach (int chain in Stack.Oldest(Stack.Count))
            {
                part(chain);
            }
        }
    }
}
