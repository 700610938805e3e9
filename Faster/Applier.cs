// Brings accepted blocks into the state table, in order, and takes the checkpoints: on a thread of its own, or on the
// caller's.
//
//   Accept: log record durable -> head moves -> Post(work)       the caller goes on; the block's own diff shadows its keys
//   applier: undo record -> table writes -> Applied moves        only then the caller lets go of the diff
//            every N blocks a checkpoint at that block           the table stands still for it, the chain does not
//
// Because every key that is being written is read from a diff until it is written, and a reader never waits for a checkpoint,
// what the next block feels of a checkpoint is the disk being busy.
//
// Invariants
//   A1  work is done in the order in which it was posted, each piece whole
//   A2  after a failure nothing further is done; Failure says what happened, and the store refuses to go on
//   A3  at most QueueMax blocks wait: Post waits beyond that
//
// Threading: Post, Drain and Dispose by the store's one caller; Applied and Failure are published for it.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>What there is to do for one accepted block.</summary>
/// <param name="At">Where the state stands afterwards.</param>
/// <param name="Diff">What the block changes.</param>
/// <param name="Undo">What its keys had before; null when no history is kept.</param>
internal sealed record ApplyWork(Cut At, StateDiff Diff, StateDiff? Undo);

/// <summary>The one writer of the state table.</summary>
internal sealed class Applier : IDisposable
{
    private const int QueueMax = 64;
    private const int LetGoMax = 63;

    private readonly StateStoreOptions _options;
    private readonly Checkpoints _checkpoints;
    private readonly HistoryLog _history;
    private readonly Lock[] _tableGates = Array.ConvertAll(new int[FasterTable.Readers], static _ => new Lock());    // one for each reader
    private readonly Lock _touchGate = new();
    private volatile bool _isTouchOver;
    private volatile bool _isReplacing;                       // the gate is not fair: who touches without a pause would keep the applier out
    private int _untouched;                                   // pieces that are let go
    private int _letGo;                                       // after the next piece of which nothing lay on disk
    private readonly Queue<ApplyWork> _waiting = new();
    private readonly object _signal = new();
    private readonly Thread? _thread;
    private StateTable _table;
    private uint _tableNumber;
    private Cut? _stands;
    private int _sinceCheckpoint;
    private long _applied;
    private bool _isBusy;
    private bool _isClosing;
    private Exception? _failure;
    private Height? _checkpointed;
    private Height? _older;

    public Applier(
        StateStoreOptions options, Checkpoints checkpoints, HistoryLog history, StateTable table, uint tableNumber, Height? checkpointed)
    {
        _options = options;
        _checkpoints = checkpoints;
        _history = history;
        _table = table;
        _tableNumber = tableNumber;
        _checkpointed = checkpointed;
        if (options.AppliesInBackground)
        {
            _thread = new Thread(Run) { IsBackground = true, Name = "state applier" };
            _thread.Start();
        }
    }

    /// <summary>Blocks applied since the store was opened.</summary>
    public long Applied => Volatile.Read(ref _applied);

    /// <summary>What stopped the applier; null while all is well.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Height of the newest checkpoint; null before the first.</summary>
    public Height? Checkpointed
    {
        get
        {
            lock (_signal)
            {
                return _checkpointed;
            }
        }
    }

    /// <summary>Height of the older of two checkpoints; null while there are fewer.</summary>
    public Height? OlderCheckpoint
    {
        get
        {
            lock (_signal)
            {
                return _older;
            }
        }
    }

    /// <summary>Parts of the table.</summary>
    public int TableParts
    {
        get
        {
            lock (_tableGates[0])
            {
                return _table.Parts;
            }
        }
    }

    /// <summary>Bytes of the table's index.</summary>
    public long IndexBytes
    {
        get
        {
            lock (_tableGates[0])
            {
                return _table.Parts * _table.Shape.IndexBuckets * TableShape.BucketBytes;
            }
        }
    }

