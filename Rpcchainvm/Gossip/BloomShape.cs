// How large a bloom filter is, and when it is full: the usual formulas, rounded as the network's SDK rounds them, so that our
// filters are of the sizes that peers make.
//
//   bits for n ids at false positive rate p      -n ln p / (ln 2)^2, up to whole bytes
//   hash functions                                bits ln 2 / n, up; 1 to 16
//   ids until rate p, with k functions, m bits    -ln(1 - p^(1/k)) m / k, up
//
// Floating point: only the shape of a filter hangs on it, never what a node agrees on.
//
// Threading: pure.   Source: AvalancheGo's utils/bloom.

using System;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>The shape of a filter.</summary>
/// <param name="Hashes">Hash functions, 1 to 16.</param>
/// <param name="EntryBytes">Bytes of entries, at least 1.</param>
public readonly record struct BloomShape(int Hashes, int EntryBytes)
{
    /// <summary>The best shape for a number of ids.</summary>
    /// <param name="count">Ids, at least 1.</param>
    /// <param name="rate">False positives, above 0 and below 1.</param>
    public static BloomShape For(int count, double rate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(rate, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rate, 1);
        double bits = -count * Math.Log(rate) / (Math.Log(2) * Math.Log(2));
        int bytes = Math.Max(1, (int)Math.Min(int.MaxValue, (bits + 7) / 8));
        double hashes = Math.Ceiling(bytes * 8.0 * Math.Log(2) / count);
        return new BloomShape((int)Math.Clamp(hashes, BloomFilter.MinHashes, BloomFilter.MaxHashes), bytes);
    }

    /// <summary>Ids after which false positives reach a rate.</summary>
    /// <param name="rate">Above 0 and below 1.</param>
    public int CountAt(double rate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(rate, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rate, 1);
        double zero = 1 - Math.Pow(rate, 1.0 / Hashes);
        return (int)Math.Min(int.MaxValue, Math.Ceiling(-Math.Log(zero) * EntryBytes * 8.0 / Hashes));
    }
}
