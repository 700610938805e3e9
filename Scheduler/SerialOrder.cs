// The twin of every schedule: one by one, in batch order. It is what the serial fiction means, it stays in the tree
// for ever as the oracle, and `--workers 1` is this loop.

namespace ParallelVm.Scheduler;

/// <summary>What is done for one transaction of a batch.</summary>
public interface ITransactionStep
{
    /// <summary>Runs the transaction at <paramref name="txIndex"/> and applies its effects before it returns.</summary>
    void Run(int txIndex);
}

/// <summary>Batch order itself.</summary>
public static class SerialOrder
{
    /// <summary>Runs 0, 1, ..., <paramref name="txCount"/> - 1 on the calling thread.</summary>
    /// <typeparam name="TStep">A struct, so that the loop calls it directly.</typeparam>
    public static void Run<TStep>(int txCount, ref TStep step)
        where TStep : struct, ITransactionStep, allows ref struct
    {
        for (int tx = 0; tx < txCount; tx++)
        {
            step.Run(tx);
        }
    }
}
