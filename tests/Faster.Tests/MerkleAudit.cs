// Every node of a tree against the definition, and every page against its own rules.

using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

internal static class MerkleAudit
{
    /// <summary>M1 and the hash of every node; counts, kinds and sizes of every page and bucket.</summary>
    public static void Check(MerkleTree tree, PlainTree twin, string context)
    {
        Assert.True(twin.Root == tree.Hash, $"{context}: root");
        Assert.True(twin.Keys.Count == tree.Count, $"{context}: count");
        foreach (StateKey path in twin.Keys.Keys)
        {
            Assert.True(tree.TryFind(path, out Bytes32 leaf) && leaf == twin.LeafOf(path), $"{context}: {path}");
        }

        TreeCursor.Source source = new(tree);
        Assert.Equal(tree.Count, Nodes(source, source.Top, 0, tree.Working.Hash, context));
        for (int i = 0; i < Shard.Count; i++)
        {
            Shard shard = tree.Working.ShardAt(i);
            Assert.Equal(shard.Root.Keys, Pages(shard, shard.Root.Slot, isRoot: true));
        }
    }

    private static long Nodes(TreeCursor.Source source, in TreeCursor node, int depth, ITreeHash hash, string context)
    {
        if (node.Kind != NodeKind.Inner)
        {
            Assert.True(node.Kind == NodeKind.Leaf || node.Hash == hash.Empty, $"{context}: depth {depth}");
            return node.Kind == NodeKind.Leaf ? 1 : 0;
        }

        (TreeCursor left, TreeCursor right) = source.Children(node, depth);
        Bytes32[] expected = new Bytes32[1];
        hash.Nodes([left.Hash, right.Hash], expected);
        Assert.True(expected[0] == node.Hash, $"{context}: depth {depth}");
        long keys = Nodes(source, left, depth + 1, hash, context) + Nodes(source, right, depth + 1, hash, context);
        Assert.True(keys >= 2, $"{context}: a node over {keys} keys at depth {depth}");
        return keys;
    }

    private static long Pages(Shard shard, uint slot, bool isRoot)
    {
        if (!TreePage.IsPage(slot))
        {
            return TreePage.BucketKeys(slot);
        }

        PageHead head = TreePage.HeadOf(shard.Memory, TreePage.FirstCell(slot));
        long keys = 0;
        for (int s = 0; s < TreePage.SlotCount; s++)
        {
            keys += Pages(shard, head.Slots[s], isRoot: false);
        }

        Assert.Equal(head.Keys, keys);
        Assert.True(keys > TreePage.PageMin);
        Assert.True(isRoot || keys > 0);
        return keys;
    }
}
