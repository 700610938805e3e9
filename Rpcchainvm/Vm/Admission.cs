// The door between outside and mempool: what one more hostile transaction may cost when there are very many.
//
// A signature costs as much as everything else about a transaction ten times over, and only checking it tells a forged one from a good one. So it is
// not senders that are trusted (clients have no name here, and peers are cheap to make) but batches, by what was looked at of them:
//
//   calm      no strike lately          a batch is looked at whole
//   wary      some strikes              in slices of 64, 128, ... 1,024; after StrikesPerBatch strikes the rest is not looked at
//   alarmed   many strikes              in slices of 1, 2, 4, ...; after one strike the rest is not looked at
//
// A strike is what costs us a check of a signature, or more, and brings nothing: bytes that are no transaction, a signature that does not verify, a payer that
// cannot pay. The level comes from the strikes of the last ten seconds of everyone who uses this door. The door never closes: honest batches pass at
// every level, they are only cut into more pieces.
//
// Contract
//   D1  what is answered for a transaction is ChainService.SubmitBatch's answer, or NotLookedAt
//   D2  alarmed, what is checked of a batch in vain is at most one more than what of it was admitted
//
// Threading: any.   Cost: calm, one look at a window; else a SubmitBatch for each slice.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>Numbers of a door.</summary>
internal sealed record AdmissionLimits
{
    /// <summary>Transactions of a batch that are looked at first when there were strikes.</summary>
    public int FirstSlice { get; init; } = 64;

    /// <summary>Longest slice: what one equation of a batch of signatures takes.</summary>
    public int LongestSlice { get; init; } = 1024;

    /// <summary>Strikes after which the rest of a batch is not looked at.</summary>
    public int StrikesPerBatch { get; init; } = 16;

    /// <summary>Strikes of all in ten seconds above which one is too many in a batch.</summary>
    public int AlarmPerTenSeconds { get; init; } = 1024;
}

/// <summary>Takes transactions of one kind of sender.</summary>
internal sealed class Admission(ChainService chain, TimeProvider time, AdmissionLimits? limits = null)
{
    private readonly AdmissionLimits _limits = limits ?? new AdmissionLimits();
    private readonly SlidingWindow _strikes = new(time, TimeSpan.FromSeconds(10), maxPeers: 1);
    private readonly long[] _refused = new long[(int)RefusalCode.UnknownParent];                 // by code; those of transactions are below
    private long _admitted;

    /// <summary>Transactions that were taken.</summary>
    public long Admitted => Interlocked.Read(ref _admitted);

    /// <summary>Refused ones by cause, without those that never happened.</summary>
    public IEnumerable<(RefusalCode Code, long Count)> Refused
    {
        get
        {
            for (int code = 0; code < _refused.Length; code++)
            {
                if (Interlocked.Read(ref _refused[code]) is > 0 and long count)
                {
                    yield return ((RefusalCode)code, count);
                }
            }
        }
    }

    /// <summary>True for what no honest peer passes on: it is wrong on every node, at any time.</summary>
    public static bool IsOffence(RefusalCode code) => code
        is >= RefusalCode.Truncated and <= RefusalCode.WrongChain
        or RefusalCode.BadSignature
        or >= RefusalCode.NoProgram and <= RefusalCode.DuplicateSigner
        or RefusalCode.SlotTableTooLong;

    /// <summary>Submits one.</summary>
    /// <param name="id">Default when the bytes are no transaction.</param>
    public Refusal Submit(ReadOnlySpan<byte> transaction, out TxId id)
    {
        Refusal refusal = chain.Submit(transaction, out id);
        Count([refusal]);
        return refusal;
    }

    /// <summary>Submits many; see <see cref="ChainService.SubmitBatch(IReadOnlyList{ReadOnlyMemory{byte}}, Memory{TxId})"/>.</summary>
    public Refusal[] Submit(ReadOnlyMemory<byte>[] batch, Memory<TxId> ids)
    {
        bool isCalm = _strikes.IsBelow(NodeId.Zero, 1);
        bool isAlarmed = !_strikes.IsBelow(NodeId.Zero, _limits.AlarmPerTenSeconds);
        int slice = isCalm ? batch.Length : isAlarmed ? 1 : _limits.FirstSlice;
        int mayStrike = isAlarmed ? 0 : _limits.StrikesPerBatch;
        if (batch.Length <= slice)
        {
            Refusal[] all = chain.SubmitBatch(batch, ids);
            Count(all);
            return all;
        }

        Refusal[] answers = new Refusal[batch.Length];
        int strikes = 0;
        int next = 0;
        while (next < batch.Length && strikes <= mayStrike)
        {
            int length = Math.Min(slice, batch.Length - next);
            Refusal[] some = chain.SubmitBatch(new ArraySegment<ReadOnlyMemory<byte>>(batch, next, length), ids.IsEmpty ? default : ids.Slice(next, length));
            some.CopyTo(answers, next);
            (int struck, int admitted) = Count(some);
            strikes += struck;
            next += length;
            slice = isAlarmed && admitted == 0 ? slice : Math.Min(slice * 2, _limits.LongestSlice);                      // D2
        }

        if (next < batch.Length)
        {
            Array.Fill(answers, new Refusal(RefusalCode.NotLookedAt, "Too much before it in the batch was bad."), next, batch.Length - next);
            Interlocked.Add(ref _refused[(int)RefusalCode.NotLookedAt], batch.Length - next);
        }

        return answers;
    }

    private (int Strikes, int Admitted) Count(ReadOnlySpan<Refusal> answers)
    {
        int strikes = 0;
        int admitted = 0;
        foreach (ref readonly Refusal answer in answers)
        {
            if (!answer.IsRefused)
            {
                admitted++;
                continue;
            }

            strikes += IsOffence(answer.Code) || answer.Code == RefusalCode.PayerUnderfunded ? 1 : 0;
            Interlocked.Increment(ref _refused[Math.Min((int)answer.Code, _refused.Length - 1)]);
        }

        Interlocked.Add(ref _admitted, admitted);
        if (strikes > 0)
        {
            _strikes.TryTake(NodeId.Zero, strikes, double.PositiveInfinity);
        }

        return (strikes, admitted);
    }
}
