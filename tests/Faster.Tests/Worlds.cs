// What the tests of this room share: temporary folders, small chains of blocks made from a seed, and their twin.

using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

/// <summary>A folder that is gone when the test is.</summary>
public sealed class TempFolder : IDisposable
{
    private static int _next;

    public TempFolder()
    {
        Path = System.IO.Path.Combine(
            System.IO.Path.GetTempPath(), "parallelvm-tests", $"{Environment.ProcessId}-{Interlocked.Increment(ref _next)}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Copies a folder as it stands now, as a kill of the process would leave it.</summary>
    public static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string folder in Directory.GetDirectories(source, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(System.IO.Path.Combine(target, System.IO.Path.GetRelativePath(source, folder)));
        }

        foreach (string file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
        {
            // The lock is the process's, not the folder's; the other files are open in the store that is "killed".
            if (System.IO.Path.GetFileName(file) == "lock")
            {
                continue;
            }

            using FileStream from = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using FileStream to = new(System.IO.Path.Combine(target, System.IO.Path.GetRelativePath(source, file)), FileMode.Create);
            from.CopyTo(to);
        }
    }

    public void Dispose()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}

/// <summary>A chain of blocks that a seed determines, with the state after each by the simple twin.</summary>
public sealed class World
{
    public static readonly ChainId Chain = new(Blake3.Hash(Encoding.UTF8.GetBytes("tests of the store")));
    public static readonly StateHashing Hashing = new(Chain);

    [ThreadStatic]
    private static byte[]? _many;           // what many records are read into: too large to be made each time

    private readonly SeededRandom _random;
    private readonly int _keys;

    public World(ulong seed, int keys = 40)
    {
        Seed = seed;
        _random = new SeededRandom(seed);
        _keys = keys;
        States.Add(new MemoryState(Hashing));
    }

    public ulong Seed { get; }

    /// <summary>States[h] is the state before block h.</summary>
    public List<MemoryState> States { get; } = [];

    public List<StateDiff> Diffs { get; } = [];

    public List<BlockRecord> Blocks { get; } = [];

    /// <summary>Makes the next block.</summary>
    public BlockRecord Grow(int changes = 12)
    {
        StateDiff diff = RandomDiff(_random, States[^1], changes, _keys);
        Diffs.Add(diff);
        States.Add(States[^1].Apply(diff));
        Blocks.Add(RecordOf(Blocks.Count, Blocks.Count == 0 ? default : Blocks[^1].BlockId, States[^1].Root, $"seed {Seed}"));
        return Blocks[^1];
    }

    public void GrowTo(int blocks)
    {
        while (Blocks.Count < blocks)
        {
            _ = Grow();
        }
    }

    /// <summary>Accepts blocks of this world until the store stands at <paramref name="count"/> blocks.</summary>
    public void AcceptTo(IStateStore store, int count)
    {
        GrowTo(count);
        for (int height = store.LastAccepted is { } last ? (int)last.Height.Value + 1 : 0; height < count; height++)
        {
            IStateView view = store.Accepted.Apply(Diffs[height]);
            if (height % 2 != 0)
            {
                store.Persist(Blocks[height], view);                        // as a chain does, which builds on it meanwhile
                GrowTo(height + 2);
                Assert.Equal(States[height + 2].Root, view.Apply(Diffs[height + 1]).Root);
                Assert.Equal((int)Blocks[height - 1].Height.Value, (int)store.LastAccepted!.Value.Height.Value);
            }

            store.Accept(Blocks[height], view);
        }
    }

    /// <summary>Executes again what the store has in its log beyond its checkpoint.</summary>
    /// <returns>Number of blocks.</returns>
    public int Replay(IStateStore store)
    {
        int replayed = 0;
        while (store.TryNextReplay(out BlockRecord? record))
        {
            int height = (int)record.Value.Height.Value;
            Assert.Equal(Blocks[height].BlockId, record.Value.BlockId);
            store.Replayed(record.Value, store.Accepted.Apply(Diffs[height]));
            replayed++;
        }

        return replayed;
    }

    /// <summary>The store holds exactly the first <paramref name="count"/> blocks of this world and their state.</summary>
    /// <param name="kept">Newest blocks that the store keeps at least.</param>
    public void AssertIsAt(StateStore store, int count, string context, int kept = int.MaxValue)
    {
        Assert.True(count == 0 ? store.LastAccepted is null : store.LastAccepted is { } last && last.BlockId == Blocks[count - 1].BlockId, $"{context}: head");
        AssertSame(States[count], store.Accepted, context);
        int first = (int)store.FirstBlock.Value;
        Assert.True(first <= Math.Max(0, count - kept), $"{context}: the log begins at {first}");
        for (int height = first; height < count; height++)
        {
            Assert.True(store.TryReadBlock(new Height((ulong)height), out BlockRecord? record), $"{context}: block {height} is missing");
            Assert.True(record.Value.Payload.Span.SequenceEqual(Blocks[height].Payload.Span), $"{context}: block {height} differs");
        }
    }

    /// <summary>Same root, same records, one by one and all at once, and nothing at keys that the twin does not have.</summary>
    public void AssertSame(MemoryState twin, IStateView view, string context)
    {
        Assert.True(twin.Root == view.Root, $"{context}: root {view.Root} instead of {twin.Root} (seed {Seed})");
        byte[] expected = new byte[StateLimits.MaxRecordBytes];
        byte[] actual = new byte[StateLimits.MaxRecordBytes];
        RecordPlace[] places = new RecordPlace[_keys];
        byte[] many = _many = _many?.Length >= _keys * StateLimits.MaxRecordBytes ? _many : new byte[_keys * StateLimits.MaxRecordBytes];
        StateKey[] keys = new StateKey[_keys];
        for (int i = 0; i < _keys; i++)
        {
            keys[i] = KeyAt(i).Key;
        }

        Assert.InRange(view.ReadMany(0, keys, places, many), 0, many.Length);
        for (int i = 0; i < _keys; i++)
        {
            int found = twin.Read(keys[i], expected);
            Assert.True(found == places[i].Length, $"{context}: length of key {i} among many (seed {Seed})");
            Assert.True(found <= 0 || expected.AsSpan(0, found).SequenceEqual(many.AsSpan(places[i].Offset, found)), $"{context}: value of key {i} among many (seed {Seed})");
        }

        for (int i = 0; i < _keys; i++)
        {
            (StateKey key, _, _) = KeyAt(i);
            int length = twin.Read(key, expected);
            Assert.True(length == view.Read(key, actual), $"{context}: length of key {i} (seed {Seed})");
            Assert.True(length <= 0 || expected.AsSpan(0, length).SequenceEqual(actual.AsSpan(0, length)), $"{context}: value of key {i} (seed {Seed})");
        }
    }

    public static BlockRecord RecordOf(int height, BlockId parent, StateRoot root, string text)
    {
        byte[] payload = Encoding.UTF8.GetBytes($"block {height} of {text} " + new string('.', height * 7 % 200));
        return new BlockRecord(new Height((ulong)height), parent, new BlockId(Blake3.Hash(payload)), root, payload);
    }

    public static (StateKey Key, ProgramId Program, LocalKey LocalKey) KeyAt(int index)
    {
        ProgramId program = new(new Bytes32(0, 0, 0, (ulong)(index % 3) + 1));
        LocalKey local = new(new Bytes32(7, 0, 0, (ulong)index));
        return (Hashing.KeyOf(program, local), program, local);
    }

    /// <summary>A diff from (key index, value or null for a deletion).</summary>
    public static StateDiff DiffOf(params (int Index, byte[]? Value)[] changes)
    {
        List<DiffEntry> entries = [];
        using MemoryStream values = new();
        foreach ((int index, byte[]? value) in changes)
        {
            (StateKey key, ProgramId program, LocalKey local) = KeyAt(index);
            entries.Add(new DiffEntry(key, program, local, (int)values.Length, value?.Length ?? -1));
            values.Write(value ?? []);
        }

        entries.Sort((a, b) => a.Key.CompareTo(b.Key));
        return StateDiff.FromSorted([.. entries], values.ToArray());
    }

    /// <summary>Writes, overwrites of the same and of other lengths, deletions, also of what is absent.</summary>
    public static StateDiff RandomDiff(SeededRandom random, MemoryState state, int changes, int keys)
    {
        SortedDictionary<int, byte[]?> chosen = [];
        byte[] old = new byte[StateLimits.MaxRecordBytes];
        for (int i = 0; i < changes; i++)
        {
            int index = random.Next(keys);
            int length = state.Read(KeyAt(index).Key, old);
            byte[]? value = random.Chance(1, 5) ? null : new byte[length >= 0 && random.Chance(1, 2) ? length : random.Next(300)];
            random.Fill(value);
            chosen[index] = value;
        }

        List<(int, byte[]?)> list = [];
        foreach ((int index, byte[]? value) in chosen)
        {
            list.Add((index, value));
        }

        return DiffOf([.. list]);
    }
}
