// What convinces somebody who knows only a state root: that inside some ranges of paths the keys are exactly these.
//
//   one key present   the range [key, key] holds it, with this value        one key absent   [key, key] holds nothing
//   many keys         one such range for each, ascending                    a range          [low, high] holds these and no others
//
// The proof is the tree, cut off where nothing was asked. Walked from the top, left before right, a node of which the path
// interval is
//   outside all ranges    one bit: 0 nothing there, 1 something, whose hash is given
//   inside one range      no bit: it is what the claimed keys make it, by the definition of the tree
//   neither               two bits: 0 nothing, 1 a leaf (the claimed key there, or else a key outside the ranges, which is
//                         given), 2 a node, with both its children following
//
// Encoding: u8 profile version | u32 length of the bits in bytes | bits, the first in the top of byte 0, padded with zeros
//           | 32 bytes for each hash, 64 (path, value hash) for each other leaf, in the order of the walk.
//
// Why it convinces: leaf and node have different keys, so no hash is both; a canonical tree has no node over nothing and
// a leaf, and a proof that shows one is refused. Where the walk ends in nothing or in another key's leaf, no third
// key can stand. There is one encoding for a tree and a question: every bit is either forced or under the root.
//
// Decoding never throws: each step down takes a bit from the proof or a claimed key, no walk goes deeper than 256.
//
// Cost: a hash per node on the way, about log2(keys) for one key.   Threading: pure.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Paths from <paramref name="Low"/> to <paramref name="High"/>, both included.</summary>
public readonly record struct PathRange(StateKey Low, StateKey High);

/// <summary>A key that is claimed to be there.</summary>
public readonly record struct LeafClaim(StateKey Path, Bytes32 ValueHash);

/// <summary>Verifies proofs. It needs a root and the bytes, and nothing of a tree.</summary>
public static class MerkleProof
{
    /// <summary>The deepest node: below 256 bits there is one path.</summary>
    internal const int MaxDepth = 256;

