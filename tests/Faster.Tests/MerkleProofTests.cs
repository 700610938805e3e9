// Proofs convince of what is so and of nothing else, and no bytes make the verifier throw.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleProofTests
{
    private static readonly StateHashing Hashing = World.Hashing;

    /// <summary>A tree, its twin, and what proves and verifies them.</summary>
    private sealed class Proven
    {
        public Proven(ulong seed, int count, ITreeHash? hash = null)
        {
            Random = new SeededRandom(seed);
            Hash = hash ?? MerkleWorld.Hash;
            Twin = new PlainTree(Hash);
            PathChange[] keys = MerkleWorld.Changes(Random, MerkleWorld.Pool(Random, count), 2 * count, 0);
            Twin.Apply(keys);
            Tree = MerkleTree.Create(Hash).Update(keys);
        }

        public SeededRandom Random { get; }

        public ITreeHash Hash { get; }

        public PlainTree Twin { get; }

        public MerkleTree Tree { get; }

        public StateRoot Root => Hashing.Root(Tree.Hash);

        /// <summary>Keys of the tree, paths one bit away from them, paths from elsewhere; ascending.</summary>
        public StateKey[] Asked(int some)
        {
            SortedSet<StateKey> asked = [];
            foreach (StateKey key in Twin.Keys.Keys)
            {
                if (some == 0 || Random.Chance(1, some))
                {
                    asked.Add(key);
                    byte[] near = key.Value.ToArray();
                    int bit = Random.Next(256);
                    near[bit / 8] ^= (byte)(0x80 >> (bit % 8));
                    asked.Add(new StateKey(Bytes32.From(near)));
                }
            }

            asked.Add(MerkleWorld.Path(Random, 0));
            return [.. asked];
        }

        public LeafClaim[] ClaimsIn(StateKey low, StateKey high)
        {
            List<LeafClaim> claims = [];
            foreach ((StateKey path, Bytes32 value) in Twin.Keys)
            {
                if (path.CompareTo(low) >= 0 && path.CompareTo(high) <= 0)
                {
                    claims.Add(new LeafClaim(path, value));
                }
            }

            return [.. claims];
        }

        public LeafClaim[] ClaimsOf(PathRange[] ranges)
        {
            List<LeafClaim> claims = [];
            foreach (PathRange range in ranges)
            {
                claims.AddRange(ClaimsIn(range.Low, range.High));
            }

            return [.. claims];
        }

        public byte[] Prove(params PathRange[] ranges) => MerkleProver.ProveRanges(Tree, ranges, path => Twin.Keys[path]);

        public bool Accepts(PathRange[] ranges, LeafClaim[] claims, byte[] proof) =>
            MerkleProof.TryComputeRoot(Hash, ranges, claims, proof, out Bytes32 root) && root == Tree.Hash;
    }

    private static PathRange At(StateKey path) => new(path, path);

    [Theory, InlineData(1, 0), InlineData(2, 1), InlineData(3, 2), InlineData(4, 40), InlineData(5, 400)]
    public void Every_key_is_proven_present_with_its_value_and_every_other_path_absent(ulong seed, int count)
    {
        Proven world = new(seed, count);
        StateRoot otherRoot = Hashing.Root(Blake3.Hash("another"u8));
        foreach (StateKey path in world.Asked(0))
        {
            byte[] proof = MerkleProver.Prove(world.Tree, path, key => world.Twin.Keys[key]);
            bool present = world.Twin.Keys.TryGetValue(path, out Bytes32 value);
            LeafClaim[] claim = [new LeafClaim(path, present ? value : MerkleWorld.ValueOf(1))];
            LeafClaim[] wrong = [new LeafClaim(path, MerkleWorld.ValueOf(99))];
            Assert.Equal(present, MerkleProof.Verify(Hashing, world.Root, [At(path)], claim, proof));
            Assert.Equal(!present, MerkleProof.VerifyAbsent(Hashing, world.Root, path, proof));
            Assert.False(MerkleProof.Verify(Hashing, world.Root, [At(path)], wrong, proof));
            Assert.False(MerkleProof.Verify(Hashing, otherRoot, [At(path)], claim, proof));
            Assert.False(MerkleProof.VerifyAbsent(Hashing, otherRoot, path, proof));
        }
    }

    [Theory, InlineData(1, 0), InlineData(2, 3), InlineData(3, 60), InlineData(4, 500)]
    public void One_proof_for_many_paths_says_which_are_there_and_shares_what_they_share(ulong seed, int count)
    {
        Proven world = new(seed, count);
        for (int round = 0; round < 20; round++)
        {
            StateKey[] asked = world.Asked(1 + world.Random.Next(30));
            PathRange[] ranges = Array.ConvertAll(asked, At);
            LeafClaim[] claims = world.ClaimsOf(ranges);
            byte[] proof = MerkleProver.ProveMany(world.Tree, asked, key => world.Twin.Keys[key]);
            Assert.True(MerkleProof.VerifyMany(Hashing, world.Root, asked, claims, proof), $"seed {seed} round {round}");
            int apart = 0;
            foreach (PathRange range in ranges)
            {
                apart += world.Prove(range).Length;
            }

            Assert.True(asked.Length == 1 || proof.Length < apart, $"{proof.Length} bytes together, {apart} apart");
            if (claims.Length > 0)
            {
                int at = world.Random.Next(claims.Length);
                Assert.False(world.Accepts(ranges, [.. claims[..at], .. claims[(at + 1)..]], proof));         // one left out
                LeafClaim[] changed = (LeafClaim[])claims.Clone();
                changed[at] = claims[at] with { ValueHash = MerkleWorld.ValueOf(77) };
                Assert.False(world.Accepts(ranges, changed, proof));
            }
        }
    }

    [Theory, InlineData(1, 0), InlineData(2, 1), InlineData(3, 30), InlineData(4, 600)]
    public void Range_proof_says_that_these_keys_and_no_others_are_in_the_range(ulong seed, int count)
    {
        Proven world = new(seed, count);
        StateKey first = new(Bytes32.Zero);
        StateKey last = new(new Bytes32(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue));
        for (int round = 0; round < 60; round++)
        {
            StateKey[] edges = world.Asked(5);
            StateKey low = round == 0 ? first : edges[world.Random.Next(edges.Length)];
            StateKey high = round < 2 ? last : edges[world.Random.Next(edges.Length)];
            (low, high) = low.CompareTo(high) <= 0 ? (low, high) : (high, low);
            LeafClaim[] claims = world.ClaimsIn(low, high);
            byte[] proof = MerkleProver.ProveRange(world.Tree, low, high, key => world.Twin.Keys[key]);
            Assert.True(MerkleProof.VerifyRange(Hashing, world.Root, low, high, claims, proof), $"seed {seed} round {round}");
            if (claims.Length > 0)
            {
                int at = world.Random.Next(claims.Length);
                LeafClaim[] without = [.. claims[..at], .. claims[(at + 1)..]];
                Assert.False(MerkleProof.VerifyRange(Hashing, world.Root, low, high, without, proof), $"seed {seed} round {round}");
            }

            // a key that is not there, at a place where it would be in order
            StateKey extra = MerkleWorld.Path(world.Random, 0);
            if (extra.CompareTo(low) > 0 && extra.CompareTo(high) < 0 && !world.Twin.Keys.ContainsKey(extra))
            {
                List<LeafClaim> with = [.. claims, new LeafClaim(extra, MerkleWorld.ValueOf(1))];
                with.Sort(static (a, b) => a.Path.CompareTo(b.Path));
                Assert.False(MerkleProof.VerifyRange(Hashing, world.Root, low, high, with.ToArray(), proof), $"seed {seed} round {round}");
            }
        }

        Assert.Equal(5, world.Prove(new PathRange(first, last)).Length);     // the whole tree is what its keys make it
    }

    [Fact]
    public void Several_ranges_and_single_paths_go_into_one_proof()
    {
        Proven world = new(6, 300);
        for (int round = 0; round < 40; round++)
        {
            StateKey[] edges = world.Asked(20);
            List<PathRange> ranges = [];
            for (int i = 0; i < edges.Length; i++)
            {
                bool wide = i + 1 < edges.Length && world.Random.Chance(1, 2);
                ranges.Add(new PathRange(edges[i], edges[wide ? ++i : i]));
            }

            PathRange[] asked = [.. ranges];
            Assert.True(world.Accepts(asked, world.ClaimsOf(asked), world.Prove(asked)), $"round {round}");
        }
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2), InlineData(5), InlineData(60)]
    public void Every_single_bit_of_a_proof_matters(int count)
    {
        Proven world = new((ulong)count + 10, count);
        StateKey[] asked = world.Asked(count / 4);
        List<PathRange[]> questions =
        [
            [At(asked[0])],
            [At(asked[^1])],
            [At(MerkleWorld.Path(world.Random, 250))],
            Array.ConvertAll(asked.Length > 6 ? asked[^6..] : asked, At),
            [new PathRange(asked[asked.Length / 3], asked[asked.Length * 2 / 3])],
            [new PathRange(asked[0], asked[asked.Length / 2])],
        ];
        foreach (PathRange[] ranges in questions)
        {
            LeafClaim[] claims = world.ClaimsOf(ranges);
            byte[] proof = world.Prove(ranges);
            Assert.True(world.Accepts(ranges, claims, proof));
            for (int bit = 0; bit < proof.Length * 8; bit++)
            {
                byte[] altered = (byte[])proof.Clone();
                altered[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(world.Accepts(ranges, claims, altered), $"{count} keys, bit {bit} of {proof.Length * 8}");
            }

            for (int length = 0; length < proof.Length; length++)
            {
                Assert.False(world.Accepts(ranges, claims, proof[..length]), $"{count} keys, cut at {length}");
            }

            Assert.False(world.Accepts(ranges, claims, [.. proof, 0]), "one byte more");
        }
    }

    [Fact]
    public void Proof_of_one_question_answers_no_other()
    {
        Proven world = new(21, 80);
        StateKey[] asked = world.Asked(3);
        foreach (StateKey path in asked)
        {
            byte[] proof = world.Prove(At(path));
            foreach (StateKey other in asked)
            {
                LeafClaim[] truth = world.ClaimsIn(other, other);
                LeafClaim[] lie = truth.Length > 0 ? [] : [new LeafClaim(other, MerkleWorld.ValueOf(1))];
                Assert.False(world.Accepts([At(other)], lie, proof));
                Assert.True(path != other || world.Accepts([At(other)], truth, proof));
            }
        }
    }

    [Fact]
    public void Malformed_questions_are_refused_and_not_thrown()
    {
        Proven world = new(22, 20);
        StateKey low = world.Asked(0)[0];
        StateKey high = world.Asked(0)[^1];
        byte[] proof = world.Prove(new PathRange(low, high));
        LeafClaim[] claims = world.ClaimsIn(low, high);
        Assert.True(world.Accepts([new PathRange(low, high)], claims, proof));
        Assert.False(world.Accepts([new PathRange(high, low)], claims, proof));
        Assert.False(world.Accepts([new PathRange(low, high), new PathRange(low, high)], claims, proof));
        Assert.False(world.Accepts([new PathRange(low, high), At(high)], claims, proof));
        Array.Reverse(claims);
        Assert.False(world.Accepts([new PathRange(low, high)], claims, proof));
        Assert.False(world.Accepts([], claims, proof));
        Assert.False(world.Accepts([At(low)], [claims[0], claims[0]], proof));
        Assert.False(MerkleProof.VerifyPresent(Hashing, world.Root, low, new byte[StateLimits.MaxRecordBytes + 1], proof));
        Assert.Throws<ArgumentException>(() => world.Prove(new PathRange(high, low)));
    }

    [Fact]
    public void A_node_over_nothing_and_a_leaf_is_refused_even_where_its_hash_would_fit()
    {
        // the tree of one key, shown as a node over nothing and its leaf: a root that no canonical tree has
        StateKey key = new(new Bytes32(1UL << 63, 0, 0, 0));
        LeafClaim claim = new(key, MerkleWorld.ValueOf(1));
        Bytes32 leaf = Hashing.Leaf(key, claim.ValueHash);
        StateRoot root = Hashing.Root(Hashing.Node(StateHashing.Empty, leaf));
        byte[] proof = [StateHashing.Format, 1, 0, 0, 0, 0b1000_1000];       // node, nothing cut off on the left, the claimed leaf
        Assert.False(MerkleProof.Verify(Hashing, root, [At(key)], [claim], proof));
        byte[] shown = [StateHashing.Format, 1, 0, 0, 0, 0b0100_0000];       // the leaf at the top, where it belongs
        Assert.True(MerkleProof.Verify(Hashing, Hashing.Root(leaf), [At(key)], [claim], shown));
    }

    [Fact]
    public void Random_bytes_prove_nothing()
    {
        SeededRandom random = new(78);
        StateRoot root = Hashing.Root(Blake3.Hash("tree"u8));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = new byte[random.Next(160)];
            random.Fill(bytes);
            if (bytes.Length > 5 && random.Chance(7, 8))
            {
                bytes[0] = StateHashing.Format;
                bytes.AsSpan(1, 4).Clear();
                bytes[1] = (byte)random.Next(40);
            }

            StateKey path = World.KeyAt(i % 50).Key;
            Assert.False(MerkleProof.VerifyPresent(Hashing, root, path, [], bytes));
            Assert.False(MerkleProof.VerifyAbsent(Hashing, root, path, bytes));
            Assert.False(MerkleProof.VerifyRange(Hashing, root, path, path, [], bytes));
        }
    }

    [Fact]
    public void Deepest_neighbours_are_proven_with_256_levels()
    {
        StateKey left = new(new Bytes32(7, 7, 7, 6));
        StateKey right = new(new Bytes32(7, 7, 7, 7));
        MerkleTree tree = MerkleTree.Create(MerkleWorld.Hash)
            .Update(new[] { new PathChange(left, MerkleWorld.ValueOf(1)), new PathChange(right, MerkleWorld.ValueOf(2)) });
        StateRoot root = Hashing.Root(tree.Hash);
        byte[] proof = MerkleProver.Prove(tree, right, _ => default);
        Assert.True(MerkleProof.VerifyPresent(Hashing, root, right, BitConverter.GetBytes(2), proof));
        Assert.False(MerkleProof.VerifyPresent(Hashing, root, right, BitConverter.GetBytes(1), proof));
        Assert.Equal(1 + 4 + (((256 * 2) + 256 + 7) / 8) + 32, proof.Length);
    }

    [Fact]
    public void Proofs_work_in_every_profile_and_do_not_pass_for_one_another()
    {
        foreach (ITreeHash hash in new ITreeHash[] { Sha256TreeHash.Fuel, Sha256TreeHash.Jmt })
        {
            Proven world = new(31, 30, hash);
            foreach (StateKey path in world.Asked(2))
            {
                byte[] proof = world.Prove(At(path));
                Assert.True(world.Accepts([At(path)], world.ClaimsIn(path, path), proof));
                Assert.False(MerkleProof.TryComputeRoot(MerkleWorld.Hash, [At(path)], world.ClaimsIn(path, path), proof, out _));
            }
        }
    }

    [Fact]
    public void Store_proves_what_its_accepted_state_holds()
    {
        using TempFolder temp = new();
        World world = new(5);
        using StateStore store = StateStore.Open(StateStoreTests.Small(temp["data"]));
        world.AcceptTo(store, 15);
        byte[] value = new byte[StateLimits.MaxRecordBytes];
        for (int i = 0; i < 60; i++)
        {
            StateKey key = World.KeyAt(i).Key;
            int length = store.Accepted.Read(key, value);
            byte[] proof = store.Prove(key);
            Assert.Equal(length < 0, MerkleProof.VerifyAbsent(Hashing, store.Accepted.Root, key, proof));
            Assert.Equal(length >= 0, MerkleProof.VerifyPresent(Hashing, store.Accepted.Root, key, value.AsSpan(0, Math.Max(length, 0)), proof));
        }
    }
}
