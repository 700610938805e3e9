// One run of the program inside the test's process: its exit code and what it printed.

using System;
using System.IO;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

internal sealed record Invocation(int ExitCode, string Output, string Error)
{
    public static Invocation Of(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int exitCode = CommandLine.Run(args, new Terminal(output, error, IsLive: false));
        return new Invocation(exitCode, output.ToString(), error.ToString());
    }

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
