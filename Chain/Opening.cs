// Brings a store up to its newest durable block: genesis into a fresh store, and after a restart the execution of what is
// durable but not in the accepted state. A block that does not execute to its own header means that the disk or
// the code is not what it was; the chain is not opened then, and nothing is repaired.
//
// Signatures are not checked again: the block was accepted once, and the store proves its bytes.
//
// Threading: before the service exists, so one thread.

using System.Diagnostics.CodeAnalysis;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>The steps of opening a chain.</summary>
internal static class Opening
{
    /// <summary>Ends with the store's newest block in its accepted state.</summary>
    public static bool TryBringUp(ChainRules rules, ChainOptions options, [NotNullWhen(true)] out Block? last, out Refusal refusal)
    {
        IStateStore store = options.Store;
        last = null;
        refusal = store.LastAccepted is null ? Refusal.None : CheckChain(rules, store.Accepted);
        while (!refusal.IsRefused && store.TryNextReplay(out BlockRecord? record))
        {
            refusal = record.Value.Height.Value == 0
                ? ReplayGenesis(rules.Genesis, store, record.Value)
                : ReplayBlock(rules, options, record.Value, out last);
        }

        if (refusal.IsRefused)
        {
            last = null;
            return false;
        }

        if (store.LastAccepted is null)
        {
            IStateView view = store.Accepted.Apply(rules.Genesis.ToDiff());
            Block genesis = rules.Genesis.ToBlock(view.Root);
            store.Accept(new BlockRecord(genesis.Header.Height, default, genesis.Id, view.Root, genesis.Bytes), view);
            last = genesis;
        }

        if (options.OpenAt is { } height && height.CompareTo(store.LastAccepted!.Value.Height) < 0)
        {
            store.StepBack(height);
            last = null;
        }

        last ??= ReadLast(store);
        return true;
    }

    // The record under owner zero and key zero is the chain id; no transaction can write it.
    private static Refusal CheckChain(ChainRules rules, IStateView state)
    {
        byte[] record = new byte[StateLimits.MaxRecordBytes];
        int length = state.Read(rules.Hashing.KeyOf(default, default), record);
        return length == Bytes32.Size && Bytes32.From(record) == rules.ChainId.Value
            ? Refusal.None
            : new Refusal(RefusalCode.GenesisMismatch, $"The store does not hold chain {rules.ChainId}, which this genesis makes.");
    }

    private static Refusal ReplayGenesis(Genesis genesis, IStateStore store, in BlockRecord record)
    {
        IStateView view = store.Accepted.Apply(genesis.ToDiff());
        Block block = genesis.ToBlock(view.Root);
        if (block.Id != record.BlockId)
        {
            return new Refusal(RefusalCode.GenesisMismatch, $"The store's block 0 is {record.BlockId}; this genesis makes {block.Id}.");
        }

        store.Replayed(record, view);
        return Refusal.None;
    }

    private static Refusal ReplayBlock(ChainRules rules, ChainOptions options, in BlockRecord record, out Block? last)
    {
        if (!Block.TryDecode(record.Payload.Span, out last, out Refusal refusal))
        {
            return Diverged(record, refusal.ToString());
        }

        Message[] batch = new Message[last.Transactions.Length];
        BlockPrograms programs = new(rules, options.Store.Accepted);
        for (int i = 0; i < batch.Length; i++)
        {
            if (!rules.TryPrepare(last.Transactions[i], out PreparedTransaction? prepared, out refusal) || !programs.TryBind(prepared, out batch[i]!, out refusal))
            {
                return Diverged(record, Block.AtIndex(i, refusal).ToString());
            }
        }

        ExecutionRules execution = new() { Hashing = rules.Hashing, Treasury = rules.Genesis.Treasury };
        BlockContext context = rules.ContextOf(last.Header, programs);
        if (!options.Engine.TryExecute(batch, context, options.Store.Accepted, execution, options.Workers, out BatchResult? result, out BatchFault fault))
        {
            return Diverged(record, fault.Refusal.ToString());
        }

        Refusal mismatch = BlockChecks.CompareToHeader(last.Header, result, new ReceiptsHashing(rules.ChainId).Root(result.Receipts.Span));
        if (mismatch.IsRefused)
        {
            return Diverged(record, mismatch.ToString());
        }

        options.Store.Replayed(record, result.Post);
        return Refusal.None;
    }

    private static Refusal Diverged(in BlockRecord record, string why) =>
        new(RefusalCode.ReplayDiverged, $"Durable block {record.Height} ({record.BlockId}) does not execute to its header again. {why}");

    private static Block ReadLast(IStateStore store)
    {
        Height height = store.LastAccepted!.Value.Height;
        Block? last = null;
        bool found = store.TryReadBlock(height, out BlockRecord? record) && Block.TryDecode(record.Value.Payload.Span, out last, out _);
        Invariant.Require(found && last!.Id == store.LastAccepted.Value.BlockId);
        return last!;
    }
}
