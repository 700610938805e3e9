// What undoes a diff, and what undoes several.   Threading: pure over what it is given.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Makes undo diffs.</summary>
internal static class Undo
{
    /// <summary>The diff that takes a state after <paramref name="diff"/> back to <paramref name="before"/>.</summary>
    public static StateDiff Of(IStateView before, StateDiff diff)
    {
        ReadOnlySpan<DiffEntry> changes = diff.Entries;
        DiffEntry[] entries = new DiffEntry[changes.Length];
        byte[] values = new byte[changes.Length * 64];
        byte[] value = new byte[StateLimits.MaxRecordBytes];
        int used = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            ref readonly DiffEntry change = ref changes[i];
            int length = before.Read(change.Key, value);
            int bytes = Math.Max(length, 0);
            if (values.Length - used < bytes)
            {
                Array.Resize(ref values, Math.Max(values.Length * 2, used + bytes));
            }

            value.AsSpan(0, bytes).CopyTo(values.AsSpan(used));
            entries[i] = change with { Offset = used, Length = length };
            used += bytes;
        }

        return StateDiff.FromSorted(entries, values);
    }

    /// <summary>One diff that does what several do in turn.</summary>
    /// <param name="newestFirst">Undo diffs, that of the newest block first.</param>
    public static StateDiff Merge(IEnumerable<StateDiff> newestFirst)
    {
        Dictionary<Primitives.StateKey, (StateDiff Diff, DiffEntry Entry)> oldest = [];
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
