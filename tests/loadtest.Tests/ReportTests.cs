// The reports' shapes: exactly the fields of the schema, in its order. Another program reads them.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class ReportTests
{
    private static readonly string[] Fields =
    [
        "schema", "command", "seed", "workers", "environment", "transactions", "blocks", "shared", "durationSeconds", "throughput", "parallelism",
        "latencyMs", "stageSeconds", "stateRoot", "serialStateRoot", "rootsEqual", "allocatedBytesPerTx",
    ];

    private static readonly Dictionary<string, string[]> Parts = new()
    {
        ["environment"] = ["cpu", "cores", "os", "dotnet", "gc", "commit"],
        ["transactions"] = ["offered", "accepted", "rejected", "included", "succeeded", "failed"],
        ["throughput"] = ["tps", "serialTps", "gasPerSecond"],
        ["parallelism"] = ["workSeconds", "spanSeconds", "ceiling", "speedup", "efficiency"],
        ["latencyMs"] = ["p50", "p90", "p99", "p999", "max"],
        ["stageSeconds"] = ["decode", "verify", "build", "execute", "root", "commit"],
    };

    [Fact]
    public void Blocks_to_warm_up_are_blocks_of_the_same_chain_that_no_figure_counts()
    {
        using TemporaryFolder folder = new();
        string[] load = ["run", "--txs", "100", "--workers", "2", "--lines", "--json"];
        Invocation cold = Invocation.Of([.. load, folder["cold.json"], "--blocks", "6"]);
        Invocation warm = Invocation.Of([.. load, folder["warm.json"], "--blocks", "2", "--warm-up", "4"]);
        Assert.True(warm.ExitCode == ExitCodes.Success, warm.Output + warm.Error);
        Assert.Equal(BlockLines(cold), BlockLines(warm));

        using JsonDocument whole = JsonDocument.Parse(File.ReadAllBytes(folder["cold.json"]));
        using JsonDocument part = JsonDocument.Parse(File.ReadAllBytes(folder["warm.json"]));
        AssertShape(whole.RootElement, Fields);
        JsonElement report = part.RootElement;
        Assert.Equal((2, 4), (report.GetProperty("blocks").GetInt32(), report.GetProperty("warmUpBlocks").GetInt32()));
        JsonElement counts = report.GetProperty("transactions");
        Assert.Equal((200, 200, 200), (counts.GetProperty("offered").GetInt32(), counts.GetProperty("accepted").GetInt32(), counts.GetProperty("included").GetInt32()));
        Assert.Equal(200, counts.GetProperty("succeeded").GetInt32() + counts.GetProperty("failed").GetInt32());
        Assert.True(report.GetProperty("rootsEqual").GetBoolean());
        Assert.Equal(whole.RootElement.GetProperty("stateRoot").GetString(), report.GetProperty("stateRoot").GetString());
        double duration = report.GetProperty("durationSeconds").GetDouble();
        Assert.Equal(200 / duration, report.GetProperty("throughput").GetProperty("tps").GetDouble(), 1e-3);
        foreach (JsonProperty stage in report.GetProperty("stageSeconds").EnumerateObject())
        {
            Assert.InRange(stage.Value.GetDouble(), 0, 2 * duration);          // a stage of six blocks would not fit in two blocks' time twice over
        }
    }

    // The load is the same whenever it is signed, and no stage is slower than the whole way.
    [Fact]
    public void A_load_that_is_signed_first_makes_the_same_blocks_and_names_its_slowest_stage()
    {
        using TemporaryFolder folder = new();
        string[] load = ["run", "--blocks", "6", "--txs", "100", "--lines", "--json"];
        Invocation first = Invocation.Of([.. load, folder["first.json"], "--sign-first"]);
        Invocation beside = Invocation.Of([.. load, folder["beside.json"]]);
        Assert.True(first.ExitCode == ExitCodes.Success, first.Output + first.Error);
        Assert.Equal(BlockLines(beside), BlockLines(first));

        using JsonDocument with = JsonDocument.Parse(File.ReadAllBytes(folder["first.json"]));
        using JsonDocument without = JsonDocument.Parse(File.ReadAllBytes(folder["beside.json"]));
        Assert.False(without.RootElement.TryGetProperty("bottleneck", out _));
        JsonElement bottleneck = with.RootElement.GetProperty("bottleneck");
        Assert.Equal(["stage", "stageTps", "tps", "reached", "busyCores"], bottleneck.EnumerateObject().Select(field => field.Name));
        Assert.Contains(bottleneck.GetProperty("stage").GetString()!, Parts["stageSeconds"]);
        double Number(string name) => bottleneck.GetProperty(name).GetDouble();
        Assert.Equal(Number("tps") / Number("stageTps"), Number("reached"), 1e-9);
        Assert.InRange(Number("reached"), 1e-6, 1.5);           // a stage that two batches share at once may count a moment twice
    }

    [Fact]
    public void Main_job_reports_every_field_and_its_numbers_add_up()
    {
        using TemporaryFolder folder = new();
        string path = folder["report.json"];
        Invocation invocation = Invocation.Of("--seconds", "1", "--txs", "200", "--json", path);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        Assert.StartsWith("ParallelVm load: seed 1", invocation.Output, StringComparison.Ordinal);

        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement report = document.RootElement;
        AssertShape(report, Fields);
        Assert.Equal("parallelvm.report/1", report.GetProperty("schema").GetString());
        Assert.Equal("main", report.GetProperty("command").GetString());
        Assert.True(report.GetProperty("rootsEqual").GetBoolean());
        Assert.Equal(report.GetProperty("stateRoot").GetString(), report.GetProperty("serialStateRoot").GetString());

        JsonElement transactions = report.GetProperty("transactions");
        long Count(string name) => transactions.GetProperty(name).GetInt64();
        Assert.Equal(Count("offered"), Count("accepted") + Count("rejected"));
        Assert.Equal(Count("included"), Count("succeeded") + Count("failed"));
        Assert.Equal(200L * report.GetProperty("blocks").GetInt32(), Count("offered"));
        Assert.Equal(Count("offered"), Count("included"));
        Assert.InRange(Count("failed") * 100 / Count("included"), 5, 15);
        Assert.True(report.GetProperty("durationSeconds").GetDouble() >= 1);
        Assert.True(report.GetProperty("parallelism").GetProperty("ceiling").GetDouble() > 1);
        Assert.True(report.GetProperty("parallelism").GetProperty("speedup").GetDouble() > 0);
        Assert.True(report.GetProperty("allocatedBytesPerTx").GetDouble() > 0);
        Assert.True(report.GetProperty("latencyMs").GetProperty("p50").GetDouble() <= report.GetProperty("latencyMs").GetProperty("max").GetDouble());
    }

    [Fact]
    public void Run_without_verification_says_that_no_serial_root_is_known()
    {
        using TemporaryFolder folder = new();
        string path = folder["report.json"];
        Invocation invocation = Invocation.Of("run", "--blocks", "2", "--txs", "50", "--no-verify", "--json", path);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        AssertShape(document.RootElement, Fields);
        Assert.Equal(JsonValueKind.Null, document.RootElement.GetProperty("serialStateRoot").ValueKind);
        Assert.Equal(JsonValueKind.Null, document.RootElement.GetProperty("rootsEqual").ValueKind);
    }

    [Fact]
    public void Bench_report_has_a_row_per_question_with_its_twin()
    {
        using TemporaryFolder folder = new();
        string path = folder["bench.json"];
        Invocation invocation = Invocation.Of("bench", "engine", "--runs", "1", "--json", path);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement report = document.RootElement;
        Assert.Equal(BeebFile.Find() is null ? ["schema", "suite", "environment", "rows", "notes"] : ["schema", "suite", "environment", "rows"], Names(report));
        Assert.Equal("parallelvm.bench/1", report.GetProperty("schema").GetString());
        Assert.Equal("engine", report.GetProperty("suite").GetString());
        Assert.Equal(Parts["environment"], Names(report.GetProperty("environment")));
        JsonElement[] rows = [.. report.GetProperty("rows").EnumerateArray()];
        string[] names = [.. rows.Select(row => row.GetProperty("name").GetString()!)];
        foreach (string name in new[] { "transfer.interp", "transfer.jit", "counter.add.jit", "swap.100pools.jit", "orderbook.interp.serial", "solana.jit" })
        {
            Assert.Contains(name, names);
        }

        foreach (JsonElement row in rows)
        {
            Assert.Equal(
                [
                    "name", "value", "unit", "twin", "twinValue", "ratio", "spread", "runs", "tps", "workUs", "spanUs", "ceiling", "efficiency", "interference", "coreEfficiency",
                    "cpuSecondsPerMTx", "bytesPerTx", "loadNs", "planNs", "runNs", "settleNs", "diffNs",
                ],
                Names(row));
            Assert.True(row.GetProperty("spanUs").GetDouble() <= row.GetProperty("workUs").GetDouble() * 1.001, row.ToString());
            Assert.Equal(2, row.GetProperty("spread").GetArrayLength());
            string twin = row.GetProperty("twin").GetString()!;
            if (twin.Length > 0)
            {
                Assert.Contains(twin, names);
                double expected = row.GetProperty("value").GetDouble() / row.GetProperty("twinValue").GetDouble();
                Assert.Equal(expected, row.GetProperty("ratio").GetDouble(), 9);
            }
        }

        double Ceiling(string name) => rows.Single(row => row.GetProperty("name").GetString() == name).GetProperty("ceiling").GetDouble();
        Assert.True(Ceiling("counter.jit") < 1.01 && Ceiling("chain.jit") < 1.01 && Ceiling("swap.1pool.jit") < 1.01);
        Assert.True(Ceiling("counter.add.jit") > 10 && Ceiling("transfer.jit") > 10);
    }

    internal static void AssertShape(JsonElement report, IEnumerable<string> fields)
    {
        Assert.Equal(fields, Names(report));
        foreach ((string part, string[] names) in Parts)
        {
            Assert.Equal(names, Names(report.GetProperty(part)));
        }
    }

    internal static IEnumerable<string> ReplayFields() => [.. Fields.Where(field => field != "shared"), "replay"];

    private static IEnumerable<string> Names(JsonElement element) => element.EnumerateObject().Select(property => property.Name);

    private static string[] BlockLines(Invocation invocation) =>
        [.. invocation.Output.Split('\n').Where(line => line.StartsWith("accepted", StringComparison.Ordinal))];
}
