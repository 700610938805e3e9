// The tree against two other ways to say it: a fold along one path, for prefixes of every depth, and the definition on an
// unsorted set. Then the laws of the state that keeps it: batches, deletions, tombstones of nothing.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives.State;

namespace ParallelVm.Primitives.Tests.State;

public class TreeLawsTests
{
    private static readonly StateHashing Hashing = new(new ChainId(new Bytes32(11, 12, 13, 14)));

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Two_paths_that_part_at_depth_d_hang_below_d_nodes_with_an_empty_side(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int depth = 0; depth < 256; depth++)
        {
            Bytes32 path = NextBytes(random);
            Bytes32 other = Flip(path, depth);
            Bytes32 leaf = NextBytes(random);
            Bytes32 otherLeaf = NextBytes(random);
            Bytes32 expected = Join(path, depth, leaf, otherLeaf);
            for (int above = depth - 1; above >= 0; above--)
            {
                expected = Join(path, above, expected, StateHashing.Empty);
            }

            Assert.True(expected == Hashing.TreeOf(Sorted([(path, leaf), (other, otherLeaf)])), $"seed {seed} depth {depth}");
        }
    }

    // One path and its neighbour at every depth: 257 leaves, a tree 256 deep in which every level has one leaf.
    [Theory, InlineData(1), InlineData(20260)]
    public void A_leaf_beside_every_level_of_one_path_is_a_fold_along_it(ulong seed)
    {
        SeededRandom random = new(seed);
        Bytes32 path = NextBytes(random);
        Bytes32 expected = NextBytes(random);
        List<(Bytes32 Path, Bytes32 Leaf)> leaves = [(path, expected)];
        for (int depth = 255; depth >= 0; depth--)
        {
            Bytes32 leaf = NextBytes(random);
            leaves.Add((Flip(path, depth), leaf));
            expected = Join(path, depth, expected, leaf);
        }

        Assert.True(expected == Hashing.TreeOf(Sorted(leaves)), $"seed {seed}");
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void The_tree_is_the_definition_over_the_unsorted_set(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 60; round++)
        {
            Dictionary<Bytes32, Bytes32> leaves = [];
            int count = random.Next(40);
            while (leaves.Count < count)
            {
                leaves[NextPath(random)] = NextBytes(random);
            }

            List<(Bytes32 Path, Bytes32 Leaf)> set = [];
            foreach (KeyValuePair<Bytes32, Bytes32> pair in leaves)
            {
                set.Add((pair.Key, pair.Value));
            }

            Assert.True(Definition(set, 0) == Hashing.TreeOf(Sorted(set)), $"seed {seed} round {round}: {count} leaves");
        }
    }

    [Fact]
    public void Leaves_out_of_order_are_no_tree()
    {
        (StateKey, Bytes32) low = (new StateKey(new Bytes32(0, 0, 0, 1)), Bytes32.Zero);
        (StateKey, Bytes32) high = (new StateKey(new Bytes32(0, 0, 0, 2)), Bytes32.Zero);
        Assert.Throws<InvariantException>(() => Hashing.TreeOf([high, low]));
        Assert.Throws<InvariantException>(() => Hashing.TreeOf([low, low]));
    }

    // The formulas of the header of StateHashing, written out over concatenated bytes.
    [Theory, InlineData(1), InlineData(20260)]
    public void Every_hash_is_its_formula_under_the_key_of_its_name(ulong seed)
    {
        SeededRandom random = new(seed);
        Bytes32 chain = NextBytes(random);
        StateHashing hashing = new(new ChainId(chain));
        Bytes32 a = NextBytes(random);
        Bytes32 b = NextBytes(random);
        byte[] pair = [.. a.ToArray(), .. b.ToArray()];
        Assert.Equal(Blake3.Keyed(KeyNamed("path"), pair), hashing.KeyOf(new ProgramId(a), new LocalKey(b)).Value);
        Assert.Equal(Blake3.Keyed(KeyNamed("leaf"), pair), hashing.Leaf(new StateKey(a), b));
        Assert.Equal(Blake3.Keyed(KeyNamed("node"), pair), hashing.Node(a, b));
        Assert.Equal(Blake3.Keyed(KeyNamed("root"), [1, .. a.ToArray()]), hashing.Root(a).Value);
        foreach (int length in new[] { 0, 1, 59, 60, 61, 1020, 1021, 4095, 4096 })
        {
            byte[] value = new byte[length];
            random.Fill(value);
            CanonicalWriter writer = new();
            writer.WriteCounted(value);
            Assert.True(Blake3.Keyed(KeyNamed("value"), writer.Written) == hashing.ValueHash(value), $"seed {seed}: {length} bytes");
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => hashing.ValueHash(new byte[4097]));
        Bytes32 KeyNamed(string name) => Blake3.DeriveKey("ParallelVm 2026-11 v1 state " + name, chain.ToArray());
    }

    // The model is a sorted dictionary and its root a fresh state that is given everything at once.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void A_state_after_any_batches_is_the_state_of_what_is_left(ulong seed)
    {
        SeededRandom random = new(seed);
        SortedDictionary<Bytes32, byte[]?> model = [];
        MemoryState state = new(Hashing);
        byte[] target = new byte[StateLimits.MaxRecordBytes];
        for (int round = 0; round < 25; round++)
        {
            SortedDictionary<Bytes32, byte[]?> batch = NextBatch(random, model);
            MemoryState whole = state.Apply(DiffOf(batch));
            foreach (KeyValuePair<Bytes32, byte[]?> change in batch)
            {
                state = state.Apply(DiffOf(new SortedDictionary<Bytes32, byte[]?> { [change.Key] = change.Value }));
                model.Remove(change.Key);
                if (change.Value is not null)
                {
                    model[change.Key] = change.Value;
                }
            }

            string context = $"seed {seed} round {round}";
            MemoryState fresh = new MemoryState(Hashing).Apply(DiffOf(model));
            Assert.True(whole.Root == fresh.Root, context + ": one batch");
            Assert.True(state.Root == fresh.Root, context + ": one change at a time");
            Assert.Equal(model.Count, state.Count);
            foreach (Bytes32 key in batch.Keys)
            {
                int length = state.Read(new StateKey(key), target);
                byte[]? expected = model.GetValueOrDefault(key);
                Assert.True(length == (expected?.Length ?? -1), $"{context}: {key} is {length} bytes long");
                Assert.True(expected is null || target.AsSpan(0, length).SequenceEqual(expected), $"{context}: {key}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void A_batch_of_new_keys_and_their_deletion_are_nothing(ulong seed)
    {
        SeededRandom random = new(seed);
        SortedDictionary<Bytes32, byte[]?> none = [];
        MemoryState state = new(Hashing);
        for (int round = 0; round < 40; round++)
        {
            SortedDictionary<Bytes32, byte[]?> inserts = [];
            SortedDictionary<Bytes32, byte[]?> deletes = [];
            foreach (KeyValuePair<Bytes32, byte[]?> change in NextBatch(random, none))
            {
                if (state.Read(new StateKey(change.Key), new byte[StateLimits.MaxRecordBytes]) < 0)
                {
                    inserts[change.Key] = change.Value ?? [];
                    deletes[change.Key] = null;
                }
            }

            MemoryState grown = state.Apply(DiffOf(inserts));
            MemoryState back = grown.Apply(DiffOf(deletes));
            string context = $"seed {seed} round {round}: {inserts.Count} on {state.Count}";
            Assert.True(inserts.Count == 0 || grown.Root != state.Root, context);
            Assert.True(back.Root == state.Root && back.Count == state.Count, context);
            Assert.True(state.Apply(DiffOf(deletes)).Root == state.Root, context + ": tombstones of missing keys");
            state = random.Chance(2, 3) && state.Count < 150 ? grown : back;
        }
    }

    [Fact]
    public void A_tombstone_of_a_missing_key_changes_nothing()
    {
        MemoryState empty = new(Hashing);
        MemoryState one = empty.Apply(DiffOf(new SortedDictionary<Bytes32, byte[]?> { [new Bytes32(5, 0, 0, 0)] = [1] }));
        foreach (ulong word in new ulong[] { 0, 4, 6, ulong.MaxValue })
        {
            StateDiff tombstone = DiffOf(new SortedDictionary<Bytes32, byte[]?> { [new Bytes32(word, 0, 0, 0)] = null });
            Assert.Equal(empty.Root, empty.Apply(tombstone).Root);
            Assert.Equal(0, empty.Apply(tombstone).Count);
            Assert.Equal(one.Root, one.Apply(tombstone).Root);
            Assert.Equal(1, one.Apply(tombstone).Count);
        }
    }

    [Fact]
    public void An_empty_value_is_a_record_and_no_value_is_none()
    {
        Bytes32 key = new(5, 0, 0, 0);
        MemoryState empty = new(Hashing);
        MemoryState present = empty.Apply(DiffOf(new SortedDictionary<Bytes32, byte[]?> { [key] = [] }));
        Assert.Equal(0, present.Read(new StateKey(key), []));
        Assert.Equal(-1, empty.Read(new StateKey(key), []));
        Assert.NotEqual(empty.Root, present.Root);
    }

    [Fact]
    public void A_view_never_changes_under_its_siblings_and_children()
    {
        Bytes32 key = new(5, 0, 0, 0);
        byte[] values = [1];
        StateDiff first = StateDiff.FromSorted([Entry(key, 0, 1)], values);
        MemoryState parent = new MemoryState(Hashing).Apply(first);
        StateRoot before = parent.Root;
        MemoryState left = parent.Apply(DiffOf(new SortedDictionary<Bytes32, byte[]?> { [key] = [2] }));
        MemoryState right = parent.Apply(DiffOf(new SortedDictionary<Bytes32, byte[]?> { [key] = null }));
        values[0] = 99; // the state keeps its own copy
        byte[] target = new byte[1];
        Assert.Equal(1, parent.Read(new StateKey(key), target));
        Assert.Equal(1, target[0]);
        Assert.Equal(1, left.Read(new StateKey(key), target));
        Assert.Equal(2, target[0]);
        Assert.Equal(-1, right.Read(new StateKey(key), target));
        Assert.Equal(before, parent.Root);
    }

    private static Bytes32 Definition(List<(Bytes32 Path, Bytes32 Leaf)> set, int depth)
    {
        if (set.Count < 2)
        {
            return set.Count == 0 ? Bytes32.Zero : set[0].Leaf;
        }

        Bytes32 left = Definition(set.FindAll(leaf => !leaf.Path.Bit(depth)), depth + 1);
        Bytes32 right = Definition(set.FindAll(leaf => leaf.Path.Bit(depth)), depth + 1);
        return Hashing.Node(left, right);
    }

    /// <summary>The node at <paramref name="depth"/> over what lies along the path and what lies beside it.</summary>
    private static Bytes32 Join(Bytes32 path, int depth, Bytes32 along, Bytes32 beside) =>
        path.Bit(depth) ? Hashing.Node(beside, along) : Hashing.Node(along, beside);

    private static Bytes32 Flip(Bytes32 value, int bit)
    {
        byte[] bytes = value.ToArray();
        bytes[bit / 8] ^= (byte)(0x80 >> (bit % 8));
        return Bytes32.From(bytes);
    }

    private static (StateKey Path, Bytes32 Leaf)[] Sorted(List<(Bytes32 Path, Bytes32 Leaf)> leaves)
    {
        leaves = [.. leaves];
        leaves.Sort((left, right) => left.Path.CompareTo(right.Path));
        return [.. leaves.ConvertAll(leaf => (new StateKey(leaf.Path), leaf.Leaf))];
    }

    private static Bytes32 NextBytes(SeededRandom random) =>
        new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());

    /// <summary>Half of the paths are a fixed one with up to three bits flipped, so prefixes of every depth are shared.</summary>
    private static Bytes32 NextPath(SeededRandom random)
    {
        if (random.Chance(1, 2))
        {
            return NextBytes(random);
        }

        Bytes32 path = new(0x0123456789ABCDEF, 0, ulong.MaxValue, 0x5555555555555555);
        for (int flips = random.Next(4); flips > 0; flips--)
        {
            path = Flip(path, random.Next(256));
        }

        return path;
    }

    /// <summary>Changes of present and missing keys; null deletes.</summary>
    private static SortedDictionary<Bytes32, byte[]?> NextBatch(SeededRandom random, SortedDictionary<Bytes32, byte[]?> present)
    {
        List<Bytes32> keys = [.. present.Keys];
        SortedDictionary<Bytes32, byte[]?> batch = [];
        for (int count = random.Next(20); count > 0; count--)
        {
            Bytes32 key = keys.Count != 0 && random.Chance(1, 2) ? keys[random.Next(keys.Count)] : NextPath(random);
            byte[] value = new byte[random.Next(80)];
            random.Fill(value);
            batch[key] = random.Chance(2, 5) ? null : value;
        }

        return batch;
    }

    private static StateDiff DiffOf(SortedDictionary<Bytes32, byte[]?> changes)
    {
        List<DiffEntry> entries = [];
        List<byte> values = [];
        foreach (KeyValuePair<Bytes32, byte[]?> change in changes)
        {
            entries.Add(Entry(change.Key, values.Count, change.Value?.Length ?? -1));
            values.AddRange(change.Value ?? []);
        }

        return StateDiff.FromSorted([.. entries], [.. values]);
    }

    private static DiffEntry Entry(Bytes32 key, int offset, int length) =>
        new(new StateKey(key), ProgramId.Native, new LocalKey(key), offset, length);
}
