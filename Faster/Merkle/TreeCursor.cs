// The tree as nodes with two children, whatever holds them: the top, a page, or the sorted keys of a bucket.
// For proofs and audits; updates work on pages directly.
// Cost: a step is a few reads; inside a bucket, the hashes below.   Threading: as MerkleTree.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>A node of the tree.</summary>
internal readonly struct TreeCursor
{
    private enum Form : byte
    {
        Top,
        Page,
        Bucket,
    }

    /// <summary>What it is.</summary>
    public NodeKind Kind { get; private init; }

    /// <summary>Its hash.</summary>
    public Bytes32 Hash { get; private init; }

    private Form Where { get; init; }

    private int Shard { get; init; }

    /// <summary>Top: place at its depth. Page: the pair of its children. Bucket: its first key.</summary>
    private int First { get; init; }

    /// <summary>Bucket: end of its keys.</summary>
    private int End { get; init; }

    /// <summary>Slot of the page or bucket.</summary>
    private uint Slot { get; init; }

    /// <summary>A tree to walk in; valid until the next update or move.</summary>
    internal sealed class Source
    {
        private readonly WorkingTree _working;
        private readonly TreeTop _top;

        public Source(MerkleTree tree)
        {
            _working = tree.Working;
            _working.MoveTo(tree);
            _top = _working.TopNow();
        }

        /// <summary>The root.</summary>
        public TreeCursor Top => AtTop(0, 0);

        /// <summary>The children of an inner node.</summary>
        public (TreeCursor Left, TreeCursor Right) Children(in TreeCursor node, int depth)
        {
            switch (node.Where)
            {
                case Form.Top:
                    return (AtTop(depth + 1, 2 * node.First), AtTop(depth + 1, (2 * node.First) + 1));
                case Form.Page:
                    return (InPage(node, 2 * node.First), InPage(node, (2 * node.First) + 1));
                default:
                    ReadOnlySpan<Cell> keys = _working.ShardAt(node.Shard).Bucket(node.Slot);
                    int split = node.First;
                    while (split < node.End && !keys[split].Left.Bit(depth))
                    {
                        split++;
                    }

                    return (InBucket(node, node.First, split, depth + 1), InBucket(node, split, node.End, depth + 1));
            }
        }

        /// <summary>The path of a leaf.</summary>
        public Bytes32 LeafPath(TreeCursor leaf, int depth)
        {
            Invariant.Require(leaf.Kind == NodeKind.Leaf);
            for (; leaf.Where != Form.Bucket; depth++)
            {
                (TreeCursor left, TreeCursor right) = Children(leaf, depth);
                leaf = left.Kind == NodeKind.Leaf ? left : right;
            }

            return _working.ShardAt(leaf.Shard).Bucket(leaf.Slot)[leaf.First].Left;
        }

        private TreeCursor AtTop(int depth, int place)
        {
            (Bytes32 hash, NodeKind kind) = _top.At(depth, place);
            return depth == Faster.Shard.Depth
                ? OfSlot(place, _working.ShardAt(place).Root.Slot, kind, hash)
                : new TreeCursor { Kind = kind, Hash = hash, Where = Form.Top, First = place };
        }

        private static TreeCursor OfSlot(int shard, uint slot, NodeKind kind, in Bytes32 hash) => new()
        {
            Kind = kind,
            Hash = hash,
            Where = TreePage.IsPage(slot) ? Form.Page : Form.Bucket,
            Shard = shard,
            Slot = slot,
            End = TreePage.IsPage(slot) ? 0 : TreePage.BucketKeys(slot),
        };

        private TreeCursor InPage(in TreeCursor above, int node)
        {
            TreeMemory memory = _working.ShardAt(above.Shard).Memory;
            uint page = TreePage.FirstCell(above.Slot);
            ref PageHead head = ref TreePage.HeadOf(memory, page);
            NodeKind kind = head.KindOf(node);
            Bytes32 hash = TreePage.Half(ref memory[TreePage.PairCell(page, node >> 1)], node & 1);
            return node >= TreePage.FirstSlotNode
                ? OfSlot(above.Shard, head.Slots[node - TreePage.FirstSlotNode], kind, hash)
                : new TreeCursor { Kind = kind, Hash = hash, Where = Form.Page, Shard = above.Shard, Slot = above.Slot, First = node + 1 };
        }

        private TreeCursor InBucket(in TreeCursor above, int first, int end, int depth) => new()
        {
            Kind = (end - first) switch { 0 => NodeKind.Empty, 1 => NodeKind.Leaf, _ => NodeKind.Inner },
            Hash = HashOf(_working.ShardAt(above.Shard).Bucket(above.Slot)[first..end], depth),
            Where = Form.Bucket,
            Shard = above.Shard,
            Slot = above.Slot,
            First = first,
            End = end,
        };

        /// <summary>The definition, over the few keys of a bucket.</summary>
        private Bytes32 HashOf(ReadOnlySpan<Cell> keys, int depth)
        {
            if (keys.Length < 2)
            {
                return keys.IsEmpty ? _working.Hash.Empty : keys[0].Right;
            }

            int split = 0;
            while (split < keys.Length && !keys[split].Left.Bit(depth))
            {
                split++;
            }

            Span<Bytes32> node = stackalloc Bytes32[1];
            _working.Hash.Nodes([HashOf(keys[..split], depth + 1), HashOf(keys[split..], depth + 1)], node);
            return node[0];
        }
    }
}
