// The accepted state in one FasterKV: key = state key, value = u8 format | program 32 | local key 32 | record bytes.
// The value carries the preimage of its key, so that a scan can prove that each record stands where it belongs.
//
// FASTER is used for what it is good at (a fast hash table larger than memory) and trusted for nothing: it has no
// checksums and reports no write errors, so the store above rebuilds and compares the root after every recovery
// and checks every record that was read from disk against the tree.
//
// Invariants
//   T1  one writer, upsert and delete only, and a few readers beside it, which read no key that is being written (the store
//       reads those from the block's own diff); a checkpoint is taken with nothing pending, so it is an exact cut
//   T2  a value is overwritten in place only by one of the same length; any other is appended
//   T3  the index has at most 2^24 buckets: 2^25 is the size at which 2.6.5 loses everything without an error
//   T4  a checkpoint ends at a sector boundary, so no sector that it covers is ever written again
//
// Bucket hashes are salted with a number local to the folder: keys are hashes that anybody can compute, and chains of
// colliding ones would be slow. The salt never reaches a root.
//
// Cost: a read in memory is about a microsecond; a cold one is a disk read, waited for. Who has many to read starts all before it finishes: then the disk has
// all of them at once (SeamDevice).
// Threading: one writer thread, and one thread at a time for each reader; any number of ReadLive while nobody writes.

using System;
using System.Collections.Generic;
using System.IO;
using FASTER.core;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Shape of a table. What is fixed at creation is kept in the manifest.</summary>
/// <param name="IndexBuckets">A power of two in [2^4, 2^24]; 64 bytes each, best below five keys per bucket. Fixed.</param>
/// <param name="PageBytes">A power of two, at least 16 KiB. Fixed.</param>
/// <param name="SegmentBytes">Length of one log file, a power of two, at least a page. Fixed.</param>
/// <param name="MemoryBytes">Part of the log kept in memory, at least four pages.</param>
internal readonly record struct TableShape(long IndexBuckets, int PageBytes, long SegmentBytes, long MemoryBytes)
{
    public const long MaxIndexBuckets = 1 << 24;

    /// <summary>Bytes of a bucket.</summary>
    public const int BucketBytes = 64;

    public bool IsValid =>
        long.IsPow2(IndexBuckets) && IndexBuckets is >= 16 and <= MaxIndexBuckets                            // T3
        && int.IsPow2(PageBytes) && PageBytes is >= 16 * 1024 and <= 1 << 28
        && long.IsPow2(SegmentBytes) && SegmentBytes >= PageBytes && SegmentBytes <= 1L << 32
        && MemoryBytes / PageBytes >= 4;
}

/// <summary>Takes a record. What it is given is valid during the call.</summary>
internal delegate void LiveRecord(in StateKey key, ReadOnlySpan<byte> stored);

/// <summary>A FASTER hash table of records.</summary>
internal sealed class FasterTable : IDisposable
{
    /// <summary>Bytes before the record in a stored value.</summary>
    public const int HeaderBytes = 1 + (2 * Bytes32.Size);

    /// <summary>How many may read at once beside the writer.</summary>
    public const int Readers = 4;

    /// <summary>Number of one reader more: who only touches what others will read.</summary>
    public const int Toucher = Readers;

    /// <summary>Reads that one reader starts before it finishes them.</summary>
    public const int StartedMax = 64;

    /// <summary>In place of a reader's number: the caller is the writer.</summary>
    public const int AsWriter = -1;

    /// <summary>Unit of FASTER's writes.</summary>
    public const int SectorBytes = 512;

    private const byte Format = 1;

    // A FASTER record is an 8-byte header, the key behind a 4-byte length, padded to 8, the value likewise.
    private const int RecordOverheadBytes = 8 + 40 + 4;
    private const int LeastRecordBytes = 56;

    // The key of the record that fills a checkpoint's last sector: no hash is zero.
    private static readonly StateKey FillerKey = new(Bytes32.Zero);
    private const string LogName = "hlog.log";

    // One job of a scan: long enough to pay for its session, short enough that many workers end together.
    private const long RangeBytes = 8L << 20;

