// The store of a chain: block log (durable truth), FASTER (accepted state), checkpoints (bounded recovery), tree (proof).
//
//   Accept:   log record fsynced -> head moves -> diff applied to FASTER -> every N blocks a checkpoint
//   Open:     lock -> identity -> manifests -> log -> newest checkpoint that proves itself -> later blocks are replayed
//
// Invariants
//   S1  when Accept returns, the block is durable; a crash at any moment loses no block that was acknowledged
//   S2  FASTER holds the accepted state and nothing else; processing blocks live in overlays (BlockView)
//   S3  the tree is the accepted state's tree, and a record that came from disk is checked against it
//   S4  after a local failure the store refuses everything but Dispose: it must be opened, and proven, again
//
// Exceptions: StateStoreException for what the machine does wrong, InvariantException for what the caller does wrong.
// Cost of Accept: one fsync and one upsert per changed key.   Threading: one caller at a time.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Accepted state and blocks of one chain in one folder.</summary>
public sealed partial class StateStore : IStateStore
{
    private readonly StateStoreOptions _options;
    private readonly IDisposable _lock;
    private readonly BlockLog _log;
    private readonly Checkpoints _checkpoints;
    private readonly List<string> _notes;
    private FasterTable _table;
    private uint _tableNumber;
    private BlockView _base;
    private BlockRecord? _last;
    private Height? _checkpointed;
    private int _sinceCheckpoint;
    private PathChange[] _changes = [];
    private bool _latched;
    private bool _disposed;

    private StateStore(
        StateStoreOptions options, IDisposable @lock, BlockLog log, Checkpoints checkpoints, Recovered recovered, List<string> notes)
    {
        _options = options;
        _lock = @lock;
        _log = log;
        _checkpoints = checkpoints;
        _notes = notes;
        _table = recovered.Table;
        _tableNumber = recovered.TableNumber;
        _last = recovered.Last;
        _checkpointed = recovered.Last?.Height;
        _base = new BlockView(this, recovered.Tree, options.Hashing.Root(recovered.Tree.Hash));
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
    public Height? CheckpointHeight => _checkpointed;

    internal BlockView Base => _base;

    internal StateHashing Hashing => _options.Hashing;

    /// <summary>Counts acceptances, so that a view knows when to check again whether it still stands.</summary>
    internal long Acceptances { get; private set; }

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

        MoveHead(record, block);
    }

    /// <inheritdoc/>
    public void Accept(in BlockRecord record, IStateView view)
    {
        RequireUsable();
        BlockView block = RequireOnTop(view);
        Invariant.Require(block.Root == record.StateRoot);
        Invariant.Require(record.Height == NextHeight && record.Height == _log.Next);       // nothing is left to replay
        try
        {
            _log.Append(record);                                                            // S1
        }
        catch (StateStoreException)
        {
            _latched = true;                                                                // S4
            throw;
        }

        MoveHead(record, block);
    }

    /// <inheritdoc/>
    public bool TryReadBlock(Height height, [NotNullWhen(true)] out BlockRecord? record)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _log.TryRead(height, out record);
    }

    /// <summary>A proof against the accepted root that a key has its value, or that it has none; see <see cref="MerkleProof"/>.</summary>
    public byte[] Prove(in StateKey key)
    {
        RequireUsable();
        return MerkleProver.Prove(_base.Tree, key, other =>
        {
            byte[] value = new byte[StateLimits.MaxRecordBytes];
            int length = ReadAccepted(other, value);
            Invariant.Require(length >= 0);                                                 // S3: the tree has it
            return Hashing.ValueHash(value.AsSpan(0, length));
        });
    }

    /// <inheritdoc/>
    public void Checkpoint()
    {
        RequireUsable();
        if (_last is not { } last || _checkpointed == last.Height)
        {
            return;
        }

        Guarded("Writing a checkpoint", () =>
            _checkpoints.Take(ref _table, ref _tableNumber, last, _base.Tree, _base.Root, _log.PositionAt(last.Height)));
        _checkpointed = last.Height;
        _sinceCheckpoint = 0;
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
            if (_options.CheckpointOnDispose && !_latched)
            {
                Checkpoint();
            }
        }
        finally
        {
            _disposed = true;
            _table.Dispose();
            _log.Dispose();
            _lock.Dispose();
        }
    }

    /// <summary>Reads a record of the accepted state.</summary>
    internal int ReadAccepted(in StateKey key, Span<byte> target)
    {
        RequireUsable();
        bool found = _table.ReadStored(key, out ReadOnlySpan<byte> stored, out bool fromDisk);
        if (fromDisk)
        {
            Checkpoints.RequireMatches(Hashing, key, found, stored, _base.Tree);            // S3
        }

        if (!found)
        {
            return -1;
        }

        ReadOnlySpan<byte> record = stored[FasterTable.HeaderBytes..];
        record.CopyTo(target);
        return record.Length;
    }

    /// <summary>The tree after a diff.</summary>
    internal MerkleTree Grow(MerkleTree tree, StateDiff diff)
    {
        int count = diff.Entries.Length;
        if (_changes.Length < count)
        {
            _changes = new PathChange[Math.Max(count, _changes.Length * 2)];
        }

        Memory<PathChange> changes = _changes.AsMemory(0, count);
        DiffHasher.Hash(Hashing, diff, changes, _options.Jobs);
        return tree.Update(changes);
    }

    private Height NextHeight => _last is { } last ? last.Height.Next : _log.First;

    private void MoveHead(in BlockRecord record, BlockView block)
    {
        StateDiff diff = block.Diff!;
        _base = block;
        _last = record;
        Acceptances++;
        Guarded("Applying a block to the state table", () => ApplyToTable(diff));           // S2
        block.BecomeBase();
        block.Tree.BecomeBase();

        _sinceCheckpoint++;
        if (_options.CheckpointEveryBlocks > 0 && _sinceCheckpoint >= _options.CheckpointEveryBlocks)
        {
            Checkpoint();
        }
    }

    private void ApplyToTable(StateDiff diff)
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

    /// <summary>The view must have been made here, on the accepted state.</summary>
    private BlockView RequireOnTop(IStateView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        BlockView? block = view as BlockView;
        bool standsOnAcceptedState = block is not null && block.Diff is not null && ReferenceEquals(block.Parent, _base);
        Invariant.Require(standsOnAcceptedState);
        return block!;
    }

    private void RequireUsable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_latched)
        {
            throw StoreFault.Of(RefusalCode.StoreLatched, "The store stopped at an earlier failure; open it again.");
        }
    }

    /// <summary>Latches the store on any failure below and gives it a code.</summary>
    private void Guarded(string doing, Action action)
    {
        bool done = false;
        try
        {
            action();
            done = true;
        }
        catch (Exception error) when (StoreFault.IsDisk(error) || error is global::FASTER.core.FasterException)
        {
            throw StoreFault.Disk(RefusalCode.StoreWriteFailed, doing, error);
        }
        finally
        {
            _latched |= !done;                                                              // S4
        }
    }
}
