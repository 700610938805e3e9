// A whole state in memory: the simple twin of the store, for tests and small embeddings. It keeps one sorted array and
// computes its root from the definition, so there is nothing in it to be wrong twice.
//
// Cost: Apply is O(records + changes), its root O(records) hashes. Read is a binary search.
// Threading: immutable, so any number of readers.

using System;
using System.Collections.Generic;

namespace ParallelVm.Primitives.State;

/// <summary>One record of a <see cref="MemoryState"/>.</summary>
/// <param name="Key">Path in the tree.</param>
/// <param name="Program">Owner.</param>
/// <param name="LocalKey">Key below the owner.</param>
/// <param name="Value">At most <see cref="StateLimits.MaxRecordBytes"/> bytes.</param>
public readonly record struct MemoryRecord(StateKey Key, ProgramId Program, LocalKey LocalKey, ReadOnlyMemory<byte> Value);

/// <summary>An immutable state.</summary>
public sealed class MemoryState : IStateView
{
    private readonly StateHashing _hashing;
    private readonly MemoryRecord[] _records;                     // strictly ascending by key
    private readonly (StateKey Path, Bytes32 Leaf)[] _leaves;     // same order

    /// <summary>The empty state.</summary>
    public MemoryState(StateHashing hashing)
        : this(hashing, [], [])
    {
    }

    private MemoryState(StateHashing hashing, MemoryRecord[] records, (StateKey Path, Bytes32 Leaf)[] leaves)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        _hashing = hashing;
        _records = records;
        _leaves = leaves;
        Root = hashing.Root(hashing.TreeOf(leaves));
    }

    /// <inheritdoc/>
    public StateRoot Root { get; }

    /// <summary>Number of records.</summary>
    public int Count => _records.Length;

    /// <summary>The records, ascending by key.</summary>
    public ReadOnlySpan<MemoryRecord> Records => _records;

    /// <inheritdoc/>
    public int Readers => int.MaxValue;

    /// <inheritdoc/>
    public int Read(in StateKey key, Span<byte> target)
    {
        int index = IndexOf(key);
        if (index < 0)
        {
            return -1;
        }

        ReadOnlySpan<byte> value = _records[index].Value.Span;
        value.CopyTo(target);
        return value.Length;
    }

    /// <inheritdoc cref="IStateView.Apply"/>
    public MemoryState Apply(StateDiff diff)
    {
        ArgumentNullException.ThrowIfNull(diff);
        ReadOnlySpan<DiffEntry> changes = diff.Entries;
        List<MemoryRecord> records = new(_records.Length + changes.Length);
        List<(StateKey Path, Bytes32 Leaf)> leaves = new(records.Capacity);

        int old = 0;
        for (int i = 0; i < changes.Length; i++)
        {
            ref readonly DiffEntry change = ref changes[i];
            for (; old < _records.Length && _records[old].Key.CompareTo(change.Key) < 0; old++)
            {
                records.Add(_records[old]);
                leaves.Add(_leaves[old]);
            }

            if (old < _records.Length && _records[old].Key == change.Key)
            {
                old++; // replaced or deleted
            }

            if (!change.IsTombstone)
            {
                byte[] value = diff.ValueOf(change).ToArray();
                records.Add(new MemoryRecord(change.Key, change.Program, change.LocalKey, value));
                leaves.Add((change.Key, _hashing.Leaf(change.Key, _hashing.ValueHash(value))));
            }
        }

        for (; old < _records.Length; old++)
        {
            records.Add(_records[old]);
            leaves.Add(_leaves[old]);
        }

        return new MemoryState(_hashing, records.ToArray(), leaves.ToArray());
    }

    IStateView IStateView.Apply(StateDiff diff) => Apply(diff);

    private int IndexOf(in StateKey key) => Math.Max(-1, _records.AsSpan().BinarySearch(new At(key)));

    private readonly record struct At(StateKey Key) : IComparable<MemoryRecord>
    {
        public int CompareTo(MemoryRecord other) => Key.CompareTo(other.Key);
    }
}
