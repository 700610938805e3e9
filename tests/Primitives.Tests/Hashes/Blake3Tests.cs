// BLAKE3 against the official vectors, and the laws that callers rely on beyond them.

using System;
using System.Linq;
using System.Text;

namespace ParallelVm.Primitives.Tests.Hashes;

public class Blake3Tests
{
    private const string Context = "BLAKE3 2019-12-27 16:29:52 test vectors context";

    private static readonly Bytes32 Key = Bytes32.From(Encoding.ASCII.GetBytes("whats the Elvish word for friend"));

    [Fact]
    public void Every_official_vector_agrees_in_three_modes_and_at_every_output_length_tried()
    {
        int cases = 0;
        foreach (string[] vector in Vectors.Read("blake3.txt"))
        {
            byte[] input = Pattern(int.Parse(vector[0]));
            byte[] hash = Convert.FromHexString(vector[1]);
            byte[] keyed = Convert.FromHexString(vector[2]);
            byte[] derived = Convert.FromHexString(vector[3]);
            Assert.Equal(131, hash.Length);
            Assert.Equal(Bytes32.From(hash), Blake3.Hash(input));
            Assert.Equal(Bytes32.From(keyed), Blake3.Keyed(Key, input));
            Assert.Equal(Bytes32.From(derived), Blake3.DeriveKey(Context, input));
            foreach (int length in new[] { 0, 1, 31, 32, 33, 63, 64, 65, 128, 131 })
            {
                byte[] output = new byte[length];
                Blake3.Hash(input, output);
                Assert.Equal(hash[..length], output);
                Blake3.Keyed(Key, input, output);
                Assert.Equal(keyed[..length], output);
                Blake3.DeriveKey(Context, input, output);
                Assert.Equal(derived[..length], output);
            }

            cases++;
        }

        Assert.Equal(35, cases);
    }

    [Fact]
    public void A_pair_hashes_as_its_64_bytes()
    {
        SeededRandom random = new(64);
        byte[] bytes = new byte[96];
        for (int round = 0; round < 200; round++)
        {
            random.Fill(bytes);
            Bytes32 key = Bytes32.From(bytes);
            Assert.Equal(
                Blake3.Keyed(key, bytes.AsSpan(32)), Blake3.KeyedPair(key, Bytes32.From(bytes.AsSpan(32)), Bytes32.From(bytes.AsSpan(64))));
        }
    }

    [Fact]
    public void The_vector_compression_equals_the_plain_one()
    {
        SeededRandom random = new(7);
        uint[] cv = new uint[8];
        uint[] block = new uint[16];
        foreach (int words in new[] { 8, 16 })
        {
            for (int round = 0; round < 500; round++)
            {
                Draw(random, cv);
                Draw(random, block);
                ulong counter = random.NextU64();
                uint length = (uint)random.Next(65);
                uint flags = (uint)random.Next(128);
                uint[] expected = new uint[words];
                uint[] actual = new uint[words];
                Blake3.CompressPlain(cv, block, counter, length, flags, expected);
                Blake3.Compress(cv, block, counter, length, flags, actual);
                Assert.True(expected.SequenceEqual(actual), $"seed 7 words {words} round {round}");
            }
        }
    }

    [Fact]
    public void Modes_and_keys_are_separate_domains()
    {
        byte[] input = Pattern(64);
        Bytes32[] results =
        [
            Blake3.Hash(input), Blake3.Keyed(Key, input), Blake3.Keyed(Bytes32.Zero, input), Blake3.DeriveKey(Context, input),
            Blake3.DeriveKey(Context + " ", input), Blake3.DeriveKey(new string('x', 300), input), Blake3.DeriveKey("", input),
        ];
        Assert.Equal(results.Length, results.Distinct().Count());
    }

    [Fact]
    public void Hashing_allocates_nothing()
    {
        byte[] input = Pattern(5000);
        byte[] output = new byte[100];
        Bytes32 sink = Work(input, output);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            sink = Blake3.KeyedPair(sink, Work(input, output), sink);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(Bytes32.Zero, sink);
    }

    private static Bytes32 Work(byte[] input, byte[] output)
    {
        Blake3.Keyed(Key, input, output);
        Blake3.DeriveKey(Context, input, output);
        Bytes32 sum = Blake3.Hash(input);
        sum = Blake3.Keyed(sum, input.AsSpan(0, 64));
        return Blake3.Keyed(sum, input.AsSpan(0, 63));
    }

    private static void Draw(SeededRandom random, uint[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = (uint)random.NextU64();
        }
    }

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i % 251);
        }

        return bytes;
    }
}
