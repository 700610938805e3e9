// The incremental tree against the definition, with paths chosen freely: the tree takes any 256 bits, so shapes that no hash will
// ever produce are made by hand.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleTreeTests
{
    private static readonly ITreeHash Hash = MerkleWorld.Hash;

    private static PathChange Set(StateKey path, int value) => new(path, MerkleWorld.ValueOf(value));

    private static PathChange Delete(StateKey path) => new(path, default);

    [Theory, InlineData(1), InlineData(7), InlineData(20260), InlineData(31337)]
    public void Incremental_root_is_the_root_from_scratch_after_every_batch(ulong seed)
    {
        SeededRandom random = new(seed);
        StateKey[] pool = MerkleWorld.Pool(random, 260);
        PlainTree twin = new(Hash);
        MerkleTree tree = MerkleTree.Create(Hash);
        for (int batch = 0; batch < 90; batch++)
        {
            // waves of growth and decay, so that buckets fill up to pages and pages run empty
            int deleted = batch / 15 % 2 == 0 ? 2 : 8;
            PathChange[] changes = MerkleWorld.Changes(random, pool, random.Next(random.Chance(1, 4) ? 160 : 8), deleted);
            twin.Apply(changes);
            tree = tree.Update(changes);
            MerkleAudit.Check(tree, twin, $"seed {seed} batch {batch}");
            foreach (StateKey path in pool)
            {
                Assert.Equal(twin.Keys.ContainsKey(path), tree.TryFind(path, out _));
            }

            if (random.Chance(1, 3))
            {
                while (tree.Parent is not null)
                {
                    MerkleTree next = tree;
                    while (next.Parent!.Parent is not null)
                    {
                        next = next.Parent;
                    }

                    next.BecomeBase();
                }
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

            PlainTree twin = new(Hash);
            twin.Apply([Set(first, 1)]);
            MerkleTree one = MerkleTree.Create(Hash).Update(new[] { Set(first, 1) });
            Assert.Equal(twin.LeafOf(first), one.Hash);                                     // a lone key is its leaf
            twin.Apply([Set(second, 2)]);
            MerkleTree two = one.Update(new[] { Set(second, 2) });
            MerkleAudit.Check(two, twin, $"depth {depth}");
            MerkleTree back = two.Update(new[] { Delete(second) });
            Assert.True(one.Hash == back.Hash && back.Count == 1, $"depth {depth}: collapse");
            Assert.Equal(twin.LeafOf(second), two.Update(new[] { Delete(first) }).Hash);
            Assert.Equal(Hash.Empty, back.Update(new[] { Delete(first) }).Hash);
        }
    }

    [Theory, InlineData(3), InlineData(9), InlineData(17), InlineData(40)]
    public void Many_neighbours_below_a_long_prefix_have_the_defined_root(int keys)
    {
        // all in one bucket or in a chain of pages with one subtree each, down to the last bits
        SeededRandom random = new((ulong)keys);
        foreach (int shared in new[] { 6, 9, 62, 128, 200, 248, 250 })
        {
            SortedDictionary<StateKey, PathChange> set = [];
            while (set.Count < Math.Min(keys, 1 << Math.Min(256 - shared, 20)))
            {
                StateKey path = MerkleWorld.Path(random, shared);
                set[path] = Set(path, set.Count);
            }

            PathChange[] changes = [.. set.Values];
            PlainTree twin = new(Hash);
            twin.Apply(changes);
            MerkleTree tree = MerkleTree.Create(Hash).Update(changes);
            MerkleAudit.Check(tree, twin, $"shared {shared}");
            foreach (PathChange change in changes)
            {
                twin.Apply([Delete(change.Path)]);
                tree = tree.Update(new[] { Delete(change.Path) });
                MerkleAudit.Check(tree, twin, $"shared {shared}, {twin.Keys.Count} left");
            }

            Assert.Equal(Hash.Empty, tree.Hash);
        }
    }

    [Theory, InlineData(3), InlineData(11)]
    public void Order_and_batching_do_not_matter(ulong seed)
    {
        SeededRandom random = new(seed);
        PlainTree twin = new(Hash);
        foreach (StateKey path in MerkleWorld.Pool(random, 90))
        {
            twin.Apply([Set(path, twin.Keys.Count)]);
        }

        Bytes32 expected = twin.Root;
        for (int round = 0; round < 10; round++)
        {
            StateKey[] order = [.. twin.Keys.Keys];
            for (int i = order.Length - 1; i > 0; i--)
            {
                int j = random.Next(i + 1);
                (order[i], order[j]) = (order[j], order[i]);
            }

            MerkleTree tree = MerkleTree.Create(Hash);
            for (int at = 0; at < order.Length;)
            {
                SortedDictionary<StateKey, PathChange> changes = [];
                for (int size = 1 + random.Next(8); size > 0 && at < order.Length; size--, at++)
                {
                    changes[order[at]] = new PathChange(order[at], twin.Keys[order[at]]);
                }

                tree = tree.Update(new List<PathChange>(changes.Values).ToArray());
            }

            Assert.True(expected == tree.Hash, $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void Insert_then_delete_is_identity_and_a_change_to_nothing_is_the_same_object()
    {
        SeededRandom random = new(5);
        PathChange[] start = MerkleWorld.Changes(random, MerkleWorld.Pool(random, 60), 60, 0);
        MerkleTree tree = MerkleTree.Create(Hash).Update(start);
        for (int round = 0; round < 60; round++)
        {
            PathChange[] added = Array.FindAll(
                MerkleWorld.Changes(random, MerkleWorld.Pool(random, 1 + (round % 40)), 40, 0), change => !tree.TryFind(change.Path, out _));
            PathChange[] removed = Array.ConvertAll(added, static change => Delete(change.Path));
            Assert.Equal(tree.Hash, tree.Update(added).Update(removed).Hash);
            Assert.Same(tree, tree.Update(removed));                                        // deleting what is absent
        }

        Assert.Same(tree, tree.Update(start));                                              // writing what is there
        Assert.Same(tree, tree.Update(Array.Empty<PathChange>()));
        Assert.Equal(Hash.Empty, tree.Update(Array.ConvertAll(start, static change => Delete(change.Path))).Hash);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(8), InlineData(64)]
    public void Root_is_the_same_with_1_2_8_and_64_workers(int workers)
    {
        SeededRandom random = new(64);
        StateKey[] pool = MerkleWorld.Pool(random, 3_000);
        PlainTree twin = new(Hash);
        MerkleTree tree = MerkleTree.Create(Hash, MerkleWorld.On(workers));
        for (int batch = 0; batch < 6; batch++)
        {
            PathChange[] changes = MerkleWorld.Changes(random, pool, 1_500, batch == 4 ? 8 : 3);
            twin.Apply(changes);
            tree = tree.Update(changes);
            Assert.True(twin.Root == tree.Hash, $"{workers} workers, batch {batch}");
        }
    }

    [Theory, InlineData(0), InlineData(1), InlineData(12), InlineData(13), InlineData(5_000)]
    public void Tree_built_at_once_is_the_tree_of_its_keys_in_any_order(int keys)
    {
        SeededRandom random = new((ulong)keys);
        foreach (RunJobs? jobs in new[] { null, MerkleWorld.On(2) })
        {
            PathChange[] set = MerkleWorld.Changes(random, MerkleWorld.Pool(random, keys * 2), keys, 0);
            for (int i = set.Length - 1; i > 0; i--)
            {
                int j = random.Next(i + 1);
                (set[i], set[j]) = (set[j], set[i]);
            }

            PlainTree twin = new(Hash);
            twin.Apply(set);
            MerkleTree tree = MerkleTree.Build(Hash, set, jobs);
            MerkleAudit.Check(tree, twin, $"{keys} keys");
            PathChange[] more = MerkleWorld.Changes(random, MerkleWorld.Pool(random, 100), 50, 3);
            twin.Apply(more);
            MerkleAudit.Check(tree.Update(more), twin, $"{keys} keys and more");
        }
    }

    [Fact]
    public void Unsorted_or_repeated_path_is_a_broken_invariant()
    {
        StateKey low = new(new Bytes32(1, 0, 0, 0));
        StateKey high = new(new Bytes32(2, 0, 0, 0));
        Assert.Throws<InvariantException>(() => MerkleTree.Create(Hash).Update(new[] { Set(high, 1), Set(low, 1) }));
        Assert.Throws<InvariantException>(() => MerkleTree.Create(Hash).Update(new[] { Set(low, 1), Set(low, 2) }));
        Assert.Throws<InvariantException>(() => MerkleTree.Build(Hash, new[] { Set(low, 1), Set(high, 1), Set(low, 2) }));
    }

    [Fact]
    public void Keys_are_visited_in_ascending_order()
    {
        SeededRandom random = new(8);
        PlainTree twin = new(Hash);
        PathChange[] changes = MerkleWorld.Changes(random, MerkleWorld.Pool(random, 500), 500, 0);
        twin.Apply(changes);
        List<StateKey> visited = [];
        MerkleTree.Create(Hash).Update(changes).Visit(visited.Add);
        Assert.Equal([.. twin.Keys.Keys], visited);
    }
}
