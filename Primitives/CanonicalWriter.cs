// Writes the canonical encoding that CanonicalReader reads. A growing buffer owned by the writer; Written is a
// view of it that the next write may invalidate. Reused by Clear, so a hot path writes without allocating.

using System;
using System.Buffers.Binary;

namespace ParallelVm.Primitives;

/// <summary>An appending writer of canonical bytes. Not thread-safe.</summary>
public sealed class CanonicalWriter
{
    private byte[] _buffer;

    /// <summary>Starts empty with room for <paramref name="capacity"/> bytes.</summary>
    public CanonicalWriter(int capacity = 256)
    {
        _buffer = new byte[Math.Max(capacity, 16)];
    }

    /// <summary>Bytes written since the start or the last <see cref="Clear"/>.</summary>
    public int Length { get; private set; }

    /// <summary>What was written; valid until the next write or <see cref="Clear"/>.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    /// <summary>Forgets what was written, keeps the buffer.</summary>
    public void Clear() => Length = 0;

    /// <summary>What was written, in a new array owned by the caller.</summary>
    public byte[] ToArray() => Written.ToArray();

    /// <summary>One byte.</summary>
    public void WriteU8(byte value) => Reserve(1)[0] = value;

    /// <summary>Two bytes, little-endian.</summary>
    public void WriteU16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Reserve(2), value);

    /// <summary>Four bytes, little-endian.</summary>
    public void WriteU32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Reserve(4), value);

    /// <summary>Eight bytes, little-endian.</summary>
    public void WriteU64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Reserve(8), value);

    /// <summary>Thirty-two bytes as they stand.</summary>
    public void WriteBytes32(in Bytes32 value) => value.CopyTo(Reserve(Bytes32.Size));

    /// <summary>Bytes as they stand, without a count.</summary>
    public void WriteBytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Reserve(bytes.Length));

    /// <summary>A counted field: u32 length, then the bytes.</summary>
    public void WriteCounted(ReadOnlySpan<byte> bytes)
    {
        WriteU32((uint)bytes.Length);
        WriteBytes(bytes);
    }

    /// <summary>Room for <paramref name="length"/> bytes, counted as written; the caller fills all of it at once.</summary>
    public Span<byte> Reserve(int length)
    {
        int end = checked(Length + length);
        if (end > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(end, _buffer.Length * 2));
        }

        Span<byte> room = _buffer.AsSpan(Length, length);
        Length = end;
        return room;
    }
}
