// Crash points: see CrashRun.

using System;

namespace ParallelVm.Faster.Tests;

public sealed class CrashTests
{
    [Theory, InlineData(1), InlineData(2)]
    public void Machine_that_stops_after_any_operation_has_lost_nothing(ulong seed)
    {
        CrashRun run = new(seed, 40);
        var w = System.Diagnostics.Stopwatch.StartNew();
        int n = run.CrashAtEvery(0, 1, allWays: false);
        Console.WriteLine($"places {run.Places} crashes {n} {w.ElapsedMilliseconds} ms");
        Assert.True(run.Places > 100);
    }
}
