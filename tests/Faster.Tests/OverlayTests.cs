// Views of processing blocks: each sees its own way down to the accepted state, and nothing else.

using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class OverlayTests
{
    private static byte[] Buffer() => new byte[StateLimits.MaxRecordBytes];

    private static byte[]? Read(IStateView view, int index)
    {
        byte[] target = Buffer();
        int length = view.Read(World.KeyAt(index).Key, target);
        return length < 0 ? null : target[..length];
    }

    private static BlockRecord RecordOn(StateStore store, IStateView view) =>
        World.RecordOf(store.LastAccepted is { } last ? (int)last.Height.Value + 1 : 0, store.LastAccepted?.BlockId ?? default, view.Root, "overlay");

    [Fact]
    public void Siblings_do_not_see_each_other_and_children_see_their_parent()
    {
        using TempFolder temp = new();
        using StateStore store = StateStore.Open(StateStoreTests.Small(temp["data"]));
        IStateView genesis = store.Accepted.Apply(World.DiffOf((0, [10]), (1, [11]), (2, [12])));
        store.Accept(RecordOn(store, genesis), genesis);

        IStateView left = store.Accepted.Apply(World.DiffOf((0, [20]), (1, null)));
        IStateView right = store.Accepted.Apply(World.DiffOf((1, [31, 31]), (3, [])));
        IStateView leftChild = left.Apply(World.DiffOf((1, [41]), (2, null)));
        Assert.Equal([10], Read(store.Accepted, 0)!);
        Assert.Equal([20], Read(left, 0)!);
        Assert.Null(Read(left, 1));
        Assert.Equal([12], Read(left, 2)!);
        Assert.Equal([10], Read(right, 0)!);
        Assert.Equal([31, 31], Read(right, 1)!);
        Assert.Equal([], Read(right, 3)!);                                                  // empty is a value
        Assert.Null(Read(left, 3));
        Assert.Equal([20], Read(leftChild, 0)!);
        Assert.Equal([41], Read(leftChild, 1)!);
        Assert.Null(Read(leftChild, 2));

        store.Accept(RecordOn(store, left), left);
        Assert.Equal([20], Read(store.Accepted, 0)!);
        Assert.Null(Read(store.Accepted, 1));
        Assert.Equal([41], Read(leftChild, 1)!);
        store.Accept(RecordOn(store, leftChild), leftChild);
        Assert.Equal([41], Read(store.Accepted, 1)!);
        Assert.Null(Read(store.Accepted, 2));
    }

    [Fact]
    public void Stale_views_are_a_broken_invariant_to_read_apply_or_accept()
    {
        using TempFolder temp = new();
        using StateStore store = StateStore.Open(StateStoreTests.Small(temp["data"]));
        IStateView empty = store.Accepted;
        IStateView chosen = empty.Apply(World.DiffOf((0, [1])));
        IStateView sibling = empty.Apply(World.DiffOf((0, [2])));
        IStateView nephew = sibling.Apply(World.DiffOf((1, [3])));
        Assert.Throws<InvariantException>(() => store.Accept(RecordOn(store, nephew), nephew));       // skips a block
        BlockRecord wrongRoot = RecordOn(store, chosen) with { StateRoot = sibling.Root };
        Assert.Throws<InvariantException>(() => store.Accept(wrongRoot, chosen));
        store.Accept(RecordOn(store, chosen), chosen);

        foreach (IStateView dead in new[] { empty, sibling, nephew })
        {
            Assert.Throws<InvariantException>(() => Read(dead, 0));
            Assert.Throws<InvariantException>(() => dead.Apply(StateDiff.Empty));
            Assert.Throws<InvariantException>(() => store.Accept(RecordOn(store, dead), dead));
        }

        Assert.Throws<InvariantException>(() => store.Accept(RecordOn(store, chosen), chosen));       // twice
        IStateView stranger = new MemoryState(World.Hashing);
        Assert.Throws<InvariantException>(() => store.Accept(RecordOn(store, stranger), stranger));
        Assert.Equal([1], Read(store.Accepted, 0)!);
    }

    [Theory, InlineData(1), InlineData(9)]
    public void Deep_chain_reads_as_the_twin_before_and_while_it_is_accepted(ulong seed)
    {
        using TempFolder temp = new();
        World world = new(seed);
        world.GrowTo(80);
        using StateStore store = StateStore.Open(StateStoreTests.Small(temp["data"]) with { CheckpointEveryBlocks = 16 });
        List<IStateView> views = [store.Accepted];
        for (int height = 0; height < 80; height++)
        {
            views.Add(views[^1].Apply(world.Diffs[height]));
        }

        for (int height = 0; height < 80; height++)
        {
            world.AssertSame(world.States[80], views[80], $"tip over {height} accepted");
            world.AssertSame(world.States[height + 1], views[height + 1], $"view {height + 1}");
            store.Accept(world.Blocks[height], views[height + 1]);
            world.AssertSame(world.States[height + 1], store.Accepted, $"accepted {height}");
        }
    }

    [Fact]
    public void Empty_block_keeps_the_root_and_is_a_block_all_the_same()
    {
        using TempFolder temp = new();
        using StateStore store = StateStore.Open(StateStoreTests.Small(temp["data"]) with { CheckpointOnDispose = true });
        for (int i = 0; i < 3; i++)
        {
            IStateView view = store.Accepted.Apply(StateDiff.Empty);
            Assert.Equal(store.Accepted.Root, view.Root);
            store.Accept(RecordOn(store, view), view);
        }

        store.Dispose();
        using StateStore again = StateStore.Open(StateStoreTests.Small(temp["data"]));
        Assert.Empty(again.Notes);
        Assert.Equal(new Height(2), again.LastAccepted!.Value.Height);
    }
}
