// The serial fiction from outside: one seed, one chain, whatever the workers, however often it is stopped.

using System;
using System.Linq;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class DeterminismTests
{
    private const string Blocks = "6";

    [Fact]
    public void Blocks_are_the_same_with_1_2_4_16_and_64_workers_twice_in_a_row()
    {
        string[] expected = Accepted("run", "--seed", "9", "--blocks", Blocks, "--txs", "120", "--conflict", "0.3", "--workers", "1");
        Assert.Equal(6, expected.Length);
        foreach (string workers in new[] { "1", "2", "4", "16", "64", "2", "64" })
        {
            Assert.Equal(expected, Accepted("run", "--seed", "9", "--blocks", Blocks, "--txs", "120", "--conflict", "0.3", "--workers", workers));
        }
    }

    [Fact]
    public void Run_over_a_folder_continues_where_the_last_one_stopped()
    {
        string[] expected = Accepted("run", "--seed", "5", "--blocks", Blocks, "--txs", "80");
        using TemporaryFolder folder = new();
        string data = folder["data"];
        string[] first = Accepted("run", "--seed", "5", "--blocks", "2", "--txs", "80", "--data", data, "--workers", "2");
        string[] second = Accepted("run", "--seed", "5", "--blocks", "1", "--txs", "80", "--data", data, "--workers", "16");
        string[] third = Accepted("run", "--seed", "5", "--blocks", "3", "--txs", "80", "--data", data, "--workers", "1");
        Assert.Equal(expected, first.Concat(second).Concat(third));

        Invocation info = Invocation.Of("info", "--data", data, "--lines");
        Assert.Equal(ExitCodes.Success, info.ExitCode);
        Assert.Equal(expected, Lines(info, "accepted "));
        Assert.Equal("tip " + expected[^1]["accepted ".Length..], Assert.Single(Lines(info, "tip ")));
    }

    [Fact]
    public void Full_blocks_and_hot_keys_leave_nothing_behind_for_the_next_height()
    {
        string[] load = ["--seed", "3", "--txs", "2500", "--conflict", "1", "--mix", "swaps=100", "--no-verify", "--workers", "2"];
        string[] expected = Accepted(["run", "--blocks", "3", .. load]);
        using TemporaryFolder folder = new();
        string[] first = Accepted(["run", "--blocks", "1", "--data", folder["data"], .. load]);
        string[] second = Accepted(["run", "--blocks", "2", "--data", folder["data"], .. load]);
        Assert.Equal(expected, first.Concat(second));
    }

    private static string[] Accepted(params string[] args)
    {
        Invocation invocation = Invocation.Of(args);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        return Lines(invocation, "accepted ");
    }

    private static string[] Lines(Invocation invocation, string start) =>
        [.. invocation.Output.Split('\n').Where(line => line.StartsWith(start, StringComparison.Ordinal))];
}
