// A Warp message with the signatures of validators summed into one.
//
//   unsigned message | 00000000 | signers u32 length, bytes | signature 96
//
// The signers are a number, big-endian without a leading zero byte; its bit i stands for validator i of the canonical order, bit 0
// being the lowest of the last byte. No signers is no bytes.
//
// The signature is carried, not checked: that waits for BLS12-381.
//
// Threading: immutable; byte fields are not to be changed.   Source: the fact sheet's section 13.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Warp;

/// <summary>A message, who signed it, and their sum.</summary>
public sealed class SignedMessage
{
    /// <summary>Length of a BLS signature, compressed.</summary>
    public const int SignatureBytes = 96;

    /// <summary>The longest set of signers that is read: 65,536 validators.</summary>
    public const int MaxSignersBytes = 8 * 1024;

    /// <summary>The longest message that is read.</summary>
    public const int MaxBytes = UnsignedMessage.MaxBytes + 4 + 4 + MaxSignersBytes + SignatureBytes;

    private const uint BitSetSignatureType = 0;

    private SignedMessage(UnsignedMessage message, ReadOnlyMemory<byte> signers, ReadOnlyMemory<byte> signature)
    {
        Message = message;
        Signers = signers;
        Signature = signature;
    }

    /// <summary>What was signed.</summary>
    public UnsignedMessage Message { get; }

    /// <summary>The signers' number, big-endian.</summary>
    public ReadOnlyMemory<byte> Signers { get; }

    /// <summary>The sum of the signatures, 96 bytes.</summary>
    public ReadOnlyMemory<byte> Signature { get; }

    /// <summary>How many signed.</summary>
    public int SignerCount
    {
        get
        {
            int count = 0;
            foreach (byte b in Signers.Span)
            {
                count += BitOperations.PopCount(b);
            }

            return count;
        }
    }

    /// <summary>One more than the highest validator that signed; must not be above the number of validators.</summary>
    public int SignerLimit => Signers.IsEmpty ? 0 : (8 * Signers.Length) - BitOperations.LeadingZeroCount(Signers.Span[0]) + 24;

    /// <summary>Puts a message and its signature together.</summary>
    /// <exception cref="ArgumentException">The signers begin with a zero byte or are too many, or the signature is not 96 bytes.</exception>
    public static SignedMessage Create(UnsignedMessage message, ReadOnlySpan<byte> signers, ReadOnlySpan<byte> signature)
    {
        ArgumentNullException.ThrowIfNull(message);
        Refusal refusal = CheckSigners(signers);
        if (refusal.IsRefused || signature.Length != SignatureBytes)
        {
            throw new ArgumentException(refusal.IsRefused ? refusal.ToString() : $"A signature of {signature.Length} bytes is not of {SignatureBytes}.");
        }

        return new SignedMessage(message, signers.ToArray(), signature.ToArray());
    }

    /// <summary>Reads a message; all bytes must be used.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, [NotNullWhen(true)] out SignedMessage? message, out Refusal refusal)
    {
        message = null;
        PackReader reader = new(source, MaxBytes);
        UnsignedMessage.ReadFields(ref reader, out uint networkId, out Bytes32 chainId, out ReadOnlySpan<byte> payload);
        reader.ReadType(BitSetSignatureType);
        ReadOnlySpan<byte> signers = reader.ReadCounted();
        refusal = CheckSigners(signers);
        if (refusal.IsRefused)
        {
            reader.Refuse(refusal.Code, refusal.Sentence);
        }

        ReadOnlySpan<byte> signature = reader.ReadFixed(SignatureBytes);
        if (!reader.TryEnd(out refusal))
        {
            return false;
        }

        message = new SignedMessage(UnsignedMessage.Create(networkId, chainId, payload), signers.ToArray(), signature.ToArray());
        return true;
    }

    /// <summary>Whether a validator signed.</summary>
    /// <param name="validator">Its place in the canonical order, from 0.</param>
    public bool HasSigned(int validator)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(validator);
        int at = Signers.Length - 1 - (validator >> 3);
        return at >= 0 && (Signers.Span[at] >> (validator & 7) & 1) != 0;
    }

    /// <summary>The encoding, in a new array.</summary>
    public byte[] Encode()
    {
        int unsigned = Message.Bytes.Length;
        byte[] bytes = new byte[unsigned + 8 + Signers.Length + SignatureBytes];
        Message.Bytes.Span.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(unsigned), BitSetSignatureType);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(unsigned + 4), Signers.Length);
        Signers.Span.CopyTo(bytes.AsSpan(unsigned + 8));
        Signature.Span.CopyTo(bytes.AsSpan(unsigned + 8 + Signers.Length));
        return bytes;
    }

    private static Refusal CheckSigners(ReadOnlySpan<byte> signers)
    {
        if (signers.Length > MaxSignersBytes)
        {
            return new Refusal(RefusalCode.TooLong, $"A set of signers of {signers.Length} bytes is longer than {MaxSignersBytes}.");
        }

        return !signers.IsEmpty && signers[0] == 0
            ? new Refusal(RefusalCode.WarpSignersNotCanonical, "A set of signers begins with a zero byte.")
            : Refusal.None;
    }
}
