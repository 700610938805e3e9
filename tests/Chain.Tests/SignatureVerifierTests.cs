using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// The oracle of a verdict is Transaction.VerifySignatures: one signature after the other, no batch, no workers.
public class SignatureVerifierTests
{
    private static readonly SigningKey[] Keys = MakeKeys(24);
    private static readonly Transaction[] Good = MakeSigned(240);
    private static readonly int[] SignersOf = Array.ConvertAll(Good, transaction => transaction.Signers.Length);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 5)]
    [InlineData(4, 64)]
    public void Verdicts_are_those_of_single_checks_for_any_workers(int seed, int workers)
    {
        SeededRandom random = new((ulong)seed);
        using WorkerPool pool = new(workers);
        SignatureVerifier verifier = new(pool);
        foreach (int count in new[] { 1, 2, 17, 240 })
        {
            Transaction[] batch = new Transaction[count];
            bool[] expected = new bool[count];
            int signatures = 0;
            for (int i = 0; i < count; i++)
            {
                Transaction good = Good[random.Next(Good.Length)];
                batch[i] = random.Chance(1, 8) ? Forged(good, random) : good;
                expected[i] = batch[i].VerifySignatures();
                signatures += good.Signers.Length;
            }

            bool[] verdicts = new bool[count];
            verdicts.AsSpan().Fill(seed % 2 == 0);                      // nothing of what was there before may show
            int checkedSignatures = verifier.Verify(batch, verdicts, workers);
            Assert.True(expected.AsSpan().SequenceEqual(verdicts), $"seed {seed}, {workers} workers, {count} transactions");
            Assert.Equal(signatures, checkedSignatures);
        }
    }

    [Fact]
    public void One_bad_signature_at_any_place_is_the_only_one_refused()
    {
        using WorkerPool pool = new(2);
        SignatureVerifier verifier = new(pool);
        Transaction[] batch = Good[..90];
        bool[] verdicts = new bool[batch.Length];
        for (int bad = 0; bad < batch.Length; bad++)
        {
            Transaction good = batch[bad];
            batch[bad] = Forged(good, new SeededRandom((ulong)bad));
            verifier.Verify(batch, verdicts, 2);
            Assert.Equal(bad, Array.IndexOf(verdicts, false));
            Assert.Equal(bad, Array.LastIndexOf(verdicts, false));
            batch[bad] = good;
        }
    }

    [Fact]
    public void Callers_at_once_do_not_disturb_each_other()
    {
        using WorkerPool pool = new(2);
        SignatureVerifier verifier = new(pool);
        Transaction[] other = Array.ConvertAll(Good[..40], transaction => Forged(transaction, new SeededRandom(9)));
        int wrong = 0;
        Thread[] callers = new Thread[4];
        for (int c = 0; c < callers.Length; c++)
        {
            bool isGood = c % 2 == 0;
            callers[c] = new Thread(() =>
            {
                bool[] verdicts = new bool[40];
                for (int round = 0; round < 5; round++)
                {
                    verifier.Verify(isGood ? Good.AsSpan(0, 40) : other, verdicts, 2);
                    Interlocked.Add(ref wrong, verdicts.AsSpan().Count(!isGood));
                }
            });
            callers[c].Start();
        }

        Array.ForEach(callers, caller => caller.Join());
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Nothing_is_allocated_once_a_job_has_grown()
    {
        using WorkerPool pool = new(1);
        SignatureVerifier verifier = new(pool);
        Transaction[] batch = [.. Good[..100], Forged(Good[3], new SeededRandom(1))];
        bool[] verdicts = new bool[batch.Length];
        for (int round = 0; round < 3; round++)
        {
            verifier.Verify(batch, verdicts, 1);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        verifier.Verify(batch, verdicts, 1);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // Cutting, by numbers alone: large pieces first, none above the cap, small ones last so that workers end together.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(64)]
    public void Pieces_shrink_stay_in_their_bounds_and_cover_everything(int workers)
    {
        foreach (int signatures in new[] { 1, 63, 64, 65, 1000, 1024, 5_000, 40_000 })
        {
            int left = signatures;
            int last = int.MaxValue;
            while (left > 0)
            {
                int piece = SignatureVerifier.PieceOf(left, workers);
                Assert.InRange(piece, SignatureVerifier.PieceMin, SignatureVerifier.PieceMax);
                Assert.True(piece <= last, $"{signatures} signatures, {workers} workers: {piece} after {last}");
                last = piece;
                left -= piece;
            }
        }
    }

    [Fact]
    public void Every_number_of_signers_is_among_the_samples()
    {
        for (int signers = 1; signers <= Transaction.MaxSigners; signers++)
        {
            Assert.Contains(signers, SignersOf);
        }
    }

    private static Transaction Forged(Transaction good, SeededRandom random)
    {
        byte[] bytes = good.Bytes.ToArray();
        bytes[bytes.Length - 1 - random.Next(good.Signers.Length * Signature.Size)] ^= (byte)(1 << random.Next(8));
        return Transaction.TryDecode(bytes, out Transaction? forged, out Refusal refusal) ? forged : throw new InvalidOperationException(refusal.ToString());
    }

    private static Transaction[] MakeSigned(int count)
    {
        SeededRandom random = new(77);
        Transaction[] signed = new Transaction[count];
        for (int i = 0; i < count; i++)
        {
            int signers = i < 8 ? i + 1 : Math.Max(1, random.Next(12) - 3);
            List<ISigner> coSigners = [];
            int first = random.Next(Keys.Length);
            for (int s = 1; s < signers; s++)
            {
                coSigners.Add(Keys[(first + s) % Keys.Length]);
            }

            signed[i] = new TransactionBuilder(new ChainId(Blake3.Hash("verifier tests"u8))) { ExpiryMs = (ulong)i, GasLimit = 1, MaxPrice = 1 }
                .Call(Kit.Counter, 1, [])
                .Slot(Kit.Counter, Kit.Key(i), AccessMode.Write)
                .Sign(Keys[first], [.. coSigners]);
        }

        return signed;
    }

    private static SigningKey[] MakeKeys(int count)
    {
        SigningKey[] keys = new SigningKey[count];
        for (int i = 0; i < count; i++)
        {
            keys[i] = new SigningKey(Blake3.Hash([(byte)i, 0x51]));
        }

        return keys;
    }
}
