// flood: what a chain in a plugin's process suffers while peers and clients send it ten times what it includes, each of them.
//
//   quiet    half as long: blocks of the load                         -> transactions included a second; block time p99
//   flooded  the same load, beside ten times the capacity as gossip of 64 peers, two messages at a time as the node delivers them, and ten
//            times the capacity as calls of the HTTP API, four at a time; HostileLoad says of what
//
// The capacity is what is included a second, alone or now under the flood, whichever is more.
//
//   quiet blocks N p50Ms X p99Ms X included/s X       flooded blocks N p50Ms X p99Ms X included/s X
//   gossip sent/s X ratio X forged N noise N ...      api sent/s X ratio X ...
//   plugin muted N crowded N refused N BadSignature N ...
//   law p99 X of 2 rss X of 1.25 sent X of 10
//
// The law: no app call fails, the process ends in order, p99 is at most twice the quiet one, memory is flat (the last quarter's most over the
// second's), and ten times was really sent both ways. Otherwise the exit code is 3. The flood is sent from the same machine, so on two
// cores the law judges the sender's share of them too.
//
// Threading: driver on the caller's thread; senders on the pool, with a HostileLoad each.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.NodeHost;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Loadtest.Drive;

/// <summary>What flood is told.</summary>
internal sealed record FloodOptions(ulong Seed, TimeSpan Length, int Txs, int Workers, string Plugin, string? Json);

/// <summary>The command <c>flood</c>.</summary>
internal static class FloodJob
{
    private const int GossipSenders = 2;
    private const int ApiSenders = 4;
    private const int Peers = 64;
    private const int Times = 10;
    private const double Slack = 1.05;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    private const double P99RatioMax = 2;
    private const double RssRatioMax = 1.25;

    private static readonly RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> Simple =
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");

    /// <summary>Loads a temporary chain, then floods it as well.</summary>
    public static int Run(FloodOptions options, Terminal terminal)
    {
        string folder = Directory.CreateTempSubdirectory("parallelvm-flood-").FullName;
        try
        {
            return RunAsync(options, folder, terminal).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is HandshakeException or RpcException or TimeoutException)
        {
            return terminal.Fail(new Refusal(RefusalCode.LocalFailure, Terminal.OneLine(e.Message)), ExitCodes.LocalFailure);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<int> RunAsync(FloodOptions options, string folder, Terminal terminal)
    {
        DexWorld world = new(options.Seed);
        byte[] config = System.Text.Encoding.ASCII.GetBytes($$"""{"workers":{{options.Workers}}}""");
        Cluster cluster = await Cluster.StartAsync(1, folder, options.Plugin, GenesisJson.Write(world.Genesis), config, options.Seed).ConfigureAwait(false);
        await using (cluster.ConfigureAwait(false))
        {
            ChainHost host = cluster.Hosts[0];
            WorkloadShape shape = new(options.Seed, DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0);
            using LoadGenerator generator = new(
                new Workload(shape), new TransactionFactory(world, TimeProvider.System), new Height(1), uint.MaxValue, options.Txs, threads: 1, aheadMax: 2);
            Load load = new(cluster, generator);
            await load.RunAsync(WarmUp).ConfigureAwait(false);                          // compiled, filled
            (FloodPhase quiet, _) = await load.RunAsync(options.Length / 2).ConfigureAwait(false);
            terminal.Output.WriteLine(Line("quiet", quiet));
            terminal.Output.Flush();

            using CancellationTokenSource stop = new();
            List<Sender> senders = [];
            for (int i = 0; i < GossipSenders + ApiSenders; i++)
            {
                bool isGossip = i < GossipSenders;
                double share = Times * Slack / (isGossip ? GossipSenders : ApiSenders);
                double DueAfter(TimeSpan time) => share * Math.Max(quiet.IncludedPerSecond * time.TotalSeconds, load.Included);
                senders.Add(new Sender(host, new HostileLoad(world, new SeededRandom(options.Seed).Fork((ulong)i + 1)), load, DueAfter, isGossip));
            }

            Task[] floods = [.. senders.ConvertAll(sender => Task.Run(() => sender.RunAsync(stop.Token)))];
            (FloodPhase flooded, List<long> rss) = await load.RunAsync(options.Length).ConfigureAwait(false);
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(floods).ConfigureAwait(false);

            SortedDictionary<string, double> plugin = await CountersAsync(host).ConfigureAwait(false);
            bool stopped = await cluster.StopAsync().ConfigureAwait(false);
            FloodWay gossip = WayOf(senders.FindAll(static sender => sender.IsGossip), flooded, quiet);
            FloodWay api = WayOf(senders.FindAll(static sender => !sender.IsGossip), flooded, quiet);
            double p99 = flooded.P99Ms / Math.Max(quiet.P99Ms, 1e-3);
            double growth = GrowthOf(rss);
            bool isGood = stopped && cluster.Network.AppErrors.Count == 0 && p99 <= P99RatioMax && growth <= RssRatioMax && Math.Min(gossip.Ratio, api.Ratio) >= Times;
            FloodReport report = new(EnvironmentProbe.Read(), options.Seed, quiet, flooded, gossip, api, p99, growth, Max(rss, 0, rss.Count), plugin, isGood);
            Print(report, terminal);
            if (options.Json is not null)
            {
                ReportFile.Write(options.Json, ReportFile.ToJson(report));
            }

            return isGood
                ? ExitCodes.Success
                : terminal.Fail(
                    new Refusal(RefusalCode.LocalFailure, "The flood was felt, or was none: an app call failed, memory grew, blocks took more than twice as long, or less than ten times was sent."),
                    ExitCodes.LocalFailure);
        }
    }

    private static void Print(FloodReport report, Terminal terminal)
    {
        terminal.Output.WriteLine(Line("flooded", report.Flooded));
        foreach ((string name, FloodWay way) in ((string, FloodWay)[])[("gossip", report.Gossip), ("api", report.Api)])
        {
            terminal.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{name} messages {way.Messages} transactions {way.Transactions} sent/s {way.SentPerSecond:F0} ratio {way.Ratio:F1} {string.Join(' ', Words(way.Kinds))}"));
        }

        terminal.Output.WriteLine($"plugin {string.Join(' ', Words(report.Plugin))}");
        terminal.Output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"law p99 {report.P99Ratio:F2} of {P99RatioMax:F0} rss {report.RssRatio:F3} of {RssRatioMax} ({report.RssBytesMax >> 20} MiB) sent {Math.Min(report.Gossip.Ratio, report.Api.Ratio):F1} of {Times}"));
    }

