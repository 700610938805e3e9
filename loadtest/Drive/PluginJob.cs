// run --plugin: the load of `run` through the real process and the real protocol. N plugin processes, each with a node's side of its own
// (NodeHost), propose in turn; each block is verified by all, and in the end all must have the same id at every height.
//
//   tip HEIGHT BLOCK ROOT             what the folder held
//   accepted HEIGHT BLOCK ROOT        after every node has accepted it
//
// Blocks carry the wall clock's time here, so ids are not a function of the seed. What the folder holds goes on where it stopped, as in `run`.
//
// Transactions enter at the proposer, through /rpc as clients' do or with --submit gossip as a peer's push does.
//
// The loop is closed, with one batch ahead, as in a run in one process, which checks the next batch's signatures while a block is
// made: clients submit the next batch while the block that was just built is verified and accepted, so every block is one batch.
//
// What a run in one process knows and this one is told: transactions admitted come from the API's answers or the plugin's gauges, stages from
// its counters, receipts from the serial twin, which executes every block again and must reach the same roots.
//
// Threading: driver on the caller's thread, one signer beside it.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.NodeHost;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Loadtest.Drive;

/// <summary><c>run --plugin</c>.</summary>
internal static class PluginJob
{
    private const int AheadMax = 4;
    private const int RequestsAtOnce = 2;

