// What goes into a batch besides its transactions, and what comes out.

using System;
using System.Threading;
using Microsoft.Extensions.ObjectPool;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

/// <summary>What is fixed for a chain.</summary>
public sealed class ExecutionRules
{
    /// <summary>The chain's state encoding.</summary>
    public required StateHashing Hashing { get; init; }

    /// <summary>The account whose native balance is credited with tips.</summary>
    public required PublicKey Treasury { get; init; }
}

/// <summary>Why a batch cannot be executed at all: a block that holds it is invalid.</summary>
/// <param name="TxIndex">The first transaction, in batch order, that may not be there.</param>
/// <param name="Refusal">Code of the 8xx group, and a sentence.</param>
public readonly record struct BatchFault(TxIndex TxIndex, Refusal Refusal);

/// <summary>What executing a batch made. Everything but <see cref="Trace"/> is the same for any worker count.</summary>
/// <remarks>It lasts as long as somebody holds it, unless its holder says <see cref="Recycle"/>.</remarks>
public sealed class BatchResult
{
    private readonly ObjectPool<ResultMemory> _home;
    private ResultMemory? _memory;

    internal BatchResult(ResultMemory memory, ObjectPool<ResultMemory> home)
    {
        _memory = memory;
        _home = home;
    }

    /// <summary>One receipt per transaction, in batch order; their outputs share one buffer.</summary>
    public required ReadOnlyMemory<Receipt> Receipts { get; init; }

    /// <summary>Keys whose final value differs from the loaded one.</summary>
    public required StateDiff Diff { get; init; }

    /// <summary>The state after the batch; nothing is durable.</summary>
    public required IStateView Post { get; init; }

    /// <summary>Root of <see cref="Post"/>.</summary>
    public required StateRoot Root { get; init; }

    /// <summary>Sum of all gas used.</summary>
    public required ulong GasUsed { get; init; }

    /// <summary>Base fees: taken from payers, given to nobody.</summary>
    public required UInt128 Burned { get; init; }

    /// <summary>Tips credited to the treasury.</summary>
    public required UInt128 Tips { get; init; }

    /// <summary>How it ran.</summary>
    public required BatchTrace Trace { get; init; }

    /// <summary>
    /// Gives the memory of receipts, outputs and diff back to the engine, for a later batch: a host that recycles allocates nothing per
    /// transaction. Afterwards nobody may use <see cref="Receipts"/>, <see cref="Diff"/>, or a view that keeps the diff, as <see cref="Post"/> may.
    /// Without it the garbage collector takes them. From any thread; once is enough.
    /// </summary>
    public void Recycle()
    {
        if (Interlocked.Exchange(ref _memory, null) is { } memory)
        {
            _home.Return(memory);
        }
    }
}

/// <summary>The arrays of one result. They grow to the largest batch that they served and are never cleared.</summary>
internal sealed class ResultMemory
{
    public Receipt[] Receipts = [];
    public byte[] Outputs = [];                 // of all receipts
    public DiffEntry[] Entries = [];
    public byte[] Values = [];                  // of all entries

    /// <summary>Makes room for <paramref name="length"/> elements, and not more: most results are kept and not recycled.</summary>
    public static void Fit<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            array = GC.AllocateUninitializedArray<T>(length);
        }
    }
}

/// <summary>What the scheduler saw of a batch, and how long each transaction took: everything that a simulation of its run needs.</summary>
/// <param name="Offsets">As <see cref="BatchAccesses.Offsets"/>.</param>
/// <param name="Keys">As <see cref="BatchAccesses.Keys"/>.</param>
/// <param name="Modes">As <see cref="BatchAccesses.Modes"/>.</param>
/// <param name="Costs">The estimates that chains were cut by, in gas.</param>
/// <param name="TimesNs">Measured, two clock readings included.</param>
/// <param name="KeyCount">Distinct keys.</param>
public sealed record BatchRecord(int[] Offsets, int[] Keys, AccessMode[] Modes, uint[] Costs, uint[] TimesNs, int KeyCount)
{
    /// <summary>The scheduler's view.</summary>
    public BatchAccesses Accesses => new(Offsets, Keys, Modes, Costs, KeyCount);

    internal static BatchRecord Of(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs) => new(
        accesses.Offsets.ToArray(), accesses.Keys.ToArray(), accesses.Modes.ToArray(), accesses.Costs.ToArray(), timesNs.ToArray(), accesses.KeyCount);
}

/// <summary>How a batch ran: for metrics and reports, never for consensus.</summary>
/// <param name="Workers">Workers that were asked to take part; 1 = the plain loop.</param>
/// <param name="Chains">Chains of the conflict graph, 0 when no graph was built.</param>
/// <param name="KeyCount">Distinct keys, payers included.</param>
/// <param name="WorkNs">Sum of the transactions' measured times; 0 unless <see cref="ParallelEngine.MeasuresTransactions"/>.</param>
/// <param name="SpanNs">Longest chain of waits in measured time; 0 unless measured.</param>
/// <param name="Width">Most transactions on one level; 0 unless measured.</param>
/// <param name="Stages">Where the time went.</param>
public readonly record struct BatchTrace(int Workers, int Chains, int KeyCount, long WorkNs, long SpanNs, int Width, BatchStages Stages)
{
    /// <summary>Checking, interning and loading.</summary>
    public long LoadNs => Stages.LoadNs;

    /// <summary>Reserving fees, building the graph and running the transactions.</summary>
    public long ExecuteNs => Stages.PlanNs + Stages.RunNs;

    /// <summary>Settling fees, the diff and the root.</summary>
    public long RootNs => Stages.SettleNs + Stages.DiffNs + Stages.ApplyNs;
}

/// <summary>Nanoseconds of each stage of a batch, one after the other; their sum is the batch's time.</summary>
/// <param name="LoadNs">Checking and interning the transactions, reading the records of their keys.</param>
/// <param name="PlanNs">Taking each transaction's highest fee from its payer, and the conflict graph if there is one.</param>
/// <param name="RunNs">The transactions.</param>
/// <param name="SettleNs">Folding adds, refunds, receipts.</param>
/// <param name="DiffNs">Finding, sorting and packing what changed.</param>
/// <param name="ApplyNs">The view on top of the diff, and its root.</param>
public readonly record struct BatchStages(long LoadNs, long PlanNs, long RunNs, long SettleNs, long DiffNs, long ApplyNs);
