// Finding a block by its id without walking the log: per segment, the first eight bytes of every id, sorted, with the
// record's place in the segment. The record itself says whether the id is the one asked for.
//
//   log/0000000000000000k+1.ids     u32 count | (u64 prefix, u32 place)*, ascending | hash       written when the segment is full
//
// The file is derived and not synced: one that is missing or does not verify is made again from the headers, in memory.
//
// Cost: a binary search per segment, newest first; 12 bytes of memory per block of the segments searched, up to a bound.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class BlockLog
{
    private const string IdsExtension = ".ids";
    private const int IdsInMemoryMax = 4 << 20;

    private int _idsInMemory;

    /// <summary>The height of a block that the log holds.</summary>
    /// <exception cref="StateStoreException">A record is damaged (705) or cannot be read (711).</exception>
    public bool TryFind(BlockId id, out Height height)
    {
        lock (_shared)
        {
            return TryFindIn(id, out height);
        }
    }

    private bool TryFindIn(BlockId id, out Height height)
    {
        height = default;
        try
        {
            for (int i = _segments.Count - 1; i >= 0; i--)
            {
                Segment segment = _segments[i];
                IdEntry[] ids = IdsOf(segment, isFull: i < _segments.Count - 1);
                int at = Array.BinarySearch(ids, new IdEntry(id.Value.W0, 0));
                for (at = at < 0 ? ~at : at; at < ids.Length && ids[at].Prefix == id.Value.W0; at++)
                {
                    height = new Height(segment.First + ids[at].Place);
                    if (TryRead(height, out BlockRecord? record) && record.Value.BlockId == id)
                    {
                        return true;
                    }
                }
            }
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            throw StoreFault.Disk(RefusalCode.StoreReadFailed, $"Looking for block {id} in {_options.Folder}", error);
        }

        height = default;
        return false;
    }

    private IdEntry[] IdsOf(Segment segment, bool isFull)
    {
        if (segment.Ids is { } known && known.Length == (isFull ? known.Length : (int)(Next.Value - segment.First)))
        {
            return known;
        }

        IdEntry[] ids = isFull && TryReadIds(segment, out IdEntry[] read) ? read : CollectIds(segment);
        if (_idsInMemory > IdsInMemoryMax)
        {
            _segments.ForEach(static other => other.Ids = null);
            _idsInMemory = 0;
        }

        _idsInMemory += ids.Length;
        return segment.Ids = ids;
    }

    private IdEntry[] CollectIds(Segment segment)
    {
        using IDataFile file = _options.Files.OpenRead(segment.Path);
        List<long> offsets = segment.Offsets ??= ReadOffsets(segment, file);
        IdEntry[] ids = new IdEntry[offsets.Count];
        for (int place = 0; place < ids.Length; place++)
        {
            Span<byte> head = Buffer(BlockRecordCodec.HeaderBytes);
            if (file.Read(offsets[place], head) != head.Length || !BlockRecordCodec.TryReadHeader(head, _options.Chain, out BlockRecordCodec.Header header))
            {
                throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"The record at byte {offsets[place]} of {segment.Path} does not verify.");
            }

            ids[place] = new IdEntry(header.BlockId.Value.W0, (uint)place);
        }

        Array.Sort(ids);
        return ids;
    }

    private bool TryReadIds(Segment segment, out IdEntry[] ids)
    {
        ids = [];
        string path = Path.ChangeExtension(segment.Path, IdsExtension);
        if (!_options.Files.FileExists(path) || !SealedFile.TryRead(_options.Files, path, _options.Key, out byte[] body))
        {
            return false;
        }

        CanonicalReader reader = new(body);
        uint count = reader.ReadU32();
        if (body.Length != 4 + (12L * count))
        {
            return false;
        }

        ids = new IdEntry[count];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = new IdEntry(reader.ReadU64(), reader.ReadU32());
        }

        return true;
    }

    /// <summary>Called when a segment is full.</summary>
    private void WriteIds(Segment segment)
    {
        IdEntry[] ids = IdsOf(segment, isFull: false);
        CanonicalWriter writer = new(4 + (12 * ids.Length));
        writer.WriteU32((uint)ids.Length);
        foreach (IdEntry entry in ids)
        {
            writer.WriteU64(entry.Prefix);
            writer.WriteU32(entry.Place);
        }

        if (writer.Written.Length + Bytes32.Size <= SealedFile.MaxBytes)
        {
            SealedFile.WriteDerived(_options.Files, Path.ChangeExtension(segment.Path, IdsExtension), _options.Key, writer.Written);
        }
    }

    private readonly record struct IdEntry(ulong Prefix, uint Place) : IComparable<IdEntry>
    {
        public int CompareTo(IdEntry other) => Prefix != other.Prefix ? Prefix.CompareTo(other.Prefix) : Place.CompareTo(other.Place);
    }
}
