// Exactly once: a transaction's id enters the chain at most once. There are no nonces; instead an id is remembered for
// as long as a block could still take it.
//
// A block of time t holds only expiries in [t, t + 60 s], and time grows along a chain. So once the last accepted block is
// more than 60 s younger than a block, every id of that block has expired and is forgotten: memory is bounded by 60 s
// of transactions. Ids of processing blocks live in the tree; ReplayScope looks at both.
//
// Invariant
//   W1  _ids is the union of the blocks in _blocks, and every block of the chain within 60 s of the last accepted is there
//
// Threading: ChainService's lock.   Cost: O(1) per id, once in and once out.

using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>The ids of recently accepted transactions.</summary>
internal sealed class ReplayWindow
{
    private readonly HashSet<TxId> _ids = [];
    private readonly Queue<(ulong TimestampMs, TxId[] Ids)> _blocks = new();     // ids only: blocks are large

    /// <summary>Ids remembered.</summary>
    public int Count => _ids.Count;

    /// <summary>True when an accepted block within the window holds the id.</summary>
    public bool Contains(TxId id) => _ids.Contains(id);

    /// <summary>Takes in the ids of the newest accepted block and forgets what has expired by its time.</summary>
    /// <exception cref="InvariantException">An id is there already: the block must not have been accepted.</exception>
    public void Accept(ulong timestampMs, TxId[] ids)
    {
        _blocks.Enqueue((timestampMs, ids));
        foreach (TxId id in ids)
        {
            bool isNew = _ids.Add(id);
            Invariant.Require(isNew);
        }

        while (_blocks.TryPeek(out (ulong TimestampMs, TxId[] Ids) oldest) && IsForgotten(oldest.TimestampMs, timestampMs))
        {
            foreach (TxId id in _blocks.Dequeue().Ids)
            {
                _ids.Remove(id);
            }
        }
    }

    /// <summary>The ids of a block's transactions.</summary>
    public static TxId[] IdsOf(Block block) => System.Array.ConvertAll(block.Transactions, static transaction => transaction.Id);

    /// <summary>True when every id of a block at <paramref name="timestampMs"/> has expired by <paramref name="lastMs"/>.</summary>
    public static bool IsForgotten(ulong timestampMs, ulong lastMs) => lastMs > timestampMs && lastMs - timestampMs > ChainRules.ExpiryWindowMs;
}

/// <summary>What counts as "already in the chain" for a block on a given parent.</summary>
/// <param name="Accepted">Ids of accepted blocks.</param>
/// <param name="Tip">The parent when it is processing, null when it is the last accepted block.</param>
internal readonly record struct ReplayScope(ReplayWindow Accepted, ProcessingBlock? Tip)
{
    /// <summary>True when the id is in an accepted block within the window or in a processing ancestor.</summary>
    public bool Contains(TxId id)
    {
        for (ProcessingBlock? block = Tip; block is not null; block = block.Parent)
        {
            if (block.Ids.Contains(id))
            {
                return true;
            }
        }

        return Accepted.Contains(id);
    }
}
