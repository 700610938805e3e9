// One pass over [0, count) by several workers: each has a share of the pieces, in order, and helps others when its own is done. What the engine does
// before and after a batch's transactions is a sequence of such passes, with everything of one pass done before the next begins.
//
//   worker 0's share | worker 1's share | worker 2's share        the same places in every pass and, for batches alike, in every batch:
//   0 1 2 ->           3 4 5 ->           6 7 8 ->                what a worker writes in one pass is in its own cache when it comes to it in the next
//
// A body is called with (worker, from, to). One worker, or one piece, runs in place, so a small batch wakes nobody.
//
// Cost: one interlocked addition for each piece, on a line that only helpers take away; no allocation.   Threading: one Run at a time.

using System;
using System.Threading;

namespace ParallelVm.Engine;

internal sealed class RangeLoop
{
    private readonly WorkerPool _pool;
    private readonly Action<int> _drain;
    private Action<int, int, int>? _body;
    private Padded<int>[] _next = [];       // by worker: the next piece of its share
    private int _pieces;
    private int _shares;
    private int _count;
    private int _grain;

    public RangeLoop(WorkerPool pool)
    {
        _pool = pool;
        _drain = Drain;
    }

    /// <summary>Deals the pieces instead of threads, when there is one.</summary>
    public IRunDriver? Driver { get; set; }

    /// <summary>Calls <paramref name="body"/> until all of [0, <paramref name="count"/>) is done.</summary>
    /// <param name="grain">Length of a piece, at least 1.</param>
    /// <param name="body">A cached delegate keeps this free of allocation.</param>
    /// <exception cref="Exception">Whatever a body threw first; the rest may or may not be done.</exception>
    public void Run(int workers, int count, int grain, Action<int, int, int> body)
    {
        if (workers == 1 || count <= grain)
        {
            if (count > 0)
            {
                body(0, 0, count);
            }

            return;
        }

        if (Driver is not null)
        {
            for (int from = 0; from < count; from += grain)
            {
                body(Driver.Choose(workers), from, Math.Min(count, from + grain));
            }

            return;
        }

        _body = body;
        _count = count;
        _grain = grain;
        _pieces = (int)(((long)count + grain - 1) / grain);
        _shares = Math.Min(workers, _pieces);
        if (_next.Length < _shares)
        {
            _next = new Padded<int>[_shares];
        }

        for (int share = 0; share < _shares; share++)
        {
            _next[share].Value = StartOf(share);
        }

        _pool.Run(_shares, _drain);
        _body = null;
    }

    private void Drain(int worker)
    {
        for (int i = 0; i < _shares; i++)
        {
            int share = (worker + i) % _shares;
            int end = StartOf(share + 1);
            while (Volatile.Read(ref _next[share].Value) < end)
            {
                int piece = Interlocked.Increment(ref _next[share].Value) - 1;
                if (piece < end)
                {
                    int from = piece * _grain;
                    _body!(worker, from, Math.Min(_count - from, _grain) + from);
                }
            }
        }
    }

    private int StartOf(int share) => (int)((long)share * _pieces / _shares);
}
