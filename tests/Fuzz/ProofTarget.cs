// Proofs of state under fuzz: question, claims and proof in one input.
//
//   u8 ranges | (low 32 | high 32)* | u8 claims | (path 32 | value hash 32)* | proof
//
// The law: the verifier throws on nothing, and what it accepts under the root is the truth. The claimed keys are those of the tree
// inside the ranges, with their values, and the proof is byte for byte the one that the prover makes for that question: so every
// mutation of a proof is refused.

using System;
using System.Collections.Generic;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Fuzz;

internal static class ProofTarget
{
    private const int Keys = 60;

    private static readonly StateHashing Hashing = new(new ChainId(new Bytes32(0, 0, 0, 0x66757A7A)));
    private static readonly SortedDictionary<StateKey, Bytes32> Truth = MakeTruth();
    private static readonly MerkleTree Tree = MakeTree();
    private static readonly StateRoot Root = Hashing.Root(Tree.Hash);

    /// <summary>Keys that are there, that are not, many, ranges, everything, nothing.</summary>
    public static byte[][] Samples()
    {
        StateKey[] there = [.. Truth.Keys];
        List<byte[]> samples = [];
        for (int i = 0; i < there.Length; i += 7)
        {
            StateKey near = new(there[i].Value with { W3 = there[i].Value.W3 ^ 1 });
            samples.Add(Input([new PathRange(there[i], there[i])]));
            samples.Add(Input([new PathRange(near, near)]));
            samples.Add(Input([new PathRange(there[i / 2], there[i])]));
        }

        StateKey last = new(new Bytes32(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue));
        samples.Add(Input([new PathRange(default, last)]));
        samples.Add(Input([]));
        samples.Add(Input([new PathRange(default, there[1]), new PathRange(there[4], there[4]), new PathRange(there[9], there[20])]));
        return [.. samples];
    }

    public static bool Accepts(byte[] input)
    {
        CanonicalReader reader = new(input);
        PathRange[] ranges = new PathRange[reader.ReadU8()];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = new PathRange(new StateKey(reader.ReadBytes32()), new StateKey(reader.ReadBytes32()));
        }

        LeafClaim[] claims = new LeafClaim[reader.ReadU8()];
        for (int i = 0; i < claims.Length; i++)
        {
            claims[i] = new LeafClaim(new StateKey(reader.ReadBytes32()), reader.ReadBytes32());
        }

        if (!reader.Ok)
        {
            return false;
        }

        ReadOnlySpan<byte> proof = input.AsSpan(reader.Position);
        if (!MerkleProof.Verify(Hashing, Root, ranges, claims, proof))
        {
            return false;
        }

        Targets.Require(claims.AsSpan().SequenceEqual(ClaimsIn(ranges)), "a proof verifies for claims that are not the tree's keys");
        Targets.Require(proof.SequenceEqual(MerkleProver.ProveRanges(Tree, ranges, key => Truth[key])), "a proof verifies that the prover does not make");
        return true;
    }

    private static byte[] Input(PathRange[] ranges)
    {
        LeafClaim[] claims = ClaimsIn(ranges);
        CanonicalWriter writer = new();
        writer.WriteU8((byte)ranges.Length);
        foreach (PathRange range in ranges)
        {
            writer.WriteBytes32(range.Low.Value);
            writer.WriteBytes32(range.High.Value);
        }

        writer.WriteU8((byte)claims.Length);
        foreach (LeafClaim claim in claims)
        {
            writer.WriteBytes32(claim.Path.Value);
            writer.WriteBytes32(claim.ValueHash);
        }

        writer.WriteBytes(MerkleProver.ProveRanges(Tree, ranges, key => Truth[key]));
        return writer.ToArray();
    }

    private static LeafClaim[] ClaimsIn(PathRange[] ranges)
    {
        List<LeafClaim> claims = [];
        foreach (PathRange range in ranges)
        {
            foreach ((StateKey path, Bytes32 value) in Truth)
            {
                if (path.CompareTo(range.Low) >= 0 && path.CompareTo(range.High) <= 0)
                {
                    claims.Add(new LeafClaim(path, value));
                }
            }
        }

        return [.. claims];
    }

    /// <summary>Paths from anywhere, and every third beside another, deep below where the two part.</summary>
    private static SortedDictionary<StateKey, Bytes32> MakeTruth()
    {
        SeededRandom random = new(60);
        SortedDictionary<StateKey, Bytes32> truth = [];
        Bytes32 path = default;
        for (int i = 0; i < Keys; i++)
        {
            path = i % 3 == 2 ? path with { W2 = path.W2 ^ (1ul << random.Next(64)) } : Any(random);
            truth[new StateKey(path)] = Any(random);
        }

        return truth;
    }

    private static MerkleTree MakeTree()
    {
        List<PathChange> changes = [];
        foreach ((StateKey path, Bytes32 value) in Truth)
        {
            changes.Add(new PathChange(path, value));
        }

        return MerkleTree.Build(new StateTreeHash(Hashing), changes.ToArray());
    }

    private static Bytes32 Any(SeededRandom random) => new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
}
