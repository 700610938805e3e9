// A 32-byte value held in four machine words: the body of every id, key, hash and root.
//
// Byte order: word k holds bytes 8k..8k+7 big-endian, so comparing the words in turn as unsigned integers
// is comparing the 32 bytes from the first to the last. That order is the canonical order of access lists,
// diffs and the tree.
//
// Threading: immutable.   Cost: 32 bytes by value; compare and equality are four word operations.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace ParallelVm.Primitives;

/// <summary>Thirty-two bytes, ordered from the first byte to the last.</summary>
/// <param name="W0">Bytes 0..7, big-endian.</param>
/// <param name="W1">Bytes 8..15, big-endian.</param>
/// <param name="W2">Bytes 16..23, big-endian.</param>
/// <param name="W3">Bytes 24..31, big-endian.</param>
public readonly record struct Bytes32(ulong W0, ulong W1, ulong W2, ulong W3) : IComparable<Bytes32>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    /// <summary>Thirty-two zero bytes.</summary>
    public static readonly Bytes32 Zero;

    /// <summary>Reads the first 32 bytes of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="source"/> is shorter than 32 bytes.</exception>
    public static Bytes32 From(ReadOnlySpan<byte> source)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(source.Length, Size);
        return new Bytes32(
            BinaryPrimitives.ReadUInt64BigEndian(source),
            BinaryPrimitives.ReadUInt64BigEndian(source[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[24..]));
    }

    /// <summary>Writes the 32 bytes to the start of <paramref name="target"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="target"/> is shorter than 32 bytes.</exception>
    public void CopyTo(Span<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target.Length, Size);
        BinaryPrimitives.WriteUInt64BigEndian(target, W0);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], W1);
        BinaryPrimitives.WriteUInt64BigEndian(target[16..], W2);
        BinaryPrimitives.WriteUInt64BigEndian(target[24..], W3);
    }

    /// <summary>The bytes in a new array, owned by the caller.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Bit <paramref name="index"/> of the 256, the most significant bit of byte 0 first.</summary>
    /// <param name="index">[0, 256).</param>
    public bool Bit(int index)
    {
        ulong word = (index >> 6) switch { 0 => W0, 1 => W1, 2 => W2, _ => W3 };
        return ((word >> (63 - (index & 63))) & 1) != 0;
    }

    /// <inheritdoc/>
    public int CompareTo(Bytes32 other)
    {
        if (W0 != other.W0)
        {
            return W0 < other.W0 ? -1 : 1;
        }

        if (W1 != other.W1)
        {
            return W1 < other.W1 ? -1 : 1;
        }

        if (W2 != other.W2)
        {
            return W2 < other.W2 ? -1 : 1;
        }

        return W3.CompareTo(other.W3);
    }

    /// <summary>The same number in every process and on every machine. Not for hostile keys unless they are hashes already.</summary>
    public override int GetHashCode() => (int)(W0 ^ (W0 >> 32) ^ W1 ^ W2 ^ (W3 * 0x9E3779B97F4A7C15));

    /// <summary>Sixty-four lower-case hexadecimal digits.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());

    /// <summary>Reads exactly 64 hexadecimal digits of either case.</summary>
    /// <returns>False when the text is anything else.</returns>
    public static bool TryParseHex([NotNullWhen(true)] string? text, out Bytes32 value)
    {
        value = Zero;
        if (text is null || text.Length != Size * 2)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Size];
        if (Convert.FromHexString(text, bytes, out _, out int written) != System.Buffers.OperationStatus.Done || written != Size)
        {
            return false;
        }

        value = From(bytes);
        return true;
    }
}
