// Poseidon2 against its published vector and against its definition, whose constants come from the generator and not from a table.

using System;

namespace ParallelVm.Primitives.Tests.Hashes;

public class Poseidon2Tests
{
    // Plonky3, goldilocks/src/poseidon2.rs, test_default_goldilocks_poseidon2_width_8
    private static readonly ulong[] Published =
    [
        0x020cf04a1b214d14, 0x84e14aaaeacaed25, 0x1ae0f640e81c7457, 0xa4d204cbaeb0d8a5,
        0x0cf637b627b3a7ff, 0x788d304d948b486b, 0x7327133ea1949af4, 0xf415abb924da395b,
    ];

    [Fact]
    public void The_published_vector_of_0_to_7()
    {
        ulong[] state = [0, 1, 2, 3, 4, 5, 6, 7];
        Assert.Equal(Published, Poseidon2Definition.Permute(state));
        Poseidon2.Permute(state);
        Assert.Equal(Published, state);
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void The_permutation_is_its_definition_and_canonical_for_any_words(ulong seed)
    {
        SeededRandom random = new(seed);
        ulong[] edges = [0, 1, 0xFFFFFFFF, 0x1_00000000, Goldilocks.Modulus - 1, Goldilocks.Modulus, ulong.MaxValue];
        for (int round = 0; round < 300; round++)
        {
            // all alike, edges, anything
            ulong[] state = new ulong[Poseidon2.Width + 1];
            for (int i = 0; i < state.Length; i++)
            {
                state[i] = round < edges.Length ? edges[round] : random.Chance(1, 3) ? edges[random.Next(edges.Length)] : random.NextU64();
            }

            ulong beyond = state[^1];
            ulong[] expected = Poseidon2Definition.Permute(state);
            Poseidon2.Permute(state);
            Assert.True(expected.AsSpan().SequenceEqual(state.AsSpan(0, Poseidon2.Width)), $"seed {seed} round {round}");
            Assert.Equal(beyond, state[^1]);
            foreach (ulong element in expected)
            {
                Assert.True(element < Goldilocks.Modulus, $"seed {seed} round {round}: {element:x}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void A_compression_is_the_first_half_of_the_permutation_of_left_then_right(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 50; round++)
        {
            ulong[] both = new ulong[8];
            for (int i = 0; i < 8; i++)
            {
                both[i] = random.NextU64();
            }

            ulong[] expected = Poseidon2Definition.Permute(both)[..4];
            ulong[] result = new ulong[4];
            Poseidon2.Compress(both.AsSpan(0, 4), both.AsSpan(4), result);
            Assert.True(expected.AsSpan().SequenceEqual(result), $"seed {seed} round {round}");

            // over one of its arguments
            Poseidon2.Compress(both.AsSpan(0, 4), both.AsSpan(4), both.AsSpan(4));
            Assert.True(expected.AsSpan().SequenceEqual(both.AsSpan(4)), $"seed {seed} round {round}, in place");
        }
    }

    [Fact]
    public void It_allocates_nothing_and_refuses_short_spans()
    {
        ulong[] state = new ulong[8];
        Poseidon2.Permute(state);
        Poseidon2.Compress(state, state, state);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            Poseidon2.Permute(state);
            Poseidon2.Compress(state, state, state);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Throws<ArgumentOutOfRangeException>(() => Poseidon2.Permute(new ulong[7]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Poseidon2.Compress(new ulong[3], new ulong[4], new ulong[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Poseidon2.Compress(new ulong[4], new ulong[3], new ulong[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Poseidon2.Compress(new ulong[4], new ulong[4], new ulong[3]));
    }
}
