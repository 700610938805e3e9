// A balance: an unsigned 128-bit little-endian number in the first 16 bytes of a record, where Add accumulates.
// Token balances, the supply, vault balances, pool shares and volumes all have this form.

using System;
using System.Buffers.Binary;

namespace ParallelVm.Toolchain;

/// <summary>The record form of a balance.</summary>
public static class BalanceRecord
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 16;

    /// <summary>The record that holds <paramref name="balance"/>, in a new array.</summary>
    public static byte[] Encode(UInt128 balance)
    {
        byte[] record = new byte[Size];
        BinaryPrimitives.WriteUInt128LittleEndian(record, balance);
        return record;
    }

    /// <summary>The balance in a record; bytes that are missing count as zero, as for the machine.</summary>
    public static UInt128 Decode(ReadOnlySpan<byte> record)
    {
        Span<byte> padded = stackalloc byte[Size];
        padded.Clear();
        record[..Math.Min(Size, record.Length)].CopyTo(padded);
        return BinaryPrimitives.ReadUInt128LittleEndian(padded);
    }
}
