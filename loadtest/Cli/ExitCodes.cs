// What the process says to its caller.

namespace ParallelVm.Loadtest.Cli;

/// <summary>Exit codes of the program. A code never changes its meaning.</summary>
internal static class ExitCodes
{
    /// <summary>Done, and every check held.</summary>
    public const int Success = 0;

    /// <summary>The parallel and the serial execution reached different roots: severity 1.</summary>
    public const int Divergence = 1;

    /// <summary>The caller's input is wrong: command line, file, folder of another chain.</summary>
    public const int BadInput = 2;

    /// <summary>The machine failed: I/O error, missing permission, damaged data folder.</summary>
    public const int LocalFailure = 3;

    /// <summary>A defect of ours.</summary>
    public const int Unexpected = 70;
}
