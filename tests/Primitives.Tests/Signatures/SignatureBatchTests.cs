// A batch gives each signature the verdict that it has alone, wherever the bad ones stand, on the path with vectors and on the one
// without. (Where the machine has no vectors both are the same.)

using System;
using System.Collections.Generic;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Signatures;

public class SignatureBatchTests
{
    private static readonly SignedMessage[] Good = SignedMessage.Many(1024, seed: 11);

    public static TheoryData<bool> Paths => [true, false];

    [Fact]
    public void An_empty_batch_is_valid_and_too_few_places_are_refused()
    {
        SignatureBatch batch = new(1);
        Assert.Equal(0, batch.Count);
        Assert.True(batch.Verify([]));
        batch.Add(default, [], default);
        Assert.Throws<ArgumentException>(() => batch.Verify([]));
        batch.Clear();
        Assert.Equal(0, batch.Count);
        Assert.True(batch.Verify([]));
    }

    [Theory, MemberData(nameof(Paths))]
    public void Batches_of_every_size_accept_the_good_and_find_one_bad(bool usesVectors)
    {
        SignatureBatch batch = Create(1, usesVectors);
        SeededRandom random = new(3);
        List<int> sizes = [127, 128, 129, 1023, 1024];
        for (int size = 0; size <= 70; size++)
        {
            sizes.Add(size);
        }

        foreach (int size in sizes)
        {
            CheckOneBad(batch, size, -1);
            if (size != 0)
            {
                CheckOneBad(batch, size, random.Next(size));
            }
        }
    }

    [Theory, MemberData(nameof(Paths))]
    public void One_bad_signature_is_found_at_every_position(bool usesVectors)
    {
        SignatureBatch batch = Create(64, usesVectors);
        foreach (int size in new[] { 1, 2, 3, 9, 64, 100 })
        {
            for (int position = 0; position < size; position++)
            {
                CheckOneBad(batch, size, position);
            }
        }
    }

    // What somebody can make others do by sending bad signatures, by count instead of by clock: a sum counts each of its signatures.
    [Theory, MemberData(nameof(Paths))]
    public void Bad_signatures_multiply_the_sums_by_less_than_two_and_a_half_when_one_and_by_four_at_most(bool usesVectors)
    {
        const int Size = 1024;
        SignatureBatch batch = Create(Size, usesVectors);
        bool[] valid = new bool[Size];
        SeededRandom random = new(8);
        foreach (int bad in new[] { 0, 1, 1, 1, 1, 2, 16, 512, Size })
        {
            batch.Clear();
            int only = random.Next(Size);
            for (int i = 0; i < Size; i++)
            {
                Add(batch, Good[i], bad == 1 ? i == only : random.Chance(bad, Size));
            }

            long before = batch.Summed;
            Assert.Equal(bad == 0, batch.Verify(valid));
            Assert.InRange(batch.Summed - before, Size, bad == 0 ? Size : bad == 1 ? Size * 5 / 2 : Size * 4);
        }
    }

    // 2,100 is more than one equation holds.
    [Theory, MemberData(nameof(Paths))]
    public void Any_share_of_bad_ones_is_found_also_beyond_one_equation(bool usesVectors)
    {
        SignatureBatch batch = Create(1, usesVectors);
        SeededRandom random = new(5);
        foreach ((int size, int bad, int of) in new[] { (2100, 1, 700), (300, 1, 2), (130, 1, 1), (1024, 1, 100) })
        {
            bool[] isBad = new bool[size];
            batch.Clear();
            for (int i = 0; i < size; i++)
            {
                isBad[i] = random.Chance(bad, of);
                Add(batch, Good[i % Good.Length], isBad[i]);
            }

            bool[] valid = new bool[size];
            Assert.Equal(!isBad.AsSpan().Contains(true), batch.Verify(valid));
            for (int i = 0; i < size; i++)
            {
                Assert.True(valid[i] != isBad[i], $"{bad} of {of}, size {size}, place {i}: {valid[i]}");
            }
        }
    }

    // Two errors that cancel without coefficients: S + 1 in one signature, S - 1 in the other.
    [Theory, MemberData(nameof(Paths))]
    public void Errors_that_cancel_in_a_plain_sum_are_both_found(bool usesVectors)
    {
        SignatureBatch batch = Create(8, usesVectors);
        bool[] valid = new bool[32];
        for (int i = 0; i < valid.Length; i++)
        {
            BigInteger s = EdwardsOracle.Number(Good[i].Signature.S) + i switch { 4 => 1, 20 => -1, _ => 0 };
            batch.Add(Good[i].Key, Good[i].Message, Good[i].Signature with { S = EdwardsOracle.Bytes(s) });
        }

        Assert.False(batch.Verify(valid));
        for (int i = 0; i < valid.Length; i++)
        {
            Assert.True(valid[i] == i is not (4 or 20), $"place {i}: {valid[i]}");
        }
    }

