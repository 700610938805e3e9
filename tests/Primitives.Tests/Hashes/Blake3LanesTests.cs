// Eight at a time equals one at a time, for every count and place in a batch.

using System;
using ParallelVm.Primitives.State;

namespace ParallelVm.Primitives.Tests.Hashes;

public sealed class Blake3LanesTests
{
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Hashes_of_pairs_are_the_single_hashes_for_every_count(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] bytes = new byte[32];
        Bytes32 Next()
        {
            random.Fill(bytes);
            return random.Chance(1, 6) ? Bytes32.Zero : Bytes32.From(bytes);
        }

        StateHashing hashing = new(new ChainId(Next()));
        for (int count = 0; count < 70; count++)
        {
            Bytes32 key = Next();
            Bytes32[] pairs = new Bytes32[2 * count];
            for (int i = 0; i < pairs.Length; i++)
            {
                pairs[i] = Next();
            }

            Bytes32[] hashes = new Bytes32[count];
            Bytes32[] leaves = new Bytes32[count];
            Bytes32[] nodes = new Bytes32[count];
            Blake3.KeyedPairs(key, pairs, hashes);
            hashing.Leaves(pairs, leaves);
            hashing.Nodes(pairs, nodes);
            for (int i = 0; i < count; i++)
            {
                string context = $"seed {seed}, {i} of {count}";
                Assert.True(Blake3.KeyedPair(key, pairs[2 * i], pairs[(2 * i) + 1]) == hashes[i], context);
                Assert.True(hashing.Leaf(new StateKey(pairs[2 * i]), pairs[(2 * i) + 1]) == leaves[i], context);
                Assert.True(hashing.Node(pairs[2 * i], pairs[(2 * i) + 1]) == nodes[i], context);
            }
        }
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Blake3.KeyedPairs(Bytes32.Zero, new Bytes32[3], new Bytes32[2]));
        Assert.Throws<ArgumentException>(() => Blake3.KeyedPairs(Bytes32.Zero, new Bytes32[2], new Bytes32[2]));
    }
}
