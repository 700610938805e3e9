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

/// <summary>Takes what many reads find.</summary>
internal interface IStoredSink
{
    /// <summary>One of them, in any order.</summary>
    /// <param name="index">Of the key.</param>
    /// <param name="stored">Header and record, valid during the call.</param>
    /// <param name="fromDisk">The value was not in memory: check it before believing it.</param>
    void Take(int index, bool found, scoped ReadOnlySpan<byte> stored, bool fromDisk);
}

/// <summary>One or sixteen tables.</summary>
internal sealed class StateTable : IDisposable
{
    /// <summary>Parts of a large table.</summary>
    public const int PartsMax = 16;

    /// <summary>Keys beyond which a table is made in parts at the latest: three per bucket of the largest index.</summary>
    public const long KeysPerPartMax = 3 * TableShape.MaxIndexBuckets;

    private readonly FasterTable[] _parts;
    private readonly FasterTable.ReadTarget?[][] _targets = Array.ConvertAll(new int[FasterTable.Readers], static _ => new FasterTable.ReadTarget?[FasterTable.StartedMax]);
    private readonly FasterTable.ReadTarget[] _touched = Array.ConvertAll(new int[FasterTable.StartedMax], static _ => new FasterTable.ReadTarget(takesBytes: false));

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

    /// <summary>No read needs the disk, for now.</summary>
    public bool IsInMemory => Array.TrueForAll(_parts, static part => part.IsInMemory);

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

    /// <summary>Reads many stored values; those that lie on disk come side by side.</summary>
    /// <param name="keys">Any keys.</param>
    /// <param name="which">Indexes of those that are read, at most <see cref="FasterTable.StartedMax"/>.</param>
    /// <param name="sink">Given each once.</param>
    public void ReadMany<TSink>(ReadOnlySpan<StateKey> keys, ReadOnlySpan<int> which, ref TSink sink, int reader)
        where TSink : IStoredSink, allows ref struct
    {
        FasterTable.ReadTarget?[] targets = _targets[reader];
        Span<int> started = stackalloc int[FasterTable.StartedMax];
        int count;
        try
        {
            count = ReadOrStart(keys, which, started, ref sink, reader);
        }
        catch (StateStoreException error)
        {
            Array.ForEach(_parts, part => part.Break(error));
            throw;
        }

        for (int i = 0; i < count; i++)
        {
            bool found = FasterTable.Found(keys[started[i]], targets[i]!, out ReadOnlySpan<byte> stored);
            sink.Take(started[i], found, stored, fromDisk: true);
        }
    }

    /// <summary>Reads and forgets: what lies on disk is in the system's cache afterwards.</summary>
    /// <param name="keys">At most <see cref="FasterTable.StartedMax"/>.</param>
    /// <returns>How many lay on disk.</returns>
    public int Touch(ReadOnlySpan<StateKey> keys)
    {
        int count = 0;
        uint parts = 0;
        SeamDevice.BeginGathering();
        try
        {
            foreach (ref readonly StateKey key in keys)
            {
                int part = IndexOf(key);
                if (!_parts[part].IsInMemory && _parts[part].Start(key, _touched[count], FasterTable.Toucher))
                {
                    count++;
                    parts |= 1u << part;
                }
            }
        }
        finally
        {
            EndGathering();
        }

        Finish(parts, FasterTable.Toucher);
        return count;
    }

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

    private int ReadOrStart<TSink>(scoped ReadOnlySpan<StateKey> keys, scoped ReadOnlySpan<int> which, scoped Span<int> started, ref TSink sink, int reader)
        where TSink : IStoredSink, allows ref struct
    {
        FasterTable.ReadTarget?[] targets = _targets[reader];
        int count = 0;
        uint parts = 0;
        _parts[0].RequireHealthy("reading");
        SeamDevice.BeginGathering();
        try
        {
            foreach (int index in which)
            {
                int part = IndexOf(keys[index]);
                FasterTable.ReadTarget target = targets[count] ??= new FasterTable.ReadTarget();
                if (_parts[part].Start(keys[index], target, reader))
                {
                    started[count++] = index;
                    parts |= 1u << part;
                }
                else
                {
                    bool found = FasterTable.Found(keys[index], target, out ReadOnlySpan<byte> stored);
                    sink.Take(index, found, stored, fromDisk: false);
                }
            }
        }
        finally
        {
            EndGathering();
        }

        Finish(parts, reader);
        return count;
    }

    // FASTER works on what comes from disk here, and makes of a damaged record what it will.
    private static void EndGathering()
    {
        try
        {
            SeamDevice.EndGathering();
        }
        catch (Exception error) when (error is not InvariantException)
        {
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"Reading keys from disk failed: {error.Message.ReplaceLineEndings(" ")}", error);
        }
    }

    private void Finish(uint parts, int reader)
    {
        for (; parts != 0; parts &= parts - 1)
        {
            _parts[System.Numerics.BitOperations.TrailingZeroCount(parts)].Finish(reader);
        }
    }

    private FasterTable PartOf(in StateKey key) => _parts[IndexOf(key)];

    private int IndexOf(in StateKey key) => _parts.Length == 1 ? 0 : (int)(key.Value.W0 >> 60);
}
