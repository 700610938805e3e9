// Where the pool program keeps its records and what they hold.
//
//   balance of a user in an asset   local key BLAKE3(user | asset id)          balance record
//   shares of a user in a pool      local key BLAKE3(user | pool's local key)  balance record
//   volume of a pool                local key BLAKE3(pool's local key | "volume")  balance record: sum of amounts in
//   pool                            any local key nobody derives as above      pool record (below), made by genesis
//
// Shares are a balance in the asset "the pool's local key". The tag at offset 96 tells a pool from every other record:
// balances are 16 bytes long and the program writes nothing else.
//
//   pool record   0 asset A 32 | 32 asset B 32 | 64 reserve A u64 | 72 reserve B u64 | 80 shares u64 | 88 fee bps u64 | 96 tag 8

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Keys of the pool program.</summary>
public static class AmmLayout
{
    private static readonly Bytes32 Volume = FixedKeys.Named("volume");

    /// <summary>The balance record of a user's vault balance in an asset.</summary>
    public static LocalKey BalanceKey(PublicKey user, Bytes32 asset) => new(HashPair(user.Value, asset));

    /// <summary>The balance record of a user's shares in a pool.</summary>
    public static LocalKey ShareKey(PublicKey user, LocalKey pool) => new(HashPair(user.Value, pool.Value));

    /// <summary>The balance record that sums all amounts swapped into a pool, both assets together.</summary>
    public static LocalKey VolumeKey(LocalKey pool) => new(HashPair(pool.Value, Volume));

    /// <summary>The customary place of the pool of two assets: BLAKE3 of both ids.</summary>
    public static LocalKey PoolKey(Bytes32 assetA, Bytes32 assetB) => new(HashPair(assetA, assetB));

    private static Bytes32 HashPair(Bytes32 first, Bytes32 second)
    {
        Span<byte> pair = stackalloc byte[2 * Bytes32.Size];
        first.CopyTo(pair);
        second.CopyTo(pair[Bytes32.Size..]);
        return Blake3.Hash(pair);
    }
}

/// <summary>A pool's state.</summary>
/// <param name="AssetA">Id of asset A.</param>
/// <param name="AssetB">Id of asset B, another one.</param>
/// <param name="ReserveA">What the pool holds of asset A.</param>
/// <param name="ReserveB">What the pool holds of asset B.</param>
/// <param name="Shares">Shares of all liquidity providers together.</param>
/// <param name="FeeBps">Fee on the amount in, in hundredths of a percent, [0, 10000).</param>
public readonly record struct PoolRecord(Bytes32 AssetA, Bytes32 AssetB, ulong ReserveA, ulong ReserveB, ulong Shares, ulong FeeBps)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 104;

    /// <summary>The tag "PVM.POOL" as the machine loads it.</summary>
    public const ulong Tag = 0x4C4F_4F50_2E4D_5650;

    /// <summary>The record, in a new array.</summary>
    public byte[] Encode()
    {
        byte[] record = new byte[Size];
        AssetA.CopyTo(record);
        AssetB.CopyTo(record.AsSpan(32));
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(64), ReserveA);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(72), ReserveB);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(80), Shares);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(88), FeeBps);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(96), Tag);
        return record;
    }

    /// <summary>Reads a pool record.</summary>
    /// <returns>False when the bytes are not one: another length or another tag.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> record, out PoolRecord pool)
    {
        pool = default;
        if (record.Length != Size || BinaryPrimitives.ReadUInt64LittleEndian(record[96..]) != Tag)
        {
            return false;
        }

        pool = new PoolRecord(
            Bytes32.From(record),
            Bytes32.From(record[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(record[64..]),
            BinaryPrimitives.ReadUInt64LittleEndian(record[72..]),
            BinaryPrimitives.ReadUInt64LittleEndian(record[80..]),
            BinaryPrimitives.ReadUInt64LittleEndian(record[88..]));
        return true;
    }
}
