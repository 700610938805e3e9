// kill: a run in a process of its own, killed (SIGKILL) after a drawn number of its lines, again and again over one folder.
// After each kill the folder is opened and must hold every acknowledged block, byte for byte of its line; at the end the chain
// must be the one of an undisturbed run.
//
// The page cache survives a kill: this does not prove what a power cut does. The crash points (tests/Faster.Tests) do.
//
// Threading: the caller's thread; the runs are processes.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The command <c>kill</c>.</summary>
internal static class KillJob
{
    /// <summary>Kills so many times.</summary>
    /// <returns>An exit code; what is wrong is one line.</returns>
    public static int Run(int rounds, ulong seed, Terminal terminal)
    {
        string folder = Directory.CreateTempSubdirectory("parallelvm-kill-").FullName;
        try
        {
            string? wrong = Kill(rounds, seed, Path.Combine(folder, "data"), out int blocks);
            if (wrong is not null)
            {
                return terminal.Fail(new Refusal(RefusalCode.LocalFailure, $"seed {seed}: {wrong}"), ExitCodes.LocalFailure);
            }

            terminal.Output.WriteLine($"{rounds} kills, {blocks} blocks, none lost, seed {seed}");
            return ExitCodes.Success;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string? Kill(int rounds, ulong seed, string data, out int blocks)
    {
        SeededRandom random = new(seed);
        List<string> acknowledged = [];
        for (int round = 0; round < rounds; round++)
        {
            int before = acknowledged.Count;
            string? ended = KillAfter(data, 1 + random.Next(4), acknowledged);
            (int code, string output, string error) = Call("info", "--data", data, "--lines");
            List<string> durable = Accepted(output.Split('\n'));
            blocks = durable.Count;
            if (ended is not null || code != ExitCodes.Success)
            {
                return $"kill {round}: {ended ?? error}";
            }

            // durable may be longer: a block can be safe on disk before its line was read
            for (int i = 0; i < acknowledged.Count; i++)
            {
                if (i >= durable.Count || acknowledged[i] != durable[i])
                {
                    return $"kill {round}: '{(i < durable.Count ? durable[i] : "nothing")}' for '{acknowledged[i]}'";
                }
            }

            if (acknowledged.Count == before)
            {
                return $"kill {round}: nothing was accepted";
            }

            acknowledged = durable;
        }

        blocks = acknowledged.Count;
        (_, string undisturbed, _) = Call("run", "--blocks", $"{blocks}", "--txs", "40", "--no-verify");
        List<string> expected = Accepted(undisturbed.Split('\n'));
        return expected.Count == blocks && expected.TrueForAll(acknowledged.Contains) ? null : "the chain is not the one of an undisturbed run";
    }

    private static (int Code, string Output, string Error) Call(params string[] words)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CommandLine.Run(words, new Terminal(output, error, IsLive: false));
        return (code, output.ToString(), Terminal.OneLine(error.ToString()));
    }

    private static string? KillAfter(string data, int lines, List<string> acknowledged)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "ParallelVm.loadtest.dll");
        string host = Environment.ProcessPath is string path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        ProcessStartInfo start = new(host) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in new[] { "exec", program, "run", "--blocks", "10000", "--txs", "40", "--no-verify", "--data", data })
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new InvalidOperationException("The program did not start.");
        List<string> printed = [];
        while (Accepted(printed).Count < lines && process.StandardOutput.ReadLine() is string line)
        {
            printed.Add(line);
        }

        process.Kill();
        string rest = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        acknowledged.AddRange(Accepted(printed));

        // lines that were in the pipe are acknowledged too; the last may be cut
        acknowledged.AddRange(Accepted(rest.Split('\n')[..^1]));
        return Accepted(printed).Count == lines ? null : $"the program ended by itself: {Terminal.OneLine(process.StandardError.ReadToEnd())}";
    }

    private static List<string> Accepted(IEnumerable<string> lines)
    {
        List<string> accepted = [];
        foreach (string line in lines)
        {
            if (line.StartsWith("accepted ", StringComparison.Ordinal))
            {
                accepted.Add(line);
            }
        }

        return accepted;
    }
}
