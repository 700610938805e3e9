// What a batch changed: for each key its final value, sorted by key. Arrival order is gone, so two executions
// of the same block, on any number of workers, make equal diffs.
//
// Invariants
//   D1  entries are strictly ascending by StateKey: no key twice
//   D2  an entry's key is the keyed hash of its (program, local key)
//   D3  a value is at most 4 KiB and lies inside the buffer; a tombstone has no value and the length -1
//
// Values lie in one packed buffer, so a diff of n entries is two allocations, not n.
// Threading: immutable after Build.

using System;

namespace ParallelVm.Primitives.State;

/// <summary>One changed key. <see cref="IsTombstone"/>: the record is deleted.</summary>
/// <param name="Key">Path in the tree.</param>
/// <param name="Program">Owner; with <paramref name="LocalKey"/> the preimage of <paramref name="Key"/>.</param>
/// <param name="LocalKey">Key below the owner.</param>
/// <param name="Offset">Start of the value in the diff's buffer.</param>
/// <param name="Length">Length of the value in bytes, [0, 4096]; -1 is a tombstone.</param>
public readonly record struct DiffEntry(StateKey Key, ProgramId Program, LocalKey LocalKey, int Offset, int Length)
{
    /// <summary>The record is deleted.</summary>
    public bool IsTombstone => Length < 0;
}

/// <summary>An immutable, key-sorted set of changes.</summary>
public sealed class StateDiff
{
    /// <summary>A diff that changes nothing.</summary>
    public static readonly StateDiff Empty = new([], 0, [], 0);

    private readonly DiffEntry[] _entries;
    private readonly int _count;
    private readonly byte[] _values;
    private readonly int _valueBytes;

    private StateDiff(DiffEntry[] entries, int count, byte[] values, int valueBytes)
    {
        _entries = entries;
        _count = count;
        _values = values;
        _valueBytes = valueBytes;
    }

    /// <summary>Takes ownership of entries that are sorted already.</summary>
    /// <param name="entries">Strictly ascending by key (D1).</param>
    /// <param name="values">The buffer that the entries' offsets point into.</param>
    /// <exception cref="InvariantException">D1 or D3 is broken, or an entry points outside the buffer.</exception>
    public static StateDiff FromSorted(DiffEntry[] entries, byte[] values)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(values);
        return FromSorted(entries, entries.Length, values, values.Length);
    }

    /// <summary>The same for the beginnings of arrays that are longer.</summary>
    /// <param name="entries">The first <paramref name="count"/> are the diff's.</param>
    /// <param name="count">In [0, length of <paramref name="entries"/>].</param>
    /// <param name="values">The first <paramref name="valueBytes"/> are the diff's.</param>
    /// <param name="valueBytes">In [0, length of <paramref name="values"/>].</param>
    /// <exception cref="InvariantException">As above.</exception>
    public static StateDiff FromSorted(DiffEntry[] entries, int count, byte[] values, int valueBytes)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)entries.Length, nameof(count));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)valueBytes, (uint)values.Length, nameof(valueBytes));
        for (int i = 0; i < count; i++)
        {
            ref readonly DiffEntry entry = ref entries[i];
            Invariant.Require(i == 0 || entries[i - 1].Key.CompareTo(entry.Key) < 0);                       // D1
            Invariant.Require(entry.Length >= -1 && entry.Length <= StateLimits.MaxRecordBytes);            // D3

            // no sum of the two, which could wrap: a negative offset is a large unsigned one
            Invariant.Require(
                entry.IsTombstone || ((uint)entry.Offset <= (uint)valueBytes && entry.Length <= valueBytes - entry.Offset));
        }

        return new StateDiff(entries, count, values, valueBytes);
    }

    /// <summary>The entries, ascending by key.</summary>
    public ReadOnlySpan<DiffEntry> Entries => _entries.AsSpan(0, _count);

    /// <summary>The buffer that the entries' offsets point into.</summary>
    public ReadOnlySpan<byte> Values => _values.AsSpan(0, _valueBytes);

    /// <summary>The value of an entry of this diff; empty for a tombstone.</summary>
    public ReadOnlySpan<byte> ValueOf(in DiffEntry entry) =>
        entry.IsTombstone ? default : _values.AsSpan(entry.Offset, entry.Length);

    /// <summary>Finds a key by binary search.</summary>
    /// <returns>The index in <see cref="Entries"/>, or -1.</returns>
    public int IndexOf(in StateKey key)
    {
        int low = 0;
        int high = _count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            int order = _entries[middle].Key.CompareTo(key);
            if (order == 0)
            {
                return middle;
            }

            if (order < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return -1;
    }
}

/// <summary>Limits that state and wire share.</summary>
public static class StateLimits
{
    /// <summary>The largest record in bytes.</summary>
    public const int MaxRecordBytes = 4096;
}
