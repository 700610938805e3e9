// run --url: the load of `run` against a node that somebody else runs, over its JSON-RPC API alone. The node's chain has to be that of
// the seed: `genesis new` writes the genesis that it is created with.
//
//   accepted HEIGHT BLOCK ROOT        for every block since the first submission
//
// The loop is closed: a batch is submitted while less than AheadMax batches are under way, and every transaction is looked for in the
// accepted blocks until it is there or has expired. So a latency is what a client sees, from submission to finding the block.
//
// Afterwards every block of the chain is fetched and executed again by the serial twin, which must reach each header; --no-verify
// leaves it out, and has to where the node does not keep all blocks.
//
// Threading: the caller's thread, one signer beside it.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http;
using System.Text.Json.Nodes;
using System.Threading.Tasks;
using ParallelVm.Engine;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.NodeHost;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Remote;

/// <summary><c>run --url</c>.</summary>
internal static class RemoteJob
{
    /// <summary>Runs batches against a node.</summary>
    public static int Run(RunOptions options, Uri url, Terminal terminal)
    {
        try
        {
            return RunAsync(options, url, terminal).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is HttpRequestException or ApiFailedException or TaskCanceledException)
        {
            return terminal.Fail(new Refusal(RefusalCode.LocalFailure, Terminal.OneLine(e.Message)), ExitCodes.LocalFailure);
        }
    }

    private static async Task<int> RunAsync(RunOptions options, Uri url, Terminal terminal)
    {
        using ApiClient client = new(new HttpWay(url), new RpcMeter());
        DexWorld world = new(options.Seed);
        JsonNode info = await client.CallAsync("chainInfo", []).ConfigureAwait(false);
        if ((string?)info["chainId"] != world.Genesis.ChainId.ToString())
        {
            return terminal.Fail(new Refusal(
                RefusalCode.GenesisMismatch, $"The node's chain is {info["chainId"]}; that of seed {options.Seed} is {world.Genesis.ChainId}, whose genesis `genesis new` writes."));
        }

        RemoteLoad load = new(client, (ulong)info["lastAccepted"]!["height"]!, (string)info["stateRoot"]!, terminal);
        WorkloadShape shape = new(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, options.Mix, options.ConflictPermyriad);
        using (LoadGenerator generator = new(
            new Workload(shape), new TransactionFactory(world, TimeProvider.System), new Height(load.Height + 1), (ulong)options.Blocks, options.Txs, threads: 1, RemoteLoad.AheadMax))
        {
            for (int i = 0; i < options.Blocks; i++)
            {
                await load.SubmitAsync(generator.Take()).ConfigureAwait(false);
            }

            await load.FinishAsync().ConfigureAwait(false);
        }

        using ParallelEngine engine = new(TimeProvider.System, options.Workers, jit: options.Jit);
        SerialTwin? twin = options.Verify ? new SerialTwin(world, engine, options.Workers) : null;
        for (ulong height = 1; twin is not null && height <= load.Height; height++)
        {
            JsonNode block = await client.CallAsync("block", new JsonObject { ["height"] = height, ["bytes"] = true }).ConfigureAwait(false);
            twin.Run(Convert.FromHexString((string)block["bytes"]!), isTimed: height >= load.First);
        }

        Report report = load.Report(options, twin);
        LoadReport.Summarise(report, terminal.Output);
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        return report.RootsEqual == false ? ExitCodes.Divergence : ExitCodes.Success;
    }
}

