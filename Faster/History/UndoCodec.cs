// One block's undo record as bytes: what every key that the block changed had before it.
//
//   u32 magic | u16 version | u16 zero | u32 body length | u64 height
//   | u32 count | (key 32 | program 32 | local key 32 | u32 length, 2^32 - 1 for none | value)*, ascending by key | hash 32
//
// The hash is keyed BLAKE3 over all before it; the key is local to the folder, as in the block log.
// Decoding is total: it returns false for any bytes that Encode does not make.   Threading: pure.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Layout of an undo record.</summary>
internal static class UndoCodec
{
    public const int HeaderBytes = 4 + 2 + 2 + 4 + 8;

    /// <summary>The longest body that is read.</summary>
    public const int MaxBodyBytes = 1 << 30;

    private const uint Magic = 0x44485650;   // "PVHD"
    private const ushort Version = 1;
    private const uint Absent = uint.MaxValue;
    private const int LeastEntryBytes = (3 * Bytes32.Size) + 4;

    /// <summary>A whole record.</summary>
    public static byte[] Encode(Height height, StateDiff undo, in Bytes32 key)
    {
        CanonicalWriter writer = new(HeaderBytes + 256);
        writer.WriteU32(Magic);
        writer.WriteU16(Version);
        writer.WriteU16(0);
        writer.WriteU32(0);
        writer.WriteU64(height.Value);
        writer.WriteU32((uint)undo.Entries.Length);
        foreach (ref readonly DiffEntry entry in undo.Entries)
        {
            writer.WriteBytes32(entry.Key.Value);
            writer.WriteBytes32(entry.Program.Value);
            writer.WriteBytes32(entry.LocalKey.Value);
            writer.WriteU32(entry.IsTombstone ? Absent : (uint)entry.Length);
            undo.ValueOf(entry).CopyTo(writer.Reserve(Math.Max(entry.Length, 0)));
        }

        byte[] record = new byte[writer.Written.Length + Bytes32.Size];
        writer.Written.CopyTo(record);
        int body = record.Length - Bytes32.Size;
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), (uint)(body - HeaderBytes));
        Blake3.Keyed(key, record.AsSpan(0, body)).CopyTo(record.AsSpan(body));
        return record;
    }

    /// <summary>Reads what stands before the body.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out Height height, out int recordBytes)
    {
        height = new Height(BinaryPrimitives.ReadUInt64LittleEndian(header[12..]));
        uint body = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        recordBytes = body <= MaxBodyBytes ? HeaderBytes + (int)body + Bytes32.Size : 0;
        return recordBytes > 0
            && BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic
            && BinaryPrimitives.ReadUInt16LittleEndian(header[4..]) == Version
            && BinaryPrimitives.ReadUInt16LittleEndian(header[6..]) == 0;
    }

    /// <summary>Reads a record that fills <paramref name="record"/>.</summary>
    public static bool TryDecode(byte[] record, in Bytes32 key, out StateDiff undo)
    {
        undo = StateDiff.Empty;
        int body = record.Length - Bytes32.Size;
        if (body < HeaderBytes + 4 || Blake3.Keyed(key, record.AsSpan(0, body)) != Bytes32.From(record.AsSpan(body)))
        {
            return false;
        }

        CanonicalReader reader = new(record.AsSpan(HeaderBytes, body - HeaderBytes));
        uint count = reader.ReadU32();
        if (count > (body - HeaderBytes) / LeastEntryBytes)
        {
            return false;
        }

        DiffEntry[] entries = new DiffEntry[count];
        int at = HeaderBytes + 4;
        for (int i = 0; i < entries.Length; i++)
        {
            StateKey path = new(reader.ReadBytes32());
            ProgramId program = new(reader.ReadBytes32());
            LocalKey local = new(reader.ReadBytes32());
            uint length = reader.ReadU32();
            at += LeastEntryBytes;
            if ((length != Absent && length > StateLimits.MaxRecordBytes) || (i > 0 && entries[i - 1].Key.CompareTo(path) >= 0))
            {
                return false;
            }

            int bytes = length == Absent ? 0 : (int)length;
            _ = reader.ReadBytes(bytes);
            entries[i] = new DiffEntry(path, program, local, at, length == Absent ? -1 : bytes);
            at += bytes;
        }

        if (!reader.TryEnd(out _))
        {
            return false;
        }

        undo = StateDiff.FromSorted(entries, record);    // the values lie in the record itself
        return true;
    }
}
