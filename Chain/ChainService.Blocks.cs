// The life of a block: built or parsed, verified by running it again, accepted or rejected.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <content>Blocks.</content>
public sealed partial class ChainService
{
    /// <summary>Own blocks that were built and not yet verified: their execution is not done twice.</summary>
    private const int BuiltKept = 8;

    private readonly Queue<(Block Block, IStateView On, IStateView View, ReadOnlyMemory<Receipt> Receipts)> _built = new();
    private readonly DecodedMemory _decoded = new();

    /// <summary>Builds a block on the preferred one. It is verified already, so <see cref="TryVerify"/> of it runs nothing.</summary>
    /// <returns>False when nothing that waits may enter a block now.</returns>
    public bool TryBuild([NotNullWhen(true)] out Block? block)
    {
        lock (_gate)
        {
            block = null;
            ProcessingBlock? tip = PreferredTip();
            BlockHeader parent = PreferredBlock.Header;
            BlockId parentId = PreferredBlock.Id;
            IStateView state = tip?.View ?? _store.Accepted;
            ulong now = NowMs();
            if (parent.TimestampMs >= now && parent.TimestampMs - now >= ChainRules.MaxAheadMs)
            {
                return false;                                               // checked before the sum below, which it keeps from wrapping
            }

            ulong timestamp = Math.Max(parent.TimestampMs + 1, now);

            long start = Clock.Start();
            _mempool.RemoveExpired(now);
            BlockPrograms programs = new(_rules, tip?.Programs ?? _programs, state);
            List<Message> chosen = [];
            Transaction[] transactions = _builder.Pack(_mempool, state, programs, timestamp, chosen);
            _mempool.Renew(_builder.Unfit);
            Clock.Stop(Stage.Build, start);
            if (transactions.Length == 0)
            {
                return false;
            }

            BlockHeader header = new(parentId, parent.Height.Next, timestamp, 0, default, default);
            bool runs = TryExecute(CollectionsMarshal.AsSpan(chosen), header, programs, state, out BatchResult? result, out Bytes32 receiptsRoot, out _);
            Invariant.Require(runs);                                        // the builder leaves out whom the engine refuses
            header = header with { GasUsed = result!.GasUsed, StateRoot = result.Root, ReceiptsRoot = receiptsRoot };
            block = Block.Create(header, transactions);
            _decoded.Add(block);
            _built.Enqueue((block, state, result.Post, result.Receipts));
            if (_built.Count > BuiltKept)
            {
                _built.Dequeue();
            }

            return true;
        }
    }