    /// <summary>Blocks that wait.</summary>
    public int Waiting
    {
        get
        {
            lock (_signal)
            {
                return _waiting.Count + (_isBusy ? 1 : 0);
            }
        }
    }

    /// <summary>Takes work. Without a thread it is done when this returns; an exception of it passes through.</summary>
    public void Post(ApplyWork work)
    {
        if (_thread is null)
        {
            Do(work);
            return;
        }

        lock (_signal)
        {
            while (_waiting.Count >= QueueMax && _failure is null)                                             // A3
            {
                Monitor.Wait(_signal);
            }

            _waiting.Enqueue(work);
            Monitor.PulseAll(_signal);
        }
    }

    /// <summary>Returns when nothing waits or the applier has failed.</summary>
    public void Drain()
    {
        lock (_signal)
        {
            while (_thread is not null && (_waiting.Count > 0 || _isBusy) && _failure is null)
            {
                Monitor.Wait(_signal);
            }
        }
    }

    /// <summary>Takes a checkpoint of where the table stands, if that is not the newest one's block. Only after <see cref="Drain"/>.</summary>
    public void CheckpointNow(in Cut at)
    {
        if (_checkpointed != at.Block.Height)
        {
            Take(at, collects: true);
        }
    }

    /// <summary>Takes the table back, and takes a checkpoint there that does not count yet. Only after <see cref="Drain"/>.</summary>
    public void StepBack(StateDiff undo, in Cut at)
    {
        Write(undo);
        Take(at, collects: false);
    }

    /// <summary>Reads every record of the table again. Only after <see cref="Drain"/>.</summary>
    /// <returns>How many there are.</returns>
    /// <exception cref="StateStoreException">They do not give the root (711).</exception>
    public long CheckTable(StateRoot root, long records)
    {
        MerkleTree tree = TableRebuild.TreeOf(_table, _options.Hashing, records, jobs: null);
        StateRoot found = _options.Hashing.Root(tree.Hash);
        return found == root
            ? tree.Count
            : throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The records of the state table give root {found} instead of {root}.");
    }

    /// <summary>The chain now ends at that height: what was above is forgotten. Only after <see cref="Drain"/>.</summary>
    public void ForgetAbove(Height height)
    {
        _checkpoints.ForgetAbove(height);
        _history.CutAfter(height);
        _checkpoints.Collect();
    }

    /// <summary>Reads for the store's caller. What is found is valid until the next call of the same reader.</summary>
    /// <param name="reader">In [0, <see cref="FasterTable.Readers"/>), used by one thread at a time.</param>
    public bool Read(in StateKey key, out ReadOnlySpan<byte> stored, out bool fromDisk, int reader = 0)
    {
        lock (_tableGates[reader])      // against a table that is being replaced; nobody else takes it
        {
            return _table.ReadStored(key, out stored, out fromDisk, reader);
        }
    }

    /// <summary>As <see cref="Read"/>, of many keys.</summary>
    public void ReadMany<TSink>(ReadOnlySpan<StateKey> keys, ReadOnlySpan<int> which, ref TSink sink, int reader)
        where TSink : IStoredSink, allows ref struct
    {
        lock (_tableGates[reader])
        {
            _table.ReadMany(keys, which, ref sink, reader);
        }
    }

