// One update of a MerkleTree: copies the touched paths, then hashes what it made, level by level. See MerkleTree.cs.
//
// Invariants
//   P1  a node that it made is noted once, under its depth, and is part of the result
//   P2  a node is hashed after both its children
//
// Threading: one thread, one update.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>The work of one update.</summary>
internal sealed class PathCopy(long count)
{
    private const int MaxDepth = 256;
    private const int BatchNodes = 256;

    private readonly List<MerkleInner>?[] _made = new List<MerkleInner>?[MaxDepth];
    private int _deepest = -1;

    /// <summary>Number of keys after what was applied so far.</summary>
    public long Count { get; private set; } = count;

    /// <summary>Applies the changes below <paramref name="node"/>.</summary>
    /// <param name="node">A subtree, or null.</param>
    /// <param name="changes">Strictly ascending, all below this subtree.</param>
    /// <param name="depth">Number of bits that the paths below share.</param>
    /// <returns>The new subtree, not hashed yet; the same object when nothing changed.</returns>
    public MerkleNode? Update(MerkleNode? node, ReadOnlySpan<LeafChange> changes, int depth)
    {
        if (changes.Length == 0)
        {
            return node;
        }

        if (changes.Length == 1 && (node is null || (node is MerkleLeaf same && same.Path == changes[0].Path)))
        {
            return Replace(node, changes[0]);
        }

        // A leaf that is not itself the only thing changed moves down beside the changes, on the side of its next bit.
        MerkleNode? left;
        MerkleNode? right;
        if (node is MerkleLeaf leaf)
        {
            bool goesRight = leaf.Path.Value.Bit(depth);
            left = goesRight ? null : leaf;
            right = goesRight ? leaf : null;
        }
        else
        {
            left = (node as MerkleInner)?.Left;
            right = (node as MerkleInner)?.Right;
        }

        int split = FirstWithBit(changes, depth);
        MerkleNode? newLeft = Update(left, changes[..split], depth + 1);
        MerkleNode? newRight = Update(right, changes[split..], depth + 1);
        if (node is MerkleInner && ReferenceEquals(newLeft, left) && ReferenceEquals(newRight, right))
        {
            return node;
        }

        return Join(newLeft, newRight, depth);
    }

    /// <summary>Hashes every node that was made, deepest first.</summary>
    public void HashLevels(StateHashing hashing)
    {
        if (_deepest < 0)
        {
            return;
        }

        Bytes32[] pairs = new Bytes32[2 * BatchNodes];
        Bytes32[] hashes = new Bytes32[BatchNodes];
        for (int depth = _deepest; depth >= 0; depth--)                                                     // P2
        {
            ReadOnlySpan<MerkleInner> level = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_made[depth]);
            for (int start = 0; start < level.Length; start += BatchNodes)
            {
                HashBatch(hashing, level.Slice(start, Math.Min(BatchNodes, level.Length - start)), pairs, hashes);
            }
        }
    }

    private static void HashBatch(StateHashing hashing, ReadOnlySpan<MerkleInner> batch, Span<Bytes32> pairs, Span<Bytes32> hashes)
    {
        for (int i = 0; i < batch.Length; i++)
        {
            MerkleInner inner = batch[i];
            pairs[2 * i] = inner.Left is { } left ? left.Hash : StateHashing.Empty;
            pairs[(2 * i) + 1] = inner.Right is { } right ? right.Hash : StateHashing.Empty;
        }

        hashing.Nodes(pairs[..(2 * batch.Length)], hashes[..batch.Length]);
        for (int i = 0; i < batch.Length; i++)
        {
            batch[i].Hash = hashes[i];
        }
    }

    private MerkleLeaf? Replace(MerkleNode? old, in LeafChange change)
    {
        MerkleLeaf? leaf = (MerkleLeaf?)old;
        if (change.IsDelete)
        {
            Count -= leaf is null ? 0 : 1;
            return null;
        }

        if (leaf is not null && leaf.Hash == change.Leaf)
        {
            return leaf;
        }

        Count += leaf is null ? 1 : 0;
        return new MerkleLeaf(change);
    }

    /// <summary>M1: a lone leaf rises; anything else becomes an inner node.</summary>
    private MerkleNode? Join(MerkleNode? left, MerkleNode? right, int depth)
    {
        if (left is null && right is null or MerkleLeaf)
        {
            return right;
        }

        if (right is null && left is MerkleLeaf)
        {
            return left;
        }

        MerkleInner made = new(left, right);
        (_made[depth] ??= []).Add(made);                                                                    // P1
        _deepest = Math.Max(_deepest, depth);
        return made;
    }

    /// <summary>Index of the first change whose path has a 1 at <paramref name="depth"/>; all share the bits above.</summary>
    private static int FirstWithBit(ReadOnlySpan<LeafChange> changes, int depth)
    {
        int low = 0;
        int high = changes.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (changes[middle].Path.Value.Bit(depth))
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
