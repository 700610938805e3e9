// The accepted state as one table or as sixteen, by the top four bits of the key.
//
// FASTER's index may not have more than 2^24 buckets (FasterTable), which is good for some fifty million keys. A table that
// is made for more has sixteen parts, each with an index and a log of its own. How many it has is fixed when it is made and
// stands in the manifest; a table that outgrows it is rewritten into one of the other kind.
//
// Threading: as FasterTable; the parts do not know each other.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>A piece of the log of one part.</summary>
internal readonly record struct TableRange(int Part, long Begin, long End);

/// <summary>One or sixteen tables.</summary>
internal sealed class StateTable : IDisposable
{
    /// <summary>Parts of a large table.</summary>
    public const int PartsMax = 16;

    /// <summary>Keys beyond which a table is made in parts at the latest: three per bucket of the largest index.</summary>
    public const long KeysPerPartMax = 3 * TableShape.MaxIndexBuckets;

    private readonly FasterTable[] _parts;

    private StateTable(FasterTable[] parts)
    {
        Invariant.Require(parts.Length is 1 or PartsMax);
        _parts = parts;
    }

    /// <summary>Number of parts, 1 or 16.</summary>
    public int Parts => _parts.Length;

    /// <summary>Shape of each part.</summary>
    public TableShape Shape => _parts[0].Shape;

    /// <summary>Bytes of all logs.</summary>
    public long Tail
    {
        get
        {
            long sum = 0;
            foreach (FasterTable part in _parts)
            {
                sum += part.Tail;
            }

            return sum;
        }
    }

    /// <summary>A new, empty table.</summary>
    public static StateTable Create(IFileSystem files, string folder, TableShape shape, ulong salt, int parts, DeviceQueue? queue) =>
        new(Make(parts, i =>
        {
            string place = Path.Combine(folder, NameOf(i));
            files.CreateFolder(place);
            return FasterTable.Create(files, place, shape, salt, queue);
        }));

    /// <summary>A table as it was at a checkpoint.</summary>
    public static StateTable Recover(IFileSystem files, string folder, TableShape shape, ulong salt, Guid[] tokens, DeviceQueue? queue, IReadGuard? guard = null) =>
        new(Make(tokens.Length, i => FasterTable.Recover(files, Path.Combine(folder, NameOf(i)), shape, salt, tokens[i], queue, guard)));

    /// <inheritdoc cref="FasterTable.EndGuard"/>
    public void EndGuard() => Array.ForEach(_parts, static part => part.EndGuard());

    /// <summary>Folder of a part.</summary>
    public static string NameOf(int part) => part.ToString(CultureInfo.InvariantCulture);

    /// <summary>Bytes of a part's log.</summary>
    public long TailOf(int part) => _parts[part].Tail;

    /// <inheritdoc cref="FasterTable.Upsert"/>
    public void Upsert(in DiffEntry entry, ReadOnlySpan<byte> record) => PartOf(entry.Key).Upsert(entry, record);

    /// <inheritdoc cref="FasterTable.UpsertStored"/>
    public void UpsertStored(in StateKey key, ReadOnlySpan<byte> stored) => PartOf(key).UpsertStored(key, stored);

    /// <inheritdoc cref="FasterTable.Delete"/>
    public void Delete(in StateKey key) => PartOf(key).Delete(key);

    /// <inheritdoc cref="FasterTable.ReadStored"/>
    public bool ReadStored(in StateKey key, out ReadOnlySpan<byte> stored, out bool fromDisk, int reader) =>
        PartOf(key).ReadStored(key, out stored, out fromDisk, reader);

    /// <summary>All logs in pieces that can be read side by side.</summary>
    public TableRange[] Ranges()
    {
        List<TableRange> ranges = [];
        for (int part = 0; part < _parts.Length; part++)
        {
            foreach ((long begin, long end) in _parts[part].Ranges())
            {
                ranges.Add(new TableRange(part, begin, end));
            }
        }

        return [.. ranges];
    }

    /// <inheritdoc cref="FasterTable.ReadLive"/>
    public void ReadLive(TableRange range, LiveRecord each) => _parts[range.Part].ReadLive(range.Begin, range.End, each);

    /// <summary>Writes a full checkpoint of each part.</summary>
    /// <returns>Their tokens.</returns>
    public Guid[] TakeCheckpoint() => Array.ConvertAll(_parts, static part => part.TakeCheckpoint());

    public void Dispose()
    {
        foreach (FasterTable part in _parts)
        {
            part.Dispose();
        }
    }

    private static FasterTable[] Make(int count, Func<int, FasterTable> make)
    {
        FasterTable[] parts = new FasterTable[count];
        int made = 0;
        try
        {
            for (; made < count; made++)
            {
                parts[made] = make(made);
            }

            return parts;
        }
        finally
        {
            for (int i = 0; made < count && i < made; i++)
            {
                parts[i].Dispose();
            }
        }
    }

    private FasterTable PartOf(in StateKey key) => _parts[_parts.Length == 1 ? 0 : (int)(key.Value.W0 >> 60)];
}