    /// <summary>Decodes a block; structural only, so the same answer at any time and on every node.</summary>
    public bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Block? block, out Refusal refusal)
    {
        long start = Clock.Start();
        block = null;
        refusal = Refusal.None;
        bool decodes = bytes.Length <= _rules.Limits.MaxBlockBytes && _decoded.TryFind(new BlockId(Sha256.Hash(bytes)), out block);
        if (!decodes)
        {
            decodes = Block.TryDecode(bytes, out block, out refusal, _rules.Limits.MaxBlockBytes);
            if (decodes)
            {
                _decoded.Add(block!);
            }
        }

        Clock.Stop(Stage.Decode, start);
        return decodes;
    }

    /// <summary>Verifies a block by executing it on its parent; it is processing afterwards. A processing block verifies at once.</summary>
    /// <returns>False when the block is invalid, or stands on a block that this node has not verified.</returns>
    public bool TryVerify(Block block, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(block);
        lock (_gate)
        {
            if (_tree.TryFind(block.Id, out ProcessingBlock? processing))
            {
                refusal = processing.IsLive ? Refusal.None : Conflicts(block);
                return processing.IsLive;
            }

            if (!TryFindParent(block, out ProcessingBlock? tip, out refusal))
            {
                return false;
            }

            IStateView state = tip?.View ?? _store.Accepted;
            foreach ((Block built, IStateView on, IStateView view, ReadOnlyMemory<Receipt> receipts) in _built)
            {
                if (built.Id == block.Id && ReferenceEquals(on, state))     // a parent that was rejected and verified anew has another view
                {
                    _tree.Add(new ProcessingBlock(block, tip, view, receipts, tip?.Programs ?? _programs));
                    return true;
                }
            }

            BlockAhead? ahead = _ahead.Take(block.Id);
            BlockPrograms programs = new(_rules, tip?.Programs ?? _programs, state);
            refusal = BlockChecks.CheckPlace(block, (tip?.Block ?? _last).Header, _rules.Limits, NowMs());
            if (refusal.IsRefused || !TryPrepareBlock(block, tip, programs, ahead, out Message[]? batch, out refusal))
            {
                return false;
            }

            if (!TryExecute(batch, block.Header, programs, state, out BatchResult? result, out Bytes32 receiptsRoot, out refusal))
            {
                return false;
            }

            refusal = BlockChecks.CompareToHeader(block.Header, result, receiptsRoot);
            if (refusal.IsRefused)
            {
                return false;
            }

            _tree.Add(new ProcessingBlock(block, tip, result.Post, result.Receipts, tip?.Programs ?? _programs));
            _ahead.Verified(block, ahead);
            return true;
        }
    }

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

    private bool TryFindParent(Block block, out ProcessingBlock? tip, out Refusal refusal)
    {
        tip = null;
        refusal = Refusal.None;
        if (block.Header.ParentId == _last.Id)
        {
            return true;
        }

        if (_tree.TryFind(block.Header.ParentId, out tip) && tip.IsLive)
        {
            return true;
        }

        refusal = tip is not null || block.Header.Height.CompareTo(_last.Header.Height) <= 0
            ? Conflicts(block)
            : new Refusal(RefusalCode.UnknownParent, $"Block {block.Id} stands on {block.Header.ParentId}, which is neither last accepted nor processing.");
        return false;
    }

    // Every rule about transactions that needs no execution, then the signatures of those that were never checked.
    private bool TryPrepareBlock(
        Block block, ProcessingBlock? tip, BlockPrograms programs, BlockAhead? ahead, [NotNullWhen(true)] out Message[]? batch, out Refusal refusal)
    {
        batch = null;
        int good = ahead?.Checked ?? 0;
        ReplayScope known = new(_window, tip);
        HashSet<TxId> inBlock = new(block.Transactions.Length);
        List<Transaction> unverified = [];
        Message[] messages = new Message[block.Transactions.Length];
        long start = Clock.Start();
        for (int i = 0; i < messages.Length; i++)
        {
            Transaction transaction = block.Transactions[i];
            refusal = ChainRules.CheckTime(transaction, block.Header.TimestampMs);
            if (!refusal.IsRefused && (!inBlock.Add(transaction.Id) || known.Contains(transaction.Id)))
            {
                refusal = new Refusal(RefusalCode.DuplicateTransaction, $"Transaction {transaction.Id} is in this block or its ancestors already.");
            }

            PreparedTransaction? found = i < good ? ahead!.Prepared[i] : null;
            if (refusal.IsRefused || !TryMessageOf(transaction, found, programs, unverified, out messages[i], out refusal))
            {
                refusal = Block.AtIndex(i, refusal);
                return false;
            }
        }

        Clock.Stop(Stage.Decode, start);
        refusal = Refusal.None;
        bool[] verdicts = VerifySignatures(CollectionsMarshal.AsSpan(unverified), Workers);
        int bad = Array.IndexOf(verdicts, false);
        if (bad >= 0)
        {
            refusal = Block.AtIndex(Array.IndexOf(block.Transactions, unverified[bad]), BadSignature(unverified[bad]));
            return false;
        }

        foreach (Transaction transaction in unverified)
        {
            _verified.Add(VerifiedMemory.HashOf(transaction));
        }

        batch = messages;
        return true;
    }

    private bool TryMessageOf(
        Transaction transaction, PreparedTransaction? known, BlockPrograms programs, List<Transaction> unverified, out Message message, out Refusal refusal)
    {
        message = null!;

        if (known is not null || IsWaiting(transaction, out known))
        {
            return programs.TryBind(known, out message!, out refusal);
        }

        if (!_rules.TryPrepare(transaction, out PreparedTransaction? prepared, out refusal) || !programs.TryBind(prepared, out message!, out refusal))
        {
            return false;
        }

        if (!_verified.Contains(VerifiedMemory.HashOf(transaction)))
        {
            unverified.Add(transaction);
        }

        return true;
    }

    // The same bytes wait here: prepared and checked when they came.
    private bool IsWaiting(Transaction transaction, [NotNullWhen(true)] out PreparedTransaction? waiting) =>
        _mempool.TryFind(transaction.Id, out waiting) && waiting.Transaction.Bytes.Span.SequenceEqual(transaction.Bytes.Span);

    private bool TryExecute(
        ReadOnlySpan<Message> batch, in BlockHeader header, BlockPrograms programs, IStateView state, [NotNullWhen(true)] out BatchResult? result, out Bytes32 receiptsRoot, out Refusal refusal)
    {
        receiptsRoot = default;
        if (!_engine.TryExecute(batch, _rules.ContextOf(header, programs), state, _execution, Workers, out result, out BatchFault fault))
        {
            refusal = Block.AtIndex(fault.TxIndex.Value, fault.Refusal);
            return false;
        }

        _lastTrace = result.Trace;
        Clock.Add(Stage.Execute, result.Trace.LoadNs + result.Trace.ExecuteNs);
        Clock.Add(Stage.Root, result.Trace.RootNs);
        long start = Clock.Start();
        receiptsRoot = _receiptsHashing.Root(result.Receipts.Span);
        Clock.Stop(Stage.Root, start);
        refusal = Refusal.None;
        return true;
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

    private static Refusal Conflicts(Block block) =>
        new(RefusalCode.ConflictsWithAccepted, $"Block {block.Id} at height {block.Header.Height} conflicts with an accepted block.");
}
