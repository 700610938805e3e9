// The past: every height of the window reads, proves and steps back like the twin of that height; outside it the store says so.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class HistoryTests
{
    private static StateStoreOptions Options(string folder, MemoryDisk disk) => StateStoreTests.Small(folder) with
    {
        Files = disk,
        HistorySegmentBytes = 3000,
        CheckpointEveryBlocks = 7,
    };

    [Theory, InlineData(1, false), InlineData(2, true)]
    public void Every_height_reads_and_proves_like_its_twin(ulong seed, bool reopens)
    {
        MemoryDisk disk = new();
        World world = new(seed);
        StateStore store = StateStore.Open(Options("/data", disk));
        world.AcceptTo(store, 40);
        if (reopens)
        {
            store.Dispose();
            store = StateStore.Open(Options("/data", disk));
            world.Replay(store);
        }

        using (store)
        {
            Assert.Equal(new Height(0), store.OldestState);
            byte[] expected = new byte[StateLimits.MaxRecordBytes];
            byte[] actual = new byte[StateLimits.MaxRecordBytes];
            for (int height = 0; height < 40; height++)
            {
                MemoryState twin = world.States[height + 1];
                world.AssertSame(twin, store.StateAt(new Height((ulong)height)), $"height {height}");
                for (int i = 0; i < 45; i++)
                {
                    StateKey key = World.KeyAt(i).Key;
                    int length = twin.Read(key, expected);
                    Assert.Equal(length, store.ReadAt(new Height((ulong)height), key, actual));
                    Assert.True(length < 0 || expected.AsSpan(0, length).SequenceEqual(actual.AsSpan(0, length)));
                }

                StateKey asked = World.KeyAt(height).Key;
                byte[] proof = store.ProveAt(new Height((ulong)height), asked);
                int found = twin.Read(asked, expected);
                Assert.True(found < 0
                    ? MerkleProof.VerifyAbsent(World.Hashing, twin.Root, asked, proof)
                    : MerkleProof.VerifyPresent(World.Hashing, twin.Root, asked, expected.AsSpan(0, found), proof));
            }

            world.AssertIsAt(store, 40, "reading the past changes nothing");
        }
    }

    [Theory, InlineData(3, 0), InlineData(4, 17), InlineData(5, 38), InlineData(6, 27)]
    public void Store_that_stepped_back_is_there_now_and_after_a_restart_and_goes_on(ulong seed, int height)
    {
        MemoryDisk disk = new();
        World world = new(seed);
        using (StateStore store = StateStore.Open(Options("/data", disk)))
        {
            world.AcceptTo(store, 40);
            IStateView dead = store.Accepted.Apply(StateDiff.Empty);
            store.StepBack(new Height((ulong)height));
            world.AssertIsAt(store, height + 1, "stepped back");
            Assert.False(store.TryReadBlock(new Height((ulong)height + 1), out _));
            Assert.Throws<InvariantException>(() => dead.Read(World.KeyAt(0).Key, new byte[StateLimits.MaxRecordBytes]));
            Assert.Equal(new Height(0), store.OldestState);
        }

        using (StateStore store = StateStore.Open(Options("/data", disk)))
        {
            Assert.Empty(store.Notes);
            world.Replay(store);
            world.AssertIsAt(store, height + 1, "opened again");
            world.AcceptTo(store, 50);
            world.AssertIsAt(store, 50, "gone on");
            world.AssertSame(world.States[height + 1], store.StateAt(new Height((ulong)height)), "the past of the new branch");
        }
    }

    [Fact]
    public void Height_outside_the_window_is_refused_and_the_window_is_as_long_as_asked()
    {
        MemoryDisk disk = new();
        World world = new(7);
        using StateStore store = StateStore.Open(Options("/data", disk) with { HistoryBlocks = 10 });
        world.AcceptTo(store, 60);
        ulong oldest = store.OldestState!.Value.Value;
        Assert.InRange(oldest, 30ul, 49ul);         // at least ten blocks, and no more than files and checkpoints round up to
        foreach (ulong height in new[] { 0ul, oldest - 1, 60ul, ulong.MaxValue })
        {
            StateStoreException error = Assert.Throws<StateStoreException>(() => store.StateAt(new Height(height)));
            Assert.Equal(RefusalCode.StoreHistoryTooShort, error.Refusal.Code);
        }

        world.AssertSame(world.States[(int)oldest + 1], store.StateAt(new Height(oldest)), "the oldest");
        world.AcceptTo(store, 61);                   // a refusal latches nothing
    }

    [Fact]
    public void Damaged_history_is_refused_or_given_up_with_a_note_and_never_believed()
    {
        MemoryDisk disk = new();
        World world = new(8);
        using (StateStore store = StateStore.Open(Options("/data", disk) with { CheckpointOnDispose = true }))
        {
            world.AcceptTo(store, 20);
        }

        DiskImage image = disk.Image();
        int noticed = 0;
        foreach (string path in image.Files.Keys)
        {
            for (int at = 0; path.EndsWith(".undo", StringComparison.Ordinal) && at < image.Files[path].Length; at += 61)
            {
                DiskImage damaged = image with { Files = new(image.Files) };
                damaged.Files[path] = (byte[])image.Files[path].Clone();
                damaged.Files[path][at] ^= 4;
                using StateStore store = StateStore.Open(Options("/data", new MemoryDisk(damaged)));
                world.AssertIsAt(store, 20, $"byte {at} of {path}");
                for (ulong height = 0; height < 20; height++)
                {
                    try
                    {
                        world.AssertSame(world.States[(int)height + 1], store.StateAt(new Height(height)), $"byte {at} of {path}, height {height}");
                    }
                    catch (StateStoreException error)
                    {
                        Assert.True(error.Refusal.Code is RefusalCode.StoreHistoryDamaged or RefusalCode.StoreHistoryTooShort, error.Message);
                        noticed++;
                    }
                }
            }
        }

        Assert.True(noticed > 50, $"{noticed}");
    }

    [Theory, InlineData(11), InlineData(12)]
    public void Background_applier_gives_the_twins_state_at_every_block_and_after_every_kill(ulong seed)
    {
        MemoryDisk disk = new();
        World world = new(seed);
        StateStoreOptions options = Options("/data", disk) with { AppliesInBackground = true, CheckpointEveryBlocks = 3 };
        SeededRandom random = new(seed);
        for (int count = 1, round = 0; round < 6; round++)
        {
            using StateStore store = StateStore.Open(options with { Files = disk });
            world.Replay(store);
            for (int i = random.Next(30); i >= 0; i--, count++)
            {
                world.AcceptTo(store, count);
                world.AssertSame(world.States[count], store.Accepted, $"seed {seed} block {count}");
            }

            world.AssertIsAt(store, count - 1, $"seed {seed} round {round}");
            if (random.Chance(1, 2))
            {
                Height back = new((ulong)(count - 2 - random.Next(Math.Min(count - 1, 5))));
                store.StepBack(back);
                count = (int)back.Value + 2;
                world.AssertIsAt(store, count - 1, $"seed {seed} round {round} back");
            }

            disk = new MemoryDisk(disk.Image());      // killed as it stands
        }
    }
}
