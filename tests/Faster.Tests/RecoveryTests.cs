// Coming back: after a kill, after damage to any file, after a failed disk, from the wrong folder. The law: the store
// opens with every acknowledged block and the twin's state, or it refuses with a code; and it says so when it did not
// find everything as it left it.

using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class RecoveryTests
{
    private static StateStoreOptions Small(string folder) => StateStoreTests.Small(folder);

    private static Refusal RefusalOf(StateStoreOptions options)
    {
        StateStoreException error = Assert.Throws<StateStoreException>(() => StateStore.Open(options).Dispose());
        Assert.True(error.Refusal.Code is >= RefusalCode.StoreFolderUnusable and < (RefusalCode)800);
        Assert.DoesNotContain('\n', error.Refusal.Sentence);
        return error.Refusal;
    }

    /// <summary>Opens, replays, compares with the twin, twice in a row.</summary>
    private static void AssertRecovers(World world, StateStoreOptions options, int count, string context)
    {
        for (int time = 0; time < 2; time++)
        {
            using StateStore store = StateStore.Open(options);
            world.Replay(store);
            world.AssertIsAt(store, count, $"{context}, time {time}");
        }
    }

    [Theory, InlineData(1, 0), InlineData(2, 3), InlineData(3, 1)]
    public void Killed_store_comes_back_with_every_block_after_each_of_them(ulong seed, int every)
    {
        using TempFolder temp = new();
        World world = new(seed);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = every };
        using StateStore store = StateStore.Open(options);
        for (int count = 0; count <= 10; count++)
        {
            world.AcceptTo(store, count);
            string copy = temp[$"copy{count}"];
            TempFolder.Copy(temp["data"], copy);
            AssertRecovers(world, options with { Folder = copy }, count, $"seed {seed}, killed after {count}");
        }
    }

    [Theory, InlineData(11), InlineData(12)]
    public void Blocks_written_over_the_checkpoint_and_killed_are_replayed_to_the_same_root(ulong seed)
    {
        // Many rounds of: come back, write far beyond the checkpoint so that pages behind its tail reach the disk, die.
        using TempFolder temp = new();
        World world = new(seed, keys: 60);
        SeededRandom random = new(seed);
        string folder = temp["data0"];
        int count = 0;
        for (int round = 1; round <= 8; round++)
        {
            StateStoreOptions options = Small(folder) with { CheckpointEveryBlocks = 5 + random.Next(30) };
            using StateStore store = StateStore.Open(options);
            Assert.Empty(store.Notes);
            world.Replay(store);
            world.AssertIsAt(store, count, $"seed {seed} round {round}");
            count += 10 + random.Next(25);
            while (world.Blocks.Count < count)
            {
                world.Grow(40);
            }

            world.AcceptTo(store, count);
            folder = temp[$"data{round}"];
            TempFolder.Copy(options.Folder, folder);
        }

        AssertRecovers(world, Small(folder), count, $"seed {seed} at the end");
    }

    [Fact]
    public void Damaged_checkpoint_costs_a_longer_replay_and_the_next_one_takes_its_place()
    {
        using TempFolder temp = new();
        World world = new(31);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = 4 };
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 14);   // checkpoints at blocks 7 and 11
            Assert.Equal(new Height(11), store.CheckpointHeight);
        }

        string[] manifests = Directory.GetFiles(temp["data/checkpoints"]);
        Assert.Equal(2, manifests.Length);
        Array.Sort(manifests, StringComparer.Ordinal);
        string newest = manifests[1];
        byte[] bytes = File.ReadAllBytes(newest);
        bytes[40] ^= 1;
        File.WriteAllBytes(newest, bytes);

        using (StateStore store = StateStore.Open(options))
        {
            Assert.Single(store.Notes);
            Assert.Equal(new Height(7), store.LastAccepted!.Value.Height);
            Assert.Equal(6, world.Replay(store));
            world.AssertIsAt(store, 14, "fallen back");
            world.AcceptTo(store, 17);
        }

        using (StateStore store = StateStore.Open(options))
        {
            Assert.Empty(store.Notes);
            world.Replay(store);
            world.AssertIsAt(store, 17, "after the next checkpoint");
        }
    }

    [Fact]
    public void Without_any_checkpoint_the_log_is_replayed_from_genesis_and_without_its_start_the_store_refuses()
    {
        using TempFolder temp = new();
        World world = new(41);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = 6, VerifyWholeLog = false, LogSegmentBytes = 1000 };
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 20);
        }

        foreach (string file in Directory.GetFiles(temp["data/tables"], "*", SearchOption.AllDirectories))
        {
            File.WriteAllBytes(file, new byte[1000]);
        }

        TempFolder.Copy(temp["data"], temp["headless"]);
        using (StateStore store = StateStore.Open(options))
        {
            Assert.Equal(2, store.Notes.Count);
            Assert.Null(store.LastAccepted);
            Assert.Equal(20, world.Replay(store));
            world.AssertIsAt(store, 20, "from genesis");
            store.Checkpoint();
        }

        AssertRecovers(world, options, 20, "after a new checkpoint");

        string[] segments = Directory.GetFiles(temp["headless/blocks"], "*.log");
        Array.Sort(segments, StringComparer.Ordinal);
        Assert.True(segments.Length > 1);
        File.Delete(segments[0]);
        Assert.Equal(RefusalCode.StoreCheckpointsDamaged, RefusalOf(options with { Folder = temp["headless"] }).Code);
    }

    [Fact]
    public void Lost_log_is_refused_when_a_checkpoint_remembers_its_blocks()
    {
        using TempFolder temp = new();
        World world = new(51);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointOnDispose = true };
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 5);
        }

        Directory.Delete(temp["data/blocks"], recursive: true);
        Assert.Equal(RefusalCode.StoreLogBehindCheckpoint, RefusalOf(options).Code);
        Assert.Equal(RefusalCode.StoreLogBehindCheckpoint, RefusalOf(options with { VerifyWholeLog = false }).Code);
    }

    [Fact]
    public void Folder_of_another_chain_locked_damaged_or_unusable_is_refused_with_its_code()
    {
        using TempFolder temp = new();
        World world = new(61);
        StateStoreOptions options = Small(temp["data"]);
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 3);
            Assert.Equal(RefusalCode.StoreFolderLocked, RefusalOf(options).Code);
        }

        StateHashing other = new(new ChainId(Blake3.Hash("another chain"u8)));
        Assert.Equal(RefusalCode.StoreOfAnotherChain, RefusalOf(options with { Hashing = other }).Code);

        byte[] identity = File.ReadAllBytes(temp["data/identity"]);
        File.WriteAllBytes(temp["data/identity"], identity[..^1]);
        Assert.Equal(RefusalCode.StoreIdentityDamaged, RefusalOf(options).Code);
        File.Delete(temp["data/identity"]);
        Assert.Equal(RefusalCode.StoreIdentityDamaged, RefusalOf(options).Code);
        File.WriteAllBytes(temp["data/identity"], identity);
        AssertRecovers(world, options, 3, "identity restored");

        File.WriteAllText(temp["file"], "not a folder");
        Assert.Equal(RefusalCode.StoreFolderUnusable, RefusalOf(Small(temp["file"])).Code);
        Assert.Equal(RefusalCode.StoreFolderUnusable, RefusalOf(Small(temp["file/below"])).Code);
        MemoryDisk readOnly = new() { Fault = FaultKind.ReadOnly, FaultAt = 1 };
        Assert.Equal(RefusalCode.StoreFolderUnusable, RefusalOf(options with { Files = readOnly }).Code);
        AssertRecovers(world, options, 3, "after the refusals");
    }

    [Fact]
    public void Foreign_files_in_the_folder_are_tolerated_and_left_alone()
    {
        using TempFolder temp = new();
        World world = new(71);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = 2 };
        Directory.CreateDirectory(temp["data/lost+found"]);
        File.WriteAllText(temp["data/notes.txt"], "mine");
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 9);
        }

        AssertRecovers(world, options, 9, "with foreign files");
        Assert.Equal("mine", File.ReadAllText(temp["data/notes.txt"], Encoding.UTF8));
        Assert.True(Directory.Exists(temp["data/lost+found"]));
    }

    [Fact]
    public void Table_with_mostly_dead_records_is_rewritten_and_the_old_one_is_deleted()
    {
        using TempFolder temp = new();
        World world = new(91);
        StateStoreOptions options = Small(temp["data"]) with { CheckpointEveryBlocks = 3, RewriteAfterBytes = 20_000, IndexBuckets = 16 };
        using (StateStore store = StateStore.Open(options))
        {
            world.AcceptTo(store, 120);
            world.AssertIsAt(store, 120, "rewritten");
        }

        string[] tables = Directory.GetDirectories(temp["data/tables"]);
        Assert.InRange(tables.Length, 1, 2);
        Assert.DoesNotContain(tables, table => table.EndsWith("00000001", StringComparison.Ordinal));
        AssertRecovers(world, options, 120, "after rewriting");
    }

    [Fact]
    public void Checkpoint_can_be_taken_wherever_the_tables_log_ends()
    {
        const int recordOverhead = 8 + 40 + 4;
        const int page = 16 * 1024;
        for (int left = 8; left <= 96; left += 8)   // bytes left of the first page
        {
            using TempFolder temp = new();
            using FasterTable table = FasterTable.Create(DiskFileSystem.Instance, temp.Path, new TableShape(16, page, 4 * page, 4 * page), 5);
            int missing = page - (int)table.Tail - left;
            for (int i = 0; missing > 0; i++)
            {
                int record = missing > 4200 ? 3600 : missing;
                table.UpsertStored(World.KeyAt(i).Key, new byte[record - recordOverhead]);
                missing -= record;
            }

            Assert.Equal(page - left, table.Tail);
            _ = table.TakeCheckpoint();
            Assert.Equal(0, table.Tail % FasterTable.SectorBytes);
        }
    }

    [Fact]
    public void Replay_that_gives_another_root_is_refused_and_latches()
    {
        using TempFolder temp = new();
        World world = new(101);
        using (StateStore store = StateStore.Open(Small(temp["data"])))
        {
            world.AcceptTo(store, 3);
        }

        using StateStore again = StateStore.Open(Small(temp["data"]));
        Assert.True(again.TryNextReplay(out BlockRecord? record));
        IStateView wrong = again.Accepted.Apply(World.DiffOf((1, [1, 2, 3])));
        StateStoreException error = Assert.Throws<StateStoreException>(() => again.Replayed(record.Value, wrong));
        Assert.Equal(RefusalCode.StoreReplayDiverged, error.Refusal.Code);
        Assert.Throws<StateStoreException>(() => again.TryNextReplay(out _));
    }

    [Fact]
    public void Record_changed_on_disk_under_a_running_store_is_found_when_it_is_read()
    {
        using TempFolder temp = new();
        World world = new(111);
        StateStoreOptions options = Small(temp["data"]);
        using StateStore store = StateStore.Open(options);
        List<(int, byte[]?)> many = [];
        for (int i = 0; i < 400; i++)
        {
            byte[] value = new byte[500];
            Array.Fill(value, (byte)i);
            many.Add((i, value));
        }

        IStateView view = store.Accepted.Apply(World.DiffOf([.. many]));   // 200 kB against 64 kB of memory
        store.Accept(World.RecordOf(0, default, view.Root, "cold"), view);
        foreach (string file in Directory.GetFiles(temp["data/tables/00000001/0"], "hlog*"))
        {
            using FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            for (long at = 300; at < stream.Length; at += 500)
            {
                stream.Position = at;
                stream.WriteByte(0xEE);
            }
        }

        int found = 0;
        byte[] target = new byte[StateLimits.MaxRecordBytes];
        for (int i = 0; i < 400; i++)
        {
            try
            {
                int length = view.Read(World.KeyAt(i).Key, target);
                Assert.Equal(500, length);
                Assert.True(target.AsSpan(0, length).IndexOfAnyExcept((byte)i) < 0, $"key {i} was read wrong");
            }
            catch (StateStoreException error)
            {
                Assert.Equal(RefusalCode.StoreReadFailed, error.Refusal.Code);
                found++;
            }
        }

        Assert.True(found > 50, $"{found} damaged records were found");
    }

    // FASTER follows the address of the previous record with the same hash without looking back.
    [Fact]
    public void Chain_of_records_on_disk_that_has_become_a_circle_is_a_failed_read()
    {
        MemoryDisk disk = new();
        const int page = 16 * 1024;
        using FasterTable table = FasterTable.Create(disk, "/table", new TableShape(16, page, 1 << 20, 4 * page), 5);
        long at = table.Tail;
        StateKey asked = World.KeyAt(0).Key;
        for (int i = 0; i < 400; i++)
        {
            table.UpsertStored(World.KeyAt(i).Key, new byte[500]);      // the first is on disk only, soon
        }

        _ = table.TakeCheckpoint();
        Assert.True(table.ReadStored(asked, out _, out bool fromDisk) && fromDisk);
        using (IDataFile file = disk.OpenOrCreate("/table/" + FasterTable.LogFileName(0)))
        {
            byte[] header = new byte[24];
            _ = file.Read(at, header);
            ulong info = BitConverter.ToUInt64(header);
            BitConverter.TryWriteBytes(header, (info & ~((1UL << 48) - 1)) | (ulong)at);     // the previous one is itself
            header[16] ^= 1;                                                                  // and its key another
            file.Write(at, header);
        }

        StateStoreException error = Assert.Throws<StateStoreException>(() => table.ReadStored(asked, out _, out _));
        Assert.Equal(RefusalCode.StoreReadFailed, error.Refusal.Code);
        Assert.Contains("one look-up", error.Refusal.Sentence, StringComparison.Ordinal);
    }
}
