// One recorded life of a store on a memory disk, and the law of crashes over it:
//
//   stop the machine after any operation, let what was not synced survive in any way, start again:
//   no acknowledged block is missing, the state is the twin's, twenty further blocks run, and the same holds after a
//   second crash at a random place of those.
//
// A life is drawn from a seed: block sizes, restarts, checkpoints, and steps back.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

/// <summary>A life and its crashes.</summary>
public sealed class CrashRun
{
    private const string Folder = "/data";
    private const int Further = 20;
    private const int Kept = 14;

    private readonly World _world;
    private readonly bool _inParts;
    private readonly MemoryDisk _disk = new();
    private readonly List<(int Operation, int Blocks)> _acknowledged = [];

    /// <summary>Lives.</summary>
    /// <param name="inParts">The state table has sixteen parts.</param>
    public CrashRun(ulong seed, int blocks, bool inParts = false)
    {
        _inParts = inParts;
        Seed = seed;
        _world = new World(seed, keys: 24);
        SeededRandom random = new(seed);
        _world.GrowTo(blocks + (2 * Further) + 2);
        Live(_disk, random, blocks, _acknowledged);
    }

    public ulong Seed { get; }

    /// <summary>Places to crash at: before the first operation, between any two, after the last.</summary>
    public int Places => _disk.Journal.Count + 1;

    public IReadOnlyList<DiskOperation> Journal => _disk.Journal;

    /// <summary>Crashes at places <paramref name="from"/>, from + step, ...</summary>
    /// <returns>Crashes survived.</returns>
    public int CrashAtEvery(int from, int step, bool allWays)
    {
        DiskReplay replay = new(null, _disk.Journal);
        Survives[] ways = Enum.GetValues<Survives>();
        int crashes = 0;
        for (int place = from; place < Places; place += step)
        {
            replay.AdvanceTo(place);
            for (int way = 0; way < ways.Length; way++)
            {
                if (allWays || way == (place + (int)Seed) % ways.Length)
                {
                    CrashOnce(replay, place, ways[way]);
                    crashes++;
                }
            }
        }

        return crashes;
    }

    private void CrashOnce(DiskReplay replay, int place, Survives way)
    {
        SeededRandom random = new(Seed ^ ((ulong)place << 20) ^ ((ulong)way << 50));
        string context = $"seed {Seed}, crash before operation {place}, {way} survives";
        try
        {
            MemoryDisk disk = new(replay.Crash(way, random));
            (int least, int most) = (LeastAt(_acknowledged, place), MostAt(_acknowledged, place));
            List<(int, int)> acknowledged = [(0, most - 1), (0, least)];
            Recover(disk, random, least, most, Further, acknowledged, context);

            int again = random.Next(disk.Journal.Count + 1);
            DiskReplay second = new(disk.Start, disk.Journal);
            second.AdvanceTo(again);
            Survives secondWay = (Survives)random.Next(4);
            Recover(new MemoryDisk(second.Crash(secondWay, random)), random, LeastAt(acknowledged, again), MostAt(acknowledged, again), 0, [], $"{context}, then before operation {again} of the second life, {secondWay} survives");
        }
        catch (StateStoreException error)
        {
            throw new InvalidOperationException($"{context}: the store refuses to open: {error.Message}", error);
        }
    }

    private void Recover(MemoryDisk disk, SeededRandom random, int least, int most, int further, List<(int, int)> acknowledged, string context)
    {
        using StateStore store = StateStore.Open(Options(disk, random));
        _world.Replay(store);
        int count = Count(store);
        Assert.True(count >= least && count <= most, $"{context}: {count} blocks, {least} acknowledged; notes: {string.Join(" ", store.Notes)}");
        _world.AssertIsAt(store, count, context, Kept);
        acknowledged.Add((disk.Journal.Count, count));
        for (int i = 0; i < further; i++)
        {
            _world.AcceptTo(store, count + i + 1);
            acknowledged.Add((disk.Journal.Count, count + i + 1));
        }

        _world.AssertSame(_world.States[count + further], store.Accepted, context);
    }

    private void Live(MemoryDisk disk, SeededRandom random, int blocks, List<(int, int)> acknowledged)
    {
        StateStore store = StateStore.Open(Options(disk, random));
        for (int count = 1; count <= blocks; count++)
        {
            _world.AcceptTo(store, count);
            acknowledged.Add((disk.Journal.Count, count));
            if (count > 4 && random.Chance(1, 14))
            {
                int back = 1 + random.Next(4);
                acknowledged.Add((disk.Journal.Count, count - back));      // while it steps back, both are right
                store.StepBack(new Height((ulong)(count - back - 1)));
                count -= back;
            }

            if (random.Chance(1, 12))
            {
                store.Dispose();
                store = StateStore.Open(Options(disk, random));
                _world.Replay(store);
            }
        }

        store.Dispose();
    }

    private static int Count(StateStore store) => store.LastAccepted is { } last ? (int)last.Height.Value + 1 : 0;

    /// <summary>Blocks that must be there: what was acknowledged last.</summary>
    private static int LeastAt(List<(int Operation, int Blocks)> acknowledged, int place)
    {
        int blocks = 0;
        foreach ((int operation, int count) in acknowledged)
        {
            blocks = operation <= place ? count : blocks;
        }

        return blocks;
    }

    /// <summary>Blocks that may be there: the one under way too, and what a step back was about to forget.</summary>
    private static int MostAt(List<(int Operation, int Blocks)> acknowledged, int place)
    {
        int most = 0;
        int least = 0;
        foreach ((int operation, int count) in acknowledged)
        {
            if (operation <= place)
            {
                most = count < least ? least : count;
                least = count;
            }
        }

        return most + 1;
    }

    private StateStoreOptions Options(MemoryDisk disk, SeededRandom random) => new()
    {
        Folder = Folder,
        Files = disk,
        Hashing = World.Hashing,
        IndexBuckets = 16,
        ExpectedKeys = _inParts ? 2 : 0,
        KeysPerPart = _inParts ? 1 : long.MaxValue,
        TablePageBytes = 16 * 1024,
        TableSegmentBytes = 32 * 1024,
        TableMemoryBytes = 64 * 1024,
        LogSegmentBytes = 3000,
        RewriteAfterBytes = 30_000,
        CheckpointEveryBlocks = 2 + random.Next(6),
        CheckpointOnDispose = random.Chance(1, 2),
        HistoryBlocks = 12,
        HistorySegmentBytes = 2000,
        KeepBlocks = random.Chance(1, 2) ? 0 : Kept,
    };
}
