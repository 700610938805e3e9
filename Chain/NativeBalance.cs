// The native balance of an account: the accumulator (first 16 bytes, little-endian) of the record under ProgramId.Native
// whose local key is the account's public key.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>Reads native balances.</summary>
public static class NativeBalance
{
    /// <summary>The balance at a state key; 0 when there is no record.</summary>
    public static UInt128 Read(IStateView view, in StateKey key)
    {
        ArgumentNullException.ThrowIfNull(view);
        Span<byte> record = stackalloc byte[StateLimits.MaxRecordBytes];
        int length = view.Read(key, record);
        record[Math.Clamp(length, 0, 16)..16].Clear();
        return BinaryPrimitives.ReadUInt128LittleEndian(record);
    }
}
