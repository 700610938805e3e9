// One life of a store on a disk that does one thing wrong, and the law of faults over it:
//
//   the fault is told by a StateStoreException (after a write the store then refuses everything), or it did no harm;
//   either way, a restart on what the disk then holds finds every acknowledged block and the twin's state, and goes on.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

/// <summary>A life that can be repeated with a fault at any place of it.</summary>
public sealed class FaultRun
{
    private const int Blocks = 14;

    private readonly World _world;
    private readonly ulong _seed;

    public FaultRun(ulong seed)
    {
        _seed = seed;
        _world = new World(seed, keys: 24);
        _world.GrowTo(Blocks + 4);
        MemoryDisk dry = new() { Fault = FaultKind.ReadError };      // counts reads and meets none
        Assert.Null(Live(dry, out int blocks));
        Assert.Equal(Blocks, blocks);
        Writes = dry.Journal.Count;
        Reads = dry.Reads;
    }

    /// <summary>Changing operations of the life.</summary>
    public int Writes { get; }

    /// <summary>Reads of the life.</summary>
    public int Reads { get; }

    /// <summary>Places at which a fault can be.</summary>
    public int PlacesOf(FaultKind kind) => kind >= FaultKind.ReadError ? Reads : Writes;

    /// <summary>Lives with a fault.</summary>
    /// <returns>True when it was noticed, false when it did no harm.</returns>
    public bool Meet(FaultKind kind, int place)
    {
        string context = $"seed {_seed}, {kind} at {place}";
        MemoryDisk disk = new() { Fault = kind, FaultAt = place };
        StateStoreException? told = Live(disk, out int acknowledged);
        context += $" ({disk.Met}), {acknowledged} acknowledged";
        if (told is not null)
        {
            Assert.False(string.IsNullOrWhiteSpace(told.Refusal.Sentence), context);
            Assert.True(told.Refusal.Code is >= RefusalCode.StoreFolderUnusable and < (RefusalCode)800, $"{context}: {told.Message}");
            Assert.DoesNotContain('\n', told.Refusal.Sentence);
        }

        SeededRandom random = new(_seed ^ ((ulong)place << 8) ^ (ulong)kind);
        DiskReplay replay = new(null, disk.Journal);
        replay.AdvanceTo(disk.Journal.Count);
        foreach (Survives way in new[] { Survives.Everything, (Survives)random.Next(4) })
        {
            // a disk that lost what a failed sync had pending does not have it in its cache either, after a restart
            MemoryDisk next = new(replay.Crash(way, random));
            using StateStore store = StateStore.Open(Options(next));
            _world.Replay(store);
            int count = store.LastAccepted is { } last ? (int)last.Height.Value + 1 : 0;
            Assert.True(count >= acknowledged && count <= acknowledged + 1, $"{context}, {way}: {count} blocks");
            _world.AssertIsAt(store, count, $"{context}, {way}");
            _world.AcceptTo(store, count + 2);
            _world.AssertSame(_world.States[count + 2], store.Accepted, $"{context}, {way}, gone on");
        }

        return told is not null;
    }

    private StateStoreException? Live(MemoryDisk disk, out int acknowledged)
    {
        acknowledged = 0;
        StateStore? store = null;
        try
        {
            while (acknowledged < Blocks)
            {
                store = StateStore.Open(Options(disk));
                _world.Replay(store);
                int until = Math.Min(Blocks, acknowledged + 5);
                while (acknowledged < until)
                {
                    _world.AcceptTo(store, acknowledged + 1);
                    acknowledged++;
                    _world.AssertSame(_world.States[acknowledged], store.Accepted, $"seed {_seed}, {disk.Fault} at {disk.FaultAt} ({disk.Met})");
                }

                store.Dispose();
                store = null;
            }

            return null;
        }
        catch (StateStoreException error)
        {
            if (store is not null)
            {
                if (disk.Fault < FaultKind.ReadError)        // a block that cannot be read leaves the state what it was
                {
                    Assert.Equal(RefusalCode.StoreLatched, Assert.Throws<StateStoreException>(store.Checkpoint).Refusal.Code);
                    Assert.Throws<StateStoreException>(() => store.Accepted.Read(World.KeyAt(0).Key, new byte[StateLimits.MaxRecordBytes]));
                }

                store.Dispose();
            }

            return error;
        }
    }

    private static StateStoreOptions Options(MemoryDisk disk) => StateStoreTests.Small("/data") with
    {
        Files = disk,
        IndexBuckets = 16,
        LogSegmentBytes = 2000,
        HistorySegmentBytes = 2000,
        HistoryBlocks = 8,
        CheckpointEveryBlocks = 3,
        RewriteAfterBytes = 30_000,
    };
}
