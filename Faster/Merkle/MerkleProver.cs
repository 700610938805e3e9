// Makes the proofs that MerkleProof verifies: the same walk, over a tree instead of over bytes.
// Cost: a step per node on the way, and the nodes inside the last buckets hashed again.
// Threading: as MerkleTree.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Makes proofs from a tree.</summary>
public sealed class MerkleProver
{
    private readonly TreeCursor.Source _source;
    private readonly Func<StateKey, Bytes32> _valueHashOf;
    private readonly List<byte> _bits = [];
    private readonly CanonicalWriter _items = new();
    private int _bit;

    private MerkleProver(MerkleTree tree, Func<StateKey, Bytes32> valueHashOf)
    {
        _source = new TreeCursor.Source(tree);
        _valueHashOf = valueHashOf;
    }

    /// <summary>Proves what the tree holds at a path.</summary>
    /// <param name="valueHashOf">Gives the value hash of a key that the tree holds; asked for keys that were not asked about, where
    /// a way ends in their leaf.</param>
    public static byte[] Prove(MerkleTree tree, in StateKey path, Func<StateKey, Bytes32> valueHashOf) =>
        ProveRanges(tree, [new PathRange(path, path)], valueHashOf);

    /// <summary>Proves which of the paths the tree holds.</summary>
    /// <param name="paths">Strictly ascending.</param>
    /// <param name="valueHashOf">As in <see cref="Prove"/>.</param>
    public static byte[] ProveMany(MerkleTree tree, ReadOnlySpan<StateKey> paths, Func<StateKey, Bytes32> valueHashOf) =>
        ProveRanges(tree, MerkleProof.RangesOf(paths), valueHashOf);

    /// <summary>Proves what the tree holds between two paths, both included.</summary>
    /// <param name="valueHashOf">As in <see cref="Prove"/>.</param>
    public static byte[] ProveRange(MerkleTree tree, in StateKey low, in StateKey high, Func<StateKey, Bytes32> valueHashOf) =>
        ProveRanges(tree, [new PathRange(low, high)], valueHashOf);

    /// <summary>Proves what the tree holds inside ranges.</summary>
    /// <param name="ranges">Ascending, apart from each other.</param>
    /// <param name="valueHashOf">As in <see cref="Prove"/>.</param>
    /// <exception cref="ArgumentException">The ranges overlap or are out of order.</exception>
    public static byte[] ProveRanges(MerkleTree tree, ReadOnlySpan<PathRange> ranges, Func<StateKey, Bytes32> valueHashOf)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(valueHashOf);
        if (!MerkleProof.AreApart(ranges))
        {
            throw new ArgumentException("Ranges of a proof are ascending and do not overlap.", nameof(ranges));
        }

        MerkleProver prover = new(tree, valueHashOf);
        prover.Walk(prover._source.Top, 0, Bytes32.Zero, MerkleProof.Ones, ranges);
        CanonicalWriter writer = new();
        writer.WriteU8(tree.Working.Hash.Version);
        writer.WriteCounted(prover._bits.ToArray());
        writer.WriteBytes(prover._items.Written);
        return writer.ToArray();
    }

    private void Walk(in TreeCursor node, int depth, in Bytes32 low, in Bytes32 high, ReadOnlySpan<PathRange> ranges)
    {
        ReadOnlySpan<PathRange> meeting = MerkleProof.Meeting(ranges, low, high);
        if (meeting.IsEmpty)
        {
            WriteBits(1, node.Kind == NodeKind.Empty ? 0 : 1);
            if (node.Kind != NodeKind.Empty)
            {
                _items.WriteBytes32(node.Hash);
            }

            return;
        }

        if (MerkleProof.Covers(meeting, low, high))
        {
            return;
        }

        WriteBits(2, (int)node.Kind);
        if (node.Kind == NodeKind.Leaf)
        {
            StateKey path = new(_source.LeafPath(node, depth));
            if (MerkleProof.Meeting(meeting, path.Value, path.Value).IsEmpty)
            {
                _items.WriteBytes32(path.Value);
                _items.WriteBytes32(_valueHashOf(path));
            }
        }
        else if (node.Kind == NodeKind.Inner)
        {
            (TreeCursor left, TreeCursor right) = _source.Children(node, depth);
            Walk(left, depth + 1, low, MerkleProof.WithBit(high, depth, false), meeting);
            Walk(right, depth + 1, MerkleProof.WithBit(low, depth, true), high, meeting);
        }
    }

    private void WriteBits(int count, int value)
    {
        for (int i = count - 1; i >= 0; i--, _bit++)
        {
            if (_bit % 8 == 0)
            {
                _bits.Add(0);
            }

            _bits[^1] |= (byte)(((value >> i) & 1) << (7 - (_bit % 8)));
        }
    }
}
