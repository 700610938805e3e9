// What consensus decides of verified blocks: which one is preferred, which is final, which is dropped.
//
//   SetPreference(B2)   what B1 and B2 hold does not wait any more; what the branch held before and holds no more waits again
//   Accept(B1)          durable on disk, without the chain's lock -> head, window, mempool, recent blocks, with it
//   Reject(B1)          its diff and its descendants' die; its transactions wait again
//
// Threading: Accept and Reject are one at a time under a lock of their own, taken before the chain's.

using System;
using System.Collections.Generic;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <content>Decisions.</content>
public sealed partial class ChainService
{
    /// <summary>Makes a processing block final: durable in the store when this returns.</summary>
    /// <remarks>The chain's lock is not held while the disk works: blocks may be built on this one, and transactions come in. Until it
    /// returns nothing is told to be accepted.</remarks>
    /// <exception cref="ArgumentException">The block is not processing, or its parent is not the last accepted block.</exception>
    /// <exception cref="StateStoreException">The machine failed; the block is not accepted here, and the host must stop.</exception>
    public void Accept(BlockId id)
    {
        lock (_decisions)
        {
            ProcessingBlock accepted;
            lock (_gate)
            {
                accepted = _tree.TryFind(id, out ProcessingBlock? found) && found.IsLive && found.Parent is null
                    ? found
                    : throw new ArgumentException($"Block {id} is not a processing child of the last accepted block {_last.Id}.", nameof(id));
            }

            // decisions are one at a time, so it stays a live child of the last accepted block until the second half
            Block block = accepted.Block;
            BlockRecord record = new(block.Header.Height, block.Header.ParentId, block.Id, block.Header.StateRoot, block.Bytes);
            long start = Clock.Start();
            _store.Persist(record, accepted.View!);
            Clock.Stop(Stage.Commit, start);
            lock (_gate)
            {
                start = Clock.Start();
                _store.Accept(record, accepted.View!);
                Clock.Stop(Stage.Commit, start);
                MoveHead(accepted);
            }
        }
    }

    /// <summary>Drops a processing block and its diff; its transactions wait again, unless they are in the preferred branch.</summary>
    /// <exception cref="ArgumentException">The block is not processing.</exception>
    public void Reject(BlockId id)
    {
        lock (_decisions)
        {
            lock (_gate)
            {
                if (!_tree.TryFind(id, out ProcessingBlock? rejected))
                {
                    throw new ArgumentException($"Block {id} is not processing.", nameof(id));
                }

                _tree.Reject(rejected);
                if (PreferredTip() is { IsLive: false })
                {
                    Prefer(null);
                }

                foreach (Transaction transaction in rejected.Block.Transactions)
                {
                    Return(transaction);
                }
            }
        }
    }

    /// <summary>Says which block the next one is built on.</summary>
    /// <exception cref="ArgumentException">It is neither the last accepted block nor one that can be accepted.</exception>
    public void SetPreference(BlockId id)
    {
        lock (_gate)
        {
            ProcessingBlock? tip = null;
            if (id != _last.Id && !(_tree.TryFind(id, out tip) && tip.IsLive))
            {
                throw new ArgumentException($"Block {id} is neither the last accepted block nor processing.", nameof(id));
            }

            Prefer(tip);
        }
    }

    // Nothing in it can fail: the store has the block, so the service has it too (C1).
    private void MoveHead(ProcessingBlock accepted)
    {
        Block block = accepted.Block;
        _last = block;
        _programs = accepted.Programs;
        _tree.Accept(accepted);
        TxId[] ids = ReplayWindow.IdsOf(block);
        _window.Accept(block.Header.TimestampMs, ids);
        foreach (TxId id in ids)
        {
            _mempool.Remove(id);
        }

        if (_branch.Count != 0 && ReferenceEquals(_branch[0], accepted))
        {
            _branch.RemoveAt(0);
        }
        else
        {
            Prefer(null);                                                   // what was preferred stood beside it, and is dead
        }

        _mempool.Reach(block.Header.Height);
        _mempool.RemoveExpired(block.Header.TimestampMs);
        Compile(accepted);
        _recent.Add(new RecentBlock(block.Id, block.Header.Height, block.Bytes, ids, accepted.Receipts));
        ForgetBuilt(block);
        _decoded.Forget(block.Header.Height);
        _ahead.Forget(block.Header.Height);
        Accepted?.Invoke(block);
    }

    // What the branch holds from here on does not wait, what it holds no more waits again.
    private void Prefer(ProcessingBlock? tip)
    {
        List<ProcessingBlock> branch = [];
        for (ProcessingBlock? block = tip; block is not null; block = block.Parent)
        {
            branch.Add(block);
        }

        branch.Reverse();
        int shared = 0;
        while (shared < branch.Count && shared < _branch.Count && ReferenceEquals(branch[shared], _branch[shared]))
        {
            shared++;
        }

        for (int i = shared; i < _branch.Count; i++)
        {
            _mempool.TakeBack(_branch[i].Ids);
        }

        for (int i = shared; i < branch.Count; i++)
        {
            foreach (TxId id in branch[i].Ids)
            {
                _mempool.SetAside(id);
            }

            _mempool.Reach(branch[i].Block.Header.Height);
        }

        _branch.RemoveRange(shared, _branch.Count - shared);
        _branch.AddRange(branch[shared..]);
    }

    // New code is compiled before it is first called, in the background; what nobody verified here lately waits for its first call.
    private void Compile(ProcessingBlock accepted)
    {
        foreach (ProgramId id in ActivePrograms.ChangedBy(accepted.Block.Transactions, accepted.Receipts.Span))
        {
            if (_programs.TryFind(_store.Accepted, id, out ProgramRecord? record)
                && _rules.Loader.TryFind(record.CodeHash, record.Fork, out VerifiedProgram? program))
            {
                _engine.Code?.Request(program, ForkRules.Launch);
            }
        }
    }

    // What was built beside the accepted block can never be verified; what was built on it, or above, may.
    private void ForgetBuilt(Block accepted)
    {
        for (int i = _built.Count; i > 0; i--)
        {
            (Block Block, IStateView On, IStateView View, ReadOnlyMemory<Receipt> Receipts) built = _built.Dequeue();
            if (built.Block.Header.Height.CompareTo(accepted.Header.Height) > 0)
            {
                _built.Enqueue(built);
            }
        }
    }

    // The copy lets go of the rejected block's bytes. Its signatures were checked when the block was verified.
    private void Return(Transaction transaction)
    {
        if (Transaction.TryDecode(transaction.Bytes.Span, out Transaction? copy, out _)
            && !ChainRules.CheckTime(copy, NowMs()).IsRefused
            && _rules.TryPrepare(copy, out PreparedTransaction? prepared, out _))
        {
            Admit(prepared, isSigned: true);
        }
    }
}
