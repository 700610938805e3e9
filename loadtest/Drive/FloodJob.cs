// flood: what a chain in a plugin's process suffers while peers and clients send it ten times what it includes.
//
//   quiet    half of the time: blocks of the load                                      -> transactions a second, block time p99
//   flooded  the other half: the same, beside ten times as many transactions from 64 peers that are noise or badly signed, odd
//            requests, and junk for the HTTP API, two app messages at a time as the node delivers them
//
//   quiet blocks N p50Ms X p99Ms X tps X       flooded blocks N p50Ms X p99Ms X tps X flood TRANSACTIONS, X times what was included
//   ratio p99 X rss growth X
//
// The exit code is 3 when an app call fails, when memory grows, or when p99 is above twice the quiet one. The flood's own work is on the
// same cores, so on two cores the ratio judges both.
//
// Threading: driver on the caller's thread; flooders on the pool.

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
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The command <c>flood</c>.</summary>
internal static class FloodJob
{
    private const int Flooders = 2;
    private const int Peers = 64;
    private const int ItemsPerMessage = 100;
    private const int Times = 10;
    private const double P99RatioMax = 2;
    private const double GrowthMax = 1.25;

    /// <summary>Loads a temporary chain, and floods it for the second half.</summary>
    public static int Run(ulong seed, TimeSpan length, int txs, int workers, string plugin, Terminal terminal)
    {
        string folder = Directory.CreateTempSubdirectory("parallelvm-flood-").FullName;
        try
        {
            return RunAsync(seed, length, txs, workers, plugin, folder, terminal).GetAwaiter().GetResult();
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

    private static async Task<int> RunAsync(ulong seed, TimeSpan length, int txs, int workers, string plugin, string folder, Terminal terminal)
    {
        DexWorld world = new(seed);
        byte[] config = System.Text.Encoding.ASCII.GetBytes($$"""{"workers":{{workers}}}""");
        Cluster cluster = await Cluster.StartAsync(1, folder, plugin, GenesisJson.Write(world.Genesis), config, seed).ConfigureAwait(false);
        await using (cluster.ConfigureAwait(false))
        {
            ChainHost host = cluster.Hosts[0];
            WorkloadShape shape = new(seed, DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0);
            using LoadGenerator generator = new(
                new Workload(shape), new TransactionFactory(world, TimeProvider.System), new Height(1), uint.MaxValue, txs, threads: 1, aheadMax: 2);
            for (int i = 0; i < 10; i++)
            {
                await StepAsync(cluster, generator).ConfigureAwait(false);             // compiled, filled
            }

            Phase quiet = await LoadAsync(cluster, generator, length / 2).ConfigureAwait(false);
            terminal.Output.WriteLine($"quiet {quiet}");

            double messagesPerSecond = Times * quiet.TransactionsPerSecond / ItemsPerMessage;
            using CancellationTokenSource stop = new();
            Task<long>[] flooders = new Task<long>[Flooders];
            for (int i = 0; i < Flooders; i++)
            {
                int index = i;
                flooders[i] = Task.Run(() => FloodAsync(host, world, new SeededRandom(seed).Fork((ulong)index + 1), messagesPerSecond / Flooders, stop.Token));
            }

            Phase flooded = await LoadAsync(cluster, generator, length / 2).ConfigureAwait(false);
            await stop.CancelAsync().ConfigureAwait(false);
            long sent = 0;
            foreach (Task<long> flooder in flooders)
            {
                sent += await flooder.ConfigureAwait(false);
            }

            terminal.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"flooded {flooded} flood {sent}, {sent / Math.Max(1, flooded.TransactionsPerSecond * length.TotalSeconds / 2):F1} times what was included"));
            double ratio = flooded.P99Ms / Math.Max(quiet.P99Ms, 1e-3);
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio p99 {ratio:F2} rss growth {flooded.Growth:F3}"));
            bool stopped = await cluster.StopAsync().ConfigureAwait(false);
            return stopped && cluster.Network.AppErrors.Count == 0 && ratio <= P99RatioMax && flooded.Growth <= GrowthMax
                ? ExitCodes.Success
                : terminal.Fail(new Refusal(RefusalCode.LocalFailure, "The flood was felt: an app call failed, memory grew, or blocks took more than twice as long."), ExitCodes.LocalFailure);
        }
    }

