// Times one block by the serial twin and in parallel, side by side: the two take turns on the same records, and the median
// of a few rounds counts, so a machine that is busy for a moment does not decide. One more serial execution, with
// every transaction timed, gives the block's work and span.
//
// No round computes a root and none changes the state.
//
// Threading: the caller's thread; the engine has workers of its own.

using System;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Drive;

/// <summary>What a block costs, in nanoseconds of loading its keys and running it.</summary>
/// <param name="WorkNs">Sum of its transactions' times.</param>
/// <param name="SpanNs">Longest chain of waits among them.</param>
internal readonly record struct BlockTimes(long SerialNs, long ParallelNs, long WorkNs, long SpanNs)
{
    /// <summary>Both together.</summary>
    public BlockTimes Plus(in BlockTimes other) =>
        new(SerialNs + other.SerialNs, ParallelNs + other.ParallelNs, WorkNs + other.WorkNs, SpanNs + other.SpanNs);
}

/// <summary>Times blocks.</summary>
internal sealed class BlockTimer(ParallelEngine engine, ExecutionRules rules, int workers, int rounds)
{
    private readonly long[] _serial = new long[rounds];
    private readonly long[] _parallel = new long[rounds];

    /// <summary>Times a block that is known to be valid.</summary>
    public BlockTimes Measure(Message[] batch, in BlockContext context, IStateView state)
    {
        RootlessView view = new(state);
        for (int round = 0; round < rounds; round++)
        {
            bool isSerialFirst = round % 2 == 0;            // neither side always finds the caches warm
            long first = Run(batch, context, view, isSerialFirst ? 1 : workers).ExecuteAndLoadNs();
            long second = Run(batch, context, view, isSerialFirst ? workers : 1).ExecuteAndLoadNs();
            _serial[round] = isSerialFirst ? first : second;
            _parallel[round] = isSerialFirst ? second : first;
        }

        Array.Sort(_serial);
        Array.Sort(_parallel);
        engine.MeasuresTransactions = true;
        BatchTrace measured = Run(batch, context, view, 1);
        engine.MeasuresTransactions = false;
        return new BlockTimes(_serial[rounds / 2], _parallel[rounds / 2], measured.WorkNs, measured.SpanNs);
    }

    private BatchTrace Run(Message[] batch, in BlockContext context, RootlessView view, int workerCount)
    {
        if (!engine.TryExecute(batch, context, view, rules, workerCount, out BatchResult? result, out BatchFault fault))
        {
            throw new InvariantException($"Block {context.Height} does not execute: {fault.Refusal}");
        }

        result.Recycle();
        return result.Trace;
    }
}

/// <summary>A state that can be read and does not change.</summary>
internal sealed class RootlessView(IStateView records) : IStateView
{
    public StateRoot Root => default;

    public int Readers => records.Readers;

    public int Read(in StateKey key, Span<byte> target) => records.Read(key, target);

    public int Read(int reader, in StateKey key, Span<byte> target) => records.Read(reader, key, target);

    public int ReadMany(int reader, ReadOnlySpan<StateKey> keys, Span<RecordPlace> places, Span<byte> target) => records.ReadMany(reader, keys, places, target);

    public IStateView Apply(StateDiff diff) => this;
}

/// <summary>Readings of traces.</summary>
internal static class BatchTraces
{
    /// <summary>Time of a batch without settling and root.</summary>
    public static long ExecuteAndLoadNs(this in BatchTrace trace) => trace.LoadNs + trace.ExecuteNs;
}
