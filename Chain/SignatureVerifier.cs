// Checks the signatures of many transactions on all workers, in batches, because one signature in a batch of hundreds costs a
// fraction of one alone.
//
//   transactions   | t0 t1 t2 ........................... tn |      one may have 1..8 signatures; its verdict is the AND of theirs
//   pieces         |   large   |   large   | medium | . | . |      cut between transactions, claimed by an atomic cursor
//   a worker       claims a piece -> SignatureBatch.Add ... -> Verify -> verdicts of its transactions -> next piece
//
// Pieces shrink towards the end: large ones are cheap per signature, small last ones let the workers finish together.
//
// Invariants
//   V1  the verdict of a transaction is Transaction.VerifySignatures, whatever the pieces: a batch and a single check agree on
//       every input (SignatureBatch's contract), so verdicts depend neither on workers nor on neighbours
//   V2  pieces cover every transaction exactly once, in order, and never split one
//   V3  a piece has at most PieceMax signatures
//
// Bad signatures: SignatureBatch finds them inside its piece by halving, so a bad one costs its own piece more and no other.
//
// Cost: no allocation once a job and its batches have grown. Threading: Verify from any threads at once; each call rents a job of
// its own. The pool helps one of them at a time, the others are done by their callers.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Engine;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Checks signatures in batches across workers.</summary>
/// <param name="pool">The threads.</param>
internal sealed class SignatureVerifier(WorkerPool pool)
{
    /// <summary>Most signatures of a piece: what one equation of SignatureBatch takes.</summary>
    public const int PieceMax = 1024;

    /// <summary>Smaller pieces lose more than even ends win: a signature costs a sixth more in a batch of 64 than in one of 1,024.</summary>
    public const int PieceMin = 64;

    private readonly Lock _gate = new();
    private readonly Stack<Job> _idle = new();

    /// <summary>Checks all signatures of all transactions.</summary>
    /// <param name="transactions">Any number, repeats allowed.</param>
    /// <param name="good">As long as <paramref name="transactions"/>; set for each of them.</param>
    /// <param name="workers">At least 1. No verdict depends on it.</param>
    /// <returns>How many signatures were checked.</returns>
    public int Verify(ReadOnlySpan<Transaction> transactions, Span<bool> good, int workers)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(good.Length, transactions.Length);
        if (transactions.IsEmpty)
        {
            return 0;
        }

        Job job = Rent();
        int signatures = job.Cut(transactions, Math.Min(workers, pool.MaxWorkers));
        pool.Run(Math.Min(workers, job.Pieces), job.Body);
        job.End(good);
        lock (_gate)
        {
            _idle.Push(job);                    // not after a fault: what a broken job holds is not trusted again
        }

        return signatures;
    }

    /// <summary>Signatures of the next piece when <paramref name="left"/> remain.</summary>
    internal static int PieceOf(int left, int workers) => Math.Clamp((left + workers - 1) / workers, PieceMin, PieceMax);

    private Job Rent()
    {
        lock (_gate)
        {
            return _idle.TryPop(out Job? job) ? job : new Job(pool.MaxWorkers);
        }
    }

    /// <summary>One call of Verify: its pieces, and a batch for each worker.</summary>
    private sealed class Job
    {
        private readonly Seat?[] _seats;
        private Transaction[] _transactions = [];
        private bool[] _good = [];
        private int[] _ends = [];               // piece p ends before transaction _ends[p]
        private int _count;
        private int _claimed;

        public Job(int maxWorkers)
        {
            _seats = new Seat?[maxWorkers];
            Body = Work;
        }

        public Action<int> Body { get; }

        public int Pieces { get; private set; }

        public int Cut(ReadOnlySpan<Transaction> transactions, int workers)
        {
            _count = transactions.Length;
            if (_transactions.Length < _count)
            {
                int length = Math.Max(_count, _transactions.Length * 2);
                _transactions = new Transaction[length];
                _good = new bool[length];
                _ends = new int[length];
            }

            transactions.CopyTo(_transactions);
            int signatures = 0;
            foreach (Transaction transaction in transactions)
            {
                signatures += transaction.Signers.Length;
            }

            Pieces = 0;
            _claimed = 0;
            int left = signatures;
            int piece = 0;
            int target = PieceOf(left, workers);
            for (int i = 0; i < _count; i++)
            {
                int signers = transactions[i].Signers.Length;
                if (piece + signers > target && piece != 0)
                {
                    _ends[Pieces++] = i;        // V2
                    left -= piece;
                    piece = 0;
                    target = PieceOf(left, workers);
                }

                piece += signers;
            }

            _ends[Pieces++] = _count;
            return signatures;
        }

        public void End(Span<bool> good)
        {
            _good.AsSpan(0, _count).CopyTo(good);
            Array.Clear(_transactions, 0, _count);
        }

        private void Work(int worker)
        {
            Seat seat = _seats[worker] ??= new Seat();
            for (int piece = Claim(); piece < Pieces; piece = Claim())
            {
                int start = piece == 0 ? 0 : _ends[piece - 1];
                int length = _ends[piece] - start;
                seat.Verify(_transactions.AsSpan(start, length), _good.AsSpan(start, length));
            }
        }

        private int Claim() => Interlocked.Increment(ref _claimed) - 1;
    }

    /// <summary>What one worker keeps between pieces.</summary>
    private sealed class Seat
    {
        private readonly SignatureBatch _batch = new();
        private readonly bool[] _valid = new bool[PieceMax];

        public void Verify(ReadOnlySpan<Transaction> transactions, Span<bool> good)
        {
            _batch.Clear();
            Span<byte> payload = stackalloc byte[SigningPayload.Length];
            foreach (Transaction transaction in transactions)
            {
                SigningPayload.Write(transaction.Chain, transaction.Id, payload);
                for (int i = 0; i < transaction.Signers.Length; i++)
                {
                    _batch.Add(transaction.Signers[i], payload, transaction.Signatures[i]);
                }
            }

            Span<bool> valid = _valid.AsSpan(0, _batch.Count);
            if (_batch.Verify(valid))
            {
                good.Fill(true);
                return;
            }

            int next = 0;
            for (int t = 0; t < transactions.Length; t++)
            {
                int signers = transactions[t].Signers.Length;
                good[t] = !valid.Slice(next, signers).Contains(false);
                next += signers;
            }
        }
    }
}
