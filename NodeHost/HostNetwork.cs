// App messages between the nodes of one process: what a plugin sends is delivered to the others' plugins, two at a time per node, in no
// order, as the node does it. Each request is answered exactly once: by the peer, or as timed out.
//
// Threading: any; one lock. Deliveries run on the pool and are awaited by SettleAsync.   Source: the fact sheet's section 11.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.AppSender;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>Delivers between plugins.</summary>
internal sealed class HostNetwork
{
    private const int AppConcurrency = 2;

    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<NodeId, Peer> _peers = [];
    private readonly HashSet<(NodeId From, NodeId To, uint Id)> _open = [];
    private readonly HashSet<Task> _running = [];
    private readonly SeededRandom _random;

    /// <summary>A network of so many nodes.</summary>
    public HostNetwork(int nodes, ulong seed)
    {
        NodeIdentity[] identities = new NodeIdentity[nodes];
        for (int i = 0; i < nodes; i++)
        {
            identities[i] = new NodeIdentity(i);
        }

        Identities = identities;
        _random = new SeededRandom(seed);
    }

    /// <summary>All nodes.</summary>
    public IReadOnlyList<NodeIdentity> Identities { get; }

    /// <summary>Errors of App* calls: the node would have stopped the chain.</summary>
    public List<string> AppErrors { get; } = [];

    /// <summary>A node's plugin can be reached from now on.</summary>
    public void Attach(NodeIdentity node, VmClient vm)
    {
        lock (_gate)
        {
            _peers[node.NodeId] = new Peer(vm, new SemaphoreSlim(AppConcurrency));
        }
    }

    /// <summary>A node's plugin is gone.</summary>
    public void Detach(NodeIdentity node)
    {
        lock (_gate)
        {
            _peers.Remove(node.NodeId);
        }
    }

    /// <summary>A plugin asks a peer.</summary>
    public void Request(NodeIdentity from, ByteString to, uint requestId, ByteString request)
    {
        lock (_gate)
        {
            if (!NodeId.TryFrom(to.Span, out NodeId peer) || !_open.Add((from.NodeId, peer, requestId)))
            {
                return;
            }

            Timestamp deadline = Timestamp.FromDateTime(DateTime.UtcNow + RequestLimit);
            bool isSent = Deliver(peer, "AppRequest", new AppRequestMsg { NodeId = Bytes(from.NodeId), RequestId = requestId, Deadline = deadline, Request = request });
            Run(TimeOutAsync(from, peer, requestId, isSent ? RequestLimit : TimeSpan.Zero));
        }
    }

    /// <summary>A plugin answers a peer.</summary>
    public void Respond(NodeIdentity from, ByteString to, uint requestId, ByteString response)
    {
        if (TryClose(from.NodeId, to, requestId, out NodeId peer))
        {
            Deliver(peer, "AppResponse", new AppResponseMsg { NodeId = Bytes(from.NodeId), RequestId = requestId, Response = response });
        }
    }

    /// <summary>A plugin answers a peer with an error.</summary>
    public void Fail(NodeIdentity from, ByteString to, uint requestId, int code, string text)
    {
        if (TryClose(from.NodeId, to, requestId, out NodeId peer))
        {
            Deliver(peer, "AppRequestFailed", new AppRequestFailedMsg { NodeId = Bytes(from.NodeId), RequestId = requestId, ErrorCode = code, ErrorMessage = text });
        }
    }

    /// <summary>A plugin tells peers: the named ones, and as many random others as it asks for.</summary>
    public void Gossip(NodeIdentity from, SendAppGossipMsg gossip)
    {
        List<NodeId> others = [];
        HashSet<NodeId> to = [];
        lock (_gate)
        {
            foreach (NodeId peer in _peers.Keys)
            {
                if (peer != from.NodeId)
                {
                    others.Add(peer);
                }
            }

            others.Sort();
            foreach (ByteString id in gossip.NodeIds)
            {
                if (NodeId.TryFrom(id.Span, out NodeId peer) && peer != from.NodeId)
                {
                    to.Add(peer);
                }
            }

            ulong more = gossip.Validators + gossip.Peers;                  // every node here validates
            for (; more > 0 && others.Count > 0; more--)
            {
                int drawn = _random.Next(others.Count);
                to.Add(others[drawn]);
                others.RemoveAt(drawn);
            }
        }

        foreach (NodeId peer in to)
        {
            Deliver(peer, "AppGossip", new AppGossipMsg { NodeId = Bytes(from.NodeId), Msg = gossip.Msg });
        }
    }

    /// <summary>Waits until nothing is being delivered now.</summary>
    public async Task SettleAsync()
    {
        while (true)
        {
            Task[] running;
            lock (_gate)
            {
                running = [.. _running];
            }

            if (running.Length == 0)
            {
                return;
            }

            await Task.WhenAll(running).ConfigureAwait(false);
        }
    }

    private static ByteString Bytes(NodeId id) => ByteString.CopyFrom(id.ToArray());

    // The peer answers `from`: the question was the other way round.
    private bool TryClose(NodeId answering, ByteString asking, uint requestId, out NodeId peer)
    {
        lock (_gate)
        {
            return NodeId.TryFrom(asking.Span, out peer) && _open.Remove((peer, answering, requestId));
        }
    }

    private async Task TimeOutAsync(NodeIdentity from, NodeId to, uint requestId, TimeSpan after)
    {
        for (TimeSpan waited = TimeSpan.Zero; waited < after; waited += TimeSpan.FromMilliseconds(50))
        {
            await Task.Delay(50).ConfigureAwait(false);
            lock (_gate)
            {
                if (!_open.Contains((from.NodeId, to, requestId)))
                {
                    return;
                }
            }
        }

        bool isOpen;
        lock (_gate)
        {
            isOpen = _open.Remove((from.NodeId, to, requestId));
        }

        if (isOpen)
        {
            Deliver(from.NodeId, "AppRequestFailed", new AppRequestFailedMsg { NodeId = Bytes(to), RequestId = requestId, ErrorCode = -1, ErrorMessage = "timed out" });
        }
    }

    private bool Deliver<TRequest>(NodeId to, string method, TRequest message)
        where TRequest : class, IMessage<TRequest>
    {
        lock (_gate)
        {
            if (!_peers.TryGetValue(to, out Peer? peer))
            {
                return false;
            }

            Run(DeliverAsync(peer, method, message));
            return true;
        }
    }

    private async Task DeliverAsync<TRequest>(Peer peer, string method, TRequest message)
        where TRequest : class, IMessage<TRequest>
    {
        await peer.Room.WaitAsync().ConfigureAwait(false);
        try
        {
            await peer.Vm.CallAsync(method, message).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            lock (_gate)
            {
                AppErrors.Add($"{method}: {e.Message}");
            }
        }
        catch (OperationCanceledException)
        {
            // the plugin's channel was closed
        }
        finally
        {
            peer.Room.Release();
        }
    }

    // Under the lock, which the continuation takes too.
    private void Run(Task task)
    {
        _running.Add(task);
        task.ContinueWith(
            ended =>
            {
                lock (_gate)
                {
                    _running.Remove(ended);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            TaskScheduler.Default);
    }

    private sealed record Peer(VmClient Vm, SemaphoreSlim Room);
}
