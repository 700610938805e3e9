// Crash points: see CrashRun. Six lives of some 900 operations, and a second crash after each: over ten thousand of them. Two classes,
// because classes run in parallel.

namespace ParallelVm.Faster.Tests;

public abstract class CrashTests
{
    /// <summary>Every place of a life, the ways in turn; the campaign (tests/Simulation, crash) takes all ways at each.</summary>
    protected static void Survive(ulong seed, int blocks, int step)
    {
        CrashRun run = new(seed, blocks);
        int crashes = run.CrashAtEvery(0, step, allWays: false);
        Assert.Equal((run.Places + step - 1) / step, crashes);
        Assert.True(run.Places > blocks * 8, $"seed {seed}: only {run.Places} places");
    }
}

public sealed class CrashTestsA : CrashTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Machine_that_stops_after_any_operation_has_lost_nothing(ulong seed) => Survive(seed, 40, 1);
}

public sealed class CrashTestsB : CrashTests
{
    [Theory, InlineData(4), InlineData(5), InlineData(6)]
    public void Machine_that_stops_after_any_operation_has_lost_nothing(ulong seed) => Survive(seed, 40, 1);
}

// The lives are drawn from seeds and run on one thread on a disk in memory, so what is counted is the same everywhere.
public sealed class CrashCountTests
{
    [Fact]
    public void Lives_have_the_places_that_are_promised()
    {
        int places = 0;
        for (ulong seed = 1; seed <= 6; seed++)
        {
            places += new CrashRun(seed, 40).Places;
        }

        Assert.True(2 * places >= 10_000, $"{places} places, a crash at each and a second one after it");
        FaultRun writes = new(31);
        FaultRun reads = new(32);
        int faults = (5 * writes.Writes) + (3 * reads.Reads);      // FaultTests; flipped bits count themselves
        Assert.True(faults >= 1_500, $"{writes.Writes} writes, {reads.Reads} reads, {faults} faults");
    }
}