    private readonly DeviceWatch _watch = new();
    private readonly DeviceQueue? _queue;
    private readonly SeamDevice _device;
    private readonly SeamDeviceFactory _factory;
    private readonly DeviceLogCommitCheckpointManager _checkpoints;
    private readonly FasterKV<SpanByte, SpanByte> _kv;
    private readonly byte[] _value = new byte[HeaderBytes + StateLimits.MaxRecordBytes];
    private Session? _writer;
    private Session[] _readers = [];

    private FasterTable(IFileSystem files, string folder, TableShape shape, ulong salt, DeviceQueue? queue, IReadGuard? guard = null)
    {
        Invariant.Require(shape.IsValid);                                                                   // T3
        Shape = shape;
        _queue = queue;
        _device = new SeamDevice(files, Path.Combine(folder, LogName), _watch, queue) { Guard = guard, IsLog = true };
        _factory = new SeamDeviceFactory(files, _watch, queue) { Guard = guard };
        _checkpoints = new DeviceLogCommitCheckpointManager(
            _factory, new DefaultCheckpointNamingScheme(folder), removeOutdated: false);
        _kv = new FasterKV<SpanByte, SpanByte>(new FasterKVSettings<SpanByte, SpanByte>
        {
            IndexSize = shape.IndexBuckets * TableShape.BucketBytes,
            LogDevice = _device,
            PageSize = shape.PageBytes,
            SegmentSize = shape.SegmentBytes,
            MemorySize = shape.MemoryBytes,
            CheckpointManager = _checkpoints,
            RemoveOutdatedCheckpoints = false,
            TryRecoverLatest = false,
            EqualityComparer = new SaltedComparer(salt),
        });
    }

    /// <summary>Its shape.</summary>
    public TableShape Shape { get; }

    /// <summary>End of FASTER's log in bytes from its start.</summary>
    public long Tail => _kv.Log.TailAddress;

    /// <summary>No read needs the disk, for now.</summary>
    public bool IsInMemory => _kv.Log.HeadAddress <= _kv.Log.BeginAddress;

    /// <summary>Name of one file of FASTER's log.</summary>
    public static string LogFileName(long segment) => LogName + "." + segment.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A new, empty table in an empty folder.</summary>
    public static FasterTable Create(IFileSystem files, string folder, TableShape shape, ulong salt, DeviceQueue? queue = null)
    {
        FasterTable table = new(files, folder, shape, salt, queue);
        table.OpenSessions();
        return table;
    }

    /// <summary>A table as it was at a checkpoint, named by its token: never "the latest", which FASTER takes from folder times.</summary>
    public static FasterTable Recover(IFileSystem files, string folder, TableShape shape, ulong salt, Guid token, DeviceQueue? queue = null, IReadGuard? guard = null)
    {
        FasterTable table = new(files, folder, shape, salt, queue, guard);
        try
        {
            table._kv.Recover(token, token);
            table.RequireHealthy("recovering");
            table.OpenSessions();
            return table;
        }
        catch (Exception)
        {
            table.Dispose();
            throw;
        }
    }

    /// <summary>Recovery is over: the files are read as they are, and records that come from them are checked against the tree.</summary>
    public void EndGuard()
    {
        _device.Guard = null;
        _factory.Guard = null;
    }

    /// <summary>Writes a record over whatever the key had.</summary>
    public void Upsert(in DiffEntry entry, ReadOnlySpan<byte> record)
    {
        Span<byte> value = _value.AsSpan(0, HeaderBytes + record.Length);
        value[0] = Format;
        entry.Program.Value.CopyTo(value[1..]);
        entry.LocalKey.Value.CopyTo(value[(1 + Bytes32.Size)..]);
        record.CopyTo(value[HeaderBytes..]);
        UpsertStored(entry.Key, value);
    }

    /// <summary>Writes a stored value as <see cref="ReadStored"/> gave it.</summary>
    public unsafe void UpsertStored(in StateKey key, ReadOnlySpan<byte> stored)
    {
        byte* keyBytes = stackalloc byte[Bytes32.Size];
        key.Value.CopyTo(new Span<byte>(keyBytes, Bytes32.Size));

        // SAFETY: both SpanBytes point at memory that stays in place until the call returns; FASTER copies what it keeps.
        fixed (byte* valueBytes = stored)
        {
            SpanByte keySpan = SpanByte.FromPointer(keyBytes, Bytes32.Size);
            SpanByte valueSpan = SpanByte.FromPointer(valueBytes, stored.Length);
            Settle(_writer!.Client.Upsert(ref keySpan, ref valueSpan), "upsert");
        }
    }

