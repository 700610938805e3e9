// Export and import: the stream is a function of the state, an import is the same chain, and no damaged stream is taken.

using System;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class ExportTests
{
    private static StateStoreOptions Options(MemoryDisk disk) => StateStoreTests.Small("/data") with { Files = disk };

    private static byte[] Exported(World world, int blocks, int kept)
    {
        using StateStore store = StateStore.Open(Options(new MemoryDisk()));
        world.AcceptTo(store, blocks);
        using MemoryStream stream = new();
        store.Export(stream, kept);
        return stream.ToArray();
    }

    [Theory, InlineData(1, 100), InlineData(2, 5)]
    public void Imported_store_is_the_exported_one_and_goes_on(ulong seed, int kept)
    {
        World world = new(seed);
        byte[] stream = Exported(world, 30, kept);
        Assert.Equal(stream, Exported(new World(seed), 30, kept));

        MemoryDisk disk = new();
        Assert.Equal(Refusal.None, StateStore.Import(Options(disk), new MemoryStream(stream)));
        using (StateStore store = StateStore.Open(Options(disk)))
        {
            Assert.Empty(store.Notes);
            world.AssertIsAt(store, 30, "imported", kept);
            Assert.Equal((ulong)Math.Max(0, 30 - kept), store.FirstBlock.Value);
            CheckSummary found = store.CheckAll();
            Assert.Equal((Math.Min(kept, 30), store.Records), (found.Blocks, found.Records));
            using MemoryStream again = new();
            store.Export(again, kept);
            Assert.Equal(stream, again.ToArray());
            world.AcceptTo(store, 40);
        }

        using StateStore after = StateStore.Open(Options(disk));
        world.Replay(after);
        world.AssertIsAt(after, 40, "gone on", kept);
        Assert.Throws<StateStoreException>(() => StateStore.Import(Options(new MemoryDisk(disk.Image())), new MemoryStream(stream)));
    }

    [Fact]
    public void Shortened_lengthened_or_flipped_stream_is_refused_and_leaves_a_folder_that_counts_for_nothing()
    {
        byte[] stream = Exported(new World(3), 6, 4);
        for (int at = 0; at < stream.Length; at += 7)
        {
            byte[] flipped = (byte[])stream.Clone();
            flipped[at] ^= (byte)(1 << (at % 8));
            foreach (byte[] wrong in new[] { stream[..at], flipped })
            {
                MemoryDisk disk = new();
                Refusal refusal = StateStore.Import(Options(disk), new MemoryStream(wrong));
                Assert.True(refusal.Code == RefusalCode.StoreExportRefused, $"byte {at}: {refusal}");
                Assert.Equal(Refusal.None, at % 70 == 0 ? StateStore.Import(Options(disk), new MemoryStream(stream)) : Refusal.None);
            }
        }

        Assert.True(StateStore.Import(Options(new MemoryDisk()), new MemoryStream([.. stream, 0])).IsRefused);
    }
}
