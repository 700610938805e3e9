// Replays. Oracle of the span: the definition, over pairs. Level of a transaction = 1 + the highest level of an earlier one
// that shares a key in conflicting modes; the span of a block is its highest level.

using System;
using System.IO;
using System.Text;
using System.Text.Json;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class ReplayTests
{
    [Theory]
    [InlineData(1, "add", 1)]
    [InlineData(2, "add", 2)]
    [InlineData(3, "add", 8)]
    [InlineData(1, "write", 2)]
    [InlineData(2, "write", 3)]
    public void Small_trace_replays_to_the_serial_root_and_its_span_is_the_longest_chain(int seed, string balances, int workers)
    {
        using TemporaryFolder folder = new();
        string trace = folder["trace.jsonl"];
        File.WriteAllText(trace, RandomTrace(new SeededRandom((ulong)seed), blocks: 4, txs: 60));
        Assert.True(TraceBlock.TryReadFile(trace, out TraceBlock[] blocks, out Refusal refusal), refusal.ToString());
        long span = 0;
        foreach (TraceBlock block in blocks)
        {
            span += SpanByDefinition(block, balances == "add");
        }

        JsonElement report = Replay(trace, folder["report.json"], balances, workers);
        JsonElement replay = report.GetProperty("replay");
        Assert.Equal(4, replay.GetProperty("blocks").GetInt32());
        Assert.Equal(240, replay.GetProperty("transactions").GetInt32());
        Assert.True(span == replay.GetProperty("spanUnits").GetInt64(), $"seed {seed}: {replay} for span {span}");
        Assert.Equal(240.0 / span, replay.GetProperty("ceilingUnits").GetDouble(), 9);
        Assert.Equal(balances, replay.GetProperty("balances").GetString());
        Assert.Equal(240, report.GetProperty("transactions").GetProperty("succeeded").GetInt32());
    }

    [Fact]
    public void A_line_without_end_is_refused_before_it_is_held()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["endless.jsonl"], new string('[', (16 * 1024 * 1024) + 2));
        Invocation invocation = Invocation.Of("replay", folder["endless.jsonl"]);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        Assert.Contains("655 MalformedReplay", invocation.Error, StringComparison.Ordinal);
    }

    [RealTraceFact]
    public void Real_trace_has_the_known_spans()
    {
        using TemporaryFolder folder = new();
        foreach ((string balances, long span) in new[] { ("write", 7_070L), ("add", 605L) })
        {
            JsonElement replay = Replay(RealTraceFactAttribute.Path!, folder["report.json"], balances, workers: 2).GetProperty("replay");
            Assert.Equal(41, replay.GetProperty("blocks").GetInt32());
            Assert.Equal(7_092, replay.GetProperty("transactions").GetInt32());
            Assert.Equal(span, replay.GetProperty("spanUnits").GetInt64());
        }
    }

    private static JsonElement Replay(string trace, string json, string balances, int workers)
    {
        Invocation invocation = Invocation.Of("replay", trace, "--balances", balances, "--workers", $"{workers}", "--json", json);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(json));
        JsonElement report = document.RootElement.Clone();
        ReportTests.AssertShape(report, ReportTests.ReplayFields());
        Assert.True(report.GetProperty("rootsEqual").GetBoolean());
        return report;
    }

    private static string RandomTrace(SeededRandom random, int blocks, int txs)
    {
        StringBuilder text = new();
        for (int block = 0; block < blocks; block++)
        {
            const int keys = 80;
            string kinds = string.Create(keys, random, (span, r) =>
            {
                for (int i = 0; i < span.Length; i++)
                {
                    span[i] = "sbn"[r.Next(3)];
                }
            });
            text.Append($"{{\"block\":{100 + block},\"kinds\":\"{kinds}\",\"account\":[{string.Join(',', new int[keys])}],\"writes\":[");
            for (int tx = 0; tx < txs; tx++)
            {
                text.Append(tx == 0 ? "[" : ",[");
                int next = random.Next(30);
                for (int first = next; next < keys; next += 1 + random.Next(30))
                {
                    text.Append(next == first ? $"{next}" : $",{next}");
                }

                text.Append(']');
            }

            text.Append("]}\n");
        }

        return text.ToString();
    }

    private static int SpanByDefinition(TraceBlock block, bool balancesAdd)
    {
        int[] levels = new int[block.Writes.Length];
        int span = 0;
        for (int j = 0; j < levels.Length; j++)
        {
            levels[j] = 1;
            for (int i = 0; i < j; i++)
            {
                foreach (int key in block.Writes[i])
                {
                    bool isAdd = balancesAdd && block.Kinds[key] == TraceKind.Balance;
                    if (!isAdd && Array.IndexOf(block.Writes[j], key) >= 0)
                    {
                        levels[j] = Math.Max(levels[j], levels[i] + 1);
                    }
                }
            }

            span = Math.Max(span, levels[j]);
        }

        return span;
    }
}

/// <summary>Runs where the shared data folder lies beside the repository; is skipped, visibly, elsewhere.</summary>
public sealed class RealTraceFactAttribute : FactAttribute
{
    public RealTraceFactAttribute()
    {
        Skip = Path is null ? "needs ../shared/data/ethereum-writes.jsonl beside the repository" : null;
    }

    /// <summary>The trace's path, or null when it is not there.</summary>
    public static string? Path { get; } = Find();

    private static string? Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "ParallelVm.sln")))
        {
            folder = System.IO.Path.GetDirectoryName(folder);
        }

        string? path = folder is null ? null : System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, "../shared/data/ethereum-writes.jsonl"));
        return File.Exists(path) ? path : null;
    }
}