    private static async Task<Phase> LoadAsync(Cluster cluster, LoadGenerator generator, TimeSpan length)
    {
        LatencyHistogram times = new();
        List<long> rss = [];
        long included = 0;
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.GetProcessById(cluster.Hosts[0].Process.Id);
        while (Stopwatch.GetElapsedTime(start) < length)
        {
            (TimeSpan took, int count) = await StepAsync(cluster, generator).ConfigureAwait(false);
            times.Record((long)(took.TotalMilliseconds * 1e6));
            included += count;
            process.Refresh();
            rss.Add(process.WorkingSet64);
        }

        int quarter = Math.Max(1, rss.Count / 4);
        double growth = rss.Count < 8 ? 1 : Max(rss, rss.Count - quarter, rss.Count) / (double)Max(rss, rss.Count - (2 * quarter), rss.Count - quarter);
        return new Phase(times.Count, times.Quantile(5_000) / 1e6, times.Quantile(9_900) / 1e6, included / Stopwatch.GetElapsedTime(start).TotalSeconds, growth);
    }

    private static async Task<(TimeSpan Took, int Included)> StepAsync(Cluster cluster, LoadGenerator generator)
    {
        SignedBatch batch = generator.Take();
        long start = Stopwatch.GetTimestamp();
        await Cluster.SubmitAsync(cluster.Proposer, batch.Transactions).ConfigureAwait(false);
        HostBlock block = await cluster.StepAsync().ConfigureAwait(false);
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        return (took, Block.TryDecode(block.Bytes.Span, out Block? decoded, out _) ? decoded.Transactions.Length : 0);
    }

    // Keeps to its rate; what it is behind with it does not catch up.
    private static async Task<long> FloodAsync(ChainHost host, DexWorld world, SeededRandom random, double messagesPerSecond, CancellationToken stop)
    {
        TransactionFactory factory = new(world, TimeProvider.System);
        Workload workload = new(new WorkloadShape(random.NextU64(), DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0));
        List<byte[]> signed = [];
        foreach (Intent intent in workload.At(new Height(1), ItemsPerMessage))
        {
            signed.Add(factory.Sign(intent, new Height(1)).Bytes.ToArray());
        }

        using RpcChannel? api = host.Handlers.TryGetValue("/rpc", out string? address) ? new RpcChannel(address) : null;
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> simple = RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");
        long sent = 0;
        while (!stop.IsCancellationRequested)
        {
            long start = Stopwatch.GetTimestamp();
            List<ReadOnlyMemory<byte>> items = [];
            bool isNoise = random.Chance(1, 2);
            for (int i = 0; i < ItemsPerMessage; i++)
            {
                byte[] item = (byte[])signed[i].Clone();
                if (isNoise)
                {
                    random.Fill(item);
                }

                item[^(1 + random.Next(64))] ^= (byte)(1 + random.Next(255));       // the last 64 bytes are a signature
                items.Add(item);
            }

            ByteString peer = ByteString.CopyFrom(new NodeIdentity(2_000 + random.Next(Peers)).NodeId.ToArray());
            ByteString push = ByteString.CopyFrom(SdkMessages.WithHandler(TxGossip.Handler, SdkMessages.WriteElements(items)));
            await host.Vm.CallAsync("AppGossip", new AppGossipMsg { NodeId = peer, Msg = push }, CancellationToken.None).ConfigureAwait(false);
            await host.Vm.CallAsync("AppRequest", new AppRequestMsg { NodeId = peer, RequestId = (uint)random.Next(int.MaxValue), Request = push }, CancellationToken.None).ConfigureAwait(false);
            if (api is not null)
            {
                HandleSimpleHTTPRequest junk = new() { Method = "POST", Url = "/ext/bc/x/rpc", Body = ByteString.CopyFrom(items[0].Span) };
                await api.CallAsync(simple, junk, cancelled: CancellationToken.None).ConfigureAwait(false);
            }

            sent += ItemsPerMessage;
            TimeSpan rest = TimeSpan.FromSeconds(1 / messagesPerSecond) - Stopwatch.GetElapsedTime(start);
            if (rest > TimeSpan.Zero)
            {
                await Task.Delay(rest, CancellationToken.None).ConfigureAwait(false);
            }
        }

        return sent;
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

    private sealed record Phase(long Blocks, double P50Ms, double P99Ms, double TransactionsPerSecond, double Growth)
    {
        public override string ToString() =>
            string.Create(CultureInfo.InvariantCulture, $"blocks {Blocks} p50Ms {P50Ms:F1} p99Ms {P99Ms:F1} tps {TransactionsPerSecond:F0}");
    }
}