    /// <summary>Removes a record; nothing happens if there is none.</summary>
    public unsafe void Delete(in StateKey key)
    {
        byte* keyBytes = stackalloc byte[Bytes32.Size];
        key.Value.CopyTo(new Span<byte>(keyBytes, Bytes32.Size));
        SpanByte keySpan = SpanByte.FromPointer(keyBytes, Bytes32.Size);   // SAFETY: as in UpsertStored
        Settle(_writer!.Client.Delete(ref keySpan), "delete");
    }

    /// <summary>Reads a stored value.</summary>
    /// <param name="stored">Header and record; valid until the next call of the same kind.</param>
    /// <param name="fromDisk">The value was not in memory: check it before believing it.</param>
    /// <param name="reader">Number of the caller in [0, Readers), or <see cref="AsWriter"/>.</param>
    /// <returns>False when the table has no such key.</returns>
    public bool ReadStored(in StateKey key, out ReadOnlySpan<byte> stored, out bool fromDisk, int reader = AsWriter) =>
        Read(reader == AsWriter ? _writer! : _readers[reader], key, out stored, out fromDisk);

    /// <summary>Begins to read a stored value, between <see cref="SeamDevice.BeginGathering"/> and <see cref="SeamDevice.EndGathering"/>.</summary>
    /// <param name="target">Stays the table's until the read is finished.</param>
    /// <returns>True when the value comes from disk: <paramref name="target"/> has it after <see cref="Finish(int)"/>. False: it has it now.</returns>
    public bool Start(in StateKey key, ReadTarget target, int reader) => Start(_readers[reader], key, target);

    /// <summary>Ends all that a reader has started, after <see cref="SeamDevice.EndGathering"/>.</summary>
    public void Finish(int reader) => Finish(_readers[reader]);

    /// <summary>A read did not end. FASTER would wait for it for ever the next time this reader waits for another: nothing is read any more.</summary>
    public void Break(StateStoreException error) => _watch.Report(error.Refusal.Sentence);

    /// <summary>What a read that has ended found: header and record, valid as long as the target is left alone.</summary>
    /// <returns>False when the table has no such key.</returns>
    public static bool Found(in StateKey key, ReadTarget target, out ReadOnlySpan<byte> stored)
    {
        Status status = target.Status;
        if (status.IsPending || status.IsFaulted || status.IsCanceled || (status.Found && target.Length < HeaderBytes))
        {
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"FASTER returned status {status} for key {key}.");
        }