    /// <summary>
    /// Reads and forgets, for anybody, beside everything; one at a time, and nothing for who comes meanwhile. While nothing lies on disk, ever fewer pieces are
    /// looked at, down to one of 64.
    /// </summary>
    /// <returns>How many lay on disk.</returns>
    public int Touch(ReadOnlySpan<StateKey> keys)
    {
        if (_isReplacing || !_touchGate.TryEnter())
        {
            return 0;
        }

        try
        {
            int fetched = 0;
            for (; !_isTouchOver && !_isReplacing && !_table.IsInMemory && keys.Length > 0; keys = keys[Math.Min(keys.Length, FasterTable.StartedMax)..])
            {
                if (_untouched > 0)
                {
                    _untouched--;
                    continue;
                }

                int some = _table.Touch(keys[..Math.Min(keys.Length, FasterTable.StartedMax)]);
                _letGo = some > 0 ? 0 : Math.Min((2 * _letGo) + 1, LetGoMax);
                _untouched = _letGo;
                fetched += some;
            }

            return fetched;
        }
        catch (StateStoreException)
        {
            _isTouchOver = true;            // a failed device is known to the table, and whoever reads is told
            return 0;
        }
        finally
        {
            _touchGate.Exit();
        }
    }

    /// <summary>Ends the thread after the piece of work it is at, and closes the table. What waits is in the log.</summary>
    public void Dispose()
    {
        lock (_signal)
        {
            _isClosing = true;
            Monitor.PulseAll(_signal);
        }

        _thread?.Join();
        _isTouchOver = true;
        lock (_touchGate)
        {
            // who is at it has left
        }

        _table.Dispose();
        _history.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            ApplyWork work;
            lock (_signal)
            {
                _isBusy = false;
                Monitor.PulseAll(_signal);
                while (_waiting.Count == 0 && !_isClosing)
                {
                    Monitor.Wait(_signal);
                }

                if (_isClosing)
                {
                    return;
                }

                work = _waiting.Dequeue();
                _isBusy = true;
            }

            try
            {
                Do(work);
            }
#pragma warning disable CA1031 // a thread's last line: the store's caller is told, refuses everything, and throws this again
            catch (Exception error)
#pragma warning restore CA1031
            {
                Volatile.Write(ref _failure, error);                                                           // A2
                lock (_signal)
                {
                    _isBusy = false;
                    Monitor.PulseAll(_signal);
                }

                return;
            }
        }
    }

    private void Do(ApplyWork work)
    {
        if (work.Undo is { } undo)
        {
            _history.Append(work.At.Block.Height, undo);
        }

        Write(work.Diff);
        _stands = work.At;
        Volatile.Write(ref _applied, _applied + 1);
        _sinceCheckpoint++;
        if (_options.CheckpointEveryBlocks > 0 && _sinceCheckpoint >= _options.CheckpointEveryBlocks)
        {
            Take(_stands.Value, collects: true);
        }
    }

    /// <summary>Writes a diff into the table. From outside only while nothing waits.</summary>
    internal void Write(StateDiff diff)
    {
        foreach (ref readonly DiffEntry entry in diff.Entries)
        {
            if (entry.IsTombstone)
            {
                _table.Delete(entry.Key);
            }
            else
            {
                _table.Upsert(entry, diff.ValueOf(entry));
            }
        }
    }

    private void Take(in Cut at, bool collects)
    {
        _history.Sync();            // the blocks below the checkpoint are not executed again
        StateTable table = _table;
        _checkpoints.Take(ref table, ref _tableNumber, at, Replace);
        if (collects)
        {
            _checkpoints.Collect();
        }

        if (_options.HistoryBlocks > 0 && at.Block.Height.Value > (ulong)_options.HistoryBlocks)
        {
            _history.DropBelow(new Height(at.Block.Height.Value - (ulong)_options.HistoryBlocks + 1));
        }

        _sinceCheckpoint = 0;
        lock (_signal)
        {
            _checkpointed = at.Block.Height;
            _older = _checkpoints.Kept.Count == ManifestFolder.Generations ? _checkpoints.Kept[^1].Height : null;
        }
    }

    private void Replace(StateTable rewritten)
    {
        _isReplacing = true;
        _touchGate.Enter();
        foreach (Lock gate in _tableGates)
        {
            gate.Enter();
        }

        _table = rewritten;
        foreach (Lock gate in _tableGates)
        {
            gate.Exit();
        }

        _touchGate.Exit();
        _isReplacing = false;
    }
}
