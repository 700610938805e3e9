// What each command does once its options are known. A command returns an exit code; it never exits the process.

using System.IO;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <summary>The commands.</summary>
internal static class Commands
{
    /// <summary>Names of the benchmark suites.</summary>
    public static readonly string[] Suites = ["engine"];

    public static int MainJob(MainOptions options, Terminal terminal) => NotYet(terminal);

    public static int Run(RunOptions options, Terminal terminal) => NotYet(terminal);

    public static int Info(string folder, Terminal terminal) => Directory.Exists(folder)
        ? NotYet(terminal)
        : terminal.Fail(new Refusal(RefusalCode.UnreadableFile, $"There is no folder '{folder}'."));

    public static int Replay(ReplayOptions options, Terminal terminal) =>
        TraceBlock.TryReadFile(options.File, out _, out Refusal refusal) ? NotYet(terminal) : terminal.Fail(refusal);

    public static int Bench(BenchOptions options, Terminal terminal) => NotYet(terminal);

    private static int NotYet(Terminal terminal) =>
        terminal.Fail(new Refusal(RefusalCode.BadCommandLine, "This command is not built yet."));
}
