// What the tests of the tree share: the plain twin (a sorted map, its root by the definition), the SHA-256 profiles of the published
// vectors, key sets that hashes will never make, and threads for jobs.

using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

/// <summary>Paths with their value hashes, and the root that the definition gives them.</summary>
internal sealed class PlainTree
{
    private readonly ITreeHash _hash;

    public PlainTree(ITreeHash hash)
        : this(hash, [])
    {
    }

    private PlainTree(ITreeHash hash, SortedDictionary<StateKey, Bytes32> keys)
    {
        _hash = hash;
        Keys = keys;
    }

    public SortedDictionary<StateKey, Bytes32> Keys { get; }

    public Bytes32 Root
    {
        get
        {
            KeyValuePair<StateKey, Bytes32>[] sorted = new KeyValuePair<StateKey, Bytes32>[Keys.Count];
            Keys.CopyTo(sorted, 0);
            return Subtree(sorted, 0);
        }
    }

    public PlainTree Copy() => new(_hash, new SortedDictionary<StateKey, Bytes32>(Keys));

    public void Apply(IEnumerable<PathChange> changes)
    {
        foreach (PathChange change in changes)
        {
            _ = change.IsDelete ? Keys.Remove(change.Path) : (Keys[change.Path] = change.ValueHash) != default;
        }
    }

    public Bytes32 LeafOf(StateKey path)
    {
        Bytes32[] leaf = new Bytes32[1];
        _hash.Leaves([path.Value, Keys[path]], leaf);
        return leaf[0];
    }

    private Bytes32 Subtree(ReadOnlySpan<KeyValuePair<StateKey, Bytes32>> sorted, int depth)
    {
        if (sorted.Length < 2)
        {
            return sorted.IsEmpty ? _hash.Empty : LeafOf(sorted[0].Key);
        }

        int split = 0;
        while (split < sorted.Length && !sorted[split].Key.Value.Bit(depth))
        {
            split++;
        }

        Bytes32[] node = new Bytes32[1];
        _hash.Nodes([Subtree(sorted[..split], depth + 1), Subtree(sorted[split..], depth + 1)], node);
        return node[0];
    }
}

/// <summary>A SHA-256 profile: hashes of a tag and two values.</summary>
internal sealed class Sha256TreeHash(byte version, Bytes32 empty, byte[] leafTag, byte[] nodeTag) : ITreeHash
{
    /// <summary>FuelLabs/fuel-specs.</summary>
    public static Sha256TreeHash Fuel { get; } = new(128, default, [0], [1]);

    /// <summary>penumbra-zone/jmt.</summary>
    public static Sha256TreeHash Jmt { get; } = new(
        129, Bytes32.From("SPARSE_MERKLE_PLACEHOLDER_HASH__"u8), Encoding.ASCII.GetBytes("JMT::LeafNode"), Encoding.ASCII.GetBytes("JMT::IntrnalNode"));

    public byte Version => version;

    public Bytes32 Empty => empty;

    public void Leaves(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> leaves) => Hash(leafTag, pairs, leaves);

    public void Nodes(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> nodes) => Hash(nodeTag, pairs, nodes);

    private static void Hash(byte[] tag, ReadOnlySpan<Bytes32> pairs, Span<Bytes32> hashes)
    {
        for (int i = 0; i < hashes.Length; i++)
        {
            hashes[i] = Sha256.Hash([.. tag, .. pairs[2 * i].ToArray(), .. pairs[(2 * i) + 1].ToArray()]);
        }
    }
}

/// <summary>Paths, values and jobs.</summary>
internal static class MerkleWorld
{
    public static readonly ITreeHash Hash = new StateTreeHash(World.Hashing);

    private static readonly int[] Prefixes = [0, 0, 0, 0, 1, 5, 6, 7, 9, 61, 64, 120, 200, 240, 248, 253];

    public static Bytes32 ValueOf(int value) => World.Hashing.ValueHash(BitConverter.GetBytes(value));

    /// <summary>A random path, or one that shares its first <paramref name="shared"/> bits with all others made so.</summary>
    public static StateKey Path(SeededRandom random, int shared)
    {
        byte[] bytes = new byte[32];
        random.Fill(bytes);
        for (int bit = 0; bit < shared; bit++)
        {
            bytes[bit / 8] = (byte)((bytes[bit / 8] & ~(0x80 >> (bit % 8))) | ((bit % 3 == 0 ? 0x80 : 0) >> (bit % 8)));
        }

        return new StateKey(Bytes32.From(bytes));
    }

    /// <summary>Paths that collide at many depths.</summary>
    public static StateKey[] Pool(SeededRandom random, int count)
    {
        StateKey[] pool = new StateKey[count];
        for (int i = 0; i < count; i++)
        {
            pool[i] = Path(random, Prefixes[random.Next(Prefixes.Length)]);
        }

        return pool;
    }

    /// <summary>Changes to keys of a pool, sorted; about <paramref name="deleted"/> in ten delete.</summary>
    public static PathChange[] Changes(SeededRandom random, StateKey[] pool, int count, int deleted)
    {
        SortedDictionary<StateKey, PathChange> changes = [];
        for (int i = 0; i < count; i++)
        {
            StateKey path = pool[random.Next(pool.Length)];
            changes[path] = new PathChange(path, random.Chance(deleted, 10) ? default : ValueOf(random.Next(4)));
        }

        PathChange[] sorted = new PathChange[changes.Count];
        changes.Values.CopyTo(sorted, 0);
        return sorted;
    }

    /// <summary>Jobs on this many threads, which take the next one as they can.</summary>
    public static RunJobs On(int workers) => (count, job) =>
    {
        int next = -1;
        Thread[] threads = new Thread[Math.Min(workers, Math.Max(count, 1))];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(() =>
            {
                for (int at = Interlocked.Increment(ref next); at < count; at = Interlocked.Increment(ref next))
                {
                    job(at);
                }
            });
            threads[i].Start();
        }

        Array.ForEach(threads, static thread => thread.Join());
    };
}
