// The device under FASTER: its files through our own seam to the disk, and its failures remembered.
//
// FASTER logs a failed write or read and goes on as if nothing had happened. This device tells a DeviceWatch about the
// first failure, so that the store can refuse to believe anything after it. It also refuses a single transfer over
// 1 GiB before it is tried: FASTER 2.6.5 casts lengths to int on Linux, and a 2 GiB index "succeeds" without a byte
// written (ADR-0002).
//
// Reads are done on the thread that asks. Writes too, or on the one thread of a DeviceQueue: FASTER lets whoever comes
// along take the next step of a checkpoint, and a reader must not find itself writing the index. Nothing here is durable
// before Checkpoints has synced the files. Long writes are cut into pieces, and every mebibyte is synced, so that a
// checkpoint never leaves more than that of dirty pages in the way of the block log's next fsync: a journal that orders data
// before its records makes one file's fsync wait for the others'.
//
// A thread that looks many keys up gathers: reads of the log that FASTER asks for are announced to the disk and wait, so that the disk has all of them at once,
// and are done, in order, when the last was asked for.
//
// Threading: FASTER calls from the applier and from readers; the table of open files has a lock.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using FASTER.core;

namespace ParallelVm.Faster;

/// <summary>The first failure of any device of a table.</summary>
internal sealed class DeviceWatch
{
    private string? _failure;

    /// <summary>What failed first; null while all is well.</summary>
    public string? Failure => Volatile.Read(ref _failure);

    public void Report(string failure) => Interlocked.CompareExchange(ref _failure, failure, null);
}

/// <summary>Reads that prove themselves, while a checkpoint is recovered.</summary>
internal interface IReadGuard
{
    /// <summary>Fills the target; what lies behind the checkpoint reads as zeros.</summary>
    /// <exception cref="IOException">The bytes are not those of the checkpoint, or cannot be read.</exception>
    void Read(string path, long offset, Span<byte> target);
}

/// <summary>Segment files in a folder of an <see cref="IFileSystem"/>.</summary>
internal sealed class SeamDevice : StorageDeviceBase
{
    private const uint MaxTransferBytes = 1u << 30;
    private const int PieceBytes = 1 << 20;
    private const int ChainReadsMax = 1 << 18;      // a recovery reads page after page this way, a look-up record after record

    [ThreadStatic]
    private static Queue<Action>? _next;

    [ThreadStatic]
    private static bool _isReading;

    [ThreadStatic]
    private static bool _isGathering;

    [ThreadStatic]
    private static int _reads;

    private readonly IFileSystem _files;
    private readonly DeviceWatch _watch;
    private readonly Lock _gate = new();
    private readonly Dictionary<int, IDataFile> _open = [];

    private readonly DeviceQueue? _queue;
    private int _unsynced;        // bytes written since the last sync; two writers at once, without a queue, may sync once less

    /// <summary>Every read goes through it while it is there.</summary>
    public IReadGuard? Guard { get; set; }

    /// <summary>It holds records, and its reads may be gathered.</summary>
    public bool IsLog { get; init; }

    public SeamDevice(IFileSystem files, string path, DeviceWatch watch, DeviceQueue? queue)
        : base(path, FasterTable.SectorBytes, Devices.CAPACITY_UNSPECIFIED)
    {
        _files = files;
        _watch = watch;
        _queue = queue;
    }

    public override void WriteAsync(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        if (numBytesToWrite > MaxTransferBytes)
        {
            Fail($"a write of {numBytesToWrite} bytes to {FileName} is longer than FASTER can do");
            callback(0, numBytesToWrite, context);
            return;
        }

        if (_queue is null)
        {
            Write(sourceAddress, segmentId, destinationAddress, numBytesToWrite, callback, context);
        }
        else
        {
            _queue.Post(() => Write(sourceAddress, segmentId, destinationAddress, numBytesToWrite, callback, context));
        }
    }

    private unsafe void Write(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        try
        {
            IDataFile file = FileOf(segmentId, creates: true);
            for (uint done = 0; done < numBytesToWrite;)
            {
                // SAFETY: FASTER owns the memory and keeps it until the callback.
                int piece = (int)Math.Min(PieceBytes, numBytesToWrite - done);
                file.Write((long)destinationAddress + done, new ReadOnlySpan<byte>((byte*)sourceAddress + done, piece));
                done += (uint)piece;
                _unsynced += piece;
                if (_unsynced >= PieceBytes)
                {
                    _unsynced = 0;
                    file.Sync();
                }
            }
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            Fail($"a write to segment {segmentId} of {FileName} failed: {error.Message}");
        }

        // FASTER waits for ever for a flush that failed. The watch knows better, and everybody asks it before believing.
        callback(0, numBytesToWrite, context);
    }

