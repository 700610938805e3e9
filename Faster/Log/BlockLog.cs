// The durable truth: every accepted block, in order, in segment files of records (BlockRecordCodec).
//
//   log/00000000000000000000.log   heights 0..k      a segment is named after the height of its first record
//   log/0000000000000000k+1.log    heights k+1..     only the last one is written; its space was set aside when it was made
//   log/acked                      how far the log was acknowledged (AckMark)
//
// Invariants
//   L1  when Append returns, the record and the name of its file are durable
//   L2  heights rise by one; a record's parent is the block before it; its previous hash is the hash before it
//   L3  a segment is created only after every record of the earlier ones is durable
//   L4  after a failed write or sync nothing is written until the log is opened again: what a failed fsync has
//       left in the page cache is unknown, and a second fsync may report success for bytes that are lost
//
// Opening reads forward from a trusted position and stops at the first record that does not verify. If nothing
// valid follows, that record was being written when the machine stopped and was never acknowledged: it is cut off
// and TornBytes says so. If a valid record follows, or a later segment exists (L3), an acknowledged block is
// damaged: the log refuses to open, as it does when it ends before what was acknowledged. It never repairs.
//
// Cost: Append is one pwrite and one fsync, for one block or for many; TryRead is one pread after the segment's offsets are known.
// Threading: one caller at a time, and one more in TryRead or TryFind while that one is in Append: the lock guards what the two share,
// and is not held while the disk writes.
// Files: BlockLog.cs (appending, reading), .Recovery.cs (opening), .Ids.cs (finding by id), .Cutting.cs (making it shorter).

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.IO;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Where a block log lives and how its records are keyed.</summary>
/// <param name="Files">The disk.</param>
/// <param name="Folder">Folder of the segment files; created when missing.</param>
/// <param name="Chain">Written into every record; a record of another chain does not verify.</param>
/// <param name="Key">Local key of the record hashes.</param>
/// <param name="SegmentBytes">A segment that has reached this length is followed by a new one.</param>
public sealed record BlockLogOptions(IFileSystem Files, string Folder, ChainId Chain, Bytes32 Key, long SegmentBytes);

/// <summary>An append-only, hash-chained log of accepted blocks.</summary>
public sealed partial class BlockLog : IDisposable
{
    private readonly BlockLogOptions _options;
    private readonly Lock _shared = new();                  // segments, End, the reader's buffer
    private readonly List<Segment> _segments = [];
    private byte[] _buffer = new byte[64 * 1024];           // reads
    private byte[] _writing = new byte[64 * 1024];          // writes
    private IDataFile? _tail;
    private AckMark? _mark;
    private bool _latched;
    private bool _closed;
    private ulong _start;

    private BlockLog(BlockLogOptions options)
    {
        _options = options;
    }

    /// <summary>After the newest record; null while the log is empty.</summary>
    public LogPosition? End { get; private set; }

    /// <summary>Height of the next record.</summary>
    public Height Next => End is { } end ? end.Last.Next : new Height(_segments.Count == 0 ? _start : _segments[0].First);

    /// <summary>Height of the oldest record kept; equals <see cref="Next"/> while the log is empty.</summary>
    public Height First => new(_segments.Count == 0 ? Next.Value : _segments[0].First);

    /// <summary>Bytes of an unacknowledged record that opening cut off; zero after a clean stop.</summary>
    public long TornBytes { get; private set; }

    /// <summary>Says where an empty log begins: blocks below are not there, and never were.</summary>
    public void StartAt(Height height)
    {
        Invariant.Require(End is null && _segments.Count == 0);
        _start = height.Value;
    }

    /// <summary>Adds a block and returns when it is durable.</summary>
    /// <param name="record">Height <see cref="Next"/>, on top of the last block.</param>
    /// <exception cref="StateStoreException">The disk failed, now (709) or earlier (710).</exception>
    /// <exception cref="ArgumentException">The payload is longer than 16 MiB.</exception>
    public void Append(in BlockRecord record) => Append(new ReadOnlySpan<BlockRecord>(in record), []);

