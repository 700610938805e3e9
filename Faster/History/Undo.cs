// What undoes a diff, and what undoes several.
//
// What a diff changes is read from the state before it, many records at once: of a state that is larger than memory they lie on a disk.
//
// Threading: one caller at a time; what it keeps is memory.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Makes undo diffs.</summary>
internal sealed class Undo
{
    private const int KeysAtOnce = 64;

    private readonly StateKey[] _keys = new StateKey[KeysAtOnce];
    private readonly RecordPlace[] _places = new RecordPlace[KeysAtOnce];
    private readonly byte[] _read = new byte[KeysAtOnce * StateLimits.MaxRecordBytes];

    /// <summary>The diff that takes a state after <paramref name="diff"/> back to <paramref name="before"/>.</summary>
    public StateDiff Of(IStateView before, StateDiff diff)
    {
        ReadOnlySpan<DiffEntry> changes = diff.Entries;
        DiffEntry[] entries = new DiffEntry[changes.Length];
        byte[] values = new byte[changes.Length * 64];
        int used = 0;
        for (int from = 0; from < entries.Length; from += KeysAtOnce)
        {
            int count = Math.Min(KeysAtOnce, entries.Length - from);
            for (int i = 0; i < count; i++)
            {
                _keys[i] = changes[from + i].Key;
            }

            int bytes = before.ReadMany(0, _keys.AsSpan(0, count), _places, _read);
            if (values.Length - used < bytes)
            {
                Array.Resize(ref values, Math.Max(values.Length * 2, used + bytes));
            }

            _read.AsSpan(0, bytes).CopyTo(values.AsSpan(used));
            for (int i = 0; i < count; i++)
            {
                entries[from + i] = changes[from + i] with { Offset = used + _places[i].Offset, Length = _places[i].Length };
            }

            used += bytes;
        }

        return StateDiff.FromSorted(entries, values);
    }

    /// <summary>One diff that does what several do in turn.</summary>
    /// <param name="newestFirst">Undo diffs, that of the newest block first.</param>
    public static StateDiff Merge(IEnumerable<StateDiff> newestFirst)
    {
        Dictionary<StateKey, (StateDiff Diff, DiffEntry Entry)> oldest = [];
        foreach (StateDiff diff in newestFirst)
        {
            foreach (ref readonly DiffEntry entry in diff.Entries)
            {
                oldest[entry.Key] = (diff, entry);
            }
        }

        (StateDiff Diff, DiffEntry Entry)[] chosen = [.. oldest.Values];
        Array.Sort(chosen, static (a, b) => a.Entry.Key.CompareTo(b.Entry.Key));
        using MemoryStream values = new();
        DiffEntry[] entries = new DiffEntry[chosen.Length];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = chosen[i].Entry with { Offset = (int)values.Length };
            values.Write(chosen[i].Diff.ValueOf(chosen[i].Entry));
        }

        return StateDiff.FromSorted(entries, values.ToArray());
    }
}
