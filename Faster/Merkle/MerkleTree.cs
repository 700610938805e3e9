// The state tree: a binary sparse Merkle tree over 256-bit paths, in the canonical shape that StateHashing defines.
//
//   no key -> empty (32 zero bytes)      one key -> its leaf hash, at the shallowest place
//   more   -> node(left, right), split by the next bit of the path; one side may be empty, but never beside a leaf
//
// A tree is a value. Update copies the nodes on the touched paths and shares the rest, so each processing block
// owns a tree of its own for the price of its changes, and rejecting a block is dropping a reference.
//
// Invariants
//   M1  an inner node has at least two keys below it: never {empty, empty}, {empty, leaf}
//   M2  the hash is a function of the key set alone: not of the order or the batches in which keys came
//   M3  an update that changes nothing returns the same object
//
// An update has two passes. The first copies paths, top down, and notes each new inner node under its depth; the second
// hashes the notes from the deepest level up, eight nodes at a time, because nodes of one level do not need each other.
//
// Cost: about log2(keys / changes) + 2 node hashes per changed key and one allocation per hash; O(changes) extra depth
// only for paths that share long prefixes. Memory: about 150 bytes per key.
// Recursion goes as deep as a shared prefix, at most 256 frames.
// Threading: immutable once Update has returned it, so any number of readers.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>A change to one path: a new leaf hash, or <see cref="StateHashing.Empty"/> to delete.</summary>
/// <param name="Path">Path of the key.</param>
/// <param name="Leaf">Leaf hash that commits to path and value; zero deletes.</param>
public readonly record struct LeafChange(StateKey Path, Bytes32 Leaf)
{
    /// <summary>The key is removed.</summary>
    public bool IsDelete => Leaf == StateHashing.Empty;
}

/// <summary>A node: leaf or inner. Immutable outside the update that makes it.</summary>
internal abstract class MerkleNode
{
    public Bytes32 Hash;
}

/// <summary>A subtree with one key.</summary>
internal sealed class MerkleLeaf : MerkleNode
{
    public readonly StateKey Path;

    public MerkleLeaf(in LeafChange change)
    {
        Path = change.Path;
        Hash = change.Leaf;
    }
}

/// <summary>A subtree with two keys or more.</summary>
internal sealed class MerkleInner(MerkleNode? left, MerkleNode? right) : MerkleNode
{
    public readonly MerkleNode? Left = left;
    public readonly MerkleNode? Right = right;
}

/// <summary>An immutable tree of leaf hashes.</summary>
public sealed class MerkleTree
{
    /// <summary>The tree without keys.</summary>
    public static readonly MerkleTree Empty = new(null, 0);

    private MerkleTree(MerkleNode? top, long count)
    {
        Top = top;
        Count = count;
    }

    /// <summary>The highest node; null in the empty tree.</summary>
    internal MerkleNode? Top { get; }

    /// <summary>Number of keys.</summary>
    public long Count { get; }

    /// <summary>Hash of the whole tree; zero when empty. The state root is <see cref="StateHashing.Root"/> of it.</summary>
    public Bytes32 Hash => Top?.Hash ?? StateHashing.Empty;

    /// <summary>The tree after a batch of changes.</summary>
    /// <param name="hashing">The chain's hashing.</param>
    /// <param name="changes">Strictly ascending by path. Deleting a key that is absent changes nothing.</param>
    /// <exception cref="InvariantException">A path occurs twice or out of order.</exception>
    public MerkleTree Update(StateHashing hashing, ReadOnlySpan<LeafChange> changes)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        for (int i = 1; i < changes.Length; i++)
        {
            Invariant.Require(changes[i - 1].Path.CompareTo(changes[i].Path) < 0);
        }

        PathCopy copy = new(Count);
        MerkleNode? top = copy.Update(Top, changes, 0);
        copy.HashLevels(hashing);
        return ReferenceEquals(top, Top) ? this : new MerkleTree(top, copy.Count);                         // M3
    }

    /// <summary>The leaf hash of a key.</summary>
    /// <returns>False when the tree has no such key.</returns>
    public bool TryFind(in StateKey path, out Bytes32 leaf)
    {
        MerkleNode? node = Top;
        for (int depth = 0; node is MerkleInner inner; depth++)
        {
            node = path.Value.Bit(depth) ? inner.Right : inner.Left;
        }

        bool found = node is MerkleLeaf end && end.Path == path;
        leaf = found ? node!.Hash : StateHashing.Empty;
        return found;
    }

    /// <summary>Calls back for every path, ascending.</summary>
    internal void Visit(Action<StateKey> visitor) => Visit(Top, visitor);

    private static void Visit(MerkleNode? node, Action<StateKey> visitor)
    {
        if (node is MerkleInner inner)
        {
            Visit(inner.Left, visitor);
            Visit(inner.Right, visitor);
        }
        else if (node is MerkleLeaf leaf)
        {
            visitor(leaf.Path);
        }
    }
}
