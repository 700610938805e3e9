// Stores whose state table has sixteen parts, by the first four bits of the key: the same laws as with one. Parts are for states of more
// than fifty million keys; the setting that says so is small here, and so are the parts' indexes.

using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class PartsTests
{
    private static StateStoreOptions InParts(string folder) =>
        StateStoreTests.Small(folder) with { IndexBuckets = 16, KeysPerPart = 20, ExpectedKeys = 21 };

    [Theory, InlineData(1, false), InlineData(2, true)]
    public void Killed_and_reopened_store_in_parts_is_the_twins(ulong seed, bool inBackground)
    {
        World world = new(seed, keys: 80);
        MemoryDisk disk = new();
        int count = 0;
        for (int round = 1; round <= 4; round++)
        {
            string context = $"seed {seed} round {round}";
            StateStoreOptions options = InParts("/data") with { Files = disk, CheckpointEveryBlocks = 3, CheckpointOnDispose = round == 2, AppliesInBackground = inBackground };
            using StateStore store = StateStore.Open(options);
            Assert.Empty(store.Notes);
            Assert.Equal(StateTable.PartsMax, store.TableParts);
            world.Replay(store);
            world.AssertIsAt(store, count, context);
            count += 7;
            world.AcceptTo(store, count);
            world.AssertIsAt(store, count, context + ", grown");
            if (round == 3)
            {
                store.StepBack(new Height((ulong)(count - 3)));
                count -= 2;
                world.AssertIsAt(store, count, context + ", stepped back");
            }

            if (round == 2)
            {
                store.Dispose();
            }

            disk = new MemoryDisk(disk.Image());        // after a kill in the other rounds, with the applier anywhere
        }

        using StateStore last = StateStore.Open(InParts("/data") with { Files = disk, KeysPerPart = long.MaxValue, ExpectedKeys = 0 });
        Assert.Equal(StateTable.PartsMax, last.TableParts);        // what is on disk decides, not the setting
        world.Replay(last);
        world.AssertIsAt(last, count, $"seed {seed} at the end");
        Assert.Equal(last.Records, last.CheckAll().Records);
        string table = disk.ListFolders("/data/tables")[^1];       // a kill before the first checkpoint leaves an older one
        for (int part = 0; part < StateTable.PartsMax; part++)
        {
            Assert.Contains("hlog.log.0", disk.ListFiles($"/data/tables/{table}/{StateTable.NameOf(part)}"));
        }
    }

    [Fact]
    public void Machine_that_stops_after_any_operation_of_a_store_in_parts_has_lost_nothing()
    {
        CrashRun run = new(7, 12, inParts: true);
        int crashes = run.CrashAtEvery(3, 61, allWays: false);
        Assert.True(crashes >= 15, $"{crashes} crashes at {run.Places} places");
    }

    [Fact]
    public void Table_of_one_part_that_has_too_many_keys_for_it_is_rewritten_into_sixteen()
    {
        World world = new(3, keys: 200);
        MemoryDisk disk = new();
        StateStoreOptions options = InParts("/data") with { Files = disk, ExpectedKeys = 0, CheckpointEveryBlocks = 2 };
        int count = 0;
        using (StateStore store = StateStore.Open(options))
        {
            Assert.Equal(1, store.TableParts);
            for (; store.TableParts == 1; count++)
            {
                Assert.True(count < 30, "never rewritten");
                world.AcceptTo(store, count + 1);
                Assert.True(store.TableParts > 1 || store.Records <= options.KeysPerPart * 2 || count % 2 == 0, $"{store.Records} records");
            }

            Assert.True(store.Records > options.KeysPerPart * 2, $"{store.Records} records");
            world.AssertIsAt(store, count, "rewritten");
        }

        MemoryDisk next = new(disk.Image());
        using StateStore again = StateStore.Open(options with { Files = next });
        Assert.Empty(again.Notes);
        Assert.Equal(StateTable.PartsMax, again.TableParts);
        world.Replay(again);
        world.AssertIsAt(again, count, "opened again");
        world.AcceptTo(again, count + 5);
        world.AssertIsAt(again, count + 5, "gone on");
    }

    [Fact]
    public void Damage_to_any_one_part_costs_its_generation()
    {
        World world = new(4, keys: 80);
        MemoryDisk disk = new();
        StateStoreOptions options = InParts("/data") with { CheckpointEveryBlocks = 4 };
        using (StateStore store = StateStore.Open(options with { Files = disk }))
        {
            world.AcceptTo(store, 10);
        }

        DiskImage image = disk.Image();
        for (int part = 0; part < StateTable.PartsMax; part++)
        {
            string path = $"/data/tables/00000001/{StateTable.NameOf(part)}/hlog.log.0";
            byte[] flipped = (byte[])image.Files[path].Clone();
            flipped[100] ^= 4;
            using StateStore store = StateStore.Open(options with { Files = new MemoryDisk(image with { Files = new Dictionary<string, byte[]>(image.Files) { [path] = flipped } }) });
            Assert.NotEmpty(store.Notes);
            world.Replay(store);
            world.AssertIsAt(store, 10, $"part {part}");
        }
    }

    // FASTER 2.6.5 loses everything, and says that all is well, at 2^25 buckets: state.md, ADR-0002.
    [Fact]
    public void No_setting_makes_an_index_of_more_than_two_to_the_24_buckets()
    {
        TableShape most = new(1 << 24, 1 << 20, 1 << 30, 256 << 20);
        Assert.True(most.IsValid);
        TableShape beyond = most with { IndexBuckets = 1 << 25 };
        Assert.False(beyond.IsValid);
        Assert.Throws<InvariantException>(() => FasterTable.Create(new MemoryDisk(), "/table", beyond, 1));

        List<BlockRecord> blocks = [World.RecordOf(0, default, default, "shape")];
        Manifest manifest = BlockLogTests.ManifestOf(new LogPosition(0, 0, 300, new Height(0), Blake3.Hash("h"u8), blocks[0].BlockId), blocks[0]);
        Assert.True(Manifest.TryDecode((manifest with { Shape = most }).Encode(), 1 << 20, out _, out _));
        Assert.False(Manifest.TryDecode((manifest with { Shape = beyond }).Encode(), 1 << 20, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.OutOfRange, refusal.Code);
    }

    [Theory]
    [InlineData(0, 1 << 17, 1, 1 << 17)]                        // the default: a hundred thousand buckets and one part
    [InlineData(1_000_000, 1 << 17, 1, 1 << 18)]                // two to four keys for each bucket
    [InlineData(50_331_648, 1 << 17, 1, 1 << 24)]               // the last that one part is good for
    [InlineData(50_331_649, 1 << 17, 16, 1 << 20)]
    [InlineData(1_000_000_000, 1 << 17, 16, 1 << 24)]
    [InlineData(100_000_000_000, 1 << 17, 16, 1 << 24)]         // the cap: chains grow instead
    [InlineData(0, 1 << 30, 1, 1 << 24)]
    public void What_a_table_is_made_for_decides_its_parts_and_their_indexes(long keys, long buckets, int parts, long indexBuckets)
    {
        StateStoreOptions options = new() { Folder = "/data", Hashing = World.Hashing, ExpectedKeys = keys, IndexBuckets = buckets };
        (TableShape shape, int found) = Checkpoints.ShapeFor(options, keys);
        Assert.True(shape.IsValid);
        Assert.Equal((parts, indexBuckets), (found, shape.IndexBuckets));
        Assert.Equal((found, shape), (Checkpoints.ShapeFor(options with { KeysPerPart = long.MaxValue }, keys).Parts, shape));     // no setting lifts the cap
    }
}
