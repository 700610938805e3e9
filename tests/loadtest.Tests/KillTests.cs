// kill -9 in the middle of a run, twenty times over one folder: see KillJob, whose command kills more often.

using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class KillTests
{
    [Fact]
    public void Every_acknowledged_block_survives_twenty_kills_with_its_root()
    {
        Invocation kill = Invocation.Of("kill", "--rounds", "20", "--seed", "20261");
        Assert.True(kill.ExitCode == ExitCodes.Success, kill.Error);
        Assert.StartsWith("20 kills", kill.Output, System.StringComparison.Ordinal);
    }
}
