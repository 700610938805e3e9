// The store of a chain: block log (durable truth), FASTER (accepted state), checkpoints (bounded recovery), tree (proof),
// history (the way back).
//
//   Persist:  log record fsynced                                                  (beside readers of views and blocks)
//   Accept:   head moves -> applier: undo record, FASTER, every N blocks a checkpoint
//   Open:     lock -> identity -> manifests -> log -> newest checkpoint that proves itself -> later blocks are replayed
//
// Invariants
//   S1  when Accept returns, the block is durable; a crash at any moment loses no block that was acknowledged
//   S2  FASTER holds the state after some accepted block and nothing else; what the applier has not reached yet, and
//       processing blocks, live in overlays (BlockView)
//   S3  the tree is the accepted state's tree, and a record that came from disk is checked against it
//   S4  after a local failure the store refuses everything but Dispose: it must be opened, and proven, again
//
// Exceptions: StateStoreException for what the machine does wrong, InvariantException for what the caller does wrong.
// Cost of Persist: one fsync; of Accept: one read per changed key for the history.   Threading: one caller at a time; one more may be
// in Persist, which touches the log and, when it fails, the latch.
// Files: StateStore.cs (accepting, reading), .Recovery.cs (opening), .History.cs (the past, and stepping back to it).

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Accepted state and blocks of one chain in one folder.</summary>
public sealed partial class StateStore : IStateStore, IStateProver
{
    private readonly StateStoreOptions _options;
    private readonly IDisposable _lock;
    private readonly BlockLog _log;
    private readonly Checkpoints _checkpoints;
    private readonly HistoryLog _history;
    private readonly Applier _applier;
    private readonly Undo _undo = new();
    private readonly DeviceQueue? _queue;
    private readonly FolderIdentity _identity;
    private readonly List<string> _notes;
    private readonly Queue<BlockView> _unapplied = new();     // accepted, oldest first; the applier may have reached some
    private long _released;                                   // how many were taken out of it
    private BlockView _base;
    private BlockRecord? _last;
    private LogPosition? _position;
    private Height? _droppedAt;                               // checkpoint after which old blocks were dropped
    private PathChange[] _changes = [];
    private (BlockId Id, LogPosition Position)? _persisted;  // in the log, and accepted next
    private volatile bool _latched;
    private bool _disposed;

    private StateStore(
        StateStoreOptions options, FolderIdentity identity, IDisposable @lock, BlockLog log, Checkpoints checkpoints, HistoryLog history,
        Recovered recovered, DeviceQueue? queue, List<string> notes)
    {
        _options = options;
        _identity = identity;
        _lock = @lock;
        _log = log;
        _checkpoints = checkpoints;
        _history = history;
        _queue = queue;
        _notes = notes;
        _last = recovered.Last;
        _position = recovered.Last is { } last ? log.PositionAt(last.Height) : null;
        _base = new BlockView(this, recovered.Tree, options.Hashing.Root(recovered.Tree.Hash));
        _applier = new Applier(options, checkpoints, history, recovered.Table, recovered.TableNumber, recovered.Last?.Height);
    }

    /// <inheritdoc/>
    public BlockRecord? LastAccepted => _last;

    /// <inheritdoc/>
    public IStateView Accepted => _base;

    /// <summary>What opening found that an operator should know: a torn tail, a checkpoint that was not used. Empty when all was well.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Number of records in the accepted state.</summary>
    public long Records => _base.Tree.Count;

    /// <summary>Height of the newest checkpoint; null before the first.</summary>
    public Height? CheckpointHeight => _applier.Checkpointed;

    /// <summary>Height of the oldest block that the log keeps.</summary>
    public Height FirstBlock => _log.First;

    /// <summary>Accepted blocks that the applier has not brought into the state table yet.</summary>
    public int Waiting => _applier.Waiting;

