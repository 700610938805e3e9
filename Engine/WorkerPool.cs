// Long-lived threads that share one piece of work at a time. The caller is worker 0; the others take a ticket from a
// channel, enter while the work is still open, and leave when they find nothing more to do.
//
// Contract of a body: it is called at most once per worker, finds its own work (an atomic cursor, a channel), and returns when
// none is left. Helpers may come late or never, so the caller's own call must be able to finish everything alone.
//
// Invariants
//   P1  Run returns after every body that began has returned
//   P2  worker numbers are distinct, in [0, workers), 0 is the caller
//   P3  a ticket of an earlier Run lets nobody in (tickets carry a generation)
//   P4  the first exception of any body is thrown on the caller, after P1; nothing hangs
//
// Waiting spins a little (a wake-up costs 14 to 99 microseconds) and then parks; with more workers than cores it parks at once.
// Threading: one Run at a time has helpers; a Run that begins meanwhile is done by its caller alone.

using System;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using ParallelVm.Primitives;

namespace ParallelVm.Engine;

/// <summary>Threads for parallel work inside the node: blocks of transactions, signature checks.</summary>
public sealed class WorkerPool : IDisposable
{
    /// <summary>The most workers that a pool may have.</summary>
    public const int WorkersLimit = 1024;

    private const int StopTicket = -1;
    private const int SpinsMax = 200;
    private const int SpinLength = 20;

    // _state: generation in the upper 32 bits, then Closed, helpers that entered (15 bits), helpers inside (16 bits).
    private const long One = 1;
    private const long InsideMask = 0xFFFF;
    private const int EnteredShift = 16;
    private const long EnteredMask = 0x7FFF;
    private const long Closed = 1L << 31;

    private readonly Channel<int> _tickets = Channel.CreateUnbounded<int>(new UnboundedChannelOptions { AllowSynchronousContinuations = true });
    private readonly ManualResetEventSlim _empty = new(false);
    private readonly Thread[] _threads;
    private int _started;
    private int _busy;
    private int _generation;
    private long _state = Closed;
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

    /// <summary>Calls <paramref name="body"/> with a worker number on the caller and on up to <paramref name="workers"/> - 1 helpers.</summary>
    /// <param name="workers">At least 1; more than <see cref="MaxWorkers"/> counts as that.</param>
    /// <param name="body">See the contract above. A cached delegate keeps a Run free of allocation.</param>
    /// <exception cref="Exception">Whatever a body threw first.</exception>
    public void Run(int workers, Action<int> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        int helpers = Math.Min(workers, MaxWorkers) - 1;
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

        for (int i = 0; i < _started; i++)
        {
            _tickets.Writer.TryWrite(StopTicket);
        }

        for (int i = 0; i < _started; i++)
        {
            _threads[i].Join();
        }

        _empty.Dispose();
    }

    /// <summary>Takes an item: tries, spins a little, then parks until one is written.</summary>
    internal static T Take<T>(ChannelReader<T> reader, bool spins)
    {
        if (reader.TryRead(out T? item))
        {
            return item;
        }

        for (int spin = 0; spins && spin < SpinsMax; spin++)
        {
            Thread.SpinWait(SpinLength);
            if (reader.TryRead(out item))
            {
                return item;
            }
        }

        // one item wakes one reader; WaitToReadAsync would wake them all
        ValueTask<T> read = reader.ReadAsync();
        return read.IsCompletedSuccessfully ? read.Result : read.AsTask().GetAwaiter().GetResult();
    }

    /// <summary>True when spinning can pay: every worker may have a core.</summary>
    internal static bool MaySpin(int workers) => workers <= Environment.ProcessorCount;

    private void Open(int helpers, Action<int> body)
    {
        _body = body;
        _empty.Reset();
        int generation = ++_generation & int.MaxValue;
        Volatile.Write(ref _state, (long)generation << 32);
        for (; _started < helpers; _started++)
        {
            _threads[_started] = new Thread(Help) { IsBackground = true, Name = $"ParallelVm worker {_started + 1}" };
            _threads[_started].Start();
        }

        for (int i = 0; i < helpers; i++)
        {
            _tickets.Writer.TryWrite(generation);
        }
    }

    private void Close()
    {
        long state = Interlocked.Or(ref _state, Closed);
        if ((state & InsideMask) != 0)
        {
            _empty.Wait();                                              // P1: the last helper out sets it
        }
    }

    private void Help()
    {
        while (true)
        {
            int ticket = Take(_tickets.Reader, MaySpin(_started + 1));
            if (ticket == StopTicket)
            {
                return;
            }

            if (TryEnter(ticket, out int worker))
            {
                Enter(_body!, worker);
                long left = Interlocked.Add(ref _state, -One);
                if ((left & Closed) != 0 && (left & InsideMask) == 0)
                {
                    _empty.Set();
                }
            }
        }
    }

    private bool TryEnter(int generation, out int worker)
    {
        while (true)
        {
            long state = Volatile.Read(ref _state);
            worker = (int)((state >> EnteredShift) & EnteredMask) + 1;  // P2
            if ((int)(state >> 32) != generation || (state & Closed) != 0)
            {
                return false;                                           // P3
            }

            if (Interlocked.CompareExchange(ref _state, state + One + (One << EnteredShift), state) == state)
            {
                Invariant.Require(worker <= _threads.Length);
                return true;
            }
        }
    }

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
}
