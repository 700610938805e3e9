// The way back: for each accepted block of the window, what its keys had before it.
//
//   history/00000000000000000412.undo     records (UndoCodec) of heights 412.. ; a new file when one is full
//
//   value at height h = what the first record above h has for the key, else what the newest state has
//   state at height h = the newest state with the records above h undone, newest first; its root proves it
//
// A record is derived: executing its block again makes it again. So it is written without a sync, and synced before a
// checkpoint makes its block part of what is not executed again. Opening at a checkpoint forgets the records above it,
// and replaying writes them anew. History that is damaged or does not reach its checkpoint is forgotten as a whole, with a
// note: nothing of the newest state depends on it.
//
// Invariants
//   H1  records are of consecutive heights, ending at the newest block
//   H2  after Sync returned, every record is durable
//
// Cost: Append is one write. A record is read whole and checked when it is used.   Threading: one caller at a time.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Undo records of the newest blocks.</summary>
internal sealed class HistoryLog : IDisposable
{
    public const string FolderName = "history";

    private const string Extension = ".undo";

    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly Bytes32 _key;
    private readonly long _segmentBytes;
    private readonly List<Segment> _segments = [];
    private IDataFile? _tail;
    private bool _namesChanged;

    private HistoryLog(IFileSystem files, string folder, in Bytes32 key, long segmentBytes)
    {
        _files = files;
        _folder = folder;
        _key = key;
        _segmentBytes = segmentBytes;
    }

    /// <summary>The oldest height that the state can be taken back to; equal to the newest when there is no record.</summary>
    public Height? Oldest => _segments.Count == 0 || _segments[0].First == 0 ? null : new Height(_segments[0].First - 1);

    /// <summary>Height of the newest record; null without records.</summary>
    public Height? Newest => _segments.Count == 0 ? null : new Height(_segments[^1].First + (ulong)_segments[^1].Offsets.Count - 1);

    /// <summary>Opens the history of a state that stands after block <paramref name="at"/>; null: before the first.</summary>
    /// <param name="notes">Is told when records were given up.</param>
    public static HistoryLog Open(IFileSystem files, string folder, in Bytes32 key, long segmentBytes, Height? at, List<string> notes)
    {
        HistoryLog log = new(files, Path.Combine(folder, FolderName), key, segmentBytes);
        files.CreateFolder(log._folder);
        files.SyncFolder(folder);
        foreach (string name in files.ListFiles(log._folder))
        {
            if (name.Length == 20 + Extension.Length && name.EndsWith(Extension, StringComparison.Ordinal)
                && ulong.TryParse(name.AsSpan(0, 20), NumberStyles.None, CultureInfo.InvariantCulture, out ulong first))
            {
                log._segments.Add(new Segment(first, Path.Combine(log._folder, name)));
            }
        }

        bool had = log._segments.Count > 0;
        log.CutAfter(at, reads: true);
        if (log._segments.Count > 0 && (!log.IsOnePiece() || log.Newest != at))
        {
            log.Clear();
            notes.Add($"The history of the blocks below {at} is damaged or does not reach them, and was given up: the store cannot go back behind block {at}.");
        }
        else if (had && log._segments.Count == 0 && at is { Value: > 0 })
        {
            notes.Add($"There is no history below block {at}.");
        }

        return log;
    }

    /// <summary>Adds the record of the next block. Not durable before <see cref="Sync"/>.</summary>
    public void Append(Height height, StateDiff undo)
    {
        Invariant.Require(Newest is not { } newest || height == newest.Next);                                       // H1
        byte[] record = UndoCodec.Encode(height, undo, _key);
        Segment? segment = _segments.Count == 0 ? null : _segments[^1];
        if (segment is null || segment.Length >= _segmentBytes)
        {
            _tail?.Sync();
            _tail?.Dispose();
            segment = new Segment(height.Value, Path.Combine(_folder, height.Value.ToString("D20", CultureInfo.InvariantCulture) + Extension));
            _tail = _files.OpenOrCreate(segment.Path);
            _tail.SetLength(0);
            _segments.Add(segment);
            _namesChanged = true;
        }

        _tail ??= _files.OpenOrCreate(segment.Path);
        _tail.Write(segment.Length, record);
        segment.Offsets.Add(segment.Length);
        segment.Length += record.Length;
    }