    /// <summary>Parts of the state table: 1, or 16 beyond <see cref="StateStoreOptions.KeysPerPart"/>.</summary>
    public int TableParts => _applier.TableParts;

    /// <summary>Bytes of memory under the tree.</summary>
    public long TreeMemoryBytes => _base.Tree.MemoryBytes;

    /// <summary>Bytes of memory under the state table's index, overflow not counted.</summary>
    public long IndexMemoryBytes => _applier.IndexBytes;

    internal BlockView Base => _base;

    internal StateHashing Hashing => _options.Hashing;

    /// <summary>Counts acceptances, so that a view knows when to check again whether it still stands.</summary>
    internal long Acceptances { get; private set; }

    private Height NextHeight => _last is { } last ? last.Height.Next : _log.First;

    /// <inheritdoc/>
    public bool TryNextReplay([NotNullWhen(true)] out BlockRecord? record)
    {
        RequireUsable();
        return _log.TryRead(NextHeight, out record);
    }

    /// <inheritdoc/>
    public void Replayed(in BlockRecord record, IStateView view)
    {
        RequireUsable();
        BlockView block = RequireOnTop(view);
        Invariant.Require(record.Height == NextHeight && record.Height.Value < _log.Next.Value);
        if (block.Root != record.StateRoot)
        {
            _latched = true;
            throw StoreFault.Of(
                RefusalCode.StoreReplayDiverged,
                $"Block {record.Height} executed again gives root {block.Root}; its durable record says {record.StateRoot}.");
        }

        MoveHead(record, _log.PositionAt(record.Height), block);
    }

    /// <inheritdoc/>
    public void Persist(in BlockRecord record, IStateView view)
    {
        Span<LogPosition> position = stackalloc LogPosition[1];
        Append([(record, view)], position);
        _persisted = (record.BlockId, position[0]);
    }

    /// <inheritdoc/>
    public void Accept(in BlockRecord record, IStateView view)
    {
        if (_persisted is not { } persisted || persisted.Id != record.BlockId)
        {
            Accept([(record, view)]);
            return;
        }

        RequireUsable();
        BlockView block = RequireOnTop(view);
        Invariant.Require(block.Root == record.StateRoot && record.Height == NextHeight && record.Height.Next == _log.Next);
        _persisted = null;
        MoveHead(record, persisted.Position, block);
    }

    /// <summary>Makes blocks final, one on top of the other, with one fsync for all; none is acknowledged before it.</summary>
    /// <param name="blocks">As in <see cref="Accept(in BlockRecord, IStateView)"/>, ascending.</param>
    public void Accept(ReadOnlySpan<(BlockRecord Record, IStateView View)> blocks)
    {
        LogPosition[] positions = new LogPosition[blocks.Length];
        Append(blocks, positions);
        for (int i = 0; i < blocks.Length; i++)
        {
            MoveHead(blocks[i].Record, positions[i], (BlockView)blocks[i].View);
        }
    }

    /// <inheritdoc/>
    public int Touch(ReadOnlySpan<StateKey> keys) => _applier.Touch(keys);

