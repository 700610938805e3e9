// The bloom filter of the network's p2p SDK: what a peer says it has, in few bytes, with false positives and no false negatives.
//
//   bytes   k (1..16) | k seeds of 8 bytes, big-endian | entries, at least one byte
//   hash    h = first 8 bytes, big-endian, of SHA-256(id | salt)
//   bits    for each seed in turn: h = rotl(h, 17) xor seed; bit h mod (8 * entries), bit i is 1 << (i mod 8) of byte i / 8
//
// A salt and seeds of one's own for each filter: two ids that collide in one filter do not collide in the next, so nothing stays
// unknown to a peer for ever.
//
// Cost: k steps per id and one SHA-256 of 64 bytes.   Threading: one owner, or reading only.
// Source: AvalancheGo's utils/bloom, facts in the fact sheet's section 11.

using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>A set of 64-bit hashes that may say yes too often.</summary>
public sealed class BloomFilter
{
    /// <summary>The fewest hash functions.</summary>
    public const int MinHashes = 1;

    /// <summary>The most hash functions.</summary>
    public const int MaxHashes = 16;

    private const int Rotation = 17;

    private readonly ulong[] _seeds;
    private readonly byte[] _entries;

    private BloomFilter(ulong[] seeds, byte[] entries)
    {
        _seeds = seeds;
        _entries = entries;
    }

    /// <summary>Hash functions.</summary>
    public int Hashes => _seeds.Length;

    /// <summary>Bytes of entries.</summary>
    public int EntryBytes => _entries.Length;

    /// <summary>How often <see cref="Add"/> was called.</summary>
    public int Count { get; private set; }

    /// <summary>An empty filter with seeds from <paramref name="random"/>.</summary>
    public static BloomFilter Create(BloomShape shape, SeededRandom random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.Hashes, MinHashes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.Hashes, MaxHashes);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.EntryBytes, 1);
        ulong[] seeds = new ulong[shape.Hashes];
        for (int i = 0; i < seeds.Length; i++)
        {
            seeds[i] = random.NextU64();
        }

        return new BloomFilter(seeds, new byte[shape.EntryBytes]);
    }

    /// <summary>Reads a filter of a peer.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, [NotNullWhen(true)] out BloomFilter? filter, out Refusal refusal)
    {
        filter = null;
        int hashes = source.IsEmpty ? 0 : source[0];
        int entriesAt = 1 + (8 * hashes);
        if (hashes is < MinHashes or > MaxHashes || source.Length <= entriesAt)
        {
            refusal = new Refusal(
                RefusalCode.BloomMalformed, $"A filter of {source.Length} bytes says {hashes} hash functions; it has 1 to 16, and a byte behind their seeds.");
            return false;
        }

        ulong[] seeds = new ulong[hashes];
        for (int i = 0; i < hashes; i++)
        {
            seeds[i] = BinaryPrimitives.ReadUInt64BigEndian(source[(1 + (8 * i))..]);
        }

        filter = new BloomFilter(seeds, source[entriesAt..].ToArray());
        refusal = Refusal.None;
        return true;
    }

    /// <summary>The hash of an id under a salt.</summary>
    public static ulong HashOf(Bytes32 id, Bytes32 salt)
    {
        Span<byte> input = stackalloc byte[2 * Bytes32.Size];
        id.CopyTo(input);
        salt.CopyTo(input[Bytes32.Size..]);
        return Sha256.Hash(input).W0;
    }

    /// <summary>Adds a hash.</summary>
    public void Add(ulong hash)
    {
        ulong bits = 8 * (ulong)_entries.Length;
        foreach (ulong seed in _seeds)
        {
            hash = BitOperations.RotateLeft(hash, Rotation) ^ seed;
            ulong bit = hash % bits;
            _entries[bit >> 3] |= (byte)(1 << (int)(bit & 7));
        }

        Count++;
    }

    /// <summary>True for every hash that was added, and for few others.</summary>
    public bool Contains(ulong hash)
    {
        ulong bits = 8 * (ulong)_entries.Length;
        foreach (ulong seed in _seeds)
        {
            hash = BitOperations.RotateLeft(hash, Rotation) ^ seed;
            ulong bit = hash % bits;
            if ((_entries[bit >> 3] >> (int)(bit & 7) & 1) == 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The encoding, in a new array.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[1 + (8 * _seeds.Length) + _entries.Length];
        bytes[0] = (byte)_seeds.Length;
        for (int i = 0; i < _seeds.Length; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(1 + (8 * i)), _seeds[i]);
        }

        _entries.CopyTo(bytes, 1 + (8 * _seeds.Length));
        return bytes;
    }
}
