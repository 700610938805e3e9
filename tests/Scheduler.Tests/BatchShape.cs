// Batches for scheduler tests: built by hand or drawn from a seed, with the definition of a conflict beside them.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

internal sealed class BatchShape
{
    private readonly List<int> _offsets = [0];
    private readonly List<int> _keys = [];
    private readonly List<AccessMode> _modes = [];
    private readonly List<uint> _costs = [];

    public int TxCount => _costs.Count;

    public int AccessCount => _keys.Count;

    public int KeyCount { get; private set; }

    public BatchShape Add(uint cost, params (int Key, AccessMode Mode)[] accesses)
    {
        foreach ((int key, AccessMode mode) in accesses)
        {
            _keys.Add(key);
            _modes.Add(mode);
            KeyCount = Math.Max(KeyCount, key + 1);
        }

        _offsets.Add(_keys.Count);
        _costs.Add(cost);
        return this;
    }

    public BatchAccesses View() => new(_offsets.ToArray(), _keys.ToArray(), _modes.ToArray(), _costs.ToArray(), KeyCount);

    /// <summary>Without the keys that no two transactions conflict on; the others numbered anew.</summary>
    public BatchShape OfContendedKeys()
    {
        HashSet<int> contended = [.. Enumerable.Range(0, KeyCount).Where(key =>
        {
            AccessMode[] modes = [.. Enumerable.Range(0, AccessCount).Where(i => _keys[i] == key).Select(i => _modes[i])];
            return modes.Where((mode, i) => modes.Take(i).Any(before => AccessModes.Conflicts(before, mode))).Any();
        })];
        int[] number = [.. Enumerable.Range(0, KeyCount).Select(key => contended.Count(other => other < key))];
        BatchShape rest = new();
        for (int tx = 0; tx < TxCount; tx++)
        {
            rest.Add(_costs[tx], [.. Enumerable.Range(_offsets[tx], DeclaredBy(tx)).Where(i => contended.Contains(_keys[i])).Select(i => (number[_keys[i]], _modes[i]))]);
        }

        return rest;
    }

    public uint CostOf(int tx) => _costs[tx];

    public int DeclaredBy(int tx) => _offsets[tx + 1] - _offsets[tx];

    /// <summary>The definition: they share a key and their modes conflict.</summary>
    public bool Conflicts(int first, int second)
    {
        for (int i = _offsets[first]; i < _offsets[first + 1]; i++)
        {
            for (int j = _offsets[second]; j < _offsets[second + 1]; j++)
            {
                if (_keys[i] == _keys[j] && AccessModes.Conflicts(_modes[i], _modes[j]))
                {
                    return true;
                }
            }
        }

        return false;
    }

    public bool Touches(int tx, int key, AccessMode mode) => ModeOf(tx, key) == mode;

    /// <summary>How a transaction declares a key; null when it does not.</summary>
    public AccessMode? ModeOf(int tx, int key)
    {
        for (int i = _offsets[tx]; i < _offsets[tx + 1]; i++)
        {
            if (_keys[i] == key)
            {
                return _modes[i];
            }
        }

        return null;
    }

    /// <summary>A random batch: a few hot keys, a tail of cold ones, a mixture of modes that differs from batch to batch.</summary>
    public static BatchShape Draw(SeededRandom random, int txMax, int keyMax)
    {
        BatchShape shape = new();
        int txCount = random.Next(txMax + 1);
        int keyCount = 1 + random.Next(keyMax);
        int readShare = random.Next(101);
        int addShare = random.Next(101);
        HashSet<int> used = [];
        for (int tx = 0; tx < txCount; tx++)
        {
            used.Clear();
            int accesses = random.Next(Math.Min(6, keyCount) + 1);
            (int, AccessMode)[] list = new (int, AccessMode)[accesses];
            for (int i = 0; i < accesses; i++)
            {
                int key;
                do
                {
                    key = random.Chance(1, 3) ? random.Next(Math.Min(3, keyCount)) : random.Next(keyCount);
                }
                while (!used.Add(key) && used.Count < keyCount);
                AccessMode mode = random.Chance(readShare, 100) ? AccessMode.Read
                    : random.Chance(addShare, 100) ? AccessMode.Add : AccessMode.Write;
                list[i] = (key, mode);
            }

            shape.Add((uint)random.Next(1000), list.DistinctBy(access => access.Item1).ToArray());
        }

        return shape;
    }
}

/// <summary>Collects what a completion sets free, in the order it was told.</summary>
internal readonly struct CollectingSink(List<int> ready, List<int> folded) : ICompletionSink
{
    public void AdderGroupFinished(int key) => folded.Add(key);

    public void Ready(int chain) => ready.Add(chain);
}
