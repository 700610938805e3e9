// What a Warp message may say: a call with the address that says it, or the hash of an accepted block.
//
//   Hash            0000 | 00000000 | hash 32
//   AddressedCall   0000 | 00000001 | source address u32 length, bytes | payload u32 length, bytes
//
// Threading: immutable; byte fields are not to be changed.   Source: the fact sheet's section 13.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Warp;

/// <summary>A payload of one of the two kinds.</summary>
public abstract record WarpPayload
{
    /// <summary>The longest encoding of a payload.</summary>
    public const int MaxBytes = 24 * 1024;

    private protected const uint HashType = 0;
    private protected const uint AddressedCallType = 1;
    private protected const int PrefixBytes = 2 + 4;

    /// <summary>The encoding, in a new array.</summary>
    /// <exception cref="ArgumentException">It would be longer than <see cref="MaxBytes"/>.</exception>
    public abstract byte[] Encode();

    /// <summary>Reads a payload of either kind; all bytes must be used.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, [NotNullWhen(true)] out WarpPayload? payload, out Refusal refusal)
    {
        payload = null;
        PackReader reader = new(source, MaxBytes);
        reader.ReadVersion();
        uint type = reader.ReadU32();
        switch (type)
        {
            case HashType:
                Bytes32 hash = reader.ReadBytes32();
                payload = reader.TryEnd(out refusal) ? new HashPayload(hash) : null;
                break;
            case AddressedCallType:
                ReadOnlySpan<byte> address = reader.ReadCounted();
                ReadOnlySpan<byte> call = reader.ReadCounted();
                payload = reader.TryEnd(out refusal) ? new AddressedCall(address.ToArray(), call.ToArray()) : null;
                break;
            default:
                reader.Refuse(RefusalCode.WarpUnknownType, $"A payload of type {type} is not known; 0 is a hash, 1 an addressed call.");
                reader.TryEnd(out refusal);
                break;
        }

        return payload is not null;
    }
}

/// <summary>The hash of something that this chain accepted: a block's id.</summary>
public sealed record HashPayload(Bytes32 Hash) : WarpPayload
{
    /// <inheritdoc/>
    public override byte[] Encode()
    {
        byte[] bytes = new byte[PrefixBytes + Bytes32.Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(2), HashType);
        Hash.CopyTo(bytes.AsSpan(PrefixBytes));
        return bytes;
    }
}

/// <summary>A message of an address of the source chain.</summary>
/// <param name="SourceAddress">Who says it: a program's or account's bytes; empty for what the node itself attests.</param>
/// <param name="Payload">What.</param>
public sealed record AddressedCall(ReadOnlyMemory<byte> SourceAddress, ReadOnlyMemory<byte> Payload) : WarpPayload
{
    /// <inheritdoc/>
    public override byte[] Encode()
    {
        long length = PrefixBytes + 4L + SourceAddress.Length + 4 + Payload.Length;
        if (length > MaxBytes)
        {
            throw new ArgumentException($"An addressed call of {length} bytes is longer than {MaxBytes}.");
        }

        byte[] bytes = new byte[length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(2), AddressedCallType);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(PrefixBytes), SourceAddress.Length);
        SourceAddress.Span.CopyTo(bytes.AsSpan(PrefixBytes + 4));
        int at = PrefixBytes + 4 + SourceAddress.Length;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(at), Payload.Length);
        Payload.Span.CopyTo(bytes.AsSpan(at + 4));
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(AddressedCall? other) =>
        other is not null && SourceAddress.Span.SequenceEqual(other.SourceAddress.Span) && Payload.Span.SequenceEqual(other.Payload.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => Sha256.Hash(Encode()).GetHashCode();
}