    /// <summary>Makes every record durable.</summary>
    public void Sync()
    {
        _tail?.Sync();
        if (_namesChanged)
        {
            _files.SyncFolder(_folder);
            _namesChanged = false;
        }
    }

    /// <summary>What the keys that a block changed had before it.</summary>
    /// <exception cref="StateStoreException">The record is damaged (714) or not there (713).</exception>
    public StateDiff Read(Height height)
    {
        if (Newest is not { } newest || height.Value > newest.Value || height.Value < _segments[0].First)
        {
            throw StoreFault.Of(RefusalCode.StoreHistoryTooShort, $"There is no history of block {height}; it begins at block {(_segments.Count == 0 ? "none" : _segments[0].First)}.");
        }

        Segment segment = _segments.FindLast(candidate => candidate.First <= height.Value)!;
        int index = (int)(height.Value - segment.First);
        long start = segment.Offsets[index];
        long end = index + 1 < segment.Offsets.Count ? segment.Offsets[index + 1] : segment.Length;
        byte[] record = new byte[end - start];
        using IDataFile file = _files.OpenRead(segment.Path);
        if (file.Read(start, record) != record.Length
            || !UndoCodec.TryReadHeader(record, out Height found, out int length) || found != height || length != record.Length
            || !UndoCodec.TryDecode(record, _key, out StateDiff undo))
        {
            throw StoreFault.Of(RefusalCode.StoreHistoryDamaged, $"The history of block {height} in {segment.Path} does not verify.");
        }

        return undo;
    }

    /// <summary>Forgets the records above a height; null forgets all.</summary>
    public void CutAfter(Height? height) => CutAfter(height, reads: false);

    /// <summary>Forgets whole files of records that the window no longer needs.</summary>
    public void DropBelow(Height height)
    {
        while (_segments.Count > 1 && _segments[1].First <= height.Value)
        {
            _files.DeleteFile(_segments[0].Path);
            _segments.RemoveAt(0);
            _files.SyncFolder(_folder);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => CutAfter(null);

    public void Dispose() => _tail?.Dispose();

    private void CutAfter(Height? height, bool reads)
    {
        _tail?.Dispose();
        _tail = null;
        bool changed = false;
        while (_segments.Count > 0 && (height is not { } last || _segments[^1].First > last.Value))
        {
            _files.DeleteFile(_segments[^1].Path);
            _segments.RemoveAt(_segments.Count - 1);
            changed = true;
        }

        if (changed)
        {
            _files.SyncFolder(_folder);
        }

        for (int i = 0; reads && i < _segments.Count; i++)
        {
            ReadOffsets(_segments[i]);
        }

        if (_segments.Count == 0)
        {
            return;
        }

        Segment newest = _segments[^1];
        int keep = (int)(height!.Value.Value - newest.First) + 1;
        if (keep < newest.Offsets.Count)
        {
            newest.Length = newest.Offsets[keep];
            newest.Offsets.RemoveRange(keep, newest.Offsets.Count - keep);
        }

        _tail = _files.OpenOrCreate(newest.Path);
        if (_tail.Length != newest.Length)
        {
            _tail.SetLength(newest.Length);
        }
    }

    /// <summary>Hops over the records of a file; what does not look like one ends it.</summary>
    private void ReadOffsets(Segment segment)
    {
        using IDataFile file = _files.OpenRead(segment.Path);
        Span<byte> header = stackalloc byte[UndoCodec.HeaderBytes];
        long length = file.Length;
        while (segment.Length < length
            && file.Read(segment.Length, header) == header.Length
            && UndoCodec.TryReadHeader(header, out Height height, out int bytes)
            && height.Value == segment.First + (ulong)segment.Offsets.Count
            && segment.Length + bytes <= length)
        {
            segment.Offsets.Add(segment.Length);
            segment.Length += bytes;
        }
    }

    private bool IsOnePiece()
    {
        for (int i = 0; i + 1 < _segments.Count; i++)
        {
            if (_segments[i].First + (ulong)_segments[i].Offsets.Count != _segments[i + 1].First)
            {
                return false;
            }
        }

        return _segments[^1].Offsets.Count > 0;
    }

    private sealed class Segment(ulong first, string path)
    {
        public ulong First { get; } = first;

        public string Path { get; } = path;

        public long Length { get; set; }

        public List<long> Offsets { get; } = [];
    }
}
