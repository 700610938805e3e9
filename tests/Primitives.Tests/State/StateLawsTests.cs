// Laws of the state's commitment: the root is a pure function of the set of records.

using System.Collections.Generic;
using ParallelVm.Primitives.State;

namespace ParallelVm.Primitives.Tests.State;

public class StateLawsTests
{
    private static readonly StateHashing Hashing = new(new ChainId(new Bytes32(1, 2, 3, 4)));

    [Fact]
    public void The_empty_tree_is_zeros_and_one_leaf_is_the_tree()
    {
        StateKey key = Hashing.KeyOf(ProgramId.Native, new LocalKey(Bytes32.Zero));
        Bytes32 leaf = Hashing.Leaf(key, Hashing.ValueHash([1]));
        Assert.Equal(Bytes32.Zero, Hashing.TreeOf([]));
        Assert.Equal(leaf, Hashing.TreeOf([(key, leaf)]));
        Assert.Equal(Hashing.Root(Bytes32.Zero), new MemoryState(Hashing).Root);
    }

    [Fact]
    public void Root_is_independent_of_insertion_order_and_deletes_undo_inserts()
    {
        MemoryState forward = new(Hashing);
        MemoryState backward = forward;
        List<StateRoot> roots = [forward.Root];
        for (int i = 0; i < 40; i++)
        {
            forward = forward.Apply(One(i, [(byte)i]));
            backward = backward.Apply(One(39 - i, [(byte)(39 - i)]));
            roots.Add(forward.Root);
        }

        Assert.Equal(forward.Root, backward.Root);
        Assert.Equal(40, forward.Count);
        Assert.Equal(-1, forward.Read(Key(99), new byte[4096]));
        for (int i = 39; i >= 0; i--)
        {
            forward = forward.Apply(One(i, null));
            Assert.True(roots[i] == forward.Root, $"after deleting {i}");
        }
    }

    [Fact]
    public void An_unsorted_or_repeated_key_is_no_diff()
    {
        DiffEntry a = One(1, [1]).Entries[0];
        DiffEntry b = One(2, [1]).Entries[0];
        DiffEntry[] sorted = a.Key.CompareTo(b.Key) < 0 ? [a, b] : [b, a];
        StateDiff diff = StateDiff.FromSorted(sorted, [1]);
        Assert.Equal(0, diff.IndexOf(sorted[0].Key));
        Assert.Equal(1, diff.IndexOf(sorted[1].Key));
        Assert.Equal(-1, diff.IndexOf(Key(3)));
        Assert.Throws<InvariantException>(() => StateDiff.FromSorted([sorted[1], sorted[0]], [1]));
        Assert.Throws<InvariantException>(() => StateDiff.FromSorted([a, a], [1]));
    }

    private static StateKey Key(int i) => Hashing.KeyOf(ProgramId.Native, new LocalKey(new Bytes32((ulong)i, 0, 0, 0)));

    private static StateDiff One(int i, byte[]? value) => StateDiff.FromSorted(
        [new DiffEntry(Key(i), ProgramId.Native, new LocalKey(new Bytes32((ulong)i, 0, 0, 0)), 0, value?.Length ?? -1)], value ?? []);
}
