// Frame cells as wider values: a pair is a 128-bit number, low word first; a quad is the memory image of 32 bytes, word k
// holding bytes 8k..8k+7 little-endian.
//
// SAFETY: the caller's cells lie in a pinned frame; the verifier bounds them.   Threading: none shared.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

internal static unsafe class Cells
{
    public static UInt128 Pair(ulong* cell) => new(cell[1], cell[0]);

    public static void SetPair(ulong* cell, UInt128 value)
    {
        cell[0] = (ulong)value;
        cell[1] = (ulong)(value >> 64);
    }

    // Bytes32 holds its bytes big-endian.
    public static void SetQuad(ulong* cell, in Bytes32 value)
    {
        cell[0] = BinaryPrimitives.ReverseEndianness(value.W0);
        cell[1] = BinaryPrimitives.ReverseEndianness(value.W1);
        cell[2] = BinaryPrimitives.ReverseEndianness(value.W2);
        cell[3] = BinaryPrimitives.ReverseEndianness(value.W3);
    }

    public static void SetQuad(ulong* cell, ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..32];
        for (int i = 0; i < 4; i++)
        {
            cell[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(8 * i)..]);
        }
    }

    public static void GetQuad(ulong* cell, Span<byte> bytes)
    {
        for (int i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(8 * i)..], cell[i]);
        }
    }
}