    private static string Line(string name, FloodPhase phase) => string.Create(
        CultureInfo.InvariantCulture, $"{name} seconds {phase.Seconds:F1} blocks {phase.Blocks} p50Ms {phase.P50Ms:F1} p99Ms {phase.P99Ms:F1} included/s {phase.IncludedPerSecond:F0}");

    private static IEnumerable<string> Words<T>(SortedDictionary<string, T> counts)
    {
        foreach ((string name, T count) in counts)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{name} {count}");
        }
    }

    private static FloodWay WayOf(List<Sender> senders, FloodPhase flooded, FloodPhase quiet)
    {
        SortedDictionary<string, long> kinds = new(StringComparer.Ordinal);
        long messages = 0;
        long transactions = 0;
        foreach (Sender sender in senders)
        {
            messages += sender.Messages;
            foreach ((HostileKind kind, long count) in sender.Hostile.Sent)
            {
                transactions += count;
                string name = JsonNameOf(kind);
                kinds[name] = kinds.GetValueOrDefault(name) + count;
            }
        }

        double perSecond = transactions / flooded.Seconds;
        return new FloodWay(messages, transactions, perSecond, perSecond / Math.Max(Math.Max(quiet.IncludedPerSecond, flooded.IncludedPerSecond), 1), kinds);
    }

    private static string JsonNameOf(HostileKind kind) => kind.ToString().ToLowerInvariant();

    // What the plugin itself counted: dropped messages and refused transactions by cause.
    private static async Task<SortedDictionary<string, double>> CountersAsync(ChainHost host)
    {
        SortedDictionary<string, double> counters = new(StringComparer.Ordinal);
        GatherResponse gathered = await host.Vm.CallAsync<GatherResponse>("Gather").ConfigureAwait(false);
        foreach (MetricFamily family in gathered.MetricFamilies)
        {
            if (family.Name is "vm_gossip_messages_dropped_total" or "vm_transactions_refused_total" or "vm_signatures_checked_total" or "vm_api_turned_away_total")
            {
                foreach (Metric metric in family.Metric)
                {
                    List<string> words = [];
                    foreach (LabelPair label in metric.Label)
                    {
                        words.Add(label.Value);
                    }

                    counters[words.Count == 0 ? family.Name["vm_".Length..^"_total".Length] : string.Join('.', words)] = metric.Counter.Value;
                }
            }
        }

        return counters;
    }

    private static double GrowthOf(List<long> rss)
    {
        int quarter = rss.Count / 4;
        return quarter == 0 ? 1 : Max(rss, rss.Count - quarter, rss.Count) / (double)Max(rss, quarter, 2 * quarter);
    }

    private static long Max(List<long> values, int from, int to)
    {
        long max = 1;
        for (int i = from; i < to; i++)
        {
            max = Math.Max(max, values[i]);
        }

        return max;
    }

    /// <summary>The load that the chain includes.</summary>
    private sealed class Load(Cluster cluster, LoadGenerator generator)
    {
        private volatile IReadOnlyList<ReadOnlyMemory<byte>> _newest = [];
        private long _included;

        /// <summary>Transactions that the phase that runs has included so far.</summary>
        public long Included => Volatile.Read(ref _included);

        /// <summary>What was submitted last.</summary>
        public IReadOnlyList<ReadOnlyMemory<byte>> Newest => _newest;

        public async Task<(FloodPhase Phase, List<long> Rss)> RunAsync(TimeSpan length)
        {
            LatencyHistogram times = new();
            List<long> rss = [];
            Volatile.Write(ref _included, 0);
            long start = Stopwatch.GetTimestamp();
            using Process process = Process.GetProcessById(cluster.Hosts[0].Process.Id);
            while (Stopwatch.GetElapsedTime(start) < length)
            {
                (TimeSpan took, int count) = await StepAsync().ConfigureAwait(false);
                times.Record((long)(took.TotalMilliseconds * 1e6));
                Volatile.Write(ref _included, _included + count);
                process.Refresh();
                rss.Add(process.WorkingSet64);
            }

            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return (new FloodPhase(seconds, times.Count, times.Quantile(5_000) / 1e6, times.Quantile(9_900) / 1e6, _included / seconds), rss);
        }

        public async Task<(TimeSpan Took, int Included)> StepAsync()
        {
            SignedBatch batch = generator.Take();
            long start = Stopwatch.GetTimestamp();
            await Cluster.SubmitAsync(cluster.Proposer, batch.Transactions).ConfigureAwait(false);
            HostBlock block = await cluster.StepAsync().ConfigureAwait(false);
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            _newest = batch.Transactions;
            return (took, Block.TryDecode(block.Bytes.Span, out Block? decoded, out _) ? decoded.Transactions.Length : 0);
        }
    }

    /// <summary>Sends what is due, one message at a time; what it is behind with it catches up.</summary>
    private sealed class Sender(ChainHost host, HostileLoad hostile, Load load, Func<TimeSpan, double> dueAfter, bool isGossip)
    {
        private const int MessagesPerLesson = 50;

        private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

        public HostileLoad Hostile => hostile;

        public bool IsGossip => isGossip;

        public long Messages { get; private set; }

        public async Task RunAsync(CancellationToken stop)
        {
            using RpcChannel? api = isGossip ? null : new RpcChannel(host.Handlers["/rpc"]);
            long start = Stopwatch.GetTimestamp();
            long sent = 0;
            while (!stop.IsCancellationRequested)
            {
                if (sent >= dueAfter(Stopwatch.GetElapsedTime(start)))
                {
                    await Task.Delay(Pause, CancellationToken.None).ConfigureAwait(false);
                    continue;
                }

                if (Messages++ % MessagesPerLesson == 0 && load.Newest.Count > 0)
                {
                    hostile.Learn(load.Newest);
                }

                sent += api is null ? await GossipAsync().ConfigureAwait(false) : await CallAsync(api).ConfigureAwait(false);
            }
        }

        private async Task<int> GossipAsync()
        {
            ReadOnlyMemory<byte> message = hostile.NextGossip(out int items);
            ByteString peer = ByteString.CopyFrom(new NodeIdentity(2_000 + (int)(Messages % Peers)).NodeId.ToArray());
            await host.Vm.CallAsync("AppGossip", new AppGossipMsg { NodeId = peer, Msg = UnsafeByteOperations.UnsafeWrap(message) }, CancellationToken.None).ConfigureAwait(false);
            return items;
        }

        // Whatever the answer is, and 503 too: only a plugin that does not answer fails the flood.
        private async Task<int> CallAsync(RpcChannel api)
        {
            HandleSimpleHTTPRequest request = new() { Method = "POST", Url = "/ext/bc/x/rpc", Body = UnsafeByteOperations.UnsafeWrap(hostile.NextCall(out int items)) };
            request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
            await api.CallAsync(Simple, request, cancelled: CancellationToken.None).ConfigureAwait(false);
            return items;
        }
    }
}
