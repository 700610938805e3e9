// Where a command speaks to: two writers, and whether a person watches them live.

using System.IO;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <summary>The outputs of one invocation.</summary>
/// <param name="Output">Results and progress.</param>
/// <param name="Error">One line per failure.</param>
/// <param name="IsLive">Output is a terminal: progress is a table that redraws, instead of lines.</param>
internal sealed record Terminal(TextWriter Output, TextWriter Error, bool IsLive)
{
    /// <summary>Prints a failure as one line: <c>error CODE NAME: sentence</c>.</summary>
    /// <returns><paramref name="exitCode"/>, so that a command can return it.</returns>
    public int Fail(in Refusal refusal, int exitCode = ExitCodes.BadInput)
    {
        Error.WriteLine($"error {OneLine(refusal.ToString())}");
        return exitCode;
    }

    /// <summary>The text without line breaks.</summary>
    public static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
