// Every way through BLAKE3 that this machine has (one at a time, 4, 8, 16 lanes; at once, in parts, from any place of the output)
// is the definition on the plain compression.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace ParallelVm.Primitives.Tests.Hashes;

public class Blake3PathsTests
{
    private static IEnumerable<int> Paths()
    {
        foreach (int lanes in new[] { 1, 4, 8, 16 })
        {
            if (lanes <= Blake3.WidestLanes)
            {
                yield return lanes;
            }
        }
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2), InlineData(3)]
    public void Every_length_to_5000_is_the_definition_on_every_path(int part)
    {
        byte[] input = Filled(20260, 5000);
        byte[] keyBytes = Filled(1, 32);
        Bytes32 key = Bytes32.From(keyBytes);
        uint[] words = Blake3Definition.WordsOf(keyBytes);
        byte[] output = new byte[70];
        for (int length = part; length <= input.Length; length += 4)
        {
            ReadOnlySpan<byte> message = input.AsSpan(0, length);
            byte[] expected = Blake3Definition.Hash(words, message, Blake3Definition.KeyedMode, output.Length);
            foreach (int lanes in Paths())
            {
                Blake3.Keyed(key, message, output, lanes);
                Assert.True(expected.AsSpan().SequenceEqual(output), $"{length} bytes on {lanes} lanes");
            }
        }
    }

    // chunk counts around every power of two, so every shape of the split and every width of a step is met
    [Theory, InlineData(1), InlineData(7)]
    public void Long_inputs_are_the_definition_on_every_path(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] input = Filled(seed, 1024 * 140);
        byte[] keyBytes = Filled(seed + 1, 32);
        Bytes32 key = Bytes32.From(keyBytes);
        uint[] words = Blake3Definition.WordsOf(keyBytes);
        byte[] output = new byte[32];
        for (int chunks = 5; chunks < 140; chunks += chunks < 36 ? 1 : 9)
        {
            int length = (1024 * chunks) - random.Next(3) * random.Next(1024);
            ReadOnlySpan<byte> message = input.AsSpan(0, length);
            byte[] expected = Blake3Definition.Hash(words, message, Blake3Definition.KeyedMode, output.Length);
            foreach (int lanes in Paths())
            {
                Blake3.Keyed(key, message, output, lanes);
                Assert.True(expected.AsSpan().SequenceEqual(output), $"seed {seed}: {length} bytes on {lanes} lanes");
            }
        }
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Parts_of_any_lengths_give_the_hash_of_the_whole_on_every_path(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] input = Filled(seed, 60_000);
        byte[] keyBytes = Filled(seed + 1, 32);
        Bytes32 key = Bytes32.From(keyBytes);
        foreach (int lanes in Paths())
        {
            for (int round = 0; round < 30; round++)
            {
                int length = random.Next(input.Length);
                Blake3.Hasher hasher = Blake3.Hasher.CreateKeyed(key, lanes);
                int cap = 1 << (1 + random.Next(16));
                for (int at = 0; at < length;)
                {
                    int take = Math.Min(random.Next(cap), length - at);
                    hasher.Append(input.AsSpan(at, take));
                    at += take;
                    if (random.Chance(1, 8))
                    {
                        Assert.True(
                            Blake3.Keyed(key, input.AsSpan(0, at)) == hasher.Hash(), $"seed {seed} round {round}, {lanes} lanes: at {at}");
                    }
                }

                Assert.True(
                    Blake3.Keyed(key, input.AsSpan(0, length)) == hasher.Hash(),
                    $"seed {seed} round {round}, {lanes} lanes: {length} bytes in parts under {cap}");
            }
        }
    }

    [Fact]
    public void A_hasher_in_every_mode_is_the_hash_at_once_and_a_copy_goes_its_own_way()
    {
        byte[] input = Filled(3, 9000);
        Bytes32 key = Bytes32.From(input);
        Blake3.Hasher plain = Blake3.Hasher.Create();
        Blake3.Hasher keyed = Blake3.Hasher.CreateKeyed(key);
        Blake3.Hasher derived = Blake3.Hasher.CreateDeriveKey("a context");
        Assert.Equal(Blake3.Hash([]), plain.Hash());
        plain.Append(input.AsSpan(0, 5000));
        keyed.Append(input.AsSpan(0, 5000));
        derived.Append(input.AsSpan(0, 5000));
        Blake3.Hasher copy = plain;
        copy.Append(input.AsSpan(0, 2));
        plain.Append(input.AsSpan(5000));
        keyed.Append(input.AsSpan(5000));
        derived.Append(input.AsSpan(5000));
        Assert.Equal(Blake3.Hash(input), plain.Hash());
        Assert.Equal(Blake3.Keyed(key, input), keyed.Hash());
        Assert.Equal(Blake3.DeriveKey("a context", input), derived.Hash());
        Assert.Equal(Blake3.Hash([.. input.AsSpan(0, 5000), .. input.AsSpan(0, 2)]), copy.Hash());
    }

    [Theory, InlineData(0), InlineData(64), InlineData(1024), InlineData(1025), InlineData(5000)]
    public void Output_read_from_any_place_is_that_part_of_the_whole(int length)
    {
        byte[] input = Filled(5, length);
        byte[] whole = Blake3Definition.Hash(Blake3Definition.Iv, input, 0, 1000);
        Blake3.Hasher hasher = Blake3.Hasher.Create();
        hasher.Append(input);
        for (int from = 0; from < 300; from++)
        {
            byte[] output = new byte[(from * 7) % 200];
            hasher.Read((ulong)from, output);
            Assert.Equal(whole[from..(from + output.Length)], output);
        }
    }

    // the counter of output blocks has two words: past 2^38 bytes the upper one counts
    [Fact]
    public void Output_far_away_uses_both_words_of_the_counter()
    {
        byte[] output = new byte[64];
        Blake3.Hasher hasher = Blake3.Hasher.Create();
        hasher.Append("abc"u8);
        uint[] block = new uint[16];
        block[0] = BinaryPrimitives.ReadUInt32LittleEndian("abc\0"u8);
        foreach (ulong counter in new[] { 1ul << 32, (1ul << 32) - 1, (7ul << 32) + 5, ulong.MaxValue / 64 })
        {
            uint[] words = new uint[16];
            Blake3.CompressPlain(Blake3Definition.Iv, block, counter, 3, 1 | 2 | 8, words);
            hasher.Read(counter * 64, output);
            Assert.Equal(words, Blake3Definition.WordsOf(output));
        }
    }

    // a subtree beyond 2^32 chunks cannot be fed in a test; the kernel can be told its counter
    [Theory, InlineData(0ul), InlineData(0xFFFFFFFAul), InlineData(0xFFFFFFFFul), InlineData(0x1_FFFFFFF5ul), InlineData(1ul << 52)]
    public void Lanes_carry_the_counter_into_its_upper_word(ulong chunk)
    {
        byte[] input = Filled(chunk, 16 * 1024);
        byte[] expected = new byte[16 * 32];
        byte[] actual = new byte[16 * 32];
        Assert.Equal(2, Blake3.ChunkValues(input.AsSpan(0, 2048), chunk, 1, expected));
        for (int i = 2; i < 16; i += 2)
        {
            Blake3.ChunkValues(input.AsSpan(1024 * i, 2048), chunk + (ulong)i, 1, expected.AsSpan(32 * i));
        }

        foreach (int lanes in Paths())
        {
            if (lanes > 1)
            {
                for (int count = 1; count <= lanes; count++)
                {
                    Array.Clear(actual);
                    Assert.Equal(count, Blake3.ChunkValues(input.AsSpan(0, 1024 * count), chunk, lanes, actual));
                    Assert.True(expected.AsSpan(0, 32 * count).SequenceEqual(actual.AsSpan(0, 32 * count)), $"{count} chunks on {lanes} lanes");
                    Assert.True(actual.AsSpan(32 * count).IndexOfAnyExcept((byte)0) < 0, $"{count} chunks on {lanes} lanes write beyond");
                }
            }
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void Batches_are_the_single_hashes_for_every_count_and_length_on_every_path(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] input = Filled(seed, 40 * 1024);
        Bytes32 key = Bytes32.From(input);
        foreach (int lanes in Paths())
        {
            for (int round = 0; round < 200; round++)
            {
                int length = (round % 4) switch { 0 => random.Next(1025), 1 => 64 * random.Next(17), _ => random.Next(140) };
                int count = random.Next(40);
                Bytes32[] hashes = new Bytes32[count + 1];
                Blake3.KeyedMany(key, input.AsSpan(0, length * count), length, hashes.AsSpan(0, count), lanes);
                for (int i = 0; i < count; i++)
                {
                    Assert.True(
                        Blake3.Keyed(key, input.AsSpan(i * length, length)) == hashes[i],
                        $"seed {seed} round {round}: {i} of {count}, {length} bytes, {lanes} lanes");
                }

                Assert.Equal(Bytes32.Zero, hashes[count]);
            }
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void Pairs_are_the_single_hashes_for_every_count_on_every_path_also_in_place(ulong seed)
    {
        SeededRandom random = new(seed);
        Bytes32[] pairs = new Bytes32[140];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = new Bytes32(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
        }

        Bytes32 key = pairs[^1];
        foreach (int lanes in Paths())
        {
            for (int count = 0; count <= 70; count++)
            {
                Bytes32[] hashes = new Bytes32[71];
                Blake3.KeyedPairs(key, pairs.AsSpan(0, 2 * count), hashes.AsSpan(0, count), lanes);
                Bytes32[] level = [.. pairs];
                Blake3.KeyedPairs(key, level.AsSpan(0, 2 * count), level.AsSpan(0, count), lanes);
                for (int i = 0; i < count; i++)
                {
                    string context = $"seed {seed}: {i} of {count} on {lanes} lanes";
                    Assert.True(Blake3.KeyedPair(key, pairs[2 * i], pairs[(2 * i) + 1]) == hashes[i], context);
                    Assert.True(hashes[i] == level[i], context + ", in place");
                }

                Assert.Equal(Bytes32.Zero, hashes[count]);
                Assert.Equal(pairs[count], level[count]);
            }
        }
    }

    [Fact]
    public void Batches_refuse_lengths_that_do_not_fit()
    {
        Assert.Throws<ArgumentException>(() => Blake3.KeyedMany(Bytes32.Zero, new byte[63], 32, new Bytes32[2]));
        Assert.Throws<ArgumentException>(() => Blake3.KeyedMany(Bytes32.Zero, new byte[96], 32, new Bytes32[2]));
        Assert.Throws<ArgumentException>(() => Blake3.KeyedMany(Bytes32.Zero, new byte[1025], 1025, new Bytes32[1]));
        Assert.Throws<ArgumentException>(() => Blake3.KeyedMany(Bytes32.Zero, [], -1, []));
    }

    [Fact]
    public void Every_path_allocates_nothing()
    {
        byte[] input = Filled(1, 50_000);
        Bytes32[] pairs = new Bytes32[100];
        long Work()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Blake3.KeyedPairs(pairs[3], pairs.AsSpan(0, 90), pairs.AsSpan(0, 45));
            Blake3.KeyedMany(pairs[4], input.AsSpan(0, 4500), 100, pairs.AsSpan(0, 45));
            Blake3.Hasher hasher = Blake3.Hasher.CreateDeriveKey("a context");
            hasher.Append(input.AsSpan(0, 100));
            hasher.Append(input);
            pairs[0] = hasher.Hash();
            hasher.Read(17, input.AsSpan(0, 300));
            pairs[1] = Blake3.Hash(input);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Work();
        Assert.Equal(0, Work());
    }

    private static byte[] Filled(ulong seed, int length)
    {
        byte[] bytes = new byte[length];
        new SeededRandom(seed).Fill(bytes);
        return bytes;
    }
}
