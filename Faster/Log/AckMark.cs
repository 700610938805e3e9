// How far the log was acknowledged, beside the log: what tells a damaged last record from one that was never finished.
//
//   two slots of 512 bytes, written in turn:  u32 magic | u64 segment | u64 end of the record | u64 height | record hash 32 | hash 32
//
// A record is followed by nothing, so after a crash a damaged last one looks like one that was being written. The mark says
// that it was acknowledged. It is written after the record's sync and not synced itself, which costs nothing: a killed
// process, a clean stop and everything older than the kernel's write-back leave it on the disk. What stays is this: a power
// cut that takes the mark of the last moments along, *and* damage to a record of those moments, are taken for a torn tail.
//
// A mark that does not verify says nothing. It never claims what is not durable.   Threading: as BlockLog.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The mark file of a block log.</summary>
internal sealed class AckMark : IDisposable
{
    public const string FileName = "acked";

    private const uint Magic = 0x4B415650;   // "PVAK"
    private const int SlotBytes = 512;
    private const int BodyBytes = 4 + (3 * 8) + Bytes32.Size;

    private readonly IDataFile _file;
    private readonly Bytes32 _key;
    private readonly byte[] _slot = new byte[BodyBytes + Bytes32.Size];

    public AckMark(IFileSystem files, string path, in Bytes32 key)
    {
        _file = files.OpenOrCreate(path);
        _key = key;
    }

    /// <summary>The newest mark; null when no slot verifies.</summary>
    public (ulong Segment, long End, Height Height, Bytes32 Hash)? Read()
    {
        (ulong Segment, long End, Height Height, Bytes32 Hash)? newest = null;
        for (int slot = 0; slot < 2; slot++)
        {
            if (_file.Read(slot * SlotBytes, _slot) != _slot.Length
                || BinaryPrimitives.ReadUInt32LittleEndian(_slot) != Magic
                || Blake3.Keyed(_key, _slot.AsSpan(0, BodyBytes)) != Bytes32.From(_slot.AsSpan(BodyBytes)))
            {
                continue;
            }

            Height height = new(BinaryPrimitives.ReadUInt64LittleEndian(_slot.AsSpan(20)));
            if (newest is null || newest.Value.Height.Value < height.Value)
            {
                newest = (BinaryPrimitives.ReadUInt64LittleEndian(_slot.AsSpan(4)), (long)BinaryPrimitives.ReadUInt64LittleEndian(_slot.AsSpan(12)), height, Bytes32.From(_slot.AsSpan(28)));
            }
        }

        return newest;
    }

    /// <summary>Notes that the record before a position was acknowledged.</summary>
    public void Write(in LogPosition end) => Write(end, (int)(end.Last.Value & 1));

    /// <summary>Makes a position the only one that both slots know, durably: before the log is cut back to it.</summary>
    public void Reset(in LogPosition end)
    {
        Write(end, 0);
        Write(end, 1);
        _file.Sync();
    }

    /// <summary>Makes the newest mark durable.</summary>
    public void Sync() => _file.Sync();

    public void Dispose() => _file.Dispose();

    private void Write(in LogPosition end, int slot)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_slot, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(_slot.AsSpan(4), end.Segment);
        BinaryPrimitives.WriteUInt64LittleEndian(_slot.AsSpan(12), (ulong)end.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(_slot.AsSpan(20), end.Last.Value);
        end.LastHash.CopyTo(_slot.AsSpan(28));
        Blake3.Keyed(_key, _slot.AsSpan(0, BodyBytes)).CopyTo(_slot.AsSpan(BodyBytes));
        _file.Write(slot * SlotBytes, _slot);
    }
}
