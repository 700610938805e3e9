// The newest accepted blocks with their receipts, and where each of their transactions stands. Receipts are not durable: what is not
// here any more can only be had by executing its block again.
//
// Invariant
//   N1  _places holds exactly the transactions of _blocks; ids are unique on a chain within the replay window, and what is
//       accepted again later than that is the newer place
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
/// <param name="kept">How many, at least 0.</param>
internal sealed class RecentBlocks(int kept)
{
    private readonly Queue<RecentBlock> _blocks = new();
    private readonly Dictionary<BlockId, RecentBlock> _byId = [];
    private readonly Dictionary<TxId, (RecentBlock Block, int Index)> _places = [];

    /// <summary>The oldest kept block; null when there is none.</summary>
    public Block? Oldest => _blocks.TryPeek(out RecentBlock? oldest) ? oldest.Block : null;

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

        while (_blocks.Count > kept)
        {
            Forget(_blocks.Dequeue());
        }
    }

    /// <summary>Finds a block.</summary>
    public bool TryFind(BlockId id, [NotNullWhen(true)] out RecentBlock? block) => _byId.TryGetValue(id, out block);

    /// <summary>Finds a transaction.</summary>
    public bool TryFind(TxId id, out (RecentBlock Block, int Index) place) => _places.TryGetValue(id, out place);

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
