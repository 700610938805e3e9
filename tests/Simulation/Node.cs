// One node of the simulation: the real chain over the real store, on a clock that the simulation moves. A crash leaves the store
// as a killed process would: nothing is closed, the folder is copied as it stands, and the node opens the copy.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Primitives;

namespace ParallelVm.Simulation;

internal sealed class VirtualTime(ulong nowMs) : TimeProvider
{
    public ulong NowMs { get; set; } = nowMs;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds((long)NowMs);
}

internal sealed class Node : IDisposable
{
    private readonly Genesis _genesis;
    private readonly VirtualTime _time;
    private readonly ParallelEngine _engine;
    private readonly string _folder;
    private readonly int _workers;
    private readonly List<StateStore> _abandoned = [];
    private StateStore _store;
    private int _lives;

    public Node(Genesis genesis, VirtualTime time, string folder, int workers)
    {
        _genesis = genesis;
        _time = time;
        _folder = folder;
        _workers = workers;
        _engine = new ParallelEngine(time, workers, jit: JitMode.Off);         // a seed replays every step: no thread beside ours
        (_store, Chain) = Open();
    }

    public ChainService Chain { get; private set; }

    public int Crashes { get; private set; }

    /// <summary>Dies without closing anything and comes back on what the disk holds.</summary>
    public void Crash()
    {
        string from = Life(_lives);
        _lives++;
        Copy(from, Life(_lives));
        _abandoned.Add(_store);
        (_store, Chain) = Open();
        Crashes++;
    }

    /// <summary>Closes and opens, as a clean restart does.</summary>
    public void Restart()
    {
        _store.Dispose();
        (_store, Chain) = Open();
    }

    public void Dispose()
    {
        _store.Dispose();
        foreach (StateStore store in _abandoned)
        {
            store.Dispose();
        }

        _engine.Dispose();
    }

    private string Life(int number) => Path.Combine(_folder, $"life{number}");

    private (StateStore Store, ChainService Chain) Open()
    {
        StateStore store = StateStore.Open(new StateStoreOptions
        {
            Folder = Life(_lives),
            Hashing = _genesis.Hashing,
            CheckpointEveryBlocks = 7,
            IndexBuckets = 1 << 10,
            TableMemoryBytes = 1 << 22,
            LogSegmentBytes = 1 << 20,
        });
        ChainOptions options = new() { Genesis = _genesis, Store = store, Engine = _engine, Time = _time, Workers = _workers };
        return ChainService.TryOpen(options, out ChainService? chain, out Refusal refusal)
            ? (store, chain)
            : throw new InvariantException($"A node does not open again: {refusal}");
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string folder in Directory.GetDirectories(from, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, folder)));
        }

        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            if (Path.GetFileName(file) == "lock")
            {
                continue;                                       // the dead process's lock is not part of what it left
            }

            using FileStream source = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using FileStream target = File.Create(Path.Combine(to, Path.GetRelativePath(from, file)));
            source.CopyTo(target);
        }
    }
}
