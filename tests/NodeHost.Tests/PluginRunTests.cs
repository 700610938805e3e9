// loadtest run --plugin: the load through real processes.

using System;
using System.IO;
using System.Text.Json;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.NodeHost.Tests;

public sealed class PluginRunTests
{
    [Fact]
    public void A_run_through_plugins_reports_equal_roots_and_its_calls_and_goes_on_in_its_folder()
    {
        using TestFolder folder = new();
        string json = Path.Combine(folder.Path, "report.json");
        string data = Path.Combine(folder.Path, "data");
        for (int round = 0; round < 2; round++)
        {
            (int exit, string output, string error) = Run(
                "run", "--plugin", "--nodes", "2", "--blocks", $"{3 - round}", "--warm-up", $"{round}", "--txs", "50", "--workers", "1", "--data", data, "--json", json, "--submit", round == 0 ? "api" : "gossip");
            Assert.True(exit == 0, error);
            Assert.Contains($"accepted {(3 * round) + 3} ", output, StringComparison.Ordinal);
            using JsonDocument report = JsonDocument.Parse(File.ReadAllText(json));
            JsonElement root = report.RootElement;
            Assert.True(root.GetProperty("rootsEqual").GetBoolean());
            Assert.Equal(3 - round, root.GetProperty("blocks").GetInt32());
            JsonElement counts = root.GetProperty("transactions");
            Assert.Equal(50 * (3 - round), counts.GetProperty("offered").GetInt64());
            Assert.InRange(counts.GetProperty("accepted").GetInt64(), counts.GetProperty("included").GetInt64(), counts.GetProperty("offered").GetInt64());
            Assert.InRange(counts.GetProperty("included").GetInt64(), 80, counts.GetProperty("offered").GetInt64());
            JsonElement rpc = root.GetProperty("rpc");
            Assert.Equal(2, rpc.GetProperty("nodes").GetInt32());
            Assert.True(rpc.GetProperty("calls").GetInt64() > 20);
            Assert.True(rpc.GetProperty("p99Ms").GetDouble() >= rpc.GetProperty("p50Ms").GetDouble());
        }
    }

    [Theory]
    [InlineData("--nodes", "0")]
    [InlineData("--nodes", "17")]
    [InlineData("--submit", "pigeon")]
    [InlineData("--plugin-path", "/nowhere")]
    public void Other_values_are_refused(string option, string value)
    {
        (int exit, _, string error) = Run("run", "--plugin", option, value);
        Assert.NotEqual(0, exit);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static (int Exit, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int exit = CommandLine.Run(args, new Terminal(output, error, IsLive: false));
        return (exit, output.ToString(), error.ToString());
    }
}
