// N nodes of one chain, each with a plugin process of its own, and consensus that always agrees: the proposer of a height builds, the
// others parse and verify, everyone accepts.
//
//   submit (as a peer's gossip, to the proposer) -> WaitForEvent -> BuildBlock -> BlockVerify -> SetPreference -> BlockAccept
//                                                                   others: ParseBlock -> BlockVerify -> ...
//
// Threading: one driver; what N nodes do at once runs side by side.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Protos.Vm;

namespace ParallelVm.NodeHost;

/// <summary>Nodes that agree.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private const int MessageBytes = 1 << 20;

    private static readonly TimeSpan EventLimit = TimeSpan.FromSeconds(30);

    private readonly List<ChainHost> _hosts;

    private Cluster(HostNetwork network, List<ChainHost> hosts, RpcMeter meter)
    {
        Network = network;
        _hosts = hosts;
        Meter = meter;
    }

    /// <summary>The nodes.</summary>
    public IReadOnlyList<ChainHost> Hosts => _hosts;

    /// <summary>Between them.</summary>
    public HostNetwork Network { get; }

    /// <summary>Calls of all nodes.</summary>
    public RpcMeter Meter { get; }

    /// <summary>Starts nodes in folders <c>node0</c>, <c>node1</c>, ... below one.</summary>
    public static async Task<Cluster> StartAsync(int nodes, string folder, string plugin, byte[] genesis, byte[] config, ulong seed)
    {
        HostNetwork network = new(nodes, seed);
        RpcMeter meter = new();
        List<ChainHost> hosts = [];
        Cluster cluster = new(network, hosts, meter);
        try
        {
            foreach (NodeIdentity node in network.Identities)
            {
                hosts.Add(await ChainHost.StartAsync(node, network, new ChainHostOptions(Path.Combine(folder, $"node{node.Index}"), plugin, genesis, config), meter)
                    .ConfigureAwait(false));
            }

            Cluster started = cluster;
            cluster = null!;
            return started;
        }
        finally
        {
            if (cluster is not null)
            {
                await cluster.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>The node that builds the next block.</summary>
    public ChainHost Proposer => ProposerOf(_hosts[0].LastAccepted.Height + 1);

    /// <summary>Gives transactions to a node as a peer's push does, in messages of at most a megabyte; they wait there when this returns.</summary>
    public static async Task SubmitAsync(ChainHost to, IReadOnlyList<ReadOnlyMemory<byte>> transactions)
    {
        // many clients, another one first each time: each stays below what one peer may send
        int client = transactions.Count == 0 || transactions[0].IsEmpty ? 0 : transactions[0].Span[^1];
        List<ReadOnlyMemory<byte>> message = [];
        int bytes = 0;
        for (int i = 0; i < transactions.Count; i++)
        {
            message.Add(transactions[i]);
            bytes += transactions[i].Length;
            if (bytes >= MessageBytes || i == transactions.Count - 1)
            {
                AppGossipMsg gossip = new()
                {
                    NodeId = ByteString.CopyFrom(new NodeIdentity(1_000 + (client++ % 64)).NodeId.ToArray()),
                    Msg = ByteString.CopyFrom(SdkMessages.WithHandler(TxGossip.Handler, SdkMessages.WriteElements(message))),
                };
                await to.Vm.CallAsync("AppGossip", gossip).ConfigureAwait(false);
                message.Clear();
                bytes = 0;
            }
        }
    }

    /// <summary>One block, by the proposer of its height, accepted by all.</summary>
    /// <param name="beside">What clients do while the block that was built is decided on; gets the next proposer. Nothing of it can be in the block.</param>
    /// <param name="accepted">Told when all have accepted it, while <paramref name="beside"/> may still be under way.</param>
    /// <exception cref="InvariantException">A node sees another block than the proposer built.</exception>
    /// <exception cref="TimeoutException">The proposer wants to build nothing.</exception>
    public async Task<HostBlock> StepAsync(Func<ChainHost, Task>? beside = null, Action<HostBlock>? accepted = null)
    {
        ChainHost proposer = Proposer;
        using CancellationTokenSource late = new(EventLimit);
        try
        {
            await proposer.WaitForEventAsync(late.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            throw new TimeoutException($"Node {proposer.Self.Index} wants to build nothing after block {proposer.LastAccepted.Height}.");
        }

        HostBlock block = await proposer.BuildAsync().ConfigureAwait(false);
        Task[] nodes = new Task[_hosts.Count];
        for (int i = 0; i < _hosts.Count; i++)
        {
            nodes[i] = FollowAsync(_hosts[i], block, isOwn: _hosts[i] == proposer);
        }

        Task others = beside is null ? Task.CompletedTask : Task.Run(() => beside(ProposerOf(block.Height + 1)));
        await Task.WhenAll(nodes).ConfigureAwait(false);
        accepted?.Invoke(block);
        await others.ConfigureAwait(false);
        return block;
    }

    /// <summary>The id that each node has at a height; all must be one.</summary>
    /// <exception cref="InvariantException">They differ.</exception>
    public async Task<Bytes32> AgreeAsync(ulong height)
    {
        Bytes32? agreed = null;
        foreach (ChainHost host in _hosts)
        {
            GetBlockIDAtHeightResponse response =
                await host.LockedAsync(() => host.Vm.CallAsync<GetBlockIDAtHeightRequest, GetBlockIDAtHeightResponse>("GetBlockIDAtHeight", new GetBlockIDAtHeightRequest { Height = height }))
                    .ConfigureAwait(false);
            Bytes32 id = response.Err == Error.Unspecified ? Bytes32.From(response.BlkId.Span) : throw new InvariantException($"Node {host.Self.Index} has no block {height}.");
            agreed ??= id;
            if (id != agreed)
            {
                throw new InvariantException($"Node {host.Self.Index} has block {id} at height {height}, node 0 has {agreed}.");
            }
        }

        return agreed!.Value;
    }

    /// <summary>Stops all nodes as the node does.</summary>
    /// <returns>True when every process ended with 0 by itself.</returns>
    public async Task<bool> StopAsync()
    {
        bool all = true;
        foreach (ChainHost host in _hosts)
        {
            all &= await host.StopAsync().ConfigureAwait(false) == 0;
        }

        return all;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (ChainHost host in _hosts)
        {
            await host.DisposeAsync().ConfigureAwait(false);
        }
    }

    private ChainHost ProposerOf(ulong height) => _hosts[(int)(height % (ulong)_hosts.Count)];

    private static async Task FollowAsync(ChainHost host, HostBlock block, bool isOwn)
    {
        if (!isOwn)
        {
            HostBlock parsed = await host.ParseAsync(block.Bytes).ConfigureAwait(false);
            if (parsed.Id != block.Id || parsed.ParentId != block.ParentId || parsed.Height != block.Height)
            {
                throw new InvariantException($"Node {host.Self.Index} reads block {parsed.Id} where {block.Id} was built.");
            }
        }

        await host.VerifyAsync(block).ConfigureAwait(false);
        await host.PreferAsync(block.Id).ConfigureAwait(false);
        await host.AcceptAsync(block).ConfigureAwait(false);
    }
}
