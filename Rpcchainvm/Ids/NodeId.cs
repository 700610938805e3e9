// The id of a node on the network: 20 bytes, printed as "NodeID-" and their CB58. Raw on the wire.
//
// Threading: immutable.   Source: the fact sheet's section 12.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Ids;

/// <summary>Twenty bytes that name a node, ordered from the first byte to the last.</summary>
/// <param name="W0">Bytes 0..7, big-endian.</param>
/// <param name="W1">Bytes 8..15, big-endian.</param>
/// <param name="W2">Bytes 16..19, big-endian.</param>
public readonly record struct NodeId(ulong W0, ulong W1, uint W2) : IComparable<NodeId>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 20;

    /// <summary>What the text begins with.</summary>
    public const string Prefix = "NodeID-";

    /// <summary>Twenty zero bytes: in validator sets, the weight of all inactive validators.</summary>
    public static readonly NodeId Zero;

    /// <summary>Reads exactly 20 bytes.</summary>
    /// <returns>False for any other length.</returns>
    public static bool TryFrom(ReadOnlySpan<byte> source, out NodeId id)
    {
        id = Zero;
        if (source.Length != Size)
        {
            return false;
        }

        id = new NodeId(
            BinaryPrimitives.ReadUInt64BigEndian(source),
            BinaryPrimitives.ReadUInt64BigEndian(source[8..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[16..]));
        return true;
    }

    /// <summary>Reads a text such as <c>NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out NodeId id, out Refusal refusal)
    {
        id = Zero;
        if (text is null || !text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            refusal = new Refusal(RefusalCode.IdWithoutPrefix, $"A node id begins with '{Prefix}'.");
            return false;
        }

        Span<byte> bytes = stackalloc byte[Size];
        return Cb58.TryDecode(text.AsSpan(Prefix.Length), bytes, out refusal) && TryFrom(bytes, out id);
    }

    /// <summary>Writes the 20 bytes to the start of <paramref name="target"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="target"/> is shorter.</exception>
    public void CopyTo(Span<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target.Length, Size);
        BinaryPrimitives.WriteUInt64BigEndian(target, W0);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], W1);
        BinaryPrimitives.WriteUInt32BigEndian(target[16..], W2);
    }

    /// <summary>The bytes in a new array, owned by the caller.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public int CompareTo(NodeId other)
    {
        if (W0 != other.W0)
        {
            return W0 < other.W0 ? -1 : 1;
        }

        return W1 != other.W1 ? (W1 < other.W1 ? -1 : 1) : W2.CompareTo(other.W2);
    }

    /// <summary>The text: prefix and CB58.</summary>
    public override string ToString() => Prefix + Cb58.Encode(ToArray());
}