    /// <summary>Adds blocks with one write and one fsync, and returns when all are durable; a failure acknowledges none.</summary>
    /// <param name="records">Ascending from <see cref="Next"/>, each on top of the one before. They go to one segment.</param>
    /// <param name="positions">Takes the position after each record, or is empty.</param>
    /// <exception cref="StateStoreException">The disk failed, now (709) or earlier (710).</exception>
    /// <exception cref="ArgumentException">A payload is longer than 16 MiB.</exception>
    public void Append(ReadOnlySpan<BlockRecord> records, Span<LogPosition> positions)
    {
        int total = 0;
        foreach (ref readonly BlockRecord record in records)
        {
            if (record.Payload.Length > BlockRecordCodec.MaxPayloadBytes)
            {
                throw new ArgumentException($"A block payload has {record.Payload.Length} bytes; at most {BlockRecordCodec.MaxPayloadBytes} are kept.");
            }

            total = checked(total + BlockRecordCodec.OverheadBytes + record.Payload.Length);
        }

        if (records.Length == 0)
        {
            return;
        }

        Append($"Writing block {records[0].Height} to {_options.Folder}", records, positions, total);
    }

    private void Append(string doing, ReadOnlySpan<BlockRecord> records, Span<LogPosition> positions, int total)
    {
        if (_latched)
        {
            throw StoreFault.Of(RefusalCode.StoreLatched, "The block log stopped at an earlier write failure; open the store again.");
        }

        try
        {
            Segment segment;
            bool created;
            lock (_shared)
            {
                segment = SegmentForNext(out created);
            }

            long offset = segment.Length;
            long start = offset;
            LogPosition? end = End;
            Span<byte> bytes = Sized(ref _writing, total);
            for (int i = 0; i < records.Length; i++)
            {
                ref readonly BlockRecord record = ref records[i];
                bool continues = end is { } last                                                        // L2
                    ? record.Height == last.Last.Next && record.ParentId == last.LastBlock
                    : record.Height == Next && (record.ParentId == default || Next.Value != 0);
                Invariant.Require(continues);
                int length = BlockRecordCodec.OverheadBytes + record.Payload.Length;
                Bytes32 hash = BlockRecordCodec.Write(bytes[(int)(offset - start)..], _options.Chain, record, end?.LastHash ?? Bytes32.Zero, _options.Key);
                end = new LogPosition(segment.First, offset, offset + length, record.Height, hash, record.BlockId);
                offset += length;
                if (positions.Length > 0)
                {
                    positions[i] = end.Value;
                }
            }

            _tail!.Write(start, bytes);
            _tail.Sync();
            if (created)
            {
                _options.Files.SyncFolder(_options.Folder);
            }

            lock (_shared)
            {
                for (int i = 0, at = 0; i < records.Length; i++)
                {
                    segment.Offsets?.Add(start + at);
                    at += BlockRecordCodec.OverheadBytes + records[i].Payload.Length;
                }

                segment.Length = offset;
                End = end;                                                                              // L1
            }

            _mark!.Write(end!.Value);
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            _latched = true;                                                                            // L4
            throw StoreFault.Disk(RefusalCode.StoreWriteFailed, doing, error);
        }
    }

    /// <summary>Reads a block and checks its hash.</summary>
    /// <returns>False when the log has no block of that height.</returns>
    /// <exception cref="StateStoreException">The record is damaged (705) or cannot be read (711).</exception>
    public bool TryRead(Height height, [NotNullWhen(true)] out BlockRecord? record)
    {
        lock (_shared)
        {
            record = null;
            if (End is null || height.Value < First.Value || height.Value > End.Value.Last.Value)
            {
                return false;
            }

            Segment segment = SegmentOf(height);
            try
            {
                record = ReadIn(segment, height);
                return true;
            }
            catch (Exception error) when (StoreFault.IsDisk(error))
            {
                throw StoreFault.Disk(RefusalCode.StoreReadFailed, $"Reading block {height} from {segment.Path}", error);
            }
        }
    }

    /// <summary>The position after the block of a height that the log holds; checks that record.</summary>
    /// <exception cref="StateStoreException">The record is damaged (705) or cannot be read (711).</exception>
    public LogPosition PositionAt(Height height)
    {
        if (End is { } end && end.Last == height)
        {
            return end;
        }

        if (!TryRead(height, out BlockRecord? record))
        {
            throw StoreFault.Of(RefusalCode.StoreLogBehindCheckpoint, $"The block log has no block {height}.");
        }

        // TryRead has verified the record, which still fills the buffer, and knows the segment's offsets.
        Segment segment = SegmentOf(height);
        long offset = segment.Offsets![(int)(height.Value - segment.First)];
        int body = BlockRecordCodec.HeaderBytes + record.Value.Payload.Length;
        return new LogPosition(
            segment.First, offset, offset + body + Bytes32.Size, height, Bytes32.From(_buffer.AsSpan(body)), record.Value.BlockId);
    }

