// What clients ask of a chain: where a transaction stands, what waits, what a block costs to get into, records with proofs, and a
// state to run something on beside the chain.
//
// Every answer is taken under the chain's lock and bounded in work, so that a question never holds up a block for long; what
// takes longer (simulation, discovery) takes a snapshot, which asks for one record at a time.
//
// Threading: any thread.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>Where a transaction stands.</summary>
public enum TransactionStatus
{
    /// <summary>Never seen, expired, dropped, or accepted longer ago than the replay window remembers.</summary>
    Unknown,

    /// <summary>Waits in the mempool.</summary>
    Pending,

    /// <summary>In a verified block that consensus has not decided.</summary>
    Processing,

    /// <summary>Final.</summary>
    Accepted,
}

/// <summary>Where a transaction stands, and what is known of it there.</summary>
/// <param name="Block">Id and height of the block that holds it; null when it waits, is unknown, or its block is not among the recent ones.</param>
/// <param name="Index">Its place in the block, or -1.</param>
/// <param name="Receipt">What became of it, in that block; null when there is no block.</param>
/// <param name="Transaction">The transaction, when it waits or its block is known.</param>
public readonly record struct TransactionPlace(
    TransactionStatus Status, (BlockId Id, Height Height)? Block, int Index, Receipt? Receipt, Transaction? Transaction);

/// <summary>What waits.</summary>
/// <param name="Count">Transactions.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Options">The mempool's bounds.</param>
/// <param name="Best">The first of them in the order in which a builder takes them.</param>
public sealed record MempoolSummary(int Count, long Bytes, MempoolOptions Options, IReadOnlyList<PreparedTransaction> Best);

/// <summary>A payer's account as the preferred state and the mempool have it.</summary>
/// <param name="Balance">Native balance in the accepted state.</param>
/// <param name="Preferred">Native balance in the preferred state.</param>
/// <param name="Waiting">Transactions that wait.</param>
/// <param name="Reserved">What they may cost at most.</param>
public readonly record struct AccountSummary(UInt128 Balance, UInt128 Preferred, int Waiting, UInt128 Reserved);

/// <summary>A record of an accepted state, with what proves it.</summary>
/// <param name="Block">The block whose root the proof is under.</param>
/// <param name="Path">The record's place in the tree.</param>
/// <param name="Value">Its value, or null: there is no such record.</param>
/// <param name="Proof">See <c>MerkleProof</c>; null when the store makes none.</param>
public sealed record ProvenRecord(Block Block, StateKey Path, byte[]? Value, byte[]? Proof);

/// <content>Questions.</content>
public sealed partial class ChainService
{
    /// <summary>Raised when a block has become final, with that block. Under the chain's lock: a handler returns at once and asks nothing.</summary>
    public event Action<Block>? Accepted;

    /// <summary>The height of the oldest accepted block whose receipts are kept; null when none are.</summary>
    public Height? OldestReceipts
    {
        get
        {
            lock (_gate)
            {
                return _recent.Oldest?.Height;
            }
        }
    }

    /// <summary>Where a transaction stands: accepted before processing before waiting.</summary>
    public TransactionPlace Find(TxId id)
    {
        lock (_gate)
        {
            if (_recent.TryFind(id, out (RecentBlock Block, int Index) place))
            {
                (RecentBlock block, int index) = place;
                return new TransactionPlace(TransactionStatus.Accepted, (block.Id, block.Height), index, block.Receipts.Span[index], block.TransactionAt(index));
            }

            for (ProcessingBlock? tip = PreferredTip(); tip is not null; tip = tip.Parent)
            {
                if (tip.Ids.Contains(id))
                {
                    int index = Array.FindIndex(tip.Block.Transactions, transaction => transaction.Id == id);
                    return new TransactionPlace(TransactionStatus.Processing, (tip.Block.Id, tip.Block.Header.Height), index, tip.Receipts.Span[index], tip.Block.Transactions[index]);
                }
            }

            if (_window.Contains(id))
            {
                return new TransactionPlace(TransactionStatus.Accepted, null, -1, null, null);
            }

            return _mempool.TryFind(id, out PreparedTransaction? waiting)
                ? new TransactionPlace(TransactionStatus.Pending, null, -1, null, waiting.Transaction)
                : new TransactionPlace(TransactionStatus.Unknown, null, -1, null, null);
        }
    }