    /// <summary>Reads now, or, when it is FASTER's answer to a read that has just come, after that one: a chain of records on disk is
    /// followed in a loop and not in ever deeper calls, and a chain that a flipped bit made a circle of ends.</summary>
    public override void ReadAsync(
        int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
    {
        Queue<Action> next = _next ??= new Queue<Action>();
        if (_isGathering && IsLog)
        {
            Announce(segmentId, sourceAddress, readLength);
            next.Enqueue(() => Read(segmentId, sourceAddress, destinationAddress, readLength, callback, context));
            return;
        }

        if (_isReading)
        {
            next.Enqueue(() => Read(segmentId, sourceAddress, destinationAddress, readLength, callback, context));
            return;
        }

        Drain(next, () => Read(segmentId, sourceAddress, destinationAddress, readLength, callback, context));
    }

    /// <summary>From now on this thread's reads of logs wait for <see cref="EndGathering"/>.</summary>
    public static void BeginGathering() => _isGathering = true;

    /// <summary>Does what waits. FASTER's answers have come when this returns.</summary>
    public static void EndGathering()
    {
        _isGathering = false;
        if (_next is { Count: > 0 } next)
        {
            Drain(next, next.Dequeue());
        }
    }

    private static void Drain(Queue<Action> next, Action first)
    {
        _isReading = true;
        _reads = 0;
        try
        {
            first();
            while (next.TryDequeue(out Action? read))
            {
                read();
            }
        }
        finally
        {
            next.Clear();
            _isReading = false;
        }
    }

    // A record that goes on in the next sector is there too.
    private void Announce(int segmentId, ulong sourceAddress, uint readLength)
    {
        try
        {
            FileOf(segmentId, creates: false).WillRead((long)sourceAddress, readLength + FasterTable.SectorBytes);
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            // the read will say so
        }
    }

    private unsafe void Read(
        int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
    {
        try
        {
            // Reads past the end of the file are short by design: FASTER asks for whole sectors and pages.
            Span<byte> target = new((byte*)destinationAddress, (int)readLength);   // SAFETY: as in WriteAsync
            target.Clear();
            if (++_reads > ChainReadsMax)
            {
                throw new IOException($"one look-up led to more than {ChainReadsMax} reads");
            }

            if (Guard is { } guard)
            {
                guard.Read(PathOf(segmentId), (long)sourceAddress, target);
            }
            else
            {
                _ = FileOf(segmentId, creates: false).Read((long)sourceAddress, target);
            }
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            Fail($"a read of segment {segmentId} of {FileName} failed: {error.Message}");
            callback(uint.MaxValue, 0, context);
            return;
        }

        callback(0, readLength, context);
    }

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result)
    {
        lock (_gate)
        {
            if (_open.Remove(segment, out IDataFile? file))
            {
                file.Dispose();
            }
        }

        try
        {
            _files.DeleteFile(PathOf(segment));
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            _watch.Report($"deleting segment {segment} of {FileName} failed: {error.Message}");
        }

        callback(result);
    }

    /// <summary>FASTER asks for the size of files that it may have written, to see whether it did.</summary>
    public override long GetFileSize(int segment) => _files.FileExists(PathOf(segment)) ? FileOf(segment, creates: false).Length : 0;

    public override void Reset() => Dispose();

    public override void Dispose()
    {
        lock (_gate)
        {
            foreach (IDataFile file in _open.Values)
            {
                file.Dispose();
            }

            _open.Clear();
        }
    }

    private void Fail(string failure) => _watch.Report(failure.ReplaceLineEndings(" "));

    private string PathOf(int segment) => GetSegmentFilename(FileName, segment, OmitSegmentIdFromFileName);

    private IDataFile FileOf(int segment, bool creates)
    {
        lock (_gate)
        {
            if (!_open.TryGetValue(segment, out IDataFile? file))
            {
                string path = PathOf(segment);
                if (creates)
                {
                    _files.CreateFolder(Path.GetDirectoryName(path)!);
                }

                file = creates || _files.FileExists(path) ? _files.OpenOrCreate(path) : throw new FileNotFoundException($"{path} is missing");
                _open.Add(segment, file);
            }

            return file;
        }
    }
}

/// <summary>The thread that does the writes of all devices of a store, in the order in which they were asked for.</summary>
internal sealed class DeviceQueue : IDisposable
{
    private readonly BlockingCollection<Action> _writes = [];
    private readonly Thread _thread;

    public DeviceQueue()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "state table writes" };
        _thread.Start();
    }

    public void Post(Action write) => _writes.Add(write);

    /// <summary>Returns when everything that was posted before is done: what it reads from may be freed then.</summary>
    public void Drain()
    {
        using ManualResetEventSlim reached = new();
        _writes.Add(reached.Set);
        reached.Wait();
    }

    /// <summary>Returns when everything that was posted is done.</summary>
    public void Dispose()
    {
        _writes.CompleteAdding();
        _thread.Join();
        _writes.Dispose();
    }

    private void Run()
    {
        foreach (Action write in _writes.GetConsumingEnumerable())
        {
            write();
        }
    }
}

/// <summary>Makes devices for FASTER's checkpoint files.</summary>
internal sealed class SeamDeviceFactory(IFileSystem files, DeviceWatch watch, DeviceQueue? queue) : INamedDeviceFactory
{
    private string _base = "";

    /// <summary>Given to every device.</summary>
    public IReadGuard? Guard { get; set; }

    public void Initialize(string baseName) => _base = baseName;

    public IDevice Get(FileDescriptor fileInfo)
    {
        SeamDevice device = new(files, Path.Combine(_base, fileInfo.directoryName, fileInfo.fileName), watch, queue) { Guard = Guard };
        device.Initialize(-1, null!);
        return device;
    }

    /// <summary>FASTER lists to find "the latest", which it takes from folder times. We name tokens.</summary>
    public IEnumerable<FileDescriptor> ListContents(string path) => [];

    /// <summary>FASTER deletes nothing: Checkpoints collects.</summary>
    public void Delete(FileDescriptor fileInfo) => throw new InvalidOperationException($"FASTER wants to delete {fileInfo.directoryName}.");
}