    /// <summary>Closes the files. Everything acknowledged is durable already.</summary>
    public void Dispose()
    {
        if (_mark is { } mark && !_latched && !_closed)
        {
            try
            {
                mark.Sync();
            }
            catch (Exception error) when (StoreFault.IsDisk(error))
            {
                _latched = true;    // the mark is worth less than the reason for which the log is being closed
            }
        }

        _closed = true;
        _tail?.Dispose();
        _mark?.Dispose();
    }

    /// <summary>The segment that the next record goes to, open in <see cref="_tail"/>.</summary>
    private Segment SegmentForNext(out bool created)
    {
        Segment? last = _segments.Count == 0 ? null : _segments[^1];
        created = last is null || last.Length >= _options.SegmentBytes;
        if (created)
        {
            if (last is not null)
            {
                WriteIds(last);
            }

            // A full disk is noticed here, before a record is begun, and not in the middle of one.
            Segment fresh = new(Next.Value, PathOf(Next.Value)) { Offsets = [] };
            IDataFile file = _options.Files.OpenOrCreate(fresh.Path);
            _tail?.Dispose();
            _tail = file;
            file.Reserve(_options.SegmentBytes);
            _segments.Add(fresh);
            last = fresh;
        }

        _tail ??= _options.Files.OpenOrCreate(last!.Path);
        return last!;
    }

    private BlockRecord ReadIn(Segment segment, Height height)
    {
        using IDataFile file = _options.Files.OpenRead(segment.Path);
        List<long> offsets = segment.Offsets ??= ReadOffsets(segment, file);
        int index = (int)(height.Value - segment.First);
        if (index >= offsets.Count
            || !TryReadRecord(file, offsets[index], segment.Length, out BlockRecordCodec.Header header, out _)
            || header.Height != height)
        {
            throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"Block {height} in {segment.Path} does not verify.");
        }

        return new BlockRecord(
            header.Height, header.ParentId, header.BlockId, header.StateRoot,
            _buffer.AsMemory(BlockRecordCodec.HeaderBytes, header.PayloadLength).ToArray());
    }

    private Segment SegmentOf(Height height)
    {
        int low = 0;
        int high = _segments.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (_segments[middle].First <= height.Value)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return _segments[low];
    }

    /// <summary>Reads the record at an offset into <see cref="_buffer"/> and checks that it is whole.</summary>
    private bool TryReadRecord(IDataFile file, long offset, long end, out BlockRecordCodec.Header header, out Bytes32 hash)
    {
        hash = default;
        Span<byte> head = Buffer(BlockRecordCodec.HeaderBytes);
        if (file.Read(offset, head) != head.Length
            || !BlockRecordCodec.TryReadHeader(head, _options.Chain, out header))
        {
            header = default;
            return false;
        }

        int length = header.RecordLength;
        if (length > end - offset)
        {
            return false;
        }

        // The header counts as it stands in what was verified, not as it was read before: a disk can answer twice differently.
        Span<byte> whole = Buffer(length);
        return file.Read(offset, whole) == length
            && BlockRecordCodec.Verify(whole, _options.Key, out hash)
            && BlockRecordCodec.TryReadHeader(whole, _options.Chain, out header)
            && header.RecordLength == length;
    }

    private Span<byte> Buffer(int length) => Sized(ref _buffer, length);

    private static Span<byte> Sized(ref byte[] buffer, int length)
    {
        Reused.Room(ref buffer, length);
        return buffer.AsSpan(0, length);
    }

    private string PathOf(ulong first) =>
        Path.Combine(_options.Folder, first.ToString("D20", CultureInfo.InvariantCulture) + Extension);

    private const string Extension = ".log";

    private sealed class Segment(ulong first, string path)
    {
        /// <summary>Height of the first record.</summary>
        public ulong First { get; } = first;

        public string Path { get; } = path;

        /// <summary>End of the last whole record.</summary>
        public long Length { get; set; }

        /// <summary>Sorted ids, see TryFind; null until somebody needs them.</summary>
        public IdEntry[]? Ids { get; set; }

        /// <summary>Start of each record; null until somebody needs it.</summary>
        public List<long>? Offsets { get; set; }
    }
}
