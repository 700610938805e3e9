// The newest accepted blocks with their receipts, and where each of their transactions stands. Receipts are not durable: what is not
// here any more can only be had by executing its block again.
//
// Invariant
//   N1  _places holds exactly the transactions of _blocks; ids are unique on a chain within the replay window, and what is
//       accepted again later than that is the newer place
//   N2  either at most `kept` blocks are here, or they weigh at most `bytes` together
//
// Threading: ChainService's lock.   Cost: O(1) per transaction, in and out; a block's bytes stay as long as its receipts.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>An accepted block and what became of its transactions.</summary>
/// <param name="Block">The block.</param>
/// <param name="Receipts">In block order. Not to be changed.</param>
internal sealed record RecentBlock(Block Block, ReadOnlyMemory<Receipt> Receipts);

/// <summary>The newest accepted blocks.</summary>
/// <param name="kept">How many stay whatever they weigh, at least 0.</param>
/// <param name="bytes">What those beyond may weigh, all together.</param>
internal sealed class RecentBlocks(int kept, long bytes = 0)
{
    // About what a transaction's objects, its receipt and its place take beside the block's bytes.
    private const int TransactionBytes = 768;

    private readonly Queue<RecentBlock> _blocks = new();
    private readonly Dictionary<BlockId, RecentBlock> _byId = [];
    private readonly Dictionary<TxId, (RecentBlock Block, int Index)> _places = [];

    /// <summary>The oldest kept block; null when there is none.</summary>
    public Block? Oldest => _blocks.TryPeek(out RecentBlock? oldest) ? oldest.Block : null;

    /// <summary>What all weigh.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes in the newest accepted block and lets go of the oldest beyond the bound.</summary>
    public void Add(Block block, ReadOnlyMemory<Receipt> receipts)
    {
        RecentBlock added = new(block, receipts);
        _blocks.Enqueue(added);
        _byId.Add(block.Id, added);
        for (int i = 0; i < block.Transactions.Length; i++)
        {
            _places[block.Transactions[i].Id] = (added, i);
        }

        Bytes += WeightOf(added);
        while (_blocks.Count > kept && Bytes > bytes)
        {
            RecentBlock oldest = _blocks.Dequeue();
            Bytes -= WeightOf(oldest);
            Forget(oldest);
        }
    }

    /// <summary>Finds a block.</summary>
    public bool TryFind(BlockId id, [NotNullWhen(true)] out RecentBlock? block) => _byId.TryGetValue(id, out block);

    /// <summary>Finds a transaction.</summary>
    public bool TryFind(TxId id, out (RecentBlock Block, int Index) place) => _places.TryGetValue(id, out place);

    private static long WeightOf(RecentBlock block)
    {
        long weight = block.Block.Bytes.Length + ((long)TransactionBytes * block.Block.Transactions.Length);
        foreach (ref readonly Receipt receipt in block.Receipts.Span)
        {
            weight += receipt.Output.Length;
        }

        return weight;
    }

    private void Forget(RecentBlock oldest)
    {
        _byId.Remove(oldest.Block.Id);
        foreach (Transaction transaction in oldest.Block.Transactions)
        {
            if (_places.TryGetValue(transaction.Id, out (RecentBlock Block, int Index) place) && ReferenceEquals(place.Block, oldest))
            {
                _places.Remove(transaction.Id);                             // N1
            }
        }
    }
}
