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
}
