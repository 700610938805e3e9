// The device under FASTER, watched. FASTER logs a failed write or read and goes on as if nothing had happened; this
// decorator remembers the first failure, so that the store can refuse to believe anything after it.
//
// It also refuses a single transfer over 1 GiB before it is tried: FASTER 2.6.5 casts lengths to int on Linux, and a
// 2 GiB index "succeeds" without a byte written (ADR-0002).
//
// Threading: called from FASTER's I/O completions; the failure is published with Interlocked.

using System;
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

/// <summary>Passes every transfer to FASTER's own device and reports the failures.</summary>
internal sealed class WatchedDevice : StorageDeviceBase
{
    private const uint MaxTransferBytes = 1u << 30;

    private readonly IDevice _inner;
    private readonly DeviceWatch _watch;

    public WatchedDevice(IDevice inner, DeviceWatch watch)
        : base(inner.FileName, inner.SectorSize, inner.Capacity)
    {
        _inner = inner;
        _watch = watch;
        ThrottleLimit = inner.ThrottleLimit;
    }

    public override void Initialize(long segmentSize, LightEpoch epoch, bool omitSegmentIdFromFilename = false)
    {
        base.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
        _inner.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
    }

    public override bool Throttle() => _inner.Throttle();

    public override bool TryComplete() => _inner.TryComplete();

    public override long GetFileSize(int segment) => _inner.GetFileSize(segment);

    public override void Reset() => _inner.Reset();

    public override void RemoveSegment(int segment) => _inner.RemoveSegment(segment);

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) =>
        _inner.RemoveSegmentAsync(segment, callback, result);

    public override void WriteAsync(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        if (numBytesToWrite > MaxTransferBytes)
        {
            _watch.Report($"a write of {numBytesToWrite} bytes to {FileName} is longer than FASTER can do");
            callback(uint.MaxValue, 0, context);
            return;
        }

        _inner.WriteAsync(sourceAddress, segmentId, destinationAddress, numBytesToWrite, Watched("write", segmentId, numBytesToWrite, callback), context);
    }

    public override void ReadAsync(
        int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context) =>
        _inner.ReadAsync(segmentId, sourceAddress, destinationAddress, readLength, Watched("read", segmentId, 0, callback), context);

    public override void Dispose() => _inner.Dispose();

    /// <param name="leastBytes">Fewer transferred bytes count as a failure; reads past the end of a file are short by design.</param>
    private DeviceIOCompletionCallback Watched(string what, int segment, uint leastBytes, DeviceIOCompletionCallback callback) =>
        (errorCode, bytes, context) =>
        {
            if (errorCode != 0 || bytes < leastBytes)
            {
                _watch.Report($"a {what} on segment {segment} of {FileName} returned error {errorCode} after {bytes} bytes");
            }

            callback(errorCode, bytes, context);
        };
}

/// <summary>Makes watched devices for FASTER's checkpoint files.</summary>
internal sealed class WatchedDeviceFactory(DeviceWatch watch) : INamedDeviceFactory
{
    private readonly LocalStorageNamedDeviceFactory _inner = new(preallocateFile: false, deleteOnClose: false);

    public void Initialize(string baseName) => _inner.Initialize(baseName);

    public IDevice Get(FileDescriptor fileInfo) => new WatchedDevice(_inner.Get(fileInfo), watch);

    public System.Collections.Generic.IEnumerable<FileDescriptor> ListContents(string path) => _inner.ListContents(path);

    public void Delete(FileDescriptor fileInfo) => _inner.Delete(fileInfo);
}
