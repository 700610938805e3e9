// 200,000 spoiled and unspoiled signatures: alone (the plain path) and in a batch they get the same verdict; a third of them also in a
// batch without vectors, and for a sample the rule on unbounded integers says it too. Four classes, so that they run side by side.

using System;
using System.Collections.Generic;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Signatures;

public sealed class MutationsOfBitsTests
{
    [Fact]
    public void Single_batch_and_oracle_agree_when_bits_flip() => Mutations.Check(seed: 1, (random, all) =>
    {
        for (int flips = random.Next(4); flips > 0; flips--)
        {
            int bit = random.Next(8 * all.Length);
            all[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    });
}

public sealed class MutationsOfBytesTests
{
    [Fact]
    public void Single_batch_and_oracle_agree_when_bytes_are_overwritten() => Mutations.Check(seed: 2, (random, all) =>
    {
        int start = random.Next(all.Length);
        int length = random.Next(Math.Min(9, all.Length - start) + 1);
        byte[] edges = [0x00, 0x01, 0x7F, 0x80, 0xEC, 0xED, 0xEE, 0xFF];
        all.AsSpan(start, length).Fill(edges[random.Next(edges.Length)]);
    });
}

public sealed class MutationsByPartsTests
{
    // parts of one signature in another: R, S or the key of a neighbour, or all of them moved by a byte
    [Fact]
    public void Single_batch_and_oracle_agree_when_parts_are_exchanged() => Mutations.Check(seed: 3, (random, all) =>
    {
        int part = random.Next(4);
        if (part < 3)
        {
            random.Fill(all.AsSpan(32 * part, 32));
            all[(32 * part) + 31] &= (byte)(random.Chance(1, 2) ? 0x0F : 0xFF);
        }
        else if (random.Chance(1, 2))
        {
            all.AsSpan(0, 95).CopyTo(all.AsSpan(1));
        }
    });
}

public sealed class MutationsByTorsionTests
{
    // encodings of small order for key or R, S = 0 or S + a multiple of L, y + p where that fits
    [Fact]
    public void Single_batch_and_oracle_agree_on_edge_encodings() => Mutations.Check(seed: 4, (random, all) =>
    {
        Span<byte> s = all.AsSpan(64, 32);
        switch (random.Next(5))
        {
            case 0:
                Mutations.SmallOrder[random.Next(14)].CopyTo(all);
                s.Clear();
                Mutations.SmallOrder[random.Next(14)].CopyTo(all.AsSpan(32));
                s[0] = (byte)random.Next(2);
                break;
            case 1:
                Mutations.SmallOrder[random.Next(14)].CopyTo(all.AsSpan(random.Chance(1, 2) ? 0 : 32));
                break;
            case 2:
                BigInteger raised = new BigInteger(s, isUnsigned: true) + (EdwardsOracle.L * random.Next(15));
                EdwardsOracle.Bytes(raised % BigInteger.Pow(2, 256)).CopyTo(s);
                break;
            case 3:
                Span<byte> encoding = all.AsSpan(random.Chance(1, 2) ? 0 : 32, 32);
                encoding.Fill(0xFF);
                encoding[0] = (byte)random.Next(256);
                encoding[31] = (byte)(random.Chance(1, 2) ? 0xFF : 0x7F);
                break;
            default:
                break;
        }
    });
}

internal static class Mutations
{
    private const int PerClass = 50_000;
    private const int BatchSize = 250;
    private const int SampleOf = 1000;

    private static readonly SignedMessage[] Good = SignedMessage.Many(256, seed: 21);

    public static IReadOnlyList<Bytes32> SmallOrder { get; } = ListSmallOrder();

    /// <param name="mutate">Changes key (32 bytes), R, S and the message in a row, or leaves them.</param>
    public static void Check(ulong seed, Action<SeededRandom, byte[]> mutate)
    {
        SeededRandom random = new(seed);
        SignatureBatch fast = new(1);
        SignatureBatch plain = new(1, usesVectors: false);
        byte[][] cases = new byte[BatchSize][];
        bool[] fastValid = new bool[BatchSize];
        bool[] plainValid = new bool[BatchSize];
        int valid = 0;
        for (int done = 0; done < PerClass; done += BatchSize)
        {
            fast.Clear();
            plain.Clear();
            for (int i = 0; i < BatchSize; i++)
            {
                SignedMessage good = Good[random.Next(Good.Length)];
                cases[i] = [.. good.Key.Value.ToArray(), .. good.Signature.R.ToArray(), .. good.Signature.S.ToArray(), .. good.Message];
                if (random.Chance(1, 1 + (done / BatchSize % 12)))
                {
                    mutate(random, cases[i]); // from batches that are all spoiled to batches that are nearly clean
                }

                (PublicKey key, Signature signature) = Parts(cases[i]);
                fast.Add(key, cases[i].AsSpan(96), signature);
                plain.Add(key, cases[i].AsSpan(96), signature);
            }

            fast.Verify(fastValid);
            bool isPlainToo = done / BatchSize % 3 == 0; // without vectors it takes as long as alone
            if (isPlainToo)
            {
                plain.Verify(plainValid);
            }

            for (int i = 0; i < BatchSize; i++)
            {
                (PublicKey key, Signature signature) = Parts(cases[i]);
                string context = $"seed {seed} case {done + i}: {Convert.ToHexStringLower(cases[i])}";
                bool single = Ed25519.Verify(key, cases[i].AsSpan(96), signature);
                Assert.True(single == fastValid[i], $"{context}: alone {single}, in a batch {fastValid[i]}");
                Assert.True(!isPlainToo || single == plainValid[i], $"{context}: alone {single}, in a batch without vectors {plainValid[i]}");
                if (random.Chance(1, SampleOf))
                {
                    bool expected = EdwardsOracle.Verify(key.Value, cases[i].AsSpan(96), signature.R, signature.S);
                    Assert.True(single == expected, $"{context}: {single}, the oracle says {expected}");
                }

                valid += single ? 1 : 0;
            }
        }

        Assert.InRange(valid, PerClass / 10, PerClass * 19 / 20);
    }

    private static (PublicKey Key, Signature Signature) Parts(byte[] all) =>
        (new PublicKey(Bytes32.From(all)), Signature.From(all.AsSpan(32)));

    private static List<Bytes32> ListSmallOrder()
    {
        List<Bytes32> encodings = [];
        foreach (OraclePoint point in EdwardsOracle.Torsion())
        {
            encodings.AddRange(EdwardsOracle.Encodings(point));
        }

        return encodings;
    }
}
