// The incremental tree against the definition (StateHashing.TreeOf on the sorted set), with paths chosen freely: the
// tree takes any 256 bits, so shapes that no hash will ever produce are made by hand.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleTreeTests
{
    private static readonly StateHashing Hashing = World.Hashing;

    private static Bytes32 LeafOf(StateKey path, int value) => Hashing.Leaf(path, Hashing.ValueHash(BitConverter.GetBytes(value)));

    private static Bytes32 Definition(SortedDictionary<StateKey, Bytes32> set)
    {
        List<(StateKey, Bytes32)> sorted = [];
        foreach ((StateKey path, Bytes32 leaf) in set)
        {
            sorted.Add((path, leaf));
        }

        return Hashing.TreeOf(sorted.ToArray());
    }

    private static MerkleTree Apply(MerkleTree tree, SortedDictionary<StateKey, Bytes32> set, SortedDictionary<StateKey, Bytes32> changes)
    {
        List<LeafChange> list = [];
        foreach ((StateKey path, Bytes32 leaf) in changes)
        {
            list.Add(new LeafChange(path, leaf));
            if (leaf == StateHashing.Empty)
            {
                set.Remove(path);
            }
            else
            {
                set[path] = leaf;
            }
        }

        return tree.Update(Hashing, list.ToArray());
    }

    /// <summary>Random paths, or paths that share the first <paramref name="shared"/> bits with one another.</summary>
    private static StateKey Path(SeededRandom random, int shared)
    {
        byte[] bytes = new byte[32];
        random.Fill(bytes);
        for (int bit = 0; bit < shared; bit++)
        {
            bytes[bit / 8] = (byte)(bytes[bit / 8] & ~(0x80 >> (bit % 8)) | ((bit % 3 == 0 ? 0x80 : 0) >> (bit % 8)));
        }

        return new StateKey(Bytes32.From(bytes));
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Incremental_root_is_the_root_from_scratch_after_every_batch(ulong seed)
    {
        SeededRandom random = new(seed);
        int[] prefixes = [0, 0, 0, 1, 9, 64, 200, 248, 253];
        List<StateKey> pool = [];
        for (int i = 0; i < 150; i++)
        {
            pool.Add(Path(random, prefixes[random.Next(prefixes.Length)]));
        }

        SortedDictionary<StateKey, Bytes32> set = [];
        MerkleTree tree = MerkleTree.Empty;
        for (int batch = 0; batch < 120; batch++)
        {
            SortedDictionary<StateKey, Bytes32> changes = [];
            int size = random.Next(random.Chance(1, 4) ? 90 : 6);
            for (int i = 0; i < size; i++)
            {
                StateKey path = pool[random.Next(pool.Count)];
                changes[path] = random.Chance(1, 2) ? StateHashing.Empty : LeafOf(path, random.Next(4));
            }

            MerkleTree before = tree;
            Bytes32 rootBefore = tree.Hash;
            tree = Apply(tree, set, changes);
            Assert.True(Definition(set) == tree.Hash, $"seed {seed} batch {batch}: root");
            Assert.True(set.Count == tree.Count, $"seed {seed} batch {batch}: count");
            Assert.Equal(rootBefore, before.Hash);
            AuditShape(tree);
            foreach (StateKey path in pool)
            {
                bool has = set.TryGetValue(path, out Bytes32 leaf);
                Assert.Equal(has, tree.TryFind(path, out Bytes32 found));
                Assert.True(!has || leaf == found);
            }
        }
    }

    [Fact]
    public void Neighbours_that_differ_in_one_bit_have_the_defined_root_at_every_depth()
    {
        for (int depth = 0; depth < 256; depth++)
        {
            byte[] bytes = new byte[32];
            Array.Fill(bytes, (byte)0xA5);
            StateKey first = new(Bytes32.From(bytes));
            bytes[depth / 8] ^= (byte)(0x80 >> (depth % 8));
            StateKey second = new(Bytes32.From(bytes));

            SortedDictionary<StateKey, Bytes32> set = [];
            MerkleTree one = Apply(MerkleTree.Empty, set, new() { [first] = LeafOf(first, 1) });
            Assert.Equal(LeafOf(first, 1), one.Hash);                                       // a lone key is its leaf
            MerkleTree two = Apply(one, set, new() { [second] = LeafOf(second, 2) });
            Assert.True(Definition(set) == two.Hash, $"depth {depth}");
            MerkleTree back = Apply(two, set, new() { [second] = StateHashing.Empty });
            Assert.True(one.Hash == back.Hash && back.Count == 1, $"depth {depth}: collapse");
            MerkleTree other = Apply(two, new() { [first] = LeafOf(first, 1), [second] = LeafOf(second, 2) }, new() { [first] = StateHashing.Empty });
            Assert.Equal(LeafOf(second, 2), other.Hash);
            Assert.Equal(StateHashing.Empty, Apply(back, set, new() { [first] = StateHashing.Empty }).Hash);
        }
    }

    [Theory, InlineData(3), InlineData(11)]
    public void Order_and_batching_do_not_matter(ulong seed)
    {
        SeededRandom random = new(seed);
        SortedDictionary<StateKey, Bytes32> set = [];
        for (int i = 0; i < 60; i++)
        {
            StateKey path = Path(random, i % 2 == 0 ? 0 : 120);
            set[path] = LeafOf(path, i);
        }

        Bytes32 expected = Definition(set);
        for (int round = 0; round < 10; round++)
        {
            List<StateKey> order = [.. set.Keys];
            for (int i = order.Count - 1; i > 0; i--)
            {
                int j = random.Next(i + 1);
                (order[i], order[j]) = (order[j], order[i]);
            }

            MerkleTree tree = MerkleTree.Empty;
            for (int at = 0; at < order.Count;)
            {
                SortedDictionary<StateKey, Bytes32> changes = [];
                for (int size = 1 + random.Next(8); size > 0 && at < order.Count; size--, at++)
                {
                    changes[order[at]] = set[order[at]];
                }

                tree = Apply(tree, [], changes);
            }

            Assert.True(expected == tree.Hash, $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void Insert_then_delete_is_identity_and_a_change_to_nothing_is_the_same_object()
    {
        SeededRandom random = new(5);
        SortedDictionary<StateKey, Bytes32> set = [];
        SortedDictionary<StateKey, Bytes32> start = [];
        for (int i = 0; i < 40; i++)
        {
            StateKey path = Path(random, i % 4 * 60);
            start[path] = LeafOf(path, i);
        }

        MerkleTree tree = Apply(MerkleTree.Empty, set, start);
        for (int round = 0; round < 50; round++)
        {
            SortedDictionary<StateKey, Bytes32> added = [];
            SortedDictionary<StateKey, Bytes32> removed = [];
            for (int i = 0; i < 1 + (round % 9); i++)
            {
                StateKey path = Path(random, random.Next(250));
                added[path] = LeafOf(path, i);
                removed[path] = StateHashing.Empty;
            }

            Assert.Equal(tree.Hash, Apply(Apply(tree, [], added), [], removed).Hash);
            Assert.Same(tree, Apply(tree, [], removed));                                    // deleting what is absent
        }

        Assert.Same(tree, Apply(tree, [], start));                                          // writing what is there
        Assert.Same(tree, tree.Update(Hashing, []));
    }

    [Fact]
    public void Unsorted_or_repeated_path_is_a_broken_invariant()
    {
        StateKey low = new(new Bytes32(1, 0, 0, 0));
        StateKey high = new(new Bytes32(2, 0, 0, 0));
        Assert.Throws<InvariantException>(() => MerkleTree.Empty.Update(Hashing, [new(high, LeafOf(high, 1)), new(low, LeafOf(low, 1))]));
        Assert.Throws<InvariantException>(() => MerkleTree.Empty.Update(Hashing, [new(low, LeafOf(low, 1)), new(low, LeafOf(low, 2))]));
    }

    /// <summary>M1, node by node.</summary>
    private static void AuditShape(MerkleTree tree)
    {
        Stack<MerkleNode?> open = new([tree.Top]);
        while (open.TryPop(out MerkleNode? node))
        {
            if (node is MerkleInner inner)
            {
                Assert.False(inner.Left is null && inner.Right is null or MerkleLeaf);
                Assert.False(inner.Right is null && inner.Left is MerkleLeaf);
                open.Push(inner.Left);
                open.Push(inner.Right);
            }
        }
    }
}