    /// <summary>Runs blocks through plugin processes.</summary>
    /// <param name="byGossip">Transactions enter as a peer's gossip; else through the JSON-RPC API, as clients' do.</param>
    public static int Run(RunOptions options, int nodes, string plugin, bool byGossip, Terminal terminal)
    {
        if (!File.Exists(plugin))
        {
            return terminal.Fail(new Refusal(RefusalCode.UnreadableFile, $"There is no plugin '{plugin}'."));
        }

        string folder = options.Data ?? Directory.CreateTempSubdirectory("parallelvm-plugins-").FullName;
        try
        {
            DexWorld world = new(options.Seed);
            Refusal refusal = DataFolder.Claim(folder, world);
            return refusal.IsRefused ? terminal.Fail(refusal) : RunAsync(options, nodes, plugin, byGossip, folder, world, terminal).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is HandshakeException or RpcException or ApiFailedException or PluginAheadException or TimeoutException)
        {
            return terminal.Fail(new Refusal(RefusalCode.LocalFailure, Terminal.OneLine(e.Message)), ExitCodes.LocalFailure);
        }
        finally
        {
            if (options.Data is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static async Task<int> RunAsync(RunOptions options, int nodes, string plugin, bool byGossip, string folder, DexWorld world, Terminal terminal)
    {
        byte[] config = System.Text.Encoding.ASCII.GetBytes($$"""{"workers":{{options.Workers}},"jit":{{(options.Jit == JitMode.Off ? "false" : "true")}}}""");
        Cluster cluster = await Cluster.StartAsync(nodes, folder, plugin, GenesisJson.Write(world.Genesis), config, options.Seed).ConfigureAwait(false);
        await using (cluster.ConfigureAwait(false))
        {
            using ParallelEngine engine = new(TimeProvider.System, options.Workers, jit: options.Jit);
            SerialTwin twin = new(world, engine, options.Workers);
            ulong first = cluster.Hosts[0].LastAccepted.Height + 1;
            for (ulong height = 1; height < first; height++)
            {
                twin.Run(await BytesAtAsync(cluster, height).ConfigureAwait(false), isTimed: false);
            }

            PrintBlock("tip", cluster.Hosts[0].LastAccepted, terminal);
            WorkloadShape shape = new(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, options.Mix, options.ConflictPermyriad);
            using LoadGenerator generator = new(
                new Workload(shape), new TransactionFactory(world, TimeProvider.System), new Height(first), (ulong)options.AllBlocks, options.Txs, threads: 1, AheadMax);
            Tally tally = new(cluster, generator, byGossip);
            await tally.SubmitAsync(cluster.Proposer).ConfigureAwait(false);
            StageSeconds before = await StagesAsync(cluster.Hosts[0]).ConfigureAwait(false);
            for (int i = 1; i <= options.AllBlocks; i++)
            {
                PrintBlock("accepted", await tally.StepAsync(isLast: i == options.AllBlocks).ConfigureAwait(false), terminal);
                if (i == options.WarmUp)
                {
                    before = await StagesAsync(cluster.Hosts[0]).ConfigureAwait(false);
                    tally.Forget();
                }
            }

            await tally.CountGossipAsync().ConfigureAwait(false);
            StageSeconds stages = (await StagesAsync(cluster.Hosts[0]).ConfigureAwait(false)).Minus(before);
            for (ulong height = 0; height < first + (ulong)options.AllBlocks; height++)
            {
                await cluster.AgreeAsync(height).ConfigureAwait(false);
            }

            for (int i = 0; i < tally.Blocks.Count; i++)
            {
                twin.Run(tally.Blocks[i].Bytes.Memory, isTimed: i >= options.WarmUp);
            }

            bool stopped = await cluster.StopAsync().ConfigureAwait(false);
            if (!stopped || cluster.Network.AppErrors.Count > 0)
            {
                string why = stopped ? $"App messages failed, first: {cluster.Network.AppErrors[0]}" : "A plugin had to be killed, or did not end with 0.";
                return terminal.Fail(new Refusal(RefusalCode.LocalFailure, Terminal.OneLine(why)), ExitCodes.LocalFailure);
            }

            Report report = tally.Report(options, nodes, stages, twin);
            LoadReport.Summarise(report, terminal.Output);
            if (options.Json is not null)
            {
                ReportFile.Write(options.Json, ReportFile.ToJson(report));
            }

            return report.RootsEqual == false ? ExitCodes.Divergence : ExitCodes.Success;
        }
    }

    private static async Task<ReadOnlyMemory<byte>> BytesAtAsync(Cluster cluster, ulong height)
    {
        HostBlock? block = await cluster.Hosts[0].FindAsync(await cluster.AgreeAsync(height).ConfigureAwait(false)).ConfigureAwait(false);
        return block?.Bytes.Memory ?? throw new InvariantException($"The plugin has an id at height {height} and no block.");
    }

    private static async Task<StageSeconds> StagesAsync(ChainHost host)
    {
        Dictionary<string, double> seconds = [];
        GatherResponse metrics = await host.Vm.CallAsync<GatherResponse>("Gather").ConfigureAwait(false);
        foreach (MetricFamily family in metrics.MetricFamilies)
        {
            if (family.Name == "vm_stage_seconds_total")
            {
                foreach (Metric metric in family.Metric)
                {
                    seconds[metric.Label[0].Value] = metric.Counter.Value;
                }
            }
        }

        return new StageSeconds(Of(Stage.Decode), Of(Stage.Verify), Of(Stage.Build), Of(Stage.Execute), Of(Stage.Root), Of(Stage.Commit));

        double Of(Stage stage) => seconds.GetValueOrDefault(stage.ToString());
    }

    private static void PrintBlock(string word, HostBlock block, Terminal terminal)
    {
        bool isBlock = Block.TryReadHeader(block.Bytes.Span, out BlockHeader header, out _, out _);
        Invariant.Require(isBlock);
        terminal.Output.WriteLine($"{word} {block.Height} {block.Id} {header.StateRoot}");
        terminal.Output.Flush();
    }

    // What became of the load, block by block.
    private sealed class Tally(Cluster cluster, LoadGenerator generator, bool byGossip)
    {
        private readonly Queue<Submission> _submitted = [];         // batches that are in no block yet
        private LatencyHistogram _latency = new();
        private long _begun;
        private long _offered;
        private long _accepted;
        private long _included;
        private UInt128 _gas;
        private TimeSpan _elapsed;
        private StateRoot _root;

        public List<HostBlock> Blocks { get; } = [];

        // One batch is under way while a block is decided on: in the next one it is in.
        public async Task SubmitAsync(ChainHost proposer)
        {
            SignedBatch batch = generator.Take();
            Submission submission = new(Stopwatch.GetTimestamp(), batch.Transactions.Length);
            _begun = _begun == 0 ? submission.SentAt : _begun;
            _submitted.Enqueue(submission);
            if (byGossip || proposer.Api is null)
            {
                await Cluster.SubmitAsync(proposer, batch.Transactions).ConfigureAwait(false);
                return;
            }

            foreach (SubmitAnswer answer in await proposer.Api.SubmitAsync(batch.Transactions, RequestsAtOnce).ConfigureAwait(false))
            {
                submission.Taken += answer.IsTaken ? 1 : 0;
            }
        }

        public async Task<HostBlock> StepAsync(bool isLast)
        {
            HostBlock block = await cluster.StepAsync(isLast ? null : SubmitAsync, Accepted).ConfigureAwait(false);
            Blocks.Add(block);
            return block;
        }

        // The blocks so far were to warm up. What is under way now counts from here: the next block's batch, not its submission.
        public void Forget()
        {
            _latency = new LatencyHistogram();
            (_offered, _accepted, _included, _gas) = (0, 0, 0, 0);
            _begun = Stopwatch.GetTimestamp();
            cluster.Meter.Clear();
        }

        // What peers gave is counted where it came out: nobody answers gossip.
        public async Task CountGossipAsync()
        {
            foreach (ChainHost host in byGossip ? cluster.Hosts : [])
            {
                _accepted = Math.Max(_accepted, Math.Min(_offered, _included + await WaitingAsync(host).ConfigureAwait(false)));
            }
        }

        public Report Report(RunOptions options, int nodes, StageSeconds stages, SerialTwin twin)
        {
            double seconds = Math.Max(_elapsed.TotalSeconds, 1e-9);
            EnvironmentInfo environment = EnvironmentProbe.Read();
            long succeeded = twin.Succeeded;
            RpcMeter meter = cluster.Meter;
            return new Report
            {
                Command = "run",
                Seed = options.Seed,
                Workers = options.Workers,
                Environment = environment,
                Transactions = new TransactionCounts(_offered, _accepted, _offered - _accepted, _included, succeeded, _included - succeeded),
                Blocks = options.Blocks,
                WarmUpBlocks = options.WarmUp,
                DurationSeconds = seconds,
                Throughput = new Throughput(_included / seconds, twin.Times.SerialNs > 0 ? twin.Transactions / (twin.Times.SerialNs / 1e9) : null, (double)_gas / seconds),
                Parallelism = LoadReport.ParallelismOf(twin.Times, options.Workers, environment.Cores),
                LatencyMs = _latency.Summary(),
                StageSeconds = stages,
                StateRoot = _root.ToString(),
                SerialStateRoot = twin.Root.ToString(),
                RootsEqual = twin.FirstDivergence is null && twin.Root == _root,
                AllocatedBytesPerTx = 0,
                Rpc = new RpcSummary(nodes, meter.Calls, meter.QuantileMs(500), meter.QuantileMs(990)),
            };
        }

        private void Accepted(HostBlock block)
        {
            long accepted = Stopwatch.GetTimestamp();
            bool isBlock = Block.TryReadHeader(block.Bytes.Span, out BlockHeader header, out int transactions, out _);
            Invariant.Require(isBlock);
            Submission submission = _submitted.Dequeue();
            _latency.Record((long)(Stopwatch.GetElapsedTime(submission.SentAt, accepted).TotalMilliseconds * 1e6), transactions);
            _offered += submission.Offered;
            _accepted += submission.Taken;
            _elapsed = Stopwatch.GetElapsedTime(_begun, accepted);
            _included += transactions;
            _gas += header.GasUsed;
            _root = header.StateRoot;
        }

        private static async Task<long> WaitingAsync(ChainHost host)
        {
            GatherResponse metrics = await host.Vm.CallAsync<GatherResponse>("Gather").ConfigureAwait(false);
            foreach (MetricFamily family in metrics.MetricFamilies)
            {
                if (family.Name == "vm_mempool_transactions")
                {
                    return (long)family.Metric[0].Gauge.Value;
                }
            }

            throw new InvariantException("The plugin does not say how many transactions wait.");
        }

        // Of one batch; the block that it is in is accepted after its submission has ended.
        private sealed record Submission(long SentAt, int Offered)
        {
            public int Taken { get; set; }
        }
    }
}
