// Opening a block log: what is whole, what was torn, what is damaged. See the header of BlockLog.cs for the rule.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class BlockLog
{
    /// <summary>Opens or creates the log and verifies it from <paramref name="from"/> to its end.</summary>
    /// <param name="options">Where it is.</param>
    /// <param name="from">A position that a checkpoint vouches for; null verifies every record.</param>
    /// <exception cref="StateStoreException">Damaged (705), ends below <paramref name="from"/> (706), disk failed (709, 711).</exception>
    public static BlockLog Open(BlockLogOptions options, LogPosition? from)
    {
        ArgumentNullException.ThrowIfNull(options);
        BlockLog log = new(options);
        try
        {
            options.Files.CreateFolder(options.Folder);
            log.ListSegments();
            if (log._segments.Count == 0)
            {
                // The folder may be new: without its own name, no segment in it would be durable.
                options.Files.SyncFolder(FolderAbove(options.Folder));
            }

            log._mark = new AckMark(options.Files, Path.Combine(options.Folder, AckMark.FileName), options.Key);
            log.Scan(from);
            log.RequireAcknowledged();
            log.MakeDurable();
            return log;
        }
        catch (Exception error)
        {
            log.Dispose();
            if (StoreFault.IsDisk(error))
            {
                throw StoreFault.Disk(RefusalCode.StoreReadFailed, $"Opening the block log {options.Folder}", error);
            }

            throw;
        }
    }

    /// <summary>
    /// A process that was killed between write and sync leaves a record, or a file name, that only the page cache holds. It
    /// was read, so it counts from now on: it is made durable before anybody is told, or a checkpoint could outlive its block.
    /// </summary>
    private void MakeDurable()
    {
        if (_segments.Count > 0)
        {
            _tail = _options.Files.OpenOrCreate(_segments[^1].Path);
            _tail.Sync();
        }

        if (End is { } end)
        {
            _mark!.Write(end);
            _mark.Sync();
        }

        _options.Files.SyncFolder(_options.Folder);
    }

    /// <summary>Compares what was found with what was acknowledged.</summary>
    private void RequireAcknowledged()
    {
        if (_mark!.Read() is not { } mark)
        {
            return;
        }

        if (End is not { } end || end.Last.Value < mark.Height.Value)
        {
            throw StoreFault.Of(
                RefusalCode.StoreLogDamaged,
                $"Block {mark.Height} was acknowledged, but the block log in {_options.Folder} is whole only below block {Next}: a durable block is damaged or missing.");
        }

        if (end.Last == mark.Height && end.LastHash != mark.Hash)
        {
            throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"Block {mark.Height} in {_options.Folder} is not the one that was acknowledged.");
        }
    }

    /// <summary>The folder in which a folder's own name stands.</summary>
    internal static string FolderAbove(string folder)
    {
        string whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return Path.GetDirectoryName(whole) ?? whole;
    }

    private void ListSegments()
    {
        // Ordinal order of 20-digit names is numeric order. Foreign files are left alone.
        foreach (string name in _options.Files.ListFiles(_options.Folder))
        {
            if (name.Length == 20 + Extension.Length
                && name.EndsWith(Extension, StringComparison.Ordinal)
                && ulong.TryParse(name.AsSpan(0, 20), NumberStyles.None, CultureInfo.InvariantCulture, out ulong first))
            {
                _segments.Add(new Segment(first, PathOf(first)));
            }
        }
    }

    private void Scan(LogPosition? from)
    {
        int start = 0;
        if (from is { } position)
        {
            start = _segments.FindIndex(segment => segment.First == position.Segment);
            if (start < 0)
            {
                throw StoreFault.Of(
                    RefusalCode.StoreLogBehindCheckpoint,
                    $"A checkpoint stands at block {position.Last}, but segment {position.Segment} of the block log is missing.");
            }
        }

        for (int i = 0; i < _segments.Count; i++)
        {
            using IDataFile file = _options.Files.OpenRead(_segments[i].Path);
            long length = file.Length;
            if (i < start)
            {
                _segments[i].Length = length;
                continue;
            }

            if (i == start && from is { } trusted)
            {
                RequireReaches(file, trusted);
                _segments[i].Length = trusted.Offset;
                End = trusted;
            }
            else
            {
                _segments[i].Offsets = [];
            }

            ScanSegment(i, file, length);
        }
    }

    /// <summary>The log must hold, whole, the record that a checkpoint was taken at.</summary>
    private void RequireReaches(IDataFile file, in LogPosition trusted)
    {
        if (file.Length < trusted.Offset)
        {
            throw StoreFault.Of(
                RefusalCode.StoreLogBehindCheckpoint,
                $"A checkpoint stands at block {trusted.Last}, but its segment of the block log ends at byte {file.Length} instead of {trusted.Offset}.");
        }

        if (!TryReadRecord(file, trusted.LastOffset, trusted.Offset, out BlockRecordCodec.Header header, out Bytes32 hash)
            || trusted.LastOffset + header.RecordLength != trusted.Offset
            || hash != trusted.LastHash
            || header.Height != trusted.Last
            || header.BlockId != trusted.LastBlock)
        {
            throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"Block {trusted.Last}, at which a checkpoint stands, does not verify in the block log.");
        }
    }

    private void ScanSegment(int index, IDataFile file, long length)
    {
        Segment segment = _segments[index];
        if (segment.Length == 0 && End is { } before && segment.First != before.Last.Value + 1)
        {
            throw StoreFault.Of(
                RefusalCode.StoreLogDamaged, $"Segment {segment.Path} follows block {before.Last}; the blocks between them are missing.");
        }

        while (segment.Length < length)
        {
            long offset = segment.Length;
            if (!TryReadRecord(file, offset, length, out BlockRecordCodec.Header header, out Bytes32 hash) || !Continues(segment, header))
            {
                CutTornTail(index, file, length);
                return;
            }

            segment.Offsets?.Add(offset);
            segment.Length = offset + header.RecordLength;
            End = new LogPosition(segment.First, offset, segment.Length, header.Height, hash, header.BlockId);
        }
    }

    private bool Continues(Segment segment, in BlockRecordCodec.Header header) =>
        End is { } end
            ? header.Height == end.Last.Next && header.ParentId == end.LastBlock && header.PreviousHash == end.LastHash
            : header.Height.Value == segment.First;

    private void CutTornTail(int index, IDataFile file, long length)
    {
        Segment segment = _segments[index];
        Height next = Next;
        if (index != _segments.Count - 1)
        {
            throw StoreFault.Of(
                RefusalCode.StoreLogDamaged,
                $"Block {next} at byte {segment.Length} of {segment.Path} does not verify, and a later segment exists: the block was durable and is damaged.");
        }

        long later = FindValidRecord(file, segment.Length + 1, length, next);
        if (later >= 0)
        {
            throw StoreFault.Of(
                RefusalCode.StoreLogDamaged,
                $"Block {next} at byte {segment.Length} of {segment.Path} does not verify, but a whole record follows at byte {later}: the block was durable and is damaged.");
        }

        RequireAcknowledged();      // before anything is cut
        try
        {
            using IDataFile writer = _options.Files.OpenOrCreate(segment.Path);
            writer.SetLength(segment.Length);
            writer.Sync();
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            throw StoreFault.Disk(RefusalCode.StoreWriteFailed, $"Cutting the torn tail of {segment.Path}", error);
        }

        TornBytes = length - segment.Length;
    }

    /// <summary>Looks for a whole record of height <paramref name="least"/> or more at any byte.</summary>
    /// <returns>Its offset, or -1.</returns>
    private long FindValidRecord(IDataFile file, long from, long length, Height least)
    {
        Span<byte> magic = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(magic, BlockRecordCodec.Magic);
        byte[] window = new byte[Math.Min(length - from, 1 << 20) + 3];
        for (long start = from; start < length; start += window.Length - 3)
        {
            int filled = file.Read(start, window);
            int at = 0;
            for (int hit = window.AsSpan(0, filled).IndexOf(magic); hit >= 0;)
            {
                at += hit;
                if (TryReadRecord(file, start + at, length, out BlockRecordCodec.Header header, out _) && header.Height.Value >= least.Value)
                {
                    return start + at;
                }

                at++;
                hit = window.AsSpan(at, filled - at).IndexOf(magic);
            }
        }

        return -1;
    }

    /// <summary>Hops from header to header of a segment that was not verified at opening.</summary>
    private List<long> ReadOffsets(Segment segment, IDataFile file)
    {
        List<long> offsets = [];
        for (long offset = 0; offset < segment.Length;)
        {
            Span<byte> head = Buffer(BlockRecordCodec.HeaderBytes);
            if (file.Read(offset, head) != head.Length || !BlockRecordCodec.TryReadHeader(head, _options.Chain, out BlockRecordCodec.Header header))
            {
                throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"The record at byte {offset} of {segment.Path} does not verify.");
            }

            offsets.Add(offset);
            offset += header.RecordLength;
        }

        return offsets;
    }
}
