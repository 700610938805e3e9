// One pass over [0, count) by several workers: each takes the next piece until none is left. What the engine does before and after
// a batch's transactions is a sequence of such passes, with everything of one pass done before the next begins.
//
// A body is called with (worker, from, to); pieces of one worker come in ascending order. One worker, or one piece, runs in place, so a small batch
// wakes nobody.
//
// Cost: one interlocked addition for each piece, no allocation.   Threading: one Run at a time.

using System;
using System.Threading;

namespace ParallelVm.Engine;

internal sealed class RangeLoop
{
    private readonly WorkerPool _pool;
    private readonly Action<int> _drain;
    private Action<int, int, int>? _body;
    private int _next;
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
        _next = 0;
        _count = count;
        _grain = grain;
        _pool.Run((int)Math.Min(workers, ((long)count + grain - 1) / grain), _drain);
        _body = null;
    }

    private void Drain(int worker)
    {
        while (true)
        {
            long from = (long)Interlocked.Add(ref _next, _grain) - _grain;
            if (from >= _count)
            {
                return;                                     // the counter passes the end by at most a grain for each worker
            }

            _body!(worker, (int)from, (int)Math.Min(_count, from + _grain));
        }
    }
}
