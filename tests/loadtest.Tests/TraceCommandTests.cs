// trace: what is shown adds up, and the watched run ends like the engine's own (else the exit code says divergence).

using System;
using System.IO;
using System.Text.Json;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class TraceCommandTests
{
    private static void CheckSums(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement root = document.RootElement;
        JsonElement outcome = root.GetProperty("outcome");
        ulong instructions = outcome.GetProperty("instructionGas").GetUInt64();
        Assert.Equal(
            outcome.GetProperty("gasUsed").GetUInt64(),
            outcome.GetProperty("intrinsicGas").GetUInt64() + instructions + outcome.GetProperty("unownedGas").GetUInt64());
        ulong sum = 0;
        long times = 0;
        foreach (JsonElement row in root.GetProperty("instructions").EnumerateArray())
        {
            sum += row.GetProperty("gas").GetUInt64();
            times += row.GetProperty("times").GetInt64();
        }

        Assert.Equal(instructions, sum);
        JsonElement call = root.GetProperty("call");
        if (call.ValueKind == JsonValueKind.Null)
        {
            Assert.Equal(0L, times);
            return;
        }

        Assert.Equal(instructions, call.GetProperty("totalGas").GetUInt64());
        Assert.Equal(times, CountInstructions(call));
        long uses = 0;
        foreach (JsonElement key in root.GetProperty("keys").EnumerateArray())
        {
            uses += key.GetProperty("reads").GetInt64() + key.GetProperty("writes").GetInt64() + key.GetProperty("adds").GetInt64();
            Assert.True(key.GetProperty("mode").GetString() != "Read" || key.GetProperty("writes").GetInt64() == 0);
        }

        Assert.True(uses > 0 || outcome.GetProperty("halt").GetString() != "Success");
    }

    private static long CountInstructions(JsonElement call)
    {
        long sum = call.GetProperty("instructions").GetInt64();
        foreach (JsonElement child in call.GetProperty("calls").EnumerateArray())
        {
            sum += CountInstructions(child);
        }

        return sum;
    }

    [Fact]
    public void Transactions_of_a_load_add_up_however_they_end()
    {
        using TemporaryFolder folder = new();
        string path = folder["trace.json"];
        foreach (int index in (int[])[0, 1, 2, 3, 4, 5, 6, 7])
        {
            Invocation invocation = Invocation.Of(
                "trace", "--seed", "1", "--txs", "12", "--height", index < 4 ? "1" : "2", "--mix", "transfers=30,swaps=30,failing=40", "--index", $"{index}", "--json", path);
            Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
            Assert.Contains("gas by instruction", invocation.Output, StringComparison.Ordinal);
            CheckSums(path);
        }
    }

    [Fact]
    public void Transactions_of_accepted_blocks_are_found_in_their_data_folder()
    {
        using TemporaryFolder folder = new();
        string data = folder["chain"];
        string path = folder["trace.json"];
        Invocation run = Invocation.Of("run", "--seed", "3", "--blocks", "2", "--txs", "20", "--workers", "1", "--data", data, "--no-verify");
        Assert.True(run.ExitCode == ExitCodes.Success, run.Output + run.Error);
        Invocation trace = Invocation.Of("trace", "--data", data, "--height", "2", "--index", "3", "--json", path);
        Assert.True(trace.ExitCode == ExitCodes.Success, trace.Output + trace.Error);
        CheckSums(path);

        Invocation beyond = Invocation.Of("trace", "--data", data, "--height", "9");
        Assert.Equal(ExitCodes.BadInput, beyond.ExitCode);
        Assert.Single(beyond.ErrorLines);
        Assert.Equal(ExitCodes.BadInput, Invocation.Of("trace", "--txs", "3", "--index", "3").ExitCode);
    }
}
