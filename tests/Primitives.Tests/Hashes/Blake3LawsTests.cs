// Every fast way through BLAKE3 equals the definition on the plain compression, at lengths the official vectors do not have.

using System;

namespace ParallelVm.Primitives.Tests.Hashes;

public class Blake3LawsTests
{
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Hashes_of_random_inputs_are_the_definition(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] keyBytes = new byte[32];
        for (int round = 0; round < 120; round++)
        {
            // small, around a multiple of a chunk, anything
            int length = (round % 3) switch
            {
                0 => random.Next(200),
                1 => Math.Max(0, (1024 * random.Next(18)) + random.Next(5) - 2),
                _ => random.Next(20_000),
            };
            byte[] input = new byte[length];
            random.Fill(input);
            random.Fill(keyBytes);
            Bytes32 key = Bytes32.From(keyBytes);
            uint[] keyWords = Blake3Definition.WordsOf(keyBytes);
            byte[] output = new byte[random.Next(300)];
            string context = $"seed {seed} round {round}: {length} bytes in, {output.Length} out";

            byte[] expected = Blake3Definition.Hash(Blake3Definition.Iv, input, 0, Math.Max(32, output.Length));
            Blake3.Hash(input, output);
            Assert.True(expected.AsSpan(0, output.Length).SequenceEqual(output), context);
            Assert.True(Bytes32.From(expected) == Blake3.Hash(input), context);

            expected = Blake3Definition.Hash(keyWords, input, Blake3Definition.KeyedMode, Math.Max(32, output.Length));
            Blake3.Keyed(key, input, output);
            Assert.True(expected.AsSpan(0, output.Length).SequenceEqual(output), context + ", keyed");
            Assert.True(Bytes32.From(expected) == Blake3.Keyed(key, input), context + ", keyed");
        }
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Pairs_in_lanes_and_alone_are_the_definition_over_64_bytes(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] bytes = new byte[64];
        byte[] keyBytes = new byte[32];
        for (int count = 1; count <= 40; count++)
        {
            random.Fill(keyBytes);
            Bytes32 key = Bytes32.From(keyBytes);
            Bytes32[] pairs = new Bytes32[2 * count];
            Bytes32[] expected = new Bytes32[count];
            for (int i = 0; i < count; i++)
            {
                random.Fill(bytes);
                pairs[2 * i] = Bytes32.From(bytes);
                pairs[(2 * i) + 1] = Bytes32.From(bytes.AsSpan(32));
                byte[] hash = Blake3Definition.Hash(Blake3Definition.WordsOf(keyBytes), bytes, Blake3Definition.KeyedMode, 32);
                expected[i] = Bytes32.From(hash);
                string context = $"seed {seed}: {i} of {count}";
                Assert.True(expected[i] == Blake3.Keyed(key, bytes), context);
                Assert.True(expected[i] == Blake3.KeyedPair(key, pairs[2 * i], pairs[(2 * i) + 1]), context);
            }

            Bytes32[] hashes = new Bytes32[count];
            Blake3.KeyedPairs(key, pairs, hashes);
            for (int i = 0; i < count; i++)
            {
                Assert.True(expected[i] == hashes[i], $"seed {seed}: lane {i} of {count}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void A_shorter_output_is_a_prefix_of_a_longer_one_in_every_mode(ulong seed)
    {
        SeededRandom random = new(seed);
        foreach (int length in new[] { 0, 1, 64, 65, 1024, 1025, 3000 })
        {
            byte[] input = new byte[length];
            random.Fill(input);
            Bytes32 key = new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
            byte[] whole = new byte[700];
            for (int mode = 0; mode < 3; mode++)
            {
                Fill(mode, key, input, whole);
                for (int shorter = 0; shorter < whole.Length; shorter += 1 + random.Next(13))
                {
                    byte[] output = new byte[shorter];
                    Fill(mode, key, input, output);
                    string context = $"seed {seed} mode {mode}: {length} bytes in, {shorter} out";
                    Assert.True(whole.AsSpan(0, shorter).SequenceEqual(output), context);
                }
            }

            Assert.Equal(Bytes32.From(whole), Blake3.DeriveKey("a test of prefixes", input));
        }
    }

    private static void Fill(int mode, Bytes32 key, byte[] input, byte[] output)
    {
        switch (mode)
        {
            case 0:
                Blake3.Hash(input, output);
                break;
            case 1:
                Blake3.Keyed(key, input, output);
                break;
            default:
                Blake3.DeriveKey("a test of prefixes", input, output);
                break;
        }
    }
}
