// After the run: adds into records, unused fees back to payers, receipts.

using System;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine;

/// <content>Settling.</content>
internal sealed partial class Batch
{
    /// <summary>Returns what was not used, burns the base fee, credits the tip, and writes the receipts into the memory of this batch's result.</summary>
    public ReadOnlyMemory<Receipt> Settle(ExecutionRules rules, IStateView state, out ulong gasUsed, out UInt128 burned, out UInt128 tips)
    {
        if (_isParallel)
        {
            _ranges.Run(_workers, Shards.Count, KeyGrain, _foldKeys);
        }

        ResultMemory.Fit(ref _result.Receipts, TxCount);
        ResultMemory.Fit(ref _result.Outputs, PlaceOutputs());
        _ranges.Run(_workers, Partitions + PieceCount, 1, _settleJobs);
        gasUsed = 0;
        burned = 0;
        tips = 0;
        foreach (WorkerSeat seat in _seats)
        {
            gasUsed += seat.GasUsed;
            burned += seat.Burned;
            tips += seat.Tips;
        }

        CostModel.Learn(_samples);
        if (tips > 0)
        {
            LocalKey account = new(rules.Treasury.Value);
            Credit(Keys.InternLate(state, rules.Hashing.KeyOf(ProgramId.Native, account), ProgramId.Native, account), tips);
        }

        return _result.Receipts.AsMemory(0, TxCount);
    }

    private void SettleJobs(int worker, int from, int to)
    {
        for (int job = from; job < to; job++)
        {
            int before = PartitionsBefore(job);
            if (PartitionsBefore(job + 1) != before)
            {
                Refund(before);
            }
            else
            {
                WriteReceipts(worker, job - before);
            }
        }
    }

    // Partitions lie evenly between the pieces, so that each worker's share of the pass is its pieces and its partition.
    private int PartitionsBefore(int job) => (int)((long)job * Partitions / (Partitions + PieceCount));

    private void Refund(int partition)
    {
        int partitions = Partitions;
        for (int tx = 0; tx < TxCount; tx++)
        {
            int payer = _payers[tx];
            if (payer >= 0 && Keys.OwnerOf(payer) % partitions == partition)
            {
                UInt128 refund = (UInt128)(_messages[tx].GasLimit - _outcomes[tx].GasUsed) * _prices[tx];
                if (refund > 0)
                {
                    Credit(payer, refund);
                }
            }
        }
    }

    private void WriteReceipts(int worker, int piece)
    {
        WorkerSeat seat = _seats[worker];
        CostModel.Samples samples = _samples[worker];
        ulong gasUsed = 0;
        UInt128 fees = 0;
        int offset = _pieces[piece];
        int end = Math.Min(TxCount, (piece + 1) * _txGrain);
        for (int tx = piece * _txGrain; tx < end; tx++)
        {
            ulong gas = _outcomes[tx].GasUsed;
            UInt128 fee = (UInt128)gas * _prices[tx];
            gasUsed += gas;
            fees += fee;
            (int author, int start, int length) = _outputs[tx];
            if (length != 0)
            {
                _seats[author].Output.AsSpan(start, length).CopyTo(_result.Outputs.AsSpan(offset));
            }

            _result.Receipts[tx] = new Receipt(_outcomes[tx], fee, _result.Outputs.AsMemory(offset, length));
            offset += length;
            samples.Add(_messages[tx], gas);
        }

        UInt128 burned = (UInt128)gasUsed * _context.BaseFee;
        seat.GasUsed += gasUsed;
        seat.Burned += burned;
        seat.Tips += fees - burned;
    }

    // Where each piece's outputs begin in the one buffer that receipts share; its length.
    private int PlaceOutputs()
    {
        Array.Clear(_pieces, 0, PieceCount);
        int total = 0;
        foreach (WorkerSeat seat in _seats)
        {
            total += seat.OutputLength;
        }

        if (total == 0)
        {
            return 0;
        }

        int position = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            if (tx % _txGrain == 0)
            {
                _pieces[tx / _txGrain] = position;
            }

            position += _outputs[tx].Length;
        }

        Invariant.Require(position == total);
        return total;
    }
}