    /// <summary>What waits, and the first <paramref name="most"/> of it.</summary>
    public MempoolSummary SummariseMempool(int most)
    {
        lock (_gate)
        {
            List<PreparedTransaction> best = [];
            foreach (Mempool.Entry entry in _mempool.Ordered)
            {
                if (best.Count == most)
                {
                    break;
                }

                best.Add(entry.Prepared);
            }

            return new MempoolSummary(_mempool.Count, _mempool.Bytes, _mempool.Options, best);
        }
    }

    /// <summary>The least tip per gas that would be among the first <paramref name="gas"/> of gas limits that a builder sees now: 0 when it sees less.</summary>
    /// <remarks>O(transactions of one full block).</remarks>
    public ulong TipToEnter(ulong gas)
    {
        lock (_gate)
        {
            foreach (Mempool.Entry entry in _mempool.Open)
            {
                if (entry.Prepared.Transaction.GasLimit > gas)
                {
                    return entry.Prepared.EffectiveTip + 1;
                }

                gas -= entry.Prepared.Transaction.GasLimit;
            }

            return 0;
        }
    }

    /// <summary>An account's balances and what of it waits.</summary>
    public AccountSummary Summarise(PublicKey account)
    {
        lock (_gate)
        {
            StateKey key = _rules.Hashing.KeyOf(ProgramId.Native, new LocalKey(account.Value));
            return new AccountSummary(
                NativeBalance.Read(_store.Accepted, key), NativeBalance.Read(PreferredState(), key), _mempool.CountOf(account), _mempool.ReservedBy(account));
        }
    }

    /// <summary>A record after an accepted block, with a proof under its root when the store makes proofs.</summary>
    /// <param name="height">Null is the last accepted block. Going back costs O(changes since), so callers bound how far.</param>
    /// <returns>False when the state of the height is not kept.</returns>
    /// <exception cref="StateStoreException">The machine failed.</exception>
    public bool TryProve(Height? height, ProgramId program, LocalKey key, [NotNullWhen(true)] out ProvenRecord? record)
    {
        record = null;
        StateKey path = _rules.Hashing.KeyOf(program, key);
        Span<byte> value = stackalloc byte[StateLimits.MaxRecordBytes];
        lock (_gate)
        {
            IStateProver? prover = _store as IStateProver;
            Height at = height ?? _last.Header.Height;
            bool isKept = at == _last.Header.Height || (prover?.OldestState is { } oldest && at.CompareTo(oldest) >= 0);
            if (!isKept || !TryReadAccepted(at, out Block? block))
            {
                return false;
            }

            int length = prover is null || at == _last.Header.Height ? _store.Accepted.Read(path, value) : prover.ReadAt(at, path, value);
            record = new ProvenRecord(block, path, length < 0 ? null : value[..length].ToArray(), prover?.ProveAt(at, path));
            return true;
        }
    }

    /// <summary>The state after the last accepted block, or after the preferred one, to read from while the chain goes on.</summary>
    public StateSnapshot Snapshot(bool ofPreferred)
    {
        lock (_gate)
        {
            Block block = (ofPreferred ? PreferredTip()?.Block : null) ?? _last;
            return new StateSnapshot(this, block, NowMs());
        }
    }

    /// <summary>Reads from the state after a block for a snapshot.</summary>
    /// <returns>False when that state is gone: the block is neither last accepted nor processing any more.</returns>
    internal bool TryReadAfter(BlockId block, in StateKey key, Span<byte> target, out int length)
    {
        lock (_gate)
        {
            IStateView? state = block == _last.Id ? _store.Accepted : _tree.TryFind(block, out ProcessingBlock? processing) ? processing.View : null;
            length = state?.Read(key, target) ?? -1;
            return state is not null;
        }
    }
}
