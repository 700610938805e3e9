// The rules of a block that need no state: its place on its parent, its time, and whether execution gave what its header says.
// Pure functions, so that each rule is tested by itself.

using ParallelVm.Engine;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Rules of validity.</summary>
internal static class BlockChecks
{
    /// <summary>Height, time, emptiness, size and gas of a block on a known parent.</summary>
    /// <param name="nowMs">This node's clock.</param>
    public static Refusal CheckPlace(Block block, in BlockHeader parent, ChainLimits limits, ulong nowMs)
    {
        BlockHeader header = block.Header;
        if (header.Height != parent.Height.Next)
        {
            return new Refusal(RefusalCode.WrongHeight, $"The height is {header.Height}; the parent's is {parent.Height}.");
        }

        if (header.TimestampMs <= parent.TimestampMs)
        {
            return new Refusal(RefusalCode.TimestampNotAfterParent, $"The timestamp is {header.TimestampMs} ms; the parent's is {parent.TimestampMs} ms.");
        }

        if (header.TimestampMs > nowMs && header.TimestampMs - nowMs > ChainRules.MaxAheadMs)
        {
            return new Refusal(RefusalCode.TimestampTooFarAhead, $"The timestamp is {header.TimestampMs - nowMs} ms ahead; at most {ChainRules.MaxAheadMs} are allowed.");
        }

        if (block.Transactions.Length == 0)
        {
            return new Refusal(RefusalCode.EmptyBlock, $"Block {block.Id} holds no transaction.");
        }

        if (block.Bytes.Length > limits.MaxBlockBytes)
        {
            return new Refusal(RefusalCode.BlockTooLarge, $"The block is {block.Bytes.Length} bytes long; this chain allows {limits.MaxBlockBytes}.");
        }

        return CheckGas(block, limits);
    }

    /// <summary>Compares what execution gave with what the header says.</summary>
    public static Refusal CompareToHeader(in BlockHeader header, BatchResult result, in Bytes32 receiptsRoot)
    {
        if (result.GasUsed != header.GasUsed)
        {
            return new Refusal(RefusalCode.GasUsedMismatch, $"The header says {header.GasUsed} gas used; execution used {result.GasUsed}.");
        }

        if (receiptsRoot != header.ReceiptsRoot)
        {
            return new Refusal(RefusalCode.ReceiptsRootMismatch, $"The header says receipts root {header.ReceiptsRoot}; execution gave {receiptsRoot}.");
        }

        if (result.Root != header.StateRoot)
        {
            return new Refusal(RefusalCode.StateRootMismatch, $"The header says state root {header.StateRoot}; execution gave {result.Root}.");
        }

        return Refusal.None;
    }

    // A sum over transaction limits that may be anything up to 2^64 each, so it stops before it can wrap.
    private static Refusal CheckGas(Block block, ChainLimits limits)
    {
        ulong left = limits.MaxBlockGas;
        foreach (Transaction transaction in block.Transactions)
        {
            if (transaction.GasLimit > left)
            {
                return new Refusal(RefusalCode.BlockGasExceeded, $"The gas limits of the transactions exceed the block's {limits.MaxBlockGas}.");
            }

            left -= transaction.GasLimit;
        }

        return Refusal.None;
    }
}
