// The state table alone, for measuring: no log, no tree, no checkpoint.   Threading: one caller at a time.

using System;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>A state table in a folder, without the store around it.</summary>
public sealed class StateTableProbe : IDisposable
{
    private readonly StateTable _table;

    /// <summary>Makes an empty table for so many keys, all of it in memory.</summary>
    public StateTableProbe(string folder, long keys)
    {
        Directory.CreateDirectory(folder);
        long buckets = Math.Min(TableShape.MaxIndexBuckets, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)keys / 4));
        _table = StateTable.Create(DiskFileSystem.Instance, folder, new TableShape(buckets, 1 << 22, 1L << 30, Math.Max(64L << 20, keys * 600)), 1, 1, null);
    }

    /// <summary>Reads a record.</summary>
    /// <returns>Its length, or -1.</returns>
    public int Read(in StateKey key, Span<byte> target)
    {
        if (!_table.ReadStored(key, out ReadOnlySpan<byte> stored, out _, reader: 0)
            || !FasterTable.TrySplit(stored, out _, out _, out ReadOnlySpan<byte> record))
        {
            return -1;
        }

        record.CopyTo(target);
        return record.Length;
    }

    /// <summary>Writes a diff.</summary>
    public void Write(StateDiff diff)
    {
        ArgumentNullException.ThrowIfNull(diff);
        foreach (ref readonly DiffEntry entry in diff.Entries)
        {
            _table.Upsert(entry, diff.ValueOf(entry));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _table.Dispose();
}
