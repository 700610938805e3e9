// Where a chain's time goes: nanoseconds per stage since it was opened. Reports only; no decision reads it.
//
// Threading: Add from any thread.   Cost: two timestamps and one interlocked add per measured stage.

using System;
using System.Threading;

namespace ParallelVm.Chain;

/// <summary>The stages of a block's life.</summary>
public enum Stage
{
    /// <summary>Decoding bytes, and preparing transactions for the engine.</summary>
    Decode = 0,

    /// <summary>Checking signatures.</summary>
    Verify = 1,

    /// <summary>Choosing the transactions of a block.</summary>
    Build = 2,

    /// <summary>Running transactions, from loading keys to the diff.</summary>
    Execute = 3,

    /// <summary>State root and receipts root.</summary>
    Root = 4,

    /// <summary>Making an accepted block durable and applying its diff.</summary>
    Commit = 5,
}

/// <summary>Nanoseconds per stage.</summary>
/// <param name="time">The clock of the host.</param>
public sealed class StageClock(TimeProvider time)
{
    private readonly long[] _nanoseconds = new long[6];

    /// <summary>Nanoseconds spent in a stage.</summary>
    public long this[Stage stage] => Volatile.Read(ref _nanoseconds[(int)stage]);

    /// <summary>A moment to measure from.</summary>
    public long Start() => time.GetTimestamp();

    /// <summary>Counts what passed since <paramref name="start"/> towards a stage.</summary>
    /// <returns>Now: the start of the next stage.</returns>
    public long Stop(Stage stage, long start)
    {
        long now = time.GetTimestamp();
        Add(stage, (long)((Int128)(now - start) * 1_000_000_000 / time.TimestampFrequency));
        return now;
    }

    /// <summary>Counts nanoseconds that were measured elsewhere.</summary>
    public void Add(Stage stage, long nanoseconds) => Interlocked.Add(ref _nanoseconds[(int)stage], nanoseconds);
}
