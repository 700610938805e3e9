// The store as its callers see it: the same state as the twin, whatever stands, falls or is opened again in between.

using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class StateStoreTests
{
    /// <summary>Small pages and a small memory, so that a few blocks reach the disk.</summary>
    internal static StateStoreOptions Small(string folder) => new()
    {
        Folder = folder,
        Hashing = World.Hashing,
        IndexBuckets = 64,
        TablePageBytes = 16 * 1024,
        TableSegmentBytes = 64 * 1024,
        TableMemoryBytes = 64 * 1024,
        LogSegmentBytes = 4096,
        CheckpointEveryBlocks = 0,
        CheckpointOnDispose = false,
    };

    [Fact]
    public void Fresh_store_is_the_empty_state_and_has_no_block()
    {
        using TempFolder temp = new();
        using StateStore store = StateStore.Open(Small(temp["data"]));
        Assert.Null(store.LastAccepted);
        Assert.Equal(new MemoryState(World.Hashing).Root, store.Accepted.Root);
        Assert.False(store.TryNextReplay(out _));
        Assert.False(store.TryReadBlock(new Height(0), out _));
        Assert.Empty(store.Notes);
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Accepted_state_is_the_twins_after_every_block(ulong seed)
    {
        using TempFolder temp = new();
        World world = new(seed);
        using StateStore store = StateStore.Open(Small(temp["data"]));
        for (int count = 1; count <= 40; count++)
        {
            world.AcceptTo(store, count);
            world.AssertSame(world.States[count], store.Accepted, $"after block {count - 1}");
        }

        world.AssertIsAt(store, 40, "at the end");
    }

    [Theory]
    [InlineData(1, 0, false)]
    [InlineData(2, 1, false)]
    [InlineData(3, 4, false)]
    [InlineData(4, 0, true)]
    [InlineData(5, 7, true)]
    public void Reopened_store_is_where_it_was(ulong seed, int every, bool onDispose)
    {
        using TempFolder temp = new();
        World world = new(seed);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = every, CheckpointOnDispose = onDispose };
        int count = 0;
        for (int round = 0; round < 5; round++)
        {
            using StateStore store = StateStore.Open(options);
            Assert.Empty(store.Notes);
            int replayed = world.Replay(store);
            Assert.Equal(onDispose ? 0 : every == 0 ? count : replayed, replayed);
            world.AssertIsAt(store, count, $"round {round}");
            count += 6;
            world.AcceptTo(store, count);
            world.AssertIsAt(store, count, $"round {round} grown");
        }
    }

    [Fact]
    public void Block_that_was_persisted_and_not_accepted_is_not_told_and_is_replayed_after_a_restart()
    {
        using TempFolder temp = new();
        World world = new(91);
        world.GrowTo(5);
        using (StateStore store = StateStore.Open(Small(temp["data"])))
        {
            world.AcceptTo(store, 3);
            store.Persist(world.Blocks[3], store.Accepted.Apply(world.Diffs[3]));
            Assert.Equal(world.Blocks[2].BlockId, store.LastAccepted!.Value.BlockId);
            world.AssertSame(world.States[3], store.Accepted, "persisted");
        }

        using StateStore opened = StateStore.Open(Small(temp["data"]));
        Assert.Equal(4, world.Replay(opened));
        world.AcceptTo(opened, 5);
        world.AssertIsAt(opened, 5, "after the restart");
    }

    [Fact]
    public void Another_block_than_the_persisted_one_is_a_broken_invariant()
    {
        using TempFolder temp = new();
        World world = new(92);
        world.GrowTo(2);
        using StateStore store = StateStore.Open(Small(temp["data"]));
        IStateView view = store.Accepted.Apply(world.Diffs[0]);
        store.Persist(world.Blocks[0], view);
        BlockRecord other = world.Blocks[0] with { BlockId = new BlockId(Blake3.Hash("another"u8)) };
        Assert.Throws<InvariantException>(() => store.Accept(other, view));
        Assert.Throws<InvariantException>(() => store.Persist(world.Blocks[0], view));
        store.Accept(world.Blocks[0], view);
        world.AssertIsAt(store, 1, "the persisted one");
    }
}
