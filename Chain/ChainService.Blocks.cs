// The life of a block until it is decided: built or parsed, and verified by running it again.

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
        int workers = _trial.Choose(Workers);
        _engine.Pool.Width = workers;                                       // the store's part of a root too
        try
        {
            if (!_engine.TryExecute(batch, _rules.ContextOf(header, programs), state, _execution, workers, out result, out BatchFault fault))
            {
                refusal = Block.AtIndex(fault.TxIndex.Value, fault.Refusal);
                return false;
            }
        }
        finally
        {
            _engine.Pool.Width = WorkerPool.WorkersLimit;
        }

        _lastTrace = result.Trace;
        _trial.Report(result.GasUsed, result.Trace.LoadNs + result.Trace.ExecuteNs + result.Trace.RootNs);
        Clock.Add(Stage.Execute, result.Trace.LoadNs + result.Trace.ExecuteNs);
        Clock.Add(Stage.Root, result.Trace.RootNs);
        long start = Clock.Start();
        receiptsRoot = _receiptsHashing.Root(result.Receipts.Span);
        Clock.Stop(Stage.Root, start);
        refusal = Refusal.None;
        return true;
    }

    private static Refusal Conflicts(Block block) =>
        new(RefusalCode.ConflictsWithAccepted, $"Block {block.Id} at height {block.Header.Height} conflicts with an accepted block.");
}