    [Theory, MemberData(nameof(Paths))]
    public void The_twelve_edge_cases_answer_in_a_batch_as_zip_215_says(bool usesVectors)
    {
        SignatureBatch batch = Create(12, usesVectors);
        string expected = "";
        foreach (string[] vector in Vectors.Read("ed25519-speccheck.txt"))
        {
            PublicKey key = new(Bytes32.From(Convert.FromHexString(vector[1])));
            batch.Add(key, Convert.FromHexString(vector[0]), Signature.From(Convert.FromHexString(vector[2])));
            expected += vector[3] == "V" ? 'V' : '-';
        }

        Assert.Equal("VVVVVV---VVV".Length, batch.Count);
        bool[] valid = new bool[batch.Count];
        batch.Verify(valid);
        Assert.Equal(expected, string.Concat(Array.ConvertAll(valid, v => v ? 'V' : '-')));
    }

    // Every pair of the 14 encodings of small order with S of 0, 1, L - 1 and L, among honest signatures.
    [Theory, MemberData(nameof(Paths))]
    public void Small_orders_in_a_batch_are_valid_with_S_zero_only(bool usesVectors)
    {
        List<Bytes32> encodings = [];
        foreach (OraclePoint point in EdwardsOracle.Torsion())
        {
            encodings.AddRange(EdwardsOracle.Encodings(point));
        }

        Bytes32[] scalars = [Bytes32.Zero, EdwardsOracle.Bytes(1), EdwardsOracle.Bytes(EdwardsOracle.L - 1), EdwardsOracle.Bytes(EdwardsOracle.L)];
        SignatureBatch batch = Create(1, usesVectors);
        List<bool> expected = [];
        foreach (Bytes32 key in encodings)
        {
            foreach (Bytes32 r in encodings)
            {
                foreach (Bytes32 s in scalars)
                {
                    batch.Add(new PublicKey(key), "Zcash"u8, new Signature(r, s));
                    expected.Add(s == Bytes32.Zero);
                }
            }

            Add(batch, Good[expected.Count % Good.Length], isBad: false);
            expected.Add(true);
        }

        bool[] valid = new bool[batch.Count];
        batch.Verify(valid);
        for (int i = 0; i < valid.Length; i++)
        {
            Assert.True(valid[i] == expected[i], $"place {i}: {valid[i]}");
        }
    }

    // The same keys again (from the cache), then others: verdicts stay, and nothing is made after the first time.
    [Theory, MemberData(nameof(Paths))]
    public void A_batch_used_again_allocates_nothing_and_keeps_no_verdict(bool usesVectors)
    {
        SignatureBatch batch = Create(1, usesVectors);
        bool[] valid = new bool[256];
        Round(0);
        Round(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5; i++)
        {
            Round(i * 50);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Round(int first)
        {
            for (int bad = 0; bad < 2; bad++)
            {
                batch.Clear();
                for (int i = 0; i < valid.Length; i++)
                {
                    SignedMessage one = Good[first + i];
                    batch.Add(one.Key, bad == 1 && i == 77 ? one.Message.AsSpan(1) : one.Message, one.Signature);
                }

                if (batch.Verify(valid) != (bad == 0) || valid[77] != (bad == 0) || !valid[78])
                {
                    throw new InvalidOperationException($"first {first} bad {bad}");
                }
            }
        }
    }

    private static SignatureBatch Create(int capacity, bool usesVectors) => new(capacity, usesVectors && FieldVector.IsSupported);

    private static void CheckOneBad(SignatureBatch batch, int size, int position)
    {
        batch.Clear();
        for (int i = 0; i < size; i++)
        {
            Add(batch, Good[i], i == position);
        }

        bool[] valid = new bool[size];
        Assert.Equal(size, batch.Count);
        Assert.True(batch.Verify(valid) == position < 0, $"size {size}, bad at {position}");
        for (int i = 0; i < size; i++)
        {
            Assert.True(valid[i] == (i != position), $"size {size}, bad at {position}: place {i} is {valid[i]}");
        }
    }

    private static void Add(SignatureBatch batch, SignedMessage one, bool isBad) =>
        batch.Add(one.Key, one.Message, isBad ? one.Signature with { S = one.Signature.S with { W0 = one.Signature.S.W0 ^ 1 } } : one.Signature);
}
