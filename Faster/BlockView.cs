// The state after one block: its own diff over its parent's view, down to the accepted state.
//
//   accepted (FASTER) <- B5 <- B6        Read asks the newest diff first, FASTER last
//                          \- B6'        siblings share B5 and do not see each other
//
// When a block is accepted, its view becomes the one that views on top of it must pass through. Its diff stays until the
// applier has brought it into FASTER. What stood beside it, and the accepted view before it, would now read a mixture
// of two states: they are dead, and using one is a defect of the caller.
//
// Cost: Read is one binary search per processing ancestor. Apply is one tree update.   Threading: one caller at a time, who
// may read with a few threads at once under numbers of their own; meanwhile no diff is let go of.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>A state on top of the accepted one, or the accepted one itself.</summary>
internal sealed class BlockView : IStateView
{
    private readonly StateStore _store;
    private StateDiff? _diff;      // null once the diff is in FASTER
    private long _aliveAt;         // acceptance count at which the way to the base was last walked

    /// <summary>A base: what FASTER holds.</summary>
    public BlockView(StateStore store, MerkleTree tree, StateRoot root)
    {
        _store = store;
        Tree = tree;
        Root = root;
        _aliveAt = -1;
    }

    /// <summary>A block on top of <paramref name="parent"/>.</summary>
    public BlockView(BlockView parent, StateDiff diff, MerkleTree tree, StateRoot root)
        : this(parent._store, tree, root)
    {
        Parent = parent;
        _diff = diff;
    }

    /// <inheritdoc/>
    public StateRoot Root { get; }

    /// <summary>The tree that <see cref="Root"/> commits to.</summary>
    public MerkleTree Tree { get; }

    /// <summary>The view below; null for a base, present or past.</summary>
    public BlockView? Parent { get; private set; }

    /// <summary>What the block changed; null for a base.</summary>
    public StateDiff? Diff => _diff;

    /// <inheritdoc/>
    public int Readers => FasterTable.Readers;

    /// <inheritdoc/>
    public int Read(in StateKey key, Span<byte> target)
    {
        _store.ReleaseApplied();
        return Read(0, key, target);
    }

    /// <inheritdoc/>
    public int Read(int reader, in StateKey key, Span<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target.Length, StateLimits.MaxRecordBytes);
        RequireAlive();
        return TryReadOverlays(key, target, out int length) ? length : _store.ReadAccepted(key, target, reader);
    }

    /// <inheritdoc/>
    public int ReadMany(int reader, ReadOnlySpan<StateKey> keys, Span<RecordPlace> places, Span<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(places.Length, keys.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(target.Length, keys.Length * StateLimits.MaxRecordBytes);
        RequireAlive();
        Span<int> below = stackalloc int[FasterTable.StartedMax];
        int used = 0;
        for (int next = 0; next < keys.Length;)
        {
            int count = 0;
            for (; next < keys.Length && count < below.Length; next++)
            {
                if (!TryReadOverlays(keys[next], target[used..], out int length))
                {
                    below[count++] = next;
                    continue;
                }

                places[next] = new RecordPlace(used, length);
                used += Math.Max(length, 0);
            }

            used = _store.ReadAccepted(keys, below[..count], places, target, used, reader);
        }

        return used;
    }

    /// <inheritdoc/>
    public IStateView Apply(StateDiff diff)
    {
        ArgumentNullException.ThrowIfNull(diff);
        RequireAlive();
        MerkleTree tree = _store.Grow(Tree, diff);
        return new BlockView(this, diff, tree, ReferenceEquals(tree, Tree) ? Root : _store.Hashing.Root(tree.Hash));
    }

    /// <summary>The diff is in FASTER: forget it and what was below.</summary>
    public void BecomeBase()
    {
        _diff = null;
        Parent = null;
    }

    private bool TryReadOverlays(in StateKey key, Span<byte> target, out int length)
    {
        for (BlockView view = this; view._diff is { } diff; view = view.Parent!)
        {
            int index = diff.IndexOf(key);
            if (index >= 0)
            {
                ref readonly DiffEntry entry = ref diff.Entries[index];
                diff.ValueOf(entry).CopyTo(target);
                length = entry.IsTombstone ? -1 : entry.Length;
                return true;
            }
        }

        length = -1;
        return false;
    }

    /// <summary>Walks to the accepted view once per acceptance.</summary>
    /// <exception cref="InvariantException">The view does not stand on the accepted state.</exception>
    private void RequireAlive()
    {
        _store.RequireUsable();
        if (_aliveAt == _store.Acceptances)
        {
            return;
        }

        BlockView bottom = this;
        while (!ReferenceEquals(bottom, _store.Base) && bottom.Parent is { } parent)
        {
            bottom = parent;
        }

        bool standsOnAcceptedState = ReferenceEquals(bottom, _store.Base);
        Invariant.Require(standsOnAcceptedState);
        _aliveAt = _store.Acceptances;
    }
}
