// Many records at once, and records touched before they are read: the values of reading one by one, in fewer waits.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class ManyReadsTests
{
    // Most of the state is on disk: 16 KiB pages, four of them in memory of each part, values of up to 300 bytes.
    private static int KeysOf(bool inParts) => inParts ? 4_000 : 300;

    private static StateStoreOptions Cold(string folder, bool inParts) =>
        StateStoreTests.Small(folder) with { KeysPerPart = inParts ? 20 : StateTable.KeysPerPartMax, ExpectedKeys = inParts ? 21 : 0 };

    // Any keys, repeated or absent, in any number, on accepted and processing views, read by any reader.
    [Theory, InlineData(1, false), InlineData(2, false), InlineData(3, true)]
    public void Many_reads_give_what_single_reads_give(ulong seed, bool inParts)
    {
        MemoryDisk disk = new();
        int universe = KeysOf(inParts);
        World world = new(seed, universe);
        SeededRandom random = new(seed);
        using StateStore store = StateStore.Open(Cold("/data", inParts) with { Files = disk, AppliesInBackground = random.Chance(1, 2), CheckpointEveryBlocks = 5 });
        byte[] expected = new byte[StateLimits.MaxRecordBytes];
        int fetched = 0;
        for (int count = 10; count <= 40; count += 10)
        {
            for (int i = 0; i < 10; i++)
            {
                world.Grow(changes: universe / 3);
            }

            world.AcceptTo(store, count);
            StateDiff diff = World.RandomDiff(random, world.States[count], 30, universe);
            foreach (IStateView view in new[] { store.Accepted, store.Accepted.Apply(diff) })
            {
                for (int round = 0; round < 6; round++)
                {
                    StateKey[] keys = new StateKey[random.Next(200)];
                    for (int i = 0; i < keys.Length; i++)
                    {
                        keys[i] = World.KeyAt(random.Next(universe + 20)).Key;
                    }

                    RecordPlace[] places = new RecordPlace[keys.Length];
                    byte[] target = new byte[keys.Length * StateLimits.MaxRecordBytes];
                    fetched += random.Chance(1, 2) ? store.Touch(keys) : 0;
                    int used = view.ReadMany(random.Next(view.Readers), keys, places, target);
                    int sum = 0;
                    for (int i = 0; i < keys.Length; i++)
                    {
                        int length = view.Read(keys[i], expected);
                        Assert.True(length == places[i].Length, $"seed {seed} height {count}: length of key {i}");
                        Assert.True(length <= 0 || expected.AsSpan(0, length).SequenceEqual(target.AsSpan(places[i].Offset, length)), $"seed {seed} height {count}: value of key {i}");
                        sum += Math.Max(0, length);
                    }

                    Assert.Equal(sum, used);                                                        // nothing overlaps, nothing is left free
                }
            }
        }

        Assert.True(fetched > 50, $"{fetched} records were fetched");
    }

    // What it is for: the disk is told of a whole round before anybody waits for the first of it.
    [Theory, InlineData(false), InlineData(true)]
    public void A_disk_is_told_of_all_reads_before_the_first(bool touches)
    {
        MemoryDisk disk = new();
        using StateStore store = OpenLarge(disk);
        List<bool> seen = [];
        disk.OnRead = (_, isAnnounced) => seen.Add(isAnnounced);
        StateKey[] keys = new StateKey[FasterTable.StartedMax];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = World.KeyAt(i).Key;
        }

        int fetched = touches ? store.Touch(keys) : store.Accepted.ReadMany(1, keys, new RecordPlace[keys.Length], new byte[keys.Length * StateLimits.MaxRecordBytes]) / 500;
        int announced = seen.IndexOf(false);
        Assert.True(announced > 20, $"{announced} announced of {fetched}");
        Assert.DoesNotContain(true, seen[announced..]);
        Assert.True(seen.Count - announced >= announced);                                           // a record across two sectors is read twice
    }

    [Fact]
    public void Touching_a_state_in_memory_reads_nothing()
    {
        MemoryDisk disk = new();
        World world = new(5);
        using StateStore store = StateStore.Open(StateStoreTests.Small("/data") with { Files = disk });
        world.AcceptTo(store, 5);
        disk.OnRead = static (path, _) => Assert.Fail($"{path} was read");
        Assert.Equal(0, store.Touch([World.KeyAt(0).Key, World.KeyAt(1).Key]));
    }

    // Beside an applier that writes the same keys, checkpoints, tables that are rewritten, and the end.
    [Theory, InlineData(1, false), InlineData(2, true)]
    public void Touching_beside_anything_changes_nothing(ulong seed, bool inParts)
    {
        MemoryDisk disk = new();
        int universe = KeysOf(inParts);
        World world = new(seed, universe);
        StateStoreOptions options = Cold("/data", inParts) with { Files = disk, AppliesInBackground = true, CheckpointEveryBlocks = 4, RewriteAfterBytes = 1 << 12, CheckpointOnDispose = true };
        StateStore store = StateStore.Open(options);
        bool ends = false;
        long fetched = 0;
        StateKey[] keys = new StateKey[universe];
        for (int i = 0; i < universe; i++)
        {
            keys[i] = World.KeyAt(i).Key;
        }

        Thread[] touching = new Thread[2];
        for (int t = 0; t < touching.Length; t++)
        {
            touching[t] = new Thread(() =>
            {
                while (!Volatile.Read(ref ends))
                {
                    Interlocked.Add(ref fetched, store.Touch(keys));
                }

                Assert.Equal(0, store.Touch(keys));                                                 // after the end, too
            });
            touching[t].Start();
        }

        for (int count = 1; count <= 30; count++)
        {
            world.Grow(changes: universe / 5);
            world.AcceptTo(store, count);
            if (count % 10 == 0)
            {
                world.AssertSame(world.States[count], store.Accepted, $"seed {seed} block {count}");
            }
        }

        Assert.Equal(store.Records, store.CheckAll().Records);
        store.Dispose();
        Volatile.Write(ref ends, true);
        Array.ForEach(touching, static thread => thread.Join());
        Assert.True(fetched > 100, $"{fetched} records were fetched");
        using StateStore again = StateStore.Open(options);
        world.AssertIsAt(again, 30, "opened again");
    }

    // A record that was damaged on disk: who reads is told, who touches says nothing and spoils nothing.
    [Fact]
    public void Damage_is_told_to_readers_and_not_to_who_touches()
    {
        MemoryDisk disk = new();
        using StateStore store = OpenLarge(disk);
        foreach (string path in disk.Image().Files.Keys)
        {
            if (path.Contains("hlog.log.", StringComparison.Ordinal))
            {
                using IDataFile file = disk.OpenOrCreate(path);
                for (long at = 300; at < file.Length; at += 500)
                {
                    file.Write(at, [0xEE]);
                }
            }
        }

        int told = 0;
        byte[] target = new byte[StateLimits.MaxRecordBytes];
        for (int i = 0; i < 400; i++)
        {
            store.Touch([World.KeyAt(i).Key]);
            try
            {
                RecordPlace[] place = new RecordPlace[1];
                Assert.Equal(500, store.Accepted.ReadMany(0, [World.KeyAt(i).Key], place, target));
                Assert.True(target.AsSpan(0, 500).IndexOfAnyExcept((byte)i) < 0, $"key {i} was read wrong");
            }
            catch (StateStoreException error)
            {
                Assert.Equal(RefusalCode.StoreReadFailed, error.Refusal.Code);
                told++;
            }
        }

        Assert.True(told > 50, $"{told} damaged records were found");
    }

    // Any bytes at all under a running store: a value is right or refused, and the store can be closed.
    [Theory, InlineData(1), InlineData(2)]
    public void Flipped_bits_under_many_reads_are_told_or_do_no_harm(ulong seed)
    {
        SeededRandom random = new(seed);
        int told = 0;
        StateKey[] keys = new StateKey[400];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = World.KeyAt(i).Key;
        }

        RecordPlace[] places = new RecordPlace[keys.Length];
        byte[] target = new byte[keys.Length * StateLimits.MaxRecordBytes];
        for (int round = 0; round < 25; round++)
        {
            MemoryDisk disk = new();
            using StateStore store = OpenLarge(disk);
            foreach (string path in disk.Image().Files.Keys)
            {
                if (path.Contains("hlog.log.", StringComparison.Ordinal))
                {
                    using IDataFile file = disk.OpenOrCreate(path);
                    for (int flip = random.Next(40); flip >= 0 && file.Length > 0; flip--)
                    {
                        byte[] one = new byte[1];
                        long record = random.Next((int)file.Length / 616) * 616;        // their headers, keys and lengths more than their bytes
                        long at = Math.Min(file.Length - 1, record + random.Next(random.Chance(1, 2) ? 64 : 616));
                        _ = file.Read(at, one);
                        one[0] ^= (byte)(1 << random.Next(8));
                        file.Write(at, one);
                    }
                }
            }

            try
            {
                if (random.Chance(1, 2))
                {
                    store.Touch(keys);
                }

                int reader = random.Next(FasterTable.Readers);
                for (int again = 0; again < 3; again++)                             // whoever goes on after a failure is told again and does not wait
                {
                    try
                    {
                        store.Accepted.ReadMany(reader, keys, places, target);
                        break;
                    }
                    catch (StateStoreException) when (again < 2)
                    {
                    }
                }

                for (int i = 0; i < keys.Length; i++)
                {
                    Assert.Equal(500, places[i].Length);
                    Assert.True(target.AsSpan(places[i].Offset, 500).IndexOfAnyExcept((byte)i) < 0, $"seed {seed} round {round}: key {i} was read wrong");
                }
            }
            catch (StateStoreException error)
            {
                Assert.InRange(error.Refusal.Code, RefusalCode.StoreFolderUnusable, (RefusalCode)799);
                told++;
            }
        }

        Assert.True(told > 8, $"{told} rounds were told");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_disk_that_fails_ends_the_store_whoever_met_it(bool touches)
    {
        MemoryDisk disk = new();
        using StateStore store = OpenLarge(disk);
        StateKey[] keys = [World.KeyAt(0).Key, World.KeyAt(1).Key, World.KeyAt(2).Key];
        (disk.Fault, disk.FaultAt) = (FaultKind.ReadError, disk.Reads + 1);
        RecordPlace[] places = new RecordPlace[keys.Length];
        byte[] target = new byte[keys.Length * StateLimits.MaxRecordBytes];
        if (touches)
        {
            Assert.Equal(0, store.Touch(keys));
            Assert.Equal(0, store.Touch(keys));
        }

        StateStoreException error = Assert.Throws<StateStoreException>(() => store.Accepted.ReadMany(0, keys, places, target));
        Assert.Equal(RefusalCode.StoreReadFailed, error.Refusal.Code);
        Assert.NotNull(disk.Met);
    }

    [Fact]
    public void A_chain_on_disk_that_has_become_a_circle_ends_many_reads_too()
    {
        MemoryDisk disk = new();
        const int page = 16 * 1024;
        using StateTable table = StateTable.Create(disk, "/table", new TableShape(16, page, 1 << 20, 4 * page), 5, 1, null);
        long at = table.TailOf(0);
        for (int i = 0; i < 400; i++)
        {
            table.UpsertStored(World.KeyAt(i).Key, new byte[500]);
        }

        _ = table.TakeCheckpoint();
        using (IDataFile file = disk.OpenOrCreate("/table/0/" + FasterTable.LogFileName(0)))
        {
            byte[] header = new byte[24];
            _ = file.Read(at, header);
            ulong info = BitConverter.ToUInt64(header);
            BitConverter.TryWriteBytes(header, (info & ~((1UL << 48) - 1)) | (ulong)at);
            header[16] ^= 1;
            file.Write(at, header);
        }

        StateKey[] keys = new StateKey[20];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = World.KeyAt(i).Key;
        }

        Assert.Equal(RefusalCode.StoreReadFailed, Assert.Throws<StateStoreException>(() => table.Touch(keys)).Refusal.Code);
    }

    /// <summary>400 records of 500 bytes, 200 kB against 64 kB of memory.</summary>
    private static StateStore OpenLarge(MemoryDisk disk)
    {
        StateStore store = StateStore.Open(StateStoreTests.Small("/data") with { Files = disk });
        List<(int, byte[]?)> many = [];
        for (int i = 0; i < 400; i++)
        {
            byte[] value = new byte[500];
            Array.Fill(value, (byte)i);
            many.Add((i, value));
        }

        IStateView view = store.Accepted.Apply(World.DiffOf([.. many]));
        store.Accept(World.RecordOf(0, default, view.Root, "cold"), view);
        return store;
    }
}
