// Makes the load ahead of the driver, on threads of its own: signing is the clients' work, not the node's. Batches come
// out in order of height, whichever thread made them.
//
//   thread 1   claims height 5, signs ............ puts 5
//   thread 2   claims height 6, signs .... puts 6           Take: 5, 6, ...
//
// Invariants
//   G1  a height is claimed once, and none while aheadMax heights or more are claimed and not taken
//   G2  Take returns consecutive heights
//
// Threading: Take and Dispose belong to the driver; everything shared is under one lock, once per batch.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Threading;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The signed load of one height.</summary>
internal sealed record SignedBatch(Height Height, ReadOnlyMemory<byte>[] Transactions);

/// <summary>Signs batches in the background.</summary>
internal sealed class LoadGenerator : IDisposable
{
    private const int TransactionBytes = 512;       // about; more are taken when they are needed

    private readonly Lock _gate = new();
    private readonly AutoResetEvent _put = new(initialState: false);
    private readonly ManualResetEventSlim _room = new(initialState: true);
    private readonly Dictionary<ulong, SignedBatch> _ready = [];
    private readonly Workload _workload;
    private readonly TransactionFactory _factory;
    private readonly int _txCount;
    private readonly ulong _end;
    private readonly Thread[] _threads;
    private readonly long[] _allocated;     // by thread, published after each batch
    private ulong _claimed;                 // next height to claim
    private ulong _taken;                   // next height to take
    private int _aheadMax;
    private bool _isStopped;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Starts signing at <paramref name="first"/>.</summary>
    /// <param name="count">Heights to make; more are never claimed.</param>
    /// <param name="threads">At least 1.</param>
    /// <param name="aheadMax">Batches that may wait to be taken, at least 1.</param>
    public LoadGenerator(Workload workload, TransactionFactory factory, Height first, ulong count, int txCount, int threads, int aheadMax)
    {
        _workload = workload;
        _factory = factory;
        _txCount = txCount;
        _claimed = first.Value;
        _taken = first.Value;
        _end = first.Value + count;
        _aheadMax = aheadMax;
        _allocated = new long[threads];
        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int index = i;
            _threads[i] = new Thread(() => SignUntilStopped(index))
            {
                Name = $"signer {index}",
                IsBackground = true,
                Priority = ThreadPriority.BelowNormal,
            };
            _threads[i].Start();
        }
    }

    /// <summary>Batches that wait to be taken.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _ready.Count;
            }
        }
    }

    /// <summary>Bytes that the signing threads allocated so far: to be taken off what the process allocated.</summary>
    public long AllocatedBytes
    {
        get
        {
            long sum = 0;
            for (int i = 0; i < _allocated.Length; i++)
            {
                sum += Volatile.Read(ref _allocated[i]);
            }

            return sum;
        }
    }

    /// <summary>Lets the threads rest until fewer than <paramref name="aheadMax"/> batches are ahead, at least 1.</summary>
    public void LimitAhead(int aheadMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(aheadMax, 1);
        lock (_gate)
        {
            _aheadMax = aheadMax;
        }
    }

    /// <summary>The next height's batch; waits for it.</summary>
    public SignedBatch Take()
    {
        while (true)
        {
            lock (_gate)
            {
                _failure?.Throw();
                if (_ready.Remove(_taken, out SignedBatch? batch))
                {
                    _taken++;                                                                       // G2
                    _room.Set();
                    return batch;
                }
            }

            _put.WaitOne();
        }
    }

    /// <summary>The next height's batch if it is there already.</summary>
    public SignedBatch? TryTake()
    {
        lock (_gate)
        {
            if (_ready.Remove(_taken, out SignedBatch? batch))
            {
                _taken++;                                                                           // G2
                _room.Set();
            }

            return batch;
        }
    }

    /// <summary>Stops and joins the threads.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopped = true;
            _room.Set();
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _put.Dispose();
        _room.Dispose();
    }

    private void SignUntilStopped(int index)
    {
        try
        {
            while (TryClaim(out Height height))
            {
                Put(MakeBatch(height));
                Volatile.Write(ref _allocated[index], GC.GetAllocatedBytesForCurrentThread());
            }
        }
#pragma warning disable CA1031 // not swallowed: the driver rethrows it from Take
        catch (Exception e)
        {
            lock (_gate)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
            }

            _put.Set();
        }
#pragma warning restore CA1031
    }

    // All bytes of a batch lie in one array: a load that is signed ahead is not half a million objects for the node's collector to visit.
    private SignedBatch MakeBatch(Height height)
    {
        Intent[] intents = _workload.At(height, _txCount);
        int[] ends = new int[intents.Length];
        ArrayBufferWriter<byte> all = new(intents.Length * TransactionBytes);
        for (int i = 0; i < intents.Length && !Volatile.Read(ref _isStopped); i++)
        {
            all.Write(_factory.Sign(intents[i], height).Bytes.Span);
            ends[i] = all.WrittenCount;
        }

        ReadOnlyMemory<byte> bytes = all.WrittenMemory;
        ReadOnlyMemory<byte>[] signed = new ReadOnlyMemory<byte>[intents.Length];
        for (int i = 0, start = 0; i < intents.Length && ends[i] != 0; start = ends[i], i++)
        {
            signed[i] = bytes[start..ends[i]];
        }

        return new SignedBatch(height, signed);
    }

    private bool TryClaim(out Height height)
    {
        while (true)
        {
            lock (_gate)
            {
                height = new Height(_claimed);
                if (_isStopped || _claimed == _end)
                {
                    return false;
                }

                if (_claimed - _taken < (ulong)_aheadMax)                                           // G1
                {
                    _claimed++;
                    return true;
                }

                _room.Reset();
            }

            _room.Wait();
        }
    }

    private void Put(SignedBatch batch)
    {
        lock (_gate)
        {
            _ready.Add(batch.Height.Value, batch);
        }

        _put.Set();
    }
}
