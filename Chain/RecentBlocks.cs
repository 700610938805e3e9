// The newest accepted blocks with their receipts, and where each of their transactions stands. Receipts are not durable: what is not
// here any more can only be had by executing its block again.
//
// Invariant
//   N1  _places holds exactly the transactions of _blocks; ids are unique on a chain within the replay window, and what is
//       accepted again later than that is the newer place
//   N2  either at most `kept` blocks are here, or they weigh at most `bytes` together
//
// A block is here as its bytes: a transaction that somebody asks for is decoded then. Kept as objects, ten for each transaction, blocks were what the
// collector spent its time on.
//
// Threading: ChainService's lock.   Cost: O(1) per transaction, in and out; a block's bytes stay as long as its receipts.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>An accepted block and what became of its transactions.</summary>
/// <param name="Bytes">The block's.</param>
/// <param name="Ids">Of its transactions, in block order. Not to be changed.</param>
/// <param name="Receipts">In block order. Not to be changed.</param>
internal sealed record RecentBlock(BlockId Id, Height Height, ReadOnlyMemory<byte> Bytes, TxId[] Ids, ReadOnlyMemory<Receipt> Receipts)
{
    /// <summary>Decodes one of its transactions: O(index).</summary>
    public Transaction TransactionAt(int index) => Block.TransactionOf(Bytes, index);
}

/// <summary>The newest accepted blocks.</summary>
/// <param name="kept">How many stay whatever they weigh, at least 0.</param>
/// <param name="bytes">What those beyond may weigh, all together.</param>
internal sealed class RecentBlocks(int kept, long bytes = 0)
{
    // About what a transaction's id, its receipt and its place take beside the block's bytes.
    private const int TransactionBytes = 224;

    private readonly Queue<RecentBlock> _blocks = new();
    private readonly Dictionary<BlockId, RecentBlock> _byId = [];
    private readonly Dictionary<TxId, (RecentBlock Block, int Index)> _places = [];

    /// <summary>The oldest kept block; null when there is none.</summary>
    public RecentBlock? Oldest => _blocks.TryPeek(out RecentBlock? oldest) ? oldest : null;

    /// <summary>What all weigh.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes in the newest accepted block and lets go of the oldest beyond the bound.</summary>
    public void Add(RecentBlock added)
    {
        _blocks.Enqueue(added);
        _byId.Add(added.Id, added);
        for (int i = 0; i < added.Ids.Length; i++)
        {
            _places[added.Ids[i]] = (added, i);
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
        long weight = block.Bytes.Length + ((long)TransactionBytes * block.Ids.Length);
        foreach (ref readonly Receipt receipt in block.Receipts.Span)
        {
            weight += receipt.Output.Length;
        }

        return weight;
    }

    private void Forget(RecentBlock oldest)
    {
        _byId.Remove(oldest.Id);
        foreach (TxId id in oldest.Ids)
        {
            if (_places.TryGetValue(id, out (RecentBlock Block, int Index) place) && ReferenceEquals(place.Block, oldest))
            {
                _places.Remove(id);                                         // N1
            }
        }
    }
}
