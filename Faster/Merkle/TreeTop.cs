// The six levels above the shards: 63 nodes over 64 subtrees, hashed anew after every update because that is cheaper than
// to keep and undo them.
//
//   level 6: shards 0..63    level 5: 32 nodes    ...    level 0: the root
//
// Cost: at most 63 hashes in six batches.   Threading: immutable.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The top of a tree.</summary>
internal sealed class TreeTop
{
    private readonly Bytes32[][] _hashes = new Bytes32[Shard.Depth + 1][];
    private readonly NodeKind[][] _kinds = new NodeKind[Shard.Depth + 1][];

    public TreeTop(ReadOnlySpan<Shard> shards, ITreeHash hash)
    {
        Bytes32[] below = new Bytes32[Shard.Count];
        NodeKind[] kinds = new NodeKind[Shard.Count];
        for (int i = 0; i < Shard.Count; i++)
        {
            below[i] = shards[i].Root.Hash;
            kinds[i] = shards[i].Root.Kind;
        }

        (_hashes[Shard.Depth], _kinds[Shard.Depth]) = (below, kinds);
        for (int level = Shard.Depth - 1; level >= 0; level--)
        {
            Bytes32[] hashes = new Bytes32[1 << level];
            hash.Nodes(below, hashes);
            NodeKind[] above = new NodeKind[hashes.Length];
            for (int i = 0; i < hashes.Length; i++)
            {
                (NodeKind left, NodeKind right) = (kinds[2 * i], kinds[(2 * i) + 1]);
                above[i] = TreePage.Join(left, right);
                hashes[i] = above[i] switch
                {
                    NodeKind.Inner => hashes[i],
                    NodeKind.Leaf => left == NodeKind.Leaf ? below[2 * i] : below[(2 * i) + 1],
                    _ => hash.Empty,
                };
            }

            (below, kinds) = (hashes, above);
            (_hashes[level], _kinds[level]) = (hashes, above);
        }
    }

    /// <summary>The root's hash.</summary>
    public Bytes32 Hash => _hashes[0][0];

    /// <summary>Hash and kind of a node.</summary>
    /// <param name="depth">[0, 6].</param>
    /// <param name="place">[0, 2^depth).</param>
    public (Bytes32 Hash, NodeKind Kind) At(int depth, int place) => (_hashes[depth][place], _kinds[depth][place]);
}
