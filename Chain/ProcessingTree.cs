// Verified blocks that consensus has not decided: a tree rooted at the last accepted block.
//
//   last accepted <- A1 <- A2        Accept(A1): A1 becomes last accepted; B1 and B2 can never be accepted any more,
//              \<- B1 <- B2          so their diffs are dropped at once; consensus rejects them by name afterwards
//
// Invariants
//   P1  a live block's parent is the last accepted block or a live block
//   P2  a live block has a view; a dead one (beside an accepted block, or on a dead or rejected one) has none
//   P3  Parent of a live block is null iff it stands on the last accepted block
//
// Threading: ChainService's lock.   Cost: accept and reject are O(blocks in the tree), which consensus keeps small.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>A verified, undecided block with the result of its execution.</summary>
internal sealed class ProcessingBlock
{
    /// <param name="before">The programs that were active at its start.</param>
    public ProcessingBlock(Block block, ProcessingBlock? parent, IStateView view, ReadOnlyMemory<Receipt> receipts, ActivePrograms before)
    {
        Block = block;
        Parent = parent;
        View = view;
        Programs = before.After(block.Transactions, receipts.Span);
        Receipts = receipts;
        Ids = new HashSet<TxId>(block.Transactions.Length);
        foreach (Transaction transaction in block.Transactions)
        {
            Ids.Add(transaction.Id);
        }
    }

    /// <summary>The block.</summary>
    public Block Block { get; }

    /// <summary>Ids of its transactions.</summary>
    public HashSet<TxId> Ids { get; }

    /// <summary>The parent while that is processing; null on top of the last accepted block (P3).</summary>
    public ProcessingBlock? Parent { get; private set; }

    /// <summary>The state after the block; null when dead (P2).</summary>
    public IStateView? View { get; private set; }

    /// <summary>Receipts in block order.</summary>
    public ReadOnlyMemory<Receipt> Receipts { get; }

    /// <summary>The programs after the block.</summary>
    public ActivePrograms Programs { get; }

    /// <summary>False once it can never be accepted.</summary>
    [MemberNotNullWhen(true, nameof(View))]
    public bool IsLive => View is not null;

    /// <summary>Its parent was accepted.</summary>
    public void ParentAccepted() => Parent = null;

    /// <summary>It can never be accepted: lets go of its state and its ancestors.</summary>
    public void Kill()
    {
        View = null;
        Parent = null;
    }
}

/// <summary>The processing blocks.</summary>
internal sealed class ProcessingTree
{
    private readonly Dictionary<BlockId, ProcessingBlock> _blocks = [];

    /// <summary>Blocks in the tree, dead ones included.</summary>
    public int Count => _blocks.Count;

    /// <summary>Finds a processing block, live or dead.</summary>
    public bool TryFind(BlockId id, [NotNullWhen(true)] out ProcessingBlock? block) => _blocks.TryGetValue(id, out block);

    /// <summary>Adds a verified block whose parent is live or last accepted (P1).</summary>
    public void Add(ProcessingBlock block)
    {
        Invariant.Require(block.IsLive);
        Invariant.Require(block.Parent is null || block.Parent.IsLive);
        _blocks.Add(block.Block.Id, block);
    }

    /// <summary>Takes an accepted block out; what does not descend from it dies.</summary>
    public void Accept(ProcessingBlock accepted)
    {
        Invariant.Require(accepted.IsLive && accepted.Parent is null);      // its parent is the last accepted block
        bool removed = _blocks.Remove(accepted.Block.Id);
        Invariant.Require(removed);
        KillWhere(block => block.Parent is null);
        foreach (ProcessingBlock block in _blocks.Values)
        {
            if (ReferenceEquals(block.Parent, accepted))
            {
                block.ParentAccepted();
            }
        }
    }

    /// <summary>Takes a rejected block out; what descends from it dies.</summary>
    public void Reject(ProcessingBlock rejected)
    {
        bool removed = _blocks.Remove(rejected.Block.Id);
        Invariant.Require(removed);
        rejected.Kill();
        KillWhere(static _ => false);
    }

    // Kills live blocks that the rule names, then, until nothing changes, live blocks whose parent is dead.
    private void KillWhere(System.Func<ProcessingBlock, bool> rule)
    {
        List<ProcessingBlock> doomed = [];
        foreach (ProcessingBlock block in _blocks.Values)
        {
            if (block.IsLive && rule(block))
            {
                doomed.Add(block);
            }
        }

        do
        {
            foreach (ProcessingBlock block in doomed)
            {
                block.Kill();
            }

            doomed.Clear();
            foreach (ProcessingBlock block in _blocks.Values)
            {
                if (block.IsLive && block.Parent is { IsLive: false })
                {
                    doomed.Add(block);
                }
            }
        }
        while (doomed.Count != 0);
    }
}