        stored = status.Found ? target.Bytes.AsSpan(0, target.Length) : default;
        return status.Found;
    }

    /// <summary>The preimage of a stored value's key, and its record.</summary>
    /// <returns>False when the value is not in a known format.</returns>
    public static bool TrySplit(ReadOnlySpan<byte> stored, out ProgramId program, out LocalKey localKey, out ReadOnlySpan<byte> record)
    {
        bool known = stored.Length >= HeaderBytes && stored[0] == Format;
        program = known ? new ProgramId(Bytes32.From(stored[1..])) : default;
        localKey = known ? new LocalKey(Bytes32.From(stored[(1 + Bytes32.Size)..])) : default;
        record = known ? stored[HeaderBytes..] : default;
        return known;
    }

    /// <summary>The log in pieces that can be read side by side.</summary>
    public IEnumerable<(long Begin, long End)> Ranges()
    {
        long span = Math.Max(RangeBytes, Shape.PageBytes);
        long tail = Tail;
        for (long begin = _kv.Log.BeginAddress; begin < tail;)
        {
            long end = Math.Min(((begin / span) + 1) * span, tail);
            yield return (begin, end);
            begin = end;
        }
    }

    /// <summary>Calls back for every live record of a range: each that the index leads to. What is below memory is read twice.</summary>
    /// <remarks>Any number of ranges at once, while nobody writes.</remarks>
    public void ReadLive(long begin, long end, LiveRecord each)
    {
        Session session = new(_kv);
        using IFasterScanIterator<SpanByte, SpanByte> scan = _kv.Log.Scan(begin, end);
        try
        {
            while (scan.GetNext(out RecordInfo info))
            {
                ref SpanByte found = ref scan.GetKey();
                if (!found.Serialized || found.Length != Bytes32.Size)
                {
                    throw StoreFault.Of(RefusalCode.StoreReadFailed, $"FASTER's log holds a key of {found.Length} bytes.");
                }

                StateKey key = new(Bytes32.From(found.AsReadOnlySpan()));
                if (!info.Tombstone && key != FillerKey && Read(session, key, out ReadOnlySpan<byte> stored, out _)
                    && session.Read.Address == scan.CurrentAddress)
                {
                    each(key, stored);
                }
            }
        }
        finally
        {
            session.Client.Dispose();
        }

        RequireHealthy("scanning");
    }

    /// <summary>Writes a full checkpoint (index, and the log up to its tail).</summary>
    /// <returns>Its token. The files still have to be checked.</returns>
    public Guid TakeCheckpoint()
    {
        FillSector();
        _ = _writer!.Client.CompletePending(wait: true);                                                          // T1
        if (!_kv.TryInitiateFullCheckpoint(out Guid token, CheckpointType.FoldOver))
        {
            throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, "FASTER refused to start a checkpoint.");
        }

        _kv.CompleteCheckpointAsync().AsTask().GetAwaiter().GetResult();
        RequireHealthy("writing a checkpoint");
        return token;
    }

    /// <summary>Closes the table. What is not in a checkpoint is lost, as after a crash.</summary>
    public void Dispose()
    {
        _queue?.Drain();                // a page that is still being written must not be freed
        _writer?.Client.Dispose();
        Array.ForEach(_readers, static reader => reader.Client.Dispose());
        _kv.Dispose();
        _checkpoints.Dispose();
        _device.Dispose();
    }

    /// <summary>T4: without it, the bytes of a checkpoint's last sector change when the sector is written again, full.</summary>
    private void FillSector()
    {
        // Near the end of a page the filler may not fit and lands on the next page, of which it then fills the first sectors.
        for (int attempt = 0; attempt < 3 && Tail % SectorBytes != 0; attempt++)
        {
            int gap = (int)(SectorBytes - (Tail % SectorBytes));
            int record = gap < LeastRecordBytes ? gap + SectorBytes : gap;
            UpsertStored(FillerKey, new byte[record - RecordOverheadBytes]);
        }

        if (Tail % SectorBytes != 0)
        {
            throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, $"FASTER's log ends at byte {Tail} instead of a sector boundary.");
        }
    }

    private bool Read(Session session, in StateKey key, out ReadOnlySpan<byte> stored, out bool fromDisk)
    {
        RequireHealthy("reading");
        try
        {
            fromDisk = Start(session, key, session.Read);
            if (fromDisk)
            {
                Finish(session);
            }
        }
        catch (StateStoreException error)
        {
            Break(error);
            throw;
        }

        return Found(key, session.Read, out stored);
    }

    private static unsafe bool Start(Session session, in StateKey key, ReadTarget target)
    {
        byte* keyBytes = stackalloc byte[Bytes32.Size];
        key.Value.CopyTo(new Span<byte>(keyBytes, Bytes32.Size));
        SpanByte keySpan = SpanByte.FromPointer(keyBytes, Bytes32.Size);   // SAFETY: as in UpsertStored; a pending read copies the key
        SpanByte input = default;
        target.Length = -1;
        try
        {
            target.Status = session.Client.Read(ref keySpan, ref input, ref target);
            return target.Status.IsPending;
        }
        catch (Exception error) when (error is not InvariantException)
        {
            // what FASTER makes of a length or an address that is not one
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"Reading key {key} failed: {error.Message.ReplaceLineEndings(" ")}", error);
        }
    }

    private void Finish(Session session)
    {
        try
        {
            _ = session.Client.CompletePending(wait: true);
        }
        catch (Exception error) when (error is not InvariantException)
        {
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"Reading from disk failed: {error.Message.ReplaceLineEndings(" ")}", error);
        }

        RequireHealthy("reading");
    }

    private void OpenSessions()
    {
        _writer = new Session(_kv);
        _readers = new Session[Readers + 1];
        for (int i = 0; i <= Toucher; i++)
        {
            _readers[i] = new Session(_kv);
        }
    }

    private void Settle(Status status, string what)
    {
        if (status.IsPending)
        {
            _ = _writer!.Client.CompletePending(wait: true);
        }
        else if (status.IsFaulted || status.IsCanceled)
        {
            throw StoreFault.Of(RefusalCode.StoreWriteFailed, $"FASTER returned status {status} for an {what}.");
        }

        RequireHealthy("writing");
    }

    /// <summary>Nothing has failed so far.</summary>
    /// <exception cref="StateStoreException">Something has.</exception>
    public void RequireHealthy(string doing)
    {
        if (_watch.Failure is { } failure)
        {
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The state table failed while {doing}: {failure}.");
        }
    }

    /// <summary>What one thread at a time works with.</summary>
    private sealed class Session
    {
        public readonly Functions Functions = new();
        public readonly ReadTarget Read = new();
        public readonly ClientSession<SpanByte, SpanByte, SpanByte, ReadTarget, Empty, Functions> Client;

        public Session(FasterKV<SpanByte, SpanByte> kv)
        {
            Client = kv.For(Functions).NewSession<Functions>(Functions);
        }
    }

    /// <summary>Where a read puts its value.</summary>
    /// <param name="takesBytes">False: it is the reading that is wanted.</param>
    internal sealed class ReadTarget(bool takesBytes = true)
    {
        public readonly byte[] Bytes = takesBytes ? new byte[HeaderBytes + StateLimits.MaxRecordBytes] : [];

        public int Length;

        /// <summary>Of the read; pending until it has ended.</summary>
        public Status Status;

        /// <summary>Where the record stands in the log.</summary>
        public long Address;
    }

    /// <summary>FASTER's callbacks.</summary>
    internal sealed class Functions : SpanByteFunctions<SpanByte, ReadTarget, Empty>
    {
        public override bool SingleReader(ref SpanByte key, ref SpanByte input, ref SpanByte value, ref ReadTarget dst, ref ReadInfo readInfo) =>
            Copy(ref value, dst, readInfo.Address);

        public override bool ConcurrentReader(ref SpanByte key, ref SpanByte input, ref SpanByte value, ref ReadTarget dst, ref ReadInfo readInfo) =>
            Copy(ref value, dst, readInfo.Address);

        public override bool ConcurrentWriter(
            ref SpanByte key, ref SpanByte input, ref SpanByte src, ref SpanByte dst, ref ReadTarget output, ref UpsertInfo upsertInfo)
        {
            if (src.Length != dst.Length)                                                                   // T2
            {
                return false;
            }

            src.CopyTo(ref dst);
            return true;
        }

        public override void ReadCompletionCallback(
            ref SpanByte key, ref SpanByte input, ref ReadTarget output, Empty ctx, Status status, RecordMetadata recordMetadata) =>
            output.Status = status;

        private static bool Copy(ref SpanByte value, ReadTarget target, long address)
        {
            target.Address = address;
            if (!value.Serialized)      // a flipped bit that would make FASTER take the value for a pointer to it
            {
                target.Length = -1;
                return true;
            }

            ReadOnlySpan<byte> bytes = value.AsReadOnlySpan();
            target.Length = bytes.Length <= target.Bytes.Length ? bytes.Length : -1;
            if (target.Length >= 0)
            {
                bytes.CopyTo(target.Bytes);
            }

            return true;
        }
    }

    /// <summary>Equality by bytes, hash by a salted mix of all four words.</summary>
    private sealed class SaltedComparer(ulong salt) : IFasterEqualityComparer<SpanByte>
    {
        public long GetHashCode64(ref SpanByte key)
        {
            Bytes32 words = Bytes32.From(key.AsReadOnlySpan());
            ulong hash = Mix(words.W0 ^ salt);
            hash = Mix(hash ^ words.W1);
            hash = Mix(hash ^ words.W2);
            return (long)Mix(hash ^ words.W3);
        }

        /// <summary>The second is a record's, perhaps from a disk that flips bits: its length is looked at before it is followed.</summary>
        public bool Equals(ref SpanByte k1, ref SpanByte k2) =>
            k2.Serialized && k2.Length == Bytes32.Size && k1.AsReadOnlySpan().SequenceEqual(k2.AsReadOnlySpan());

        private static ulong Mix(ulong x)
        {
            x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93;
            x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93;
            return x ^ (x >> 32);
        }
    }
}
