// Digests over every hash at many lengths, for comparison between processes that see different instruction sets.

using System;
using System.Text;

namespace ParallelVm.Primitives.Tests.Hashes;

internal static class HashProbe
{
    public static string Run()
    {
        SeededRandom random = new(20260);
        byte[] input = new byte[40_000];
        random.Fill(input);
        StringBuilder text = new();
        Bytes32 key = Bytes32.From(input);
        Bytes32 sum = Bytes32.Zero;
        for (int length = 0; length < 300; length++)
        {
            sum = Blake3.KeyedPair(key, sum, Keccak256.Hash(input.AsSpan(0, length)));
        }

        text.Append("keccak ").Append(sum).Append('\n');
        for (int length = 0; length < 300; length++)
        {
            sum = Blake3.KeyedPair(key, sum, Sha256.Hash(input.AsSpan(0, length)));
            sum = Blake3.KeyedPair(key, sum, Sha256.Hash(input.AsSpan(0, length), native: false));
        }

        text.Append("sha256 ").Append(sum).Append('\n');
        for (int length = 0; length < input.Length; length += 1 + (length / 8))
        {
            sum = Blake3.KeyedPair(key, sum, Blake3.Hash(input.AsSpan(0, length)));
        }

        text.Append("blake3 ").Append(sum).Append('\n');
        Bytes32[] pairs = new Bytes32[140];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = Bytes32.From(input.AsSpan(32 * i));
        }

        Bytes32[] hashes = new Bytes32[70];
        for (int count = 0; count <= hashes.Length; count++)
        {
            Blake3.KeyedPairs(key, pairs.AsSpan(0, 2 * count), hashes.AsSpan(0, count));
            for (int i = 0; i < count; i++)
            {
                sum = Blake3.KeyedPair(key, sum, hashes[i]);
            }
        }

        text.Append("pairs ").Append(sum).Append('\n');
        for (int length = 0; length <= 300; length += 1 + (length / 16))
        {
            Span<Bytes32> many = hashes.AsSpan(0, length % 70);
            Blake3.KeyedMany(key, input.AsSpan(0, length * many.Length), length, many);
            foreach (Bytes32 hash in many)
            {
                sum = Blake3.KeyedPair(key, sum, hash);
            }
        }

        text.Append("many ").Append(sum).Append('\n');
        Blake3.Hasher hasher = Blake3.Hasher.CreateKeyed(sum);
        ulong[] state = new ulong[Poseidon2.Width];
        for (int part = 0; part < input.Length / 2; part += 1 + (part / 4))
        {
            hasher.Append(input.AsSpan(part, part));
            state[part % 8] ^= sum.W0;
            Poseidon2.Permute(state);
        }

        byte[] output = new byte[200];
        hasher.Read(77, output);
        text.Append("hasher ").Append(Blake3.Hash(output)).Append('\n');
        foreach (ulong element in state)
        {
            sum = Blake3.KeyedPair(key, sum, new Bytes32(element, 0, 0, 0));
        }

        return text.Append("poseidon2 ").Append(sum).Append('\n').ToString();
    }
}