/// <summary>A load that is under way.</summary>
internal sealed class RemoteLoad(ApiClient client, ulong height, string root, Terminal terminal)
{
    /// <summary>Batches that may be under way.</summary>
    public const int AheadMax = 4;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);   // then everything has expired

    private readonly Dictionary<string, long> _underWay = [];
    private readonly LatencyHistogram _latency = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _last = Stopwatch.GetTimestamp();
    private long _offered;
    private long _accepted;
    private long _included;
    private long _succeeded;
    private ulong _gas;
    private string _root = root;

    /// <summary>Height of the newest block that was looked at.</summary>
    public ulong Height { get; private set; } = height;

    /// <summary>Height of the first block that may hold something of the load.</summary>
    public ulong First { get; } = height + 1;

    /// <summary>Submits a batch as soon as there is room for it.</summary>
    public async Task SubmitAsync(SignedBatch batch)
    {
        await WaitAsync((AheadMax - 1) * batch.Transactions.Length).ConfigureAwait(false);
        foreach (SubmitAnswer answer in await client.SubmitAsync(batch.Transactions).ConfigureAwait(false))
        {
            _offered++;
            if (answer.IsTaken && _underWay.TryAdd(answer.Id.ToString(), answer.SentAt))
            {
                _accepted++;
            }
        }
    }

    /// <summary>Waits for what is under way.</summary>
    public Task FinishAsync() => WaitAsync(0);

    /// <summary>What became of it.</summary>
    public Report Report(RunOptions options, SerialTwin? twin)
    {
        double seconds = Math.Max(Stopwatch.GetElapsedTime(_start, _last).TotalSeconds, 1e-9);
        EnvironmentInfo environment = EnvironmentProbe.Read();
        return new Report
        {
            Command = "run",
            Seed = options.Seed,
            Workers = options.Workers,
            Environment = environment,
            Transactions = new TransactionCounts(_offered, _accepted, _offered - _accepted, _included, _succeeded, _included - _succeeded),
            Blocks = (int)(Height + 1 - First),
            DurationSeconds = seconds,
            Throughput = new Throughput(_included / seconds, twin?.Times.SerialNs > 0 ? twin.Transactions / (twin.Times.SerialNs / 1e9) : null, _gas / seconds),
            Parallelism = LoadReport.ParallelismOf(twin?.Times, options.Workers, environment.Cores),
            LatencyMs = _latency.Summary(),
            StageSeconds = new StageSeconds(0, 0, 0, 0, 0, 0),
            StateRoot = _root,
            SerialStateRoot = twin?.Root.ToString(),
            RootsEqual = twin is null ? null : twin.FirstDivergence is null && twin.Root.ToString() == _root,
            AllocatedBytesPerTx = 0,
            Rpc = new RpcSummary(1, client.Meter.Calls, client.Meter.QuantileMs(500), client.Meter.QuantileMs(990)),
        };
    }

    // Follows the chain until at most so many transactions are under way. What is not there when everything has expired never will be.
    private async Task WaitAsync(int most)
    {
        long progress = Stopwatch.GetTimestamp();
        while (_underWay.Count > most && Stopwatch.GetElapsedTime(progress) < Patience)
        {
            int before = _underWay.Count;
            JsonNode info = await client.CallAsync("chainInfo", []).ConfigureAwait(false);
            ulong tip = (ulong)info["lastAccepted"]!["height"]!;
            if (tip == Height)
            {
                await Task.Delay(Pause).ConfigureAwait(false);
                continue;
            }

            while (Height < tip)
            {
                Height++;
                await LookAsync().ConfigureAwait(false);
            }

            progress = _underWay.Count < before ? Stopwatch.GetTimestamp() : progress;
        }

        if (_underWay.Count > most)
        {
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"expired {_underWay.Count} transactions, which no block holds"));
            _underWay.Clear();
        }
    }

    private async Task LookAsync()
    {
        JsonNode block = await client.CallAsync("block", new JsonObject { ["height"] = Height, ["receipts"] = true }).ConfigureAwait(false);
        long seen = Stopwatch.GetTimestamp();
        _root = (string)block["stateRoot"]!;
        JsonArray ids = block["transactions"]!.AsArray();
        JsonArray? receipts = block["receipts"]?.AsArray();
        for (int i = 0; i < ids.Count; i++)
        {
            if (_underWay.Remove((string)ids[i]!, out long submitted))
            {
                JsonNode? receipt = receipts?[i];
                _included++;
                _succeeded += (string?)receipt?["outcome"] == "success" ? 1 : 0;
                _gas += (ulong?)receipt?["gasUsed"] ?? 0;
                _latency.Record((long)(Stopwatch.GetElapsedTime(submitted, seen).TotalMilliseconds * 1e6));
                _last = seen;
            }
        }

        terminal.Output.WriteLine($"accepted {Height} {(string)block["id"]!} {_root}");
        terminal.Output.Flush();
    }
}
