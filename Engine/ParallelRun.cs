// The chains of one batch on several workers. Ready chains lie in one log, each exactly once; a piece of the log is what
// crosses threads, through a channel. A worker runs a chain to its end and goes on with the successors it made ready;
// it publishes from its own stack only while somebody is hungry.
//
//   log:  [ ready at the start | published by w2 | published by w0 | ... ]     pieces (start, count) travel in the channel
//
// Invariants
//   L1  a chain enters the log when it becomes ready at the start or is shared from a stack; chains that came out of the log
//       are shared again only while the log has room, so two places per chain are enough
//   L2  _left = transactions that have not completed, as far as workers have reported; 0 ends the run
//   L3  the end, or a fault, puts one end piece into the channel for each worker: whoever is parked wakes and leaves
//
// Threading: workers meet in the channel, in the graph's counters, and in four interlocked integers.

using System;
using System.Threading;
using System.Threading.Channels;
using Microsoft.Extensions.ObjectPool;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

internal sealed class ParallelRun
{
    private static readonly Piece EndPiece = new(-1, 0);

    private readonly Batch _batch;
    private readonly ConflictGraph _graph;
    private readonly ObjectPool<Interpreter> _interpreters;
    private readonly Action<int> _work;
    private readonly Channel<Piece> _pieces = Channel.CreateUnbounded<Piece>(new UnboundedChannelOptions { AllowSynchronousContinuations = true });
    private int[] _log = [];
    private int[][] _stacks = [];
    private int _logUsed;
    private int _left;
    private int _hungry;
    private int _ended;
    private int _workers;

    public ParallelRun(Batch batch, ConflictGraph graph, ObjectPool<Interpreter> interpreters)
    {
        _batch = batch;
        _graph = graph;
        _interpreters = interpreters;
        _work = Work;
    }

    /// <summary>Runs every transaction of the batch; the graph was just built from it.</summary>
    /// <exception cref="Exception">What a worker threw; the batch is lost.</exception>
    public void Run(WorkerPool pool, int workers)
    {
        Begin(workers);
        try
        {
            pool.Run(workers, _work);
        }
        finally
        {
            while (_pieces.Reader.TryRead(out _))
            {
                // end pieces that nobody needed, or, after a fault, chains that nobody will run
            }
        }

        Invariant.Require(_left == 0);                                          // L2
    }

    private void Begin(int workers)
    {
        int chains = _graph.ChainCount;
        _workers = workers;
        _left = _batch.TxCount;
        _hungry = 0;
        _ended = 0;
        _logUsed = 0;
        if (_log.Length < chains * 2)
        {
            _log = new int[Math.Max(chains * 2, _log.Length * 2)];
        }

        if (_stacks.Length < workers)
        {
            int known = _stacks.Length;
            Array.Resize(ref _stacks, workers);
            _stacks.AsSpan(known).Fill([]);
        }

        for (int worker = 0; worker < workers; worker++)
        {
            if (_stacks[worker].Length < chains)
            {
                _stacks[worker] = new int[Math.Max(chains, _stacks[worker].Length * 2)];
            }
        }

        ReadOnlySpan<int> ready = _graph.ReadyChains;
        PublishAtStart(ready, WorkerPolicy.PieceLength(ready.Length, workers));
    }

    private void Work(int worker)
    {
        Interpreter interpreter = _interpreters.Get();
        bool isDone = false;
        try
        {
            RunChains(worker, interpreter);
            isDone = true;
        }
        finally
        {
            if (isDone)
            {
                _interpreters.Return(interpreter);
            }
            else
            {
                End();                                                          // L3; this interpreter is not trusted again
            }
        }
    }

    private void RunChains(int worker, Interpreter interpreter)
    {
        Sink sink = new(this, _stacks[worker]);
        int unreported = 0;
        while (Volatile.Read(ref _ended) == 0)
        {
            if (sink.Count == 0)
            {
                if (unreported != 0 && Interlocked.Add(ref _left, -unreported) == 0)
                {
                    End();
                    return;
                }

                unreported = 0;
                if (!TryTakePiece(ref sink))
                {
                    return;
                }
            }

            int chain = sink.Pop();
            ReadOnlySpan<int> transactions = _graph.TransactionsOf(chain);
            foreach (int tx in transactions)
            {
                _batch.RunOne(worker, tx, interpreter);
            }

            unreported += transactions.Length;
            _graph.Complete(chain, ref sink);
            if (sink.Count > 1 && Volatile.Read(ref _hungry) > 0)
            {
                sink.ShareOldest();
            }
        }
    }

    private bool TryTakePiece(ref Sink sink)
    {
        if (!_pieces.Reader.TryRead(out Piece piece))
        {
            Interlocked.Increment(ref _hungry);
            piece = WorkerPool.Take(_pieces.Reader, WorkerPool.MaySpin(_workers));
            Interlocked.Decrement(ref _hungry);
        }

        if (piece.Count == 0)
        {
            return false;
        }

        sink.TakePiece(_log.AsSpan(piece.Start, piece.Count));
        return true;
    }

    private void PublishAtStart(ReadOnlySpan<int> chains, int pieceLength)
    {
        chains.CopyTo(_log);
        _logUsed = chains.Length;
        for (int i = 0; i < chains.Length; i += pieceLength)
        {
            _pieces.Writer.TryWrite(new Piece(i, Math.Min(pieceLength, chains.Length - i)));
        }
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

    // What completing a chain sets free: it goes to the worker's own stack.
    private ref struct Sink(ParallelRun run, int[] places) : ICompletionSink
    {
        private ReadyStack _stack = new(places);

        public readonly int Count => _stack.Count;

        public readonly void AdderGroupFinished(int key) => run._batch.Shards.Fold(key, run._batch.Keys.RecordOf(key));

        public void Ready(int chain) => _stack.Push(chain);

        public int Pop() => _stack.Pop();

        public void TakePiece(ReadOnlySpan<int> chains) => _stack.PushPiece(chains);

        public void ShareOldest()
        {
            int count = WorkerPolicy.ShareCount(Count);
            if (run.TryShare(_stack.Oldest(count)))
            {
                _stack.DropOldest(count);
            }
        }
    }

    private bool TryShare(ReadOnlySpan<int> chains)
    {
        int start = Volatile.Read(ref _logUsed);
        if (start + chains.Length > _log.Length || Interlocked.CompareExchange(ref _logUsed, start + chains.Length, start) != start)
        {
            return false;                                                       // full, or somebody else is sharing: that is enough
        }

        chains.CopyTo(_log.AsSpan(start));
        _pieces.Writer.TryWrite(new Piece(start, chains.Length));
        return true;
    }
}
