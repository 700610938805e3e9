// Looking at blocks before consensus asks about them: those that were parsed lately and stand on what is processing, or on each other. See BlocksAhead for what a
// stranger's block may cost that way. Of a transaction whose signatures are good, the records that it declares are touched: what of them lies on disk is near
// when the block is executed. Touching finds nothing out and is never waited for; the block reads its records itself, after its parent's writes.
//
// Contract
//   L1  TryVerify answers the same whether, when and how far a block was looked at
//   L2  CheckNext takes the service's lock never: it works while a block is executed
//
// Threading: any.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <content>Blocks that come.</content>
public sealed partial class ChainService
{
    /// <summary>Transactions of a step of <see cref="CheckNext"/>: three to five milliseconds of signatures.</summary>
    private const int StepTransactions = 256;

    /// <summary>Records that a step fetches before it leaves the rest: fifteen milliseconds.</summary>
    private const int StepFetchedMax = 1024;

    private const int TouchedAtOnce = 64;

    private readonly BlocksAhead _ahead = new();
    private readonly Lock _checking = new();
    private readonly List<Block> _coming = [];

    /// <summary>Blocks that are, or were, looked at ahead and are not verified yet.</summary>
    public int BlocksAheadCount => _ahead.Count;

    /// <summary>Signatures checked and records fetched for blocks that have not verified, above those of blocks that have.</summary>
    public long WorkInVain => _ahead.Vain;

    /// <summary>
    /// Gives places to blocks that were parsed lately and can be verified next, or after each other. To be called after blocks were parsed, or one was verified.
    /// </summary>
    /// <returns>True when there is something for <see cref="CheckNext"/>.</returns>
    /// <remarks>A look-up in the mempool for each transaction of a block that is given a place; else a few comparisons.</remarks>
    public bool ExpectParsed()
    {
        lock (_gate)
        {
            _decoded.ListAbove(_last.Header.Height, _coming);
            _coming.Sort(static (a, b) => a.Header.Height.CompareTo(b.Header.Height));      // parents first, however they came
            ulong now = NowMs();
            foreach (Block block in _coming)
            {
                if (IsNews(block) && TryFindGoodParent(block, out BlockHeader parent) && _ahead.HasRoomFor(block)
                    && !BlockChecks.CheckPlace(block, parent, _rules.Limits, now).IsRefused)
                {
                    Expect(block);
                }
            }

            _coming.Clear();
        }

        return _ahead.TryNext(out _);
    }

    /// <summary>Checks the next transactions of the block that is most urgent, on the calling thread.</summary>
    /// <returns>False when there is nothing to check.</returns>
    public bool CheckNext()
    {
        lock (_checking)
        {
            if (!_ahead.TryNext(out BlockAhead? ahead))
            {
                return false;
            }

            int from = ahead.Checked;
            int to = Math.Min(from + StepTransactions, ahead.Prepared.Length);
            if (TryCheck(ahead, from, to))
            {
                ahead.Checked = to;
                Touch(ahead, from, to);
            }
            else
            {
                ahead.IsOver = true;                        // Verify finds out itself, and says what is wrong
            }

            return true;
        }
    }

    // Not known to be good, not looked at, and not made here.
    private bool IsNews(Block block)
    {
        if (_tree.TryFind(block.Id, out _) || _ahead.Has(block.Id))
        {
            return false;
        }

        foreach ((Block built, _, _, _) in _built)
        {
            if (built.Id == block.Id)
            {
                return false;
            }
        }

        return true;
    }

    private void Expect(Block block)
    {
        BlockAhead ahead = new(block);
        for (int i = 0; i < ahead.Prepared.Length; i++)
        {
            if (IsWaiting(block.Transactions[i], out PreparedTransaction? waiting))
            {
                ahead.Prepared[i] = waiting;
            }
        }

        _ahead.TryAdd(ahead);
    }

    private bool TryFindGoodParent(Block block, out BlockHeader parent)
    {
        if (block.Header.ParentId == _last.Id)
        {
            parent = _last.Header;
            return true;
        }

        if (_tree.TryFind(block.Header.ParentId, out ProcessingBlock? processing))
        {
            parent = processing.Block.Header;
            return processing.IsLive;
        }

        return _ahead.TryFindGood(block.Header.ParentId, out parent);
    }

    private void Touch(BlockAhead ahead, int from, int to)
    {
        int fetched = 0;
        List<StateKey> keys = [];
        for (int i = from; i < to && fetched < StepFetchedMax && !ahead.IsOver; i++)
        {
            keys.AddRange(ahead.Prepared[i]!.Keys);
            keys.Add(ahead.Prepared[i]!.PayerKey);
            if (keys.Count >= TouchedAtOnce || i == to - 1)
            {
                int some = _store.Touch(CollectionsMarshal.AsSpan(keys));
                _ahead.Charge(ahead, some);
                fetched += some;
                keys.Clear();
            }
        }
    }

    private bool TryCheck(BlockAhead ahead, int from, int to)
    {
        Block block = ahead.Block;
        List<Transaction> unknown = [];
        int signatures = 0;
        for (int i = from; i < to; i++)
        {
            Transaction transaction = block.Transactions[i];
            if (ahead.Prepared[i] is not null)
            {
                continue;                                   // its signatures were checked when it came
            }

            if (ChainRules.CheckTime(transaction, block.Header.TimestampMs).IsRefused || !_rules.TryPrepare(transaction, out ahead.Prepared[i], out _))
            {
                return false;
            }

            if (!_verified.Contains(VerifiedMemory.HashOf(transaction)))
            {
                unknown.Add(transaction);
                signatures += transaction.Signers.Length;
            }
        }

        _ahead.Charge(ahead, signatures);
        bool[] good = VerifySignatures(CollectionsMarshal.AsSpan(unknown), workers: 1);         // the pool belongs to the block that is being executed
        for (int i = 0; i < good.Length; i++)
        {
            if (good[i])
            {
                _verified.Add(VerifiedMemory.HashOf(unknown[i]));
            }
        }

        return Array.IndexOf(good, false) < 0;
    }
}
