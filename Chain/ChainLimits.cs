// What one chain allows. Genesis may lower the limits of the format, never raise them.

using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A chain's limits; part of genesis, so of the chain id.</summary>
/// <param name="MaxTransactionBytes">Longest transaction, [1, 64 KiB].</param>
/// <param name="MaxAccesses">Longest access list, [0, 64].</param>
/// <param name="MaxArgumentBytes">Longest arguments, [0, 2 KiB].</param>
/// <param name="MaxTransactionGas">Highest gas limit of a transaction, [1, 2^40], at most the block's.</param>
/// <param name="MaxBlockBytes">Longest block, at most 1.5 MiB, at least a header and one longest transaction.</param>
/// <param name="MaxBlockGas">The gas limits of a block's transactions add up to at most this. The bound is on limits, not on
/// gas used, so that it can be checked before anything runs.</param>
public sealed record ChainLimits(
    int MaxTransactionBytes, int MaxAccesses, int MaxArgumentBytes, ulong MaxTransactionGas, int MaxBlockBytes, ulong MaxBlockGas)
{
    /// <summary>The format's own limits, with 150 Mgas per block: half a second of one interpreter at the floor of 300 Mgas/s.</summary>
    public static readonly ChainLimits Default = new(
        Transaction.MaxBytes, AccessList.MaxAccesses, Transaction.MaxArgumentBytes, 30_000_000, BlockFormat.MaxBytes, 150_000_000);

    /// <summary>Checks the ranges above.</summary>
    public Refusal Check()
    {
        string? wrong =
            MaxTransactionBytes is < 1 or > Transaction.MaxBytes ? $"maxTransactionBytes is {MaxTransactionBytes}; it lies in [1, {Transaction.MaxBytes}]."
            : MaxAccesses is < 0 or > AccessList.MaxAccesses ? $"maxAccesses is {MaxAccesses}; it lies in [0, {AccessList.MaxAccesses}]."
            : MaxArgumentBytes is < 0 or > Transaction.MaxArgumentBytes ? $"maxArgumentBytes is {MaxArgumentBytes}; it lies in [0, {Transaction.MaxArgumentBytes}]."
            : MaxTransactionGas is < 1 or > Fees.MaxGas ? $"maxTransactionGas is {MaxTransactionGas}; it lies in [1, 2^40]."
            : MaxBlockGas < MaxTransactionGas ? $"maxBlockGas is {MaxBlockGas}, below maxTransactionGas {MaxTransactionGas}."
            : MaxBlockGas > BlockFormat.MaxGas ? $"maxBlockGas is {MaxBlockGas}; it lies in [1, 2^48]."
            : MaxBlockBytes > BlockFormat.MaxBytes ? $"maxBlockBytes is {MaxBlockBytes}; at most {BlockFormat.MaxBytes} are allowed."
            : MaxBlockBytes < BlockFormat.HeaderBytes + 4 + MaxTransactionBytes ? $"maxBlockBytes is {MaxBlockBytes}; a header and one longest transaction need {BlockFormat.HeaderBytes + 4 + MaxTransactionBytes}."
            : null;
        return wrong is null ? Refusal.None : new Refusal(RefusalCode.GenesisLimitOutOfRange, wrong);
    }
}
