// Long-lived threads that share one piece of work at a time. The caller is worker 0; the others see that a run is open, enter while it
// is and while they are wanted, and leave when they find nothing more to do.
//
// Contract of a body: it is called at most once per worker, finds its own work (an atomic cursor, a channel), and returns when
// none is left. Helpers may come late or never, so the caller's own call must be able to finish everything alone.
//
// Invariants
//   P1  Run returns after every body that began has returned
//   P2  worker numbers are distinct, in [0, workers), 0 is the caller
//   P3  a thread enters a Run once, and a closed one never (a generation and a bit beside the counts)
//   P4  the first exception of any body is thrown on the caller, after P1; nothing hangs
//   P5  nobody sleeps through what it waits for: who opens, or leaves last, changes the state and then wakes (WaitingRoom)
//
// Waiting spins a little and then sleeps; with more workers than cores it sleeps at once. A batch is
// about ten Runs of some ten microseconds, so what a Run costs beside its work counts: a spinning helper enters within a tenth of one.
// Threading: one Run at a time has helpers; a Run that begins meanwhile is done by its caller alone.

using System;
using System.Runtime.ExceptionServices;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Engine;

/// <summary>Threads for parallel work inside the node: blocks of transactions, signature checks.</summary>
public sealed class WorkerPool : IDisposable
{
    /// <summary>The most workers that a pool may have.</summary>
    public const int WorkersLimit = 1024;

    // generation in the upper 32 bits, then Closed, helpers that entered (15 bits), helpers inside (16 bits)
    private const long One = 1;
    private const long InsideMask = 0xFFFF;
    private const int EnteredShift = 16;
    private const long EnteredMask = 0x7FFF;
    private const long Closed = 1L << 31;

    private readonly WaitingRoom _bench = new();        // where helpers wait for a Run
    private readonly WaitingRoom _door = new();         // where a caller waits for the last helper
    private readonly Thread[] _threads;
    private Padded<long> _state = new() { Value = Closed };
    private int _wanted;                                // helpers of the open Run
    private int _started;
    private int _busy;
    private int _generation;
    private bool _isOver;
    private volatile int _width = WorkersLimit;
    private Action<int>? _body;
    private ExceptionDispatchInfo? _fault;

    /// <summary>A pool of at most <paramref name="maxWorkers"/> workers, the caller of Run included. Threads start when first needed.</summary>
    public WorkerPool(int maxWorkers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxWorkers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxWorkers, WorkersLimit);
        _threads = new Thread[maxWorkers - 1];
    }

    /// <summary>The most workers of one Run.</summary>
    public int MaxWorkers => _threads.Length + 1;

    /// <summary>What no Run has more workers than, whatever it asks for, at least 1: a host narrows its pool while the cores have other things to do.</summary>
    public int Width
    {
        get => _width;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            _width = value;
        }
    }

    /// <summary>Calls <paramref name="body"/> with a worker number on the caller and on up to <paramref name="workers"/> - 1 helpers.</summary>
    /// <param name="workers">At least 1; more than <see cref="MaxWorkers"/> or <see cref="Width"/> counts as that.</param>
    /// <param name="body">See the contract above. A cached delegate keeps a Run free of allocation.</param>
    /// <exception cref="Exception">Whatever a body threw first.</exception>
    public void Run(int workers, Action<int> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        int helpers = Math.Min(Math.Min(workers, _width), MaxWorkers) - 1;
        if (helpers == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            body(0);
            return;
        }

        Open(helpers, body);
        Enter(body, 0);
        Close();
        ExceptionDispatchInfo? fault = _fault;
        _fault = null;
        _body = null;
        Volatile.Write(ref _busy, 0);
        fault?.Throw();
    }

    /// <summary>Calls <paramref name="item"/> for 0 .. <paramref name="count"/> - 1, in any order, by up to <paramref name="workers"/> workers.</summary>
    /// <remarks>After an exception no further items are begun. Allocates once per call.</remarks>
    public void For(int count, int workers, Action<int> item)
    {
        ArgumentNullException.ThrowIfNull(item);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int next = -1;
        Run(Math.Min(workers, Math.Max(1, count)), _ =>
        {
            bool ended = false;
            try
            {
                for (int i = Interlocked.Increment(ref next); i < count && i >= 0; i = Interlocked.Increment(ref next))
                {
                    item(i);
                }

                ended = true;
            }
            finally
            {
                if (!ended)
                {
                    Volatile.Write(ref next, count);
                }
            }
        });
    }

    /// <summary>Ends the threads; no Run may be under way.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            return;
        }

        Volatile.Write(ref _isOver, true);
        _bench.Wake(_started);

        for (int i = 0; i < _started; i++)
        {
            _threads[i].Join();
        }
    }

    /// <summary>True when spinning can pay: every worker may have a core.</summary>
    internal static bool MaySpin(int workers) => workers <= Environment.ProcessorCount;

    private void Open(int helpers, Action<int> body)
    {
        _body = body;
        _wanted = helpers;
        _generation = (_generation + 1) & int.MaxValue;
        Interlocked.Exchange(ref _state.Value, (long)_generation << 32);
        for (; _started < helpers; _started++)
        {
            _threads[_started] = new Thread(Help) { IsBackground = true, Name = $"ParallelVm worker {_started + 1}" };
            _threads[_started].Start();
        }

        _bench.Wake(helpers);                                           // P5
    }

    private void Close()
    {
        Interlocked.Or(ref _state.Value, Closed);
        _door.Wait(new IsEmpty(this), MaySpin(_started + 1));           // P1
    }

    private void Help()
    {
        int served = 0;
        while (true)
        {
            if (TryEnter(ref served, out int worker))
            {
                Enter(_body!, worker);
                Leave();
            }
            else if (Volatile.Read(ref _isOver))
            {
                return;
            }
            else
            {
                _bench.Wait(new IsCalled(this, served), MaySpin(_started + 1));
            }
        }
    }

    private void Leave()
    {
        long left = Interlocked.Add(ref _state.Value, -One);
        if ((left & Closed) != 0 && (left & InsideMask) == 0)
        {
            _door.Wake();
        }
    }

    private bool TryEnter(ref int served, out int worker)
    {
        while (true)
        {
            long state = Volatile.Read(ref _state.Value);
            worker = (int)((state >> EnteredShift) & EnteredMask) + 1;  // P2
            if (!IsOpenFor(served, state))
            {
                return false;                                           // P3
            }

            if (Interlocked.CompareExchange(ref _state.Value, state + One + (One << EnteredShift), state) == state)
            {
                Invariant.Require(worker <= _threads.Length);
                served = (int)(state >> 32);
                return true;
            }
        }
    }

    // What is wanted belongs to the state that was read: it changes only after a Close, which the exchange that follows would notice.
    private bool IsOpenFor(int served, long state) =>
        (state & Closed) == 0 && (int)(state >> 32) != served && (int)((state >> EnteredShift) & EnteredMask) < Volatile.Read(ref _wanted);

    private void Enter(Action<int> body, int worker)
    {
        try
        {
            body(worker);
        }
        catch (Exception exception)
        {
            Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(exception), null);    // P4
        }
    }

    private readonly struct IsCalled(WorkerPool pool, int served) : IWaitCondition
    {
        public bool IsTrue => pool.IsOpenFor(served, Volatile.Read(ref pool._state.Value)) || Volatile.Read(ref pool._isOver);
    }

    private readonly struct IsEmpty(WorkerPool pool) : IWaitCondition
    {
        public bool IsTrue => (Volatile.Read(ref pool._state.Value) & InsideMask) == 0;
    }
}
