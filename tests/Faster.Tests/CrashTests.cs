// Crash points: see CrashRun.

namespace ParallelVm.Faster.Tests;

public sealed class CrashTests
{
    [Theory, InlineData(1), InlineData(2)]
    public void Machine_that_stops_after_any_operation_has_lost_nothing(ulong seed)
    {
        CrashRun run = new(seed, 40);
        Assert.True(run.Places > 400);
        Assert.Equal((run.Places + 4) / 5, run.CrashAtEvery(0, 5, allWays: false));
    }
}