    /// <inheritdoc/>
    public bool TryReadBlock(Height height, [NotNullWhen(true)] out BlockRecord? record)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _log.TryRead(height, out record);
    }

    /// <inheritdoc/>
    public bool TryFindBlock(BlockId id, out Height height)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _log.TryFind(id, out height);
    }

    /// <summary>A proof against the accepted root that a key has its value, or that it has none; see <see cref="MerkleProof"/>.</summary>
    public byte[] Prove(in StateKey key) => Prove(_base, key);

    /// <summary>A proof against the root of a view of this store.</summary>
    public byte[] Prove(IStateView view, in StateKey key)
    {
        RequireUsable();
        BlockView block = (BlockView)view;
        byte[] value = new byte[StateLimits.MaxRecordBytes];
        return MerkleProver.Prove(block.Tree, key, other =>
        {
            int length = block.Read(other, value);
            Invariant.Require(length >= 0);                                                 // S3: the tree has it
            return Hashing.ValueHash(value.AsSpan(0, length));
        });
    }

    /// <inheritdoc/>
    public void Checkpoint()
    {
        RequireUsable();
        if (_last is { } last)
        {
            _applier.Drain();
            RequireUsable();
            Cut cut = new(last, _base.Root, _base.Tree.Count, _position!.Value);
            Guarded("Writing a checkpoint", () => _applier.CheckpointNow(cut));
            DropOldBlocks();
        }
    }

    /// <summary>Checkpoints, unless told otherwise or after a failure, and closes everything.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        try
        {
            _applier.Drain();
            if (_options.CheckpointOnDispose && !_latched && _applier.Failure is null)
            {
                Checkpoint();
            }
        }
        finally
        {
            _disposed = true;
            _applier.Dispose();
            _queue?.Dispose();
            _log.Dispose();
            _lock.Dispose();
        }
    }

    /// <summary>Reads a record that no overlay has.</summary>
    internal int ReadAccepted(in StateKey key, Span<byte> target, int reader)
    {
        bool found = _applier.Read(key, out ReadOnlySpan<byte> stored, out bool fromDisk, reader);
        if (fromDisk)
        {
            Checkpoints.RequireMatches(Hashing, key, found, stored, _base.Tree);            // S3: its last change is in the table
        }

        if (!found)
        {
            return -1;
        }

        ReadOnlySpan<byte> record = stored[FasterTable.HeaderBytes..];
        record.CopyTo(target);
        return record.Length;
    }

    /// <summary>Reads records that no overlay has.</summary>
    /// <param name="which">Indexes of them in <paramref name="keys"/>.</param>
    /// <param name="used">Bytes of <paramref name="target"/> that are taken already.</param>
    /// <returns>Bytes that are taken now.</returns>
    internal int ReadAccepted(
        ReadOnlySpan<StateKey> keys, ReadOnlySpan<int> which, Span<RecordPlace> places, Span<byte> target, int used, int reader)
    {
        AcceptedSink sink = new(this, keys, places, target, used);
        _applier.ReadMany(keys, which, ref sink, reader);
        return sink.Used;
    }

    /// <summary>Lets go of the diffs that the applier has brought into the table.</summary>
    internal void ReleaseApplied()
    {
        for (long applied = _applier.Applied; _released < applied; _released++)
        {
            _unapplied.Dequeue().BecomeBase();
        }
    }

    /// <summary>The tree after a diff.</summary>
    internal MerkleTree Grow(MerkleTree tree, StateDiff diff)
    {
        int count = diff.Entries.Length;
        Reused.Room(ref _changes, count);

        Memory<PathChange> changes = _changes.AsMemory(0, count);
        DiffHasher.Hash(Hashing, diff, changes, _options.Jobs);
        return tree.Update(changes);
    }

    private void Append(ReadOnlySpan<(BlockRecord Record, IStateView View)> blocks, Span<LogPosition> positions)
    {
        RequireUsable();
        BlockView below = _base;
        Height next = NextHeight;
        Invariant.Require(next == _log.Next);                                               // nothing is left to replay, or persisted alone
        BlockRecord[] records = new BlockRecord[blocks.Length];
        for (int i = 0; i < blocks.Length; i++)
        {
            BlockView block = RequireOn(below, blocks[i].View);
            records[i] = blocks[i].Record;
            Invariant.Require(block.Root == records[i].StateRoot);
            Invariant.Require(records[i].Height == next);
            below = block;
            next = next.Next;
        }

        try
        {
            _log.Append(records, positions);                                                // S1
        }
        catch (StateStoreException)
        {
            _latched = true;                                                                // S4
            throw;
        }
    }

    private void MoveHead(in BlockRecord record, in LogPosition position, BlockView block)
    {
        StateDiff? undo = null;
        if (_options.HistoryBlocks != 0)
        {
            Guarded("Reading what a block changes", () => undo = _undo.Of(_base, block.Diff!));
        }

        _base = block;
        _last = record;
        _position = position;
        Acceptances++;
        block.Tree.BecomeBase();
        _unapplied.Enqueue(block);
        ApplyWork work = new(new Cut(record with { Payload = default }, block.Root, block.Tree.Count, position), block.Diff!, undo);
        Guarded("Applying a block to the state table", () => _applier.Post(work));          // S2
        ReleaseApplied();
        if (_options.KeepBlocks > 0 && _applier.Checkpointed is { } newest && newest != _droppedAt)
        {
            _droppedAt = newest;
            DropOldBlocks();
        }
    }

    /// <summary>Lets whole segments of blocks go that neither the older checkpoint nor history nor the setting needs.</summary>
    private void DropOldBlocks()
    {
        if (_options.KeepBlocks <= 0 || _last is not { } last || _applier.OlderCheckpoint is not { } older)
        {
            return;
        }

        ulong keep = Math.Max((ulong)_options.KeepBlocks, (ulong)Math.Max(_options.HistoryBlocks, 0) + 1);
        if (_options.HistoryBlocks >= 0 && last.Height.Value > keep)
        {
            _log.DropBelow(new Height(Math.Min(last.Height.Value - keep, older.Value)));
        }
    }

    /// <summary>The view must have been made here, on the accepted state.</summary>
    private BlockView RequireOnTop(IStateView view) => RequireOn(_base, view);

    private static BlockView RequireOn(BlockView below, IStateView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        BlockView? block = view as BlockView;
        bool standsOnAcceptedState = block is not null && block.Diff is not null && ReferenceEquals(block.Parent, below);
        Invariant.Require(standsOnAcceptedState);
        return block!;
    }

    /// <summary>Throws after a failure.</summary>
    internal void RequireUsable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_applier.Failure is { } failure && !_latched)
        {
            _latched = true;                                                                // S4: told once with its reason
            throw failure is StateStoreException ? new StateStoreException(((StateStoreException)failure).Refusal, failure)
                : IsLocal(failure) ? StoreFault.Disk(RefusalCode.StoreWriteFailed, "Applying a block to the state table", failure)
                : new InvariantException($"The applier broke: {failure}");
        }

        if (_latched)
        {
            throw StoreFault.Of(RefusalCode.StoreLatched, "The store stopped at an earlier failure; open it again.");
        }
    }

    private static bool IsLocal(Exception error) => StoreFault.IsDisk(error) || error is global::FASTER.core.FasterException;

    /// <summary>Latches the store on any failure below and gives it a code.</summary>
    private void Guarded(string doing, Action action)
    {
        bool done = false;
        try
        {
            action();
            done = true;
        }
        catch (Exception error) when (IsLocal(error))
        {
            throw StoreFault.Disk(RefusalCode.StoreWriteFailed, doing, error);
        }
        finally
        {
            _latched |= !done;                                                              // S4
        }
    }

    private ref struct AcceptedSink(StateStore store, ReadOnlySpan<StateKey> keys, Span<RecordPlace> places, Span<byte> target, int used) : IStoredSink
    {
        private readonly ReadOnlySpan<StateKey> _keys = keys;
        private readonly Span<RecordPlace> _places = places;
        private readonly Span<byte> _target = target;

        public int Used { get; private set; } = used;

        public void Take(int index, bool found, scoped ReadOnlySpan<byte> stored, bool fromDisk)
        {
            if (fromDisk)
            {
                Checkpoints.RequireMatches(store.Hashing, _keys[index], found, stored, store._base.Tree);      // S3
            }

            ReadOnlySpan<byte> record = found ? stored[FasterTable.HeaderBytes..] : default;
            record.CopyTo(_target[Used..]);
            _places[index] = new RecordPlace(Used, found ? record.Length : -1);
            Used += record.Length;
        }
    }
}
