// Where compiles run. The seam lets a test run them by hand, at once, or never; a node runs them on threads of its own, at most two and
// below normal priority, because the .NET compiler cannot be interrupted and nothing in a block may wait for it.
//
// Threading: TrySchedule from any thread. Dispose waits for the compiles that have begun, and forgets the others.

using System;
using System.Collections.Generic;
using System.Threading;

namespace ParallelVm.Executor.Jit;

/// <summary>Runs compiles some time, or never.</summary>
public interface IJitScheduler
{
    /// <summary>Takes a compile on; false when it will not: then the program is asked for again later.</summary>
    bool TrySchedule(Action compile);
}

/// <summary>Compiles on the thread that asks, before it goes on: for tests and measurements.</summary>
public sealed class JitAtOnce : IJitScheduler
{
    /// <inheritdoc/>
    public bool TrySchedule(Action compile)
    {
        ArgumentNullException.ThrowIfNull(compile);
        compile();
        return true;
    }
}

/// <summary>Background threads for compiles. They start when first needed and end when idle.</summary>
public sealed class JitThreads : IJitScheduler, IDisposable
{
    /// <summary>Most threads.</summary>
    public const int MaxThreads = 2;

    private const int MaxQueued = 1024;

    private readonly Lock _lock = new();
    private readonly Queue<Action> _queue = new();
    private readonly List<Thread> _threads = [];
    private bool _isClosed;

    /// <inheritdoc/>
    public bool TrySchedule(Action compile)
    {
        ArgumentNullException.ThrowIfNull(compile);
        lock (_lock)
        {
            if (_isClosed || _queue.Count == MaxQueued)
            {
                return false;
            }

            _queue.Enqueue(compile);
            if (_threads.Count < MaxThreads)
            {
                Thread thread = new(Work) { IsBackground = true, Priority = ThreadPriority.BelowNormal, Name = "jit" };
                _threads.Add(thread);
                thread.Start();
            }

            return true;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Thread[] running;
        lock (_lock)
        {
            _isClosed = true;
            _queue.Clear();
            running = [.. _threads];
        }

        foreach (Thread thread in running)
        {
            thread.Join();
        }
    }

    private void Work()
    {
        while (true)
        {
            Action? compile;
            lock (_lock)
            {
                if (!_queue.TryDequeue(out compile))
                {
                    _threads.Remove(Thread.CurrentThread);
                    return;
                }
            }

            compile();
        }
    }
}
