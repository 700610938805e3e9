// A Warp message before anyone signed it: which network, which chain, and the payload.
//
//   0000 | network u32 | source chain 32 | payload u32 length, bytes           all big-endian
//
// Its id, and what validators sign, is made of exactly these bytes.
//
// Threading: immutable; the payload is not to be changed.   Source: the fact sheet's section 13.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Warp;

/// <summary>A message that waits for signatures.</summary>
public sealed class UnsignedMessage
{
    /// <summary>The longest message that is read: a payload of <see cref="WarpPayload.MaxBytes"/> and what stands before it.</summary>
    public const int MaxBytes = HeaderBytes + WarpPayload.MaxBytes;

    /// <summary>Bytes before the payload.</summary>
    internal const int HeaderBytes = 2 + 4 + Bytes32.Size + 4;

    private UnsignedMessage(uint networkId, Bytes32 sourceChainId, ReadOnlyMemory<byte> payload, ReadOnlyMemory<byte> bytes)
    {
        NetworkId = networkId;
        SourceChainId = sourceChainId;
        Payload = payload;
        Bytes = bytes;
    }

    /// <summary>The network that the message is for.</summary>
    public uint NetworkId { get; }

    /// <summary>The chain that says it.</summary>
    public Bytes32 SourceChainId { get; }

    /// <summary>What it says; see <see cref="WarpPayload"/>.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>The encoding.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>SHA-256 of the encoding.</summary>
    public Bytes32 Id => Sha256.Hash(Bytes.Span);

    /// <summary>Makes a message.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The payload is longer than <see cref="WarpPayload.MaxBytes"/>.</exception>
    public static UnsignedMessage Create(uint networkId, Bytes32 sourceChainId, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, WarpPayload.MaxBytes);
        byte[] bytes = new byte[HeaderBytes + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(2), networkId);
        sourceChainId.CopyTo(bytes.AsSpan(6));
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(HeaderBytes - 4), payload.Length);
        payload.CopyTo(bytes.AsSpan(HeaderBytes));
        return new UnsignedMessage(networkId, sourceChainId, bytes.AsMemory(HeaderBytes), bytes);
    }

    /// <summary>Reads a message; all bytes must be used.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, [NotNullWhen(true)] out UnsignedMessage? message, out Refusal refusal)
    {
        PackReader reader = new(source, MaxBytes);
        ReadFields(ref reader, out uint networkId, out Bytes32 chainId, out ReadOnlySpan<byte> payload);
        bool decodes = reader.TryEnd(out refusal);
        message = decodes ? Create(networkId, chainId, payload) : null;
        return decodes;
    }

    /// <summary>Reads the fields where a reader stands.</summary>
    internal static void ReadFields(ref PackReader reader, out uint networkId, out Bytes32 chainId, out ReadOnlySpan<byte> payload)
    {
        reader.ReadVersion();
        networkId = reader.ReadU32();
        chainId = reader.ReadBytes32();
        payload = reader.ReadCounted();
        if (payload.Length > WarpPayload.MaxBytes)
        {
            reader.Refuse(RefusalCode.TooLong, $"The payload has {payload.Length} bytes; at most {WarpPayload.MaxBytes} are allowed.");
        }
    }
}
