// The virtual clock: no run is faster than the ceiling or slower than the plain loop with its overheads, and without overheads it keeps
// the workers busy. The ladder: each model's spans are those of its definition.

using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using ParallelVm.AccessLists;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Loadtest.Simulate;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Tests;

public sealed class SimulateTests
{
    private static readonly SchedulingCosts Free = new(0, 0, 0, 0, 0, 0, 0, 0, 1_000);
    private static readonly SchedulingCosts Dear = new(50, 100, 20, 300, 20_000, 10_000, 2_000, 40, 1_100);

    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void A_virtual_run_is_between_the_ceiling_and_the_plain_loop(ulong seed)
    {
        SeededRandom random = new(seed);
        long freeSum = 0;
        long dearSum = 0;
        for (int round = 0; round < 60; round++)
        {
            AccessTable table = Draw(random, out uint[] times);
            WorkSpan shape = WorkSpan.Measure(table.View, times);
            foreach (int workers in new[] { 1, 2, 3, 8, 64 })
            {
                string where = $"seed {seed} round {round} workers {workers}";
                long free = new VirtualRun(Free).MakespanNs(table.View, times, workers);
                Assert.True((ulong)free >= Math.Max(shape.Span, (shape.Work + (ulong)workers - 1) / (ulong)workers), where);
                Assert.True((ulong)free <= shape.Work, where);
                Assert.True(workers > 1 || (ulong)free == shape.Work, where);
                long dear = new VirtualRun(Dear).MakespanNs(table.View, times, workers);
                Assert.True((ulong)dear >= Math.Max(shape.Span, shape.Work / (ulong)workers) && (workers > 1 || dear == free), where);
                (freeSum, dearSum) = (freeSum + free, dearSum + dear);      // one batch may by chance be scheduled the better for what it pays, all together not
                Assert.Equal(dear, new VirtualRun(Dear).MakespanNs(table.View, times, workers));
            }
        }

        Assert.True(dearSum > freeSum, $"seed {seed}: {dearSum} with costs, {freeSum} without");
    }

    [Fact]
    public void Independent_transactions_keep_every_worker_busy()
    {
        const int count = 8_192;
        uint[] times = [.. Enumerable.Repeat(1_000u, count)];
        TableKey[] keys = [.. Enumerable.Range(0, count).Select(i => new TableKey($"{i}", i, false))];
        AccessTable table = new(keys, [.. Enumerable.Repeat(400u, count)], Enumerable.Range(0, count).Select(i => new[] { new TableAccess(i, AccessMode.Write) }));
        foreach (int workers in new[] { 2, 4, 16 })
        {
            long ns = new VirtualRun(Free).MakespanNs(table.View, times, workers);
            Assert.InRange(ns, count * 1_000L / workers, count * 1_100L / workers);
        }
    }

    [Fact]
    public void Each_step_of_the_ladder_takes_one_reason_away()
    {
        // account 0 is paid the fee; transactions 0 and 1 write slots of account 1, 2 and 3 credit account 2
        const string text =
            """{"block":1,"kinds":"bssbbbbb","account":[0,1,1,2,3,4,5,6],"writes":[[0,1,4],[0,2,5],[0,3,6],[0,3,7]]}""";
        Assert.True(TraceBlock.TryParse(text, out TraceBlock? block, out string why), why);
        AccessTable[] models = KeyModels.Of(block!);
        Assert.Equal([2UL, 4, 2, 1], models.Select(model => WorkSpan.Measure(model.View).Span));
        Assert.Equal(["accounts", "feesAsKey", "feesReserved", "adds"], KeyModels.Names);
    }

    [RealTraceFact]
    public void The_real_trace_climbs_the_ladder()
    {
        Assert.True(TraceBlock.TryReadFile(RealTraceFactAttribute.Path!, out TraceBlock[] blocks, out Refusal refusal), refusal.ToString());
        long[] spans = new long[KeyModels.Names.Length];
        foreach (TraceBlock block in blocks)
        {
            AccessTable[] models = KeyModels.Of(block);
            for (int model = 0; model < spans.Length; model++)
            {
                spans[model] += (long)WorkSpan.Measure(models[model].View).Span;
            }
        }

        Assert.Equal(605, spans[3]);
        Assert.True(spans[3] < spans[2] && spans[2] < spans[0] && spans[0] < spans[1], string.Join(" ", spans));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void What_is_not_validated_is_not_shown_beyond_two_workers(bool anyway)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["trace.jsonl"], """{"block":1,"kinds":"ss","account":[0,1],"writes":[[0],[1],[0],[1],[0],[1],[0],[1],[0],[1]]}""" + "\n");
        string[] args = ["simulate", folder["trace.jsonl"], "--us", "1", "--rounds", "1", "--json", folder["simulate.json"]];
        Invocation invocation = Invocation.Of(anyway ? [.. args, "--anyway"] : args);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(folder["simulate.json"]));
        JsonElement root = document.RootElement;
        bool isTrusted = root.GetProperty("isTrusted").GetBoolean();
        Assert.Equal(isTrusted ? ExitCodes.Success : ExitCodes.LocalFailure, invocation.ExitCode);
        Assert.Equal(isTrusted, root.GetProperty("validations").EnumerateArray().All(v => Math.Abs(v.GetProperty("error").GetDouble()) <= 0.10));
        Assert.Equal(4, root.GetProperty("models").GetArrayLength());
        foreach (JsonElement point in root.GetProperty("models").EnumerateArray().SelectMany(model => model.GetProperty("points").EnumerateArray()))
        {
            int workers = point.GetProperty("workers").GetInt32();
            Assert.True(workers <= 2 || isTrusted || anyway);
            Assert.Equal(workers > 2 ? "simulated" : "validated", point.GetProperty("kind").GetString());
        }
    }

    private static AccessTable Draw(SeededRandom random, out uint[] times)
    {
        int count = 8 + random.Next(200);
        int keys = 1 + random.Next(100);
        times = [.. Enumerable.Range(0, count).Select(_ => 200u + (uint)random.Next(3_000))];
        TableKey[] names = [.. Enumerable.Range(0, keys).Select(i => new TableKey($"{i}", i, false))];
        TableAccess[][] rows = [.. Enumerable.Range(0, count).Select(_ =>
            Enumerable.Range(0, random.Next(4)).Select(_ => new TableAccess(random.Next(keys), (AccessMode)random.Next(3))).ToArray())];
        return new AccessTable(names, [.. times.Select(time => time / 3)], rows);
    }
}
