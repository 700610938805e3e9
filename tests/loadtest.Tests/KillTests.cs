// kill -9 in the middle of a run: what was acknowledged is there afterwards. The program runs as a process of its own; its
// lines are read as they come, and after a drawn number of them it is killed.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class KillTests
{
    private const int Kills = 20;

    [Fact]
    public void Every_acknowledged_block_survives_twenty_kills_with_its_root()
    {
        const ulong seed = 20261;
        SeededRandom random = new(seed);
        using TemporaryFolder folder = new();
        string data = folder["data"];
        List<string> acknowledged = [];
        for (int kill = 0; kill < Kills; kill++)
        {
            int before = acknowledged.Count;
            KillAfter(data, 1 + random.Next(4), acknowledged);
            Invocation info = Invocation.Of("info", "--data", data, "--lines");
            Assert.True(info.ExitCode == ExitCodes.Success, $"seed {seed} kill {kill}: {info.Error}");
            List<string> durable = Accepted(info.Output.Split('\n'));

            // durable may be longer: a block can be safe on disk before its line was read
            Assert.True(durable.Count >= acknowledged.Count, $"seed {seed} kill {kill}: {durable.Count} durable, {acknowledged.Count} acknowledged");
            for (int i = 0; i < acknowledged.Count; i++)
            {
                Assert.True(acknowledged[i] == durable[i], $"seed {seed} kill {kill}: {durable[i]} for {acknowledged[i]}");
            }

            Assert.True(acknowledged.Count > before, $"seed {seed} kill {kill}: nothing was accepted");
            acknowledged = durable;
        }

        // the chain that was killed again and again is the chain of an undisturbed run
        Invocation undisturbed = Invocation.Of("run", "--blocks", $"{acknowledged.Count}", "--txs", "40", "--no-verify");
        Assert.Equal(Accepted(undisturbed.Output.Split('\n')), acknowledged);
    }

    private static void KillAfter(string data, int lines, List<string> acknowledged)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "ParallelVm.loadtest.dll");
        ProcessStartInfo start = new(Environment.ProcessPath is string host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
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
        Assert.True(Accepted(printed).Count == lines, $"The program ended by itself: {process.StandardError.ReadToEnd()}");
        acknowledged.AddRange(Accepted(printed));

        // lines that were in the pipe are acknowledged too; the last may be cut
        string[] late = rest.Split('\n');
        acknowledged.AddRange(Accepted(late[..^1]));
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
