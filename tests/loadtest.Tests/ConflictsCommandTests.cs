// conflicts: the file's numbers agree with each other and with replay's spans, the picture is DOT that names every conflict.

using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class ConflictsCommandTests
{
    private const string Trace =
        """
        {"block":7,"kinds":"sbns","account":[0,0,0,1],"writes":[[0],[0,1],[1,3],[2]]}
        {"block":8,"kinds":"sb","account":[0,1],"writes":[[1],[1],[1]]}

        """;

    [Fact]
    public void One_block_of_a_trace_is_explained_with_the_key_on_every_edge()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["trace.jsonl"], Trace);
        JsonElement block = Assert.Single(Conflicts(folder, folder["trace.jsonl"], "--block", "7", "--balances", "write", "--dot", folder["block.dot"]));
        Assert.Equal((4, 3UL), (block.GetProperty("transactions").GetInt32(), block.GetProperty("span").GetUInt64()));
        Assert.Equal([0, 1, 2], block.GetProperty("criticalPath").EnumerateArray().Select(step => step.GetProperty("tx").GetInt32()));
        Assert.Equal(
            [null, "account 0 slot 0", "account 0 balance"],
            block.GetProperty("criticalPath").EnumerateArray().Select(step => step.GetProperty("key").GetString()));
        CheckSums(block);
        string[] dot = File.ReadAllLines(folder["block.dot"]);
        Assert.Contains("  t00000 -> t00001 [label=\"account 0 slot 0\", color=red, penwidth=2];", dot);
        Assert.Contains("  t00001 -> t00002 [label=\"account 0 balance\", color=red, penwidth=2];", dot);
        Assert.DoesNotContain(dot, line => line.Contains("t00003", StringComparison.Ordinal));
        Assert.Equal(("digraph conflicts {", "}"), (dot[0], dot[^1]));
    }

    [Fact]
    public void A_trace_is_explained_block_by_block_in_gas_too()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["trace.jsonl"], Trace);
        JsonElement[] blocks = Conflicts(folder, folder["trace.jsonl"], "--costs", "gas");
        Assert.Equal([7UL, 8UL], blocks.Select(block => block.GetProperty("block").GetUInt64()));
        Assert.Equal(3, blocks[1].GetProperty("hottestKeys")[0].GetProperty("adds").GetInt32());
        Assert.True(blocks[1].GetProperty("ceiling").GetDouble() > 2.9);       // three adders of one balance beside each other
        Array.ForEach(blocks, CheckSums);
    }

    [Fact]
    public void A_block_of_a_folder_is_explained_with_the_names_of_its_records()
    {
        using TemporaryFolder folder = new();
        Invocation run = Invocation.Of("run", "--blocks", "2", "--txs", "60", "--conflict", "0.5", "--workers", "1", "--no-verify", "--data", folder["chain"]);
        Assert.True(run.ExitCode == ExitCodes.Success, run.Error);
        JsonElement block = Assert.Single(Conflicts(folder, "--data", folder["chain"], "--height", "2"));
        Assert.True(block.GetProperty("work").GetUInt64() > 60 * 1_000);
        Assert.Equal("pool 0", block.GetProperty("hottestKeys")[0].GetProperty("key").GetString());
        CheckSums(block);
    }

    [RealTraceFact]
    public void Spans_of_the_real_trace_are_those_of_replay()
    {
        using TemporaryFolder folder = new();
        foreach ((string balances, long span) in new[] { ("write", 7_070L), ("add", 605L) })
        {
            JsonElement[] blocks = Conflicts(folder, RealTraceFactAttribute.Path!, "--balances", balances);
            Assert.Equal(span, blocks.Sum(block => block.GetProperty("span").GetInt64()));
            Array.ForEach(blocks, CheckSums);
        }
    }

    [Theory]
    [InlineData("conflicts")]
    [InlineData("conflicts", "trace.jsonl", "--data", "x")]
    [InlineData("conflicts", "trace.jsonl", "--block", "9")]
    [InlineData("conflicts", "trace.jsonl", "--dot", "picture.dot")]
    [InlineData("conflicts", "trace.jsonl", "--costs", "time")]
    [InlineData("conflicts", "--data", "nowhere")]
    public void What_is_wrong_is_said_in_one_line(params string[] args)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["trace.jsonl"], Trace);
        Invocation invocation = Invocation.Of([.. args.Select(arg => arg is "trace.jsonl" or "picture.dot" ? folder[arg] : arg)]);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        Assert.Single(invocation.ErrorLines);
    }

    private static JsonElement[] Conflicts(TemporaryFolder folder, params string[] args)
    {
        Invocation invocation = Invocation.Of(["conflicts", .. args, "--json", folder["conflicts.json"]]);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(folder["conflicts.json"]));
        Assert.Equal("parallelvm.conflicts/1", document.RootElement.GetProperty("schema").GetString());
        return [.. document.RootElement.GetProperty("blocks").EnumerateArray().Select(block => block.Clone())];
    }

    private static void CheckSums(JsonElement block)
    {
        ulong at = 0;
        foreach (JsonElement step in block.GetProperty("criticalPath").EnumerateArray())
        {
            Assert.Equal(at, step.GetProperty("start").GetUInt64());
            at += step.GetProperty("cost").GetUInt64();
        }

        Assert.Equal(at, block.GetProperty("span").GetUInt64());
        Assert.Equal(block.GetProperty("work").GetUInt64() / (double)Math.Max(1, at), block.GetProperty("ceiling").GetDouble(), 6);
    }
}
