// One record of the block log, as bytes.
//
//   u32 magic | u16 version | u16 zero | u32 payload length | chain id 32 | u64 height | parent id 32 | block id 32
//   | state root 32 | previous record's hash 32 | payload | hash 32
//
// The hash is keyed BLAKE3 over all that stands before it, the previous record's hash included, so records form a
// chain: a swapped, misdirected, shortened or altered record does not verify. The key is local to the data folder,
// so nobody who only sends us blocks can place bytes in a payload that pass for a record.
//
// Integers are little-endian. Decoding is bounded: a length beyond MaxPayloadBytes is refused before it is used.
// Threading: pure functions over the caller's buffers.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Layout of a block record. All offsets are in bytes.</summary>
internal static class BlockRecordCodec
{
    /// <summary>"PVBL" read as a little-endian integer.</summary>
    public const uint Magic = 0x4C425650;

    /// <summary>Bytes before the payload.</summary>
    public const int HeaderBytes = 4 + 2 + 2 + 4 + 32 + 8 + (4 * 32);

    /// <summary>Bytes around the payload: header and hash.</summary>
    public const int OverheadBytes = HeaderBytes + Bytes32.Size;

    /// <summary>The longest payload: ten times the largest block.</summary>
    public const int MaxPayloadBytes = 16 * 1024 * 1024;

    private const ushort Version = 1;

    /// <summary>What a header says; trusted only after <see cref="Verify"/>.</summary>
    internal readonly record struct Header(
        int PayloadLength, ChainId Chain, Height Height, BlockId ParentId, BlockId BlockId, StateRoot StateRoot, Bytes32 PreviousHash)
    {
        public int RecordLength => OverheadBytes + PayloadLength;
    }

    /// <summary>Writes a whole record to the start of <paramref name="target"/>.</summary>
    /// <returns>The record's hash.</returns>
    public static Bytes32 Write(Span<byte> target, ChainId chain, in BlockRecord record, in Bytes32 previousHash, in Bytes32 key)
    {
        int length = record.Payload.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(target, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(target[4..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(target[6..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(target[8..], (uint)length);
        chain.Value.CopyTo(target[12..]);
        BinaryPrimitives.WriteUInt64LittleEndian(target[44..], record.Height.Value);
        record.ParentId.Value.CopyTo(target[52..]);
        record.BlockId.Value.CopyTo(target[84..]);
        record.StateRoot.Value.CopyTo(target[116..]);
        previousHash.CopyTo(target[148..]);
        record.Payload.Span.CopyTo(target[HeaderBytes..]);
        Bytes32 hash = Blake3.Keyed(key, target[..(HeaderBytes + length)]);
        hash.CopyTo(target[(HeaderBytes + length)..]);
        return hash;
    }

    /// <summary>Reads the fixed fields; false when these cannot be the start of a record of this chain.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> source, ChainId chain, out Header header)
    {
        header = default;
        if (source.Length < HeaderBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(source) != Magic
            || BinaryPrimitives.ReadUInt16LittleEndian(source[4..]) != Version
            || BinaryPrimitives.ReadUInt16LittleEndian(source[6..]) != 0)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(source[8..]);
        if (length > MaxPayloadBytes)
        {
            return false;
        }

        header = new Header(
            (int)length,
            new ChainId(Bytes32.From(source[12..])),
            new Height(BinaryPrimitives.ReadUInt64LittleEndian(source[44..])),
            new BlockId(Bytes32.From(source[52..])),
            new BlockId(Bytes32.From(source[84..])),
            new StateRoot(Bytes32.From(source[116..])),
            Bytes32.From(source[148..]));
        return header.Chain == chain;
    }

    /// <summary>Checks the hash of a record that fills <paramref name="record"/> exactly.</summary>
    public static bool Verify(ReadOnlySpan<byte> record, in Bytes32 key, out Bytes32 hash)
    {
        int body = record.Length - Bytes32.Size;
        hash = Bytes32.From(record[body..]);
        return Blake3.Keyed(key, record[..body]) == hash;
    }
}
