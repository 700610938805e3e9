// The walk of one verification; see MerkleProof.cs for what it reads and why that convinces.
// Threading: a ref struct on one stack. Recursion is bounded by the 256 bits of a path.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Reads a proof from the top of the tree down and hashes it from the bottom up.</summary>
internal ref struct ProofWalk(ITreeHash hash, ReadOnlySpan<byte> bits, ReadOnlySpan<byte> items)
{
    private readonly Bytes32 _empty = hash.Empty;
    private readonly ReadOnlySpan<byte> _bits = bits;
    private CanonicalReader _items = new(items);
    private int _bit;

    /// <summary>What a subtree turned out to be.</summary>
    public enum Shown
    {
        /// <summary>No key.</summary>
        Empty,

        /// <summary>One key.</summary>
        Leaf,

        /// <summary>Two keys or more.</summary>
        Inner,

        /// <summary>Only its hash is known: one key or more.</summary>
        Cut,
    }

    /// <summary>All bits and items are read, and the padding is zero.</summary>
    public readonly bool IsAtEnd =>
        _items.Ok && _items.Remaining == 0 && _bits.Length == (_bit + 7) / 8
        && (_bit % 8 == 0 || (_bits[^1] & (0xFF >> (_bit % 8))) == 0);

    /// <summary>The subtree of the paths [low, high], which share <paramref name="depth"/> bits.</summary>
    /// <returns>False when the proof is malformed here.</returns>
    public bool TryNode(
        int depth, in Bytes32 low, in Bytes32 high, ReadOnlySpan<PathRange> ranges, ReadOnlySpan<LeafClaim> claims, out Bytes32 node, out Shown shown)
    {
        node = _empty;
        shown = Shown.Empty;
        ReadOnlySpan<PathRange> meeting = MerkleProof.Meeting(ranges, low, high);
        if (meeting.IsEmpty)
        {
            return TryReadBits(1, out int isThere) && (isThere == 0 || TryReadCut(out node, out shown));
        }

        if (MerkleProof.Covers(meeting, low, high))
        {
            node = Defined(depth, claims);
            shown = claims.Length switch { 0 => Shown.Empty, 1 => Shown.Leaf, _ => Shown.Inner };
            return true;
        }

        if (!TryReadBits(2, out int tag))
        {
            return false;
        }

        return tag switch
        {
            0 => claims.IsEmpty,
            1 => TryLeaf(low, high, meeting, claims, out node, out shown),
            2 => TryInner(depth, low, high, meeting, claims, out node, out shown),
            _ => false,
        };
    }

    private bool TryReadCut(out Bytes32 node, out Shown shown)
    {
        node = _items.ReadBytes32();
        shown = Shown.Cut;
        return _items.Ok && node != _empty;
    }

    /// <summary>The claimed key, or one outside the ranges.</summary>
    private bool TryLeaf(
        in Bytes32 low, in Bytes32 high, ReadOnlySpan<PathRange> meeting, ReadOnlySpan<LeafClaim> claims, out Bytes32 node, out Shown shown)
    {
        shown = Shown.Leaf;
        node = default;
        LeafClaim claim;
        if (claims.Length == 1)
        {
            claim = claims[0];
        }
        else
        {
            Bytes32 path = _items.ReadBytes32();
            claim = new LeafClaim(new StateKey(path), _items.ReadBytes32());
            bool isOther = _items.Ok && claims.IsEmpty && path.CompareTo(low) >= 0 && path.CompareTo(high) <= 0
                && MerkleProof.Meeting(meeting, path, path).IsEmpty;
            if (!isOther)
            {
                return false;
            }
        }

        node = LeafOf(claim);
        return true;
    }

    private bool TryInner(
        int depth, in Bytes32 low, in Bytes32 high, ReadOnlySpan<PathRange> meeting, ReadOnlySpan<LeafClaim> claims, out Bytes32 node, out Shown shown)
    {
        shown = Shown.Inner;
        node = default;
        int split = FirstWithBit(claims, depth);
        if (!TryNode(depth + 1, low, MerkleProof.WithBit(high, depth, false), meeting, claims[..split], out Bytes32 left, out Shown isLeft)
            || !TryNode(depth + 1, MerkleProof.WithBit(low, depth, true), high, meeting, claims[split..], out Bytes32 right, out Shown isRight))
        {
            return false;
        }

        bool hasOneKeyAtMost = (isLeft == Shown.Empty && isRight is Shown.Empty or Shown.Leaf) || (isRight == Shown.Empty && isLeft == Shown.Leaf);
        if (hasOneKeyAtMost)
        {
            return false;
        }

        node = NodeOf(left, right);
        return true;
    }

    /// <summary>The definition of the tree.</summary>
    private readonly Bytes32 Defined(int depth, ReadOnlySpan<LeafClaim> claims)
    {
        if (claims.Length < 2)
        {
            return claims.IsEmpty ? _empty : LeafOf(claims[0]);
        }

        int split = FirstWithBit(claims, depth);
        return NodeOf(Defined(depth + 1, claims[..split]), Defined(depth + 1, claims[split..]));
    }

    private readonly Bytes32 LeafOf(in LeafClaim claim)
    {
        Span<Bytes32> leaf = stackalloc Bytes32[1];
        hash.Leaves([claim.Path.Value, claim.ValueHash], leaf);
        return leaf[0];
    }

    private readonly Bytes32 NodeOf(in Bytes32 left, in Bytes32 right)
    {
        Span<Bytes32> node = stackalloc Bytes32[1];
        hash.Nodes([left, right], node);
        return node[0];
    }

    private bool TryReadBits(int count, out int value)
    {
        value = 0;
        if (_bit + count > _bits.Length * 8L)
        {
            return false;
        }

        for (; count > 0; count--, _bit++)
        {
            value = (value << 1) | ((_bits[_bit / 8] >> (7 - (_bit % 8))) & 1);
        }

        return true;
    }

    /// <summary>Claims share the bits above, so they are sorted by this one.</summary>
    private static int FirstWithBit(ReadOnlySpan<LeafClaim> claims, int bit)
    {
        int low = 0;
        int high = claims.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (claims[middle].Path.Value.Bit(bit))
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}
