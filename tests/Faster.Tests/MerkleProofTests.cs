// Proofs convince of what is so and of nothing else, and no bytes make the verifier throw.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleProofTests
{
    private static readonly StateHashing Hashing = World.Hashing;

    /// <summary>Keys, some of which share long prefixes, with one-byte values.</summary>
    private static SortedDictionary<StateKey, byte[]> Keys(SeededRandom random, int count)
    {
        SortedDictionary<StateKey, byte[]> keys = [];
        byte[] bytes = new byte[32];
        for (int i = 0; i < count; i++)
        {
            random.Fill(i % 3 == 0 ? bytes : bytes.AsSpan(random.Next(31)));
            keys[new StateKey(Bytes32.From(bytes))] = [(byte)i];
        }

        return keys;
    }

    private static MerkleTree TreeOf(SortedDictionary<StateKey, byte[]> keys)
    {
        List<LeafChange> changes = [];
        foreach ((StateKey path, byte[] value) in keys)
        {
            changes.Add(new LeafChange(path, Hashing.Leaf(path, Hashing.ValueHash(value))));
        }

        return MerkleTree.Empty.Update(Hashing, changes.ToArray());
    }

    private static byte[] Prove(MerkleTree tree, SortedDictionary<StateKey, byte[]> keys, StateKey path) =>
        MerkleProof.Prove(tree, path, key => Hashing.ValueHash(keys[key]));

    [Theory, InlineData(1, 0), InlineData(2, 1), InlineData(3, 2), InlineData(4, 40), InlineData(5, 200)]
    public void Every_key_is_proven_present_with_its_value_and_every_other_path_absent(ulong seed, int count)
    {
        SeededRandom random = new(seed);
        SortedDictionary<StateKey, byte[]> keys = Keys(random, count);
        MerkleTree tree = TreeOf(keys);
        StateRoot root = Hashing.Root(tree.Hash);
        StateRoot otherRoot = Hashing.Root(Blake3.Hash("another"u8));
        List<StateKey> asked = [.. keys.Keys];
        foreach (StateKey path in keys.Keys)
        {
            byte[] near = path.Value.ToArray();
            int bit = random.Next(256);
            near[bit / 8] ^= (byte)(0x80 >> (bit % 8));
            asked.Add(new StateKey(Bytes32.From(near)));
        }

        asked.Add(new StateKey(Blake3.Hash("elsewhere"u8)));
        foreach (StateKey path in asked)
        {
            byte[] proof = Prove(tree, keys, path);
            bool present = keys.TryGetValue(path, out byte[]? value);
            value ??= [1];
            Assert.Equal(present, MerkleProof.VerifyPresent(Hashing, root, path, value, proof));
            Assert.Equal(!present, MerkleProof.VerifyAbsent(Hashing, root, path, proof));
            Assert.False(MerkleProof.VerifyPresent(Hashing, root, path, [.. value, 0], proof));
            Assert.False(MerkleProof.VerifyPresent(Hashing, otherRoot, path, value, proof));
            Assert.False(MerkleProof.VerifyAbsent(Hashing, otherRoot, path, proof));
        }
    }

    [Fact]
    public void Altered_proof_never_proves_and_never_throws()
    {
        SeededRandom random = new(77);
        SortedDictionary<StateKey, byte[]> keys = Keys(random, 60);
        MerkleTree tree = TreeOf(keys);
        StateRoot root = Hashing.Root(tree.Hash);
        int asked = 0;
        foreach ((StateKey path, byte[] value) in keys)
        {
            if (asked++ % 6 != 0)
            {
                continue;
            }

            byte[] beside = path.Value.ToArray();
            beside[31] ^= 1;
            StateKey absent = new(Bytes32.From(beside));
            bool reallyAbsent = !keys.ContainsKey(absent);
            byte[] inclusion = Prove(tree, keys, path);
            byte[] exclusion = Prove(tree, keys, absent);
            foreach (byte[] proof in new[] { inclusion, exclusion })
            {
                for (int at = 0; at < proof.Length; at++)
                {
                    byte[] altered = (byte[])proof.Clone();
                    altered[at] ^= (byte)(1 << random.Next(8));
                    foreach (byte[] bytes in new[] { altered, proof[..at], [.. proof, altered[at]] })
                    {
                        Assert.False(MerkleProof.VerifyPresent(Hashing, root, path, value, bytes), $"byte {at}");
                        Assert.False(MerkleProof.VerifyAbsent(Hashing, root, path, bytes), $"byte {at}");
                        Assert.False(reallyAbsent && MerkleProof.VerifyPresent(Hashing, root, absent, value, bytes), $"byte {at}");
                    }
                }
            }

            Assert.False(MerkleProof.VerifyAbsent(Hashing, root, path, exclusion));
            Assert.False(reallyAbsent && MerkleProof.VerifyPresent(Hashing, root, absent, value, inclusion));
        }
    }

    [Fact]
    public void Random_bytes_prove_nothing()
    {
        SeededRandom random = new(78);
        StateRoot root = Hashing.Root(Blake3.Hash("tree"u8));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = new byte[random.Next(120)];
            random.Fill(bytes);
            if (bytes.Length > 2 && random.Chance(3, 4))
            {
                bytes[0] = (byte)random.Next(5);
                bytes[1] = (byte)random.Next(2);
            }

            StateKey path = World.KeyAt(i % 50).Key;
            Assert.False(MerkleProof.VerifyPresent(Hashing, root, path, [], bytes));
            Assert.False(MerkleProof.VerifyAbsent(Hashing, root, path, bytes));
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
