// Disk faults: see FaultRun. And flipped bits, in every sector of every file of a store at rest.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class FaultTests
{
    [Theory]
    [InlineData(FaultKind.Error)]
    [InlineData(FaultKind.ShortWrite)]
    [InlineData(FaultKind.FailedSync)]
    [InlineData(FaultKind.NoSpace)]
    [InlineData(FaultKind.ReadOnly)]
    public void Failed_write_at_any_place_is_told_and_loses_nothing(FaultKind kind)
    {
        FaultRun run = new(31);
        int told = 0;
        for (int place = 0; place < run.Writes; place++)
        {
            told += run.Meet(kind, place) ? 1 : 0;
        }

        Assert.True(run.Writes >= 200 && told > run.Writes / 8, $"{kind}: {told} of {run.Writes} places were told");
    }
}

public sealed class ReadFaultTests
{
    [Theory]
    [InlineData(FaultKind.ReadError)]
    [InlineData(FaultKind.StaleRead)]
    [InlineData(FaultKind.FlippedRead)]
    public void Wrong_read_at_any_place_is_told_or_does_no_harm(FaultKind kind)
    {
        FaultRun run = new(32);
        for (int place = 0; place < run.Reads; place++)
        {
            run.Meet(kind, place);
        }

        Assert.True(run.Reads >= 100, $"{run.Reads} reads");
    }
}

public sealed class FlippedBitTests
{
    // what a store at rest consists of
    private static readonly string[] Kinds = ["identity", "acked", ".log", ".undo", ".manifest", "hlog.log.", "index-checkpoints", "cpr-checkpoints", "ht.dat."];

    [Theory, InlineData(41, 40), InlineData(42, 150)]     // the second has buckets that overflow
    public void Flipped_bit_in_any_sector_of_any_file_is_told_or_does_no_harm(ulong seed, int keys)
    {
        const int flips = 12;
        MemoryDisk disk = new();
        World world = new(seed, keys);
        StateStoreOptions options = StateStoreTests.Small("/data") with
        {
            IndexBuckets = 16,
            CheckpointEveryBlocks = 4,
            LogSegmentBytes = 1000,
            HistorySegmentBytes = 3000,
        };
        using (StateStore store = StateStore.Open(options with { Files = disk }))
        {
            world.AcceptTo(store, 10);      // checkpoints after 4 and 8, two blocks beyond
        }

        DiskImage image = disk.Image();
        foreach (string kind in Kinds)
        {
            Assert.Contains(image.Files.Keys, path => path.Contains(kind, StringComparison.Ordinal));
        }

        SeededRandom random = new(seed);
        (int cases, int told) = (0, 0);
        foreach ((string path, byte[] whole) in image.Files)
        {
            for (int sector = 0; sector < whole.Length; sector += 512)
            {
                for (int flip = 0; flip < flips; flip++)
                {
                    int at = sector + random.Next(Math.Min(512, whole.Length - sector));
                    int bit = random.Next(8);
                    string context = $"seed {seed}, bit {bit} of byte {at} of {path}";
                    byte[] flipped = (byte[])whole.Clone();
                    flipped[at] ^= (byte)(1 << bit);
                    MemoryDisk damaged = new(image with { Files = new Dictionary<string, byte[]>(image.Files) { [path] = flipped } });
                    cases++;
                    try
                    {
                        using StateStore store = StateStore.Open(options with { Files = damaged });
                        world.Replay(store);
                        world.AssertIsAt(store, 10, context);
                        told += store.Notes.Count > 0 ? 1 : 0;
                    }
                    catch (StateStoreException error)
                    {
                        Assert.InRange(error.Refusal.Code, RefusalCode.StoreFolderUnusable, (RefusalCode)799);
                        told++;
                    }
                }
            }
        }

        Assert.True(cases >= 1_000 && told > cases / 3, $"{told} of {cases} were told");
    }
}