    /// <summary>Checks that under <paramref name="root"/> the key has exactly this value.</summary>
    public static bool VerifyPresent(StateHashing hashing, StateRoot root, in StateKey path, ReadOnlySpan<byte> value, ReadOnlySpan<byte> proof)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        return value.Length <= StateLimits.MaxRecordBytes
            && Verify(hashing, root, [new PathRange(path, path)], [new LeafClaim(path, hashing.ValueHash(value))], proof);
    }

    /// <summary>Checks that under <paramref name="root"/> there is no such key.</summary>
    public static bool VerifyAbsent(StateHashing hashing, StateRoot root, in StateKey path, ReadOnlySpan<byte> proof) =>
        Verify(hashing, root, [new PathRange(path, path)], [], proof);

    /// <summary>Checks that of these paths exactly the claimed ones are there.</summary>
    /// <param name="paths">Strictly ascending.</param>
    /// <param name="claims">Strictly ascending, each one of the paths.</param>
    public static bool VerifyMany(
        StateHashing hashing, StateRoot root, ReadOnlySpan<StateKey> paths, ReadOnlySpan<LeafClaim> claims, ReadOnlySpan<byte> proof) =>
        Verify(hashing, root, RangesOf(paths), claims, proof);

    /// <summary>Checks that between <paramref name="low"/> and <paramref name="high"/>, both included, there are exactly the claimed keys.</summary>
    /// <param name="claims">Strictly ascending.</param>
    public static bool VerifyRange(
        StateHashing hashing, StateRoot root, in StateKey low, in StateKey high, ReadOnlySpan<LeafClaim> claims, ReadOnlySpan<byte> proof) =>
        Verify(hashing, root, [new PathRange(low, high)], claims, proof);

    /// <summary>Checks against the state root.</summary>
    public static bool Verify(
        StateHashing hashing, StateRoot root, ReadOnlySpan<PathRange> ranges, ReadOnlySpan<LeafClaim> claims, ReadOnlySpan<byte> proof)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        return TryComputeRoot(new StateTreeHash(hashing), ranges, claims, proof, out Bytes32 treeRoot) && hashing.Root(treeRoot) == root;
    }

    /// <summary>The root of the tree that a proof shows.</summary>
    /// <param name="ranges">What was asked: ascending, apart from each other.</param>
    /// <param name="claims">The keys inside the ranges, strictly ascending.</param>
    /// <returns>False when the question or the proof is not well formed.</returns>
    public static bool TryComputeRoot(
        ITreeHash hash, ReadOnlySpan<PathRange> ranges, ReadOnlySpan<LeafClaim> claims, ReadOnlySpan<byte> proof, out Bytes32 treeRoot)
    {
        ArgumentNullException.ThrowIfNull(hash);
        treeRoot = default;
        CanonicalReader reader = new(proof);
        if (!AreApart(ranges) || !AreInside(claims, ranges) || reader.ReadU8() != hash.Version)
        {
            return false;
        }

        ReadOnlySpan<byte> bits = reader.ReadCounted(proof.Length);
        if (!reader.Ok)
        {
            return false;
        }

        ProofWalk walk = new(hash, bits, proof[reader.Position..]);
        bool whole = walk.TryNode(0, Bytes32.Zero, Ones, ranges, claims, out treeRoot, out _) && walk.IsAtEnd;
        return whole;
    }

    /// <summary>A range of one path for each.</summary>
    internal static PathRange[] RangesOf(ReadOnlySpan<StateKey> paths)
    {
        PathRange[] ranges = new PathRange[paths.Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = new PathRange(paths[i], paths[i]);
        }

        return ranges;
    }

    /// <summary>The last path of all.</summary>
    internal static Bytes32 Ones => new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);

    /// <summary>Ranges are ascending and share no path.</summary>
    internal static bool AreApart(ReadOnlySpan<PathRange> ranges)
    {
        for (int i = 0; i < ranges.Length; i++)
        {
            if (ranges[i].Low.CompareTo(ranges[i].High) > 0 || (i > 0 && ranges[i - 1].High.CompareTo(ranges[i].Low) >= 0))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The ranges that meet [low, high].</summary>
    internal static ReadOnlySpan<PathRange> Meeting(ReadOnlySpan<PathRange> ranges, scoped in Bytes32 low, scoped in Bytes32 high)
    {
        int first = 0;
        while (first < ranges.Length && ranges[first].High.Value.CompareTo(low) < 0)
        {
            first++;
        }

        int end = first;
        while (end < ranges.Length && ranges[end].Low.Value.CompareTo(high) <= 0)
        {
            end++;
        }

        return ranges[first..end];
    }

    /// <summary>One of the ranges that meet [low, high] contains it.</summary>
    internal static bool Covers(ReadOnlySpan<PathRange> meeting, in Bytes32 low, in Bytes32 high) =>
        meeting.Length == 1 && meeting[0].Low.Value.CompareTo(low) <= 0 && meeting[0].High.Value.CompareTo(high) >= 0;

    /// <summary>The path interval of a node's right child begins here; its left child's ends just before.</summary>
    internal static Bytes32 WithBit(in Bytes32 value, int bit, bool one)
    {
        ulong mask = 1UL << (63 - (bit & 63));
        int word = bit >> 6;
        return new Bytes32(
            Set(value.W0, word == 0, mask, one), Set(value.W1, word == 1, mask, one),
            Set(value.W2, word == 2, mask, one), Set(value.W3, word == 3, mask, one));

        static ulong Set(ulong word, bool here, ulong mask, bool one) => !here ? word : one ? word | mask : word & ~mask;
    }

    private static bool AreInside(ReadOnlySpan<LeafClaim> claims, ReadOnlySpan<PathRange> ranges)
    {
        int range = 0;
        for (int i = 0; i < claims.Length; i++)
        {
            if (i > 0 && claims[i - 1].Path.CompareTo(claims[i].Path) >= 0)
            {
                return false;
            }

            while (range < ranges.Length && ranges[range].High.CompareTo(claims[i].Path) < 0)
            {
                range++;
            }

            if (range == ranges.Length || ranges[range].Low.CompareTo(claims[i].Path) > 0)
            {
                return false;
            }
        }

        return true;
    }
}
