// Between nodes: takes what the node forwards from peers to the protocol that it is for, and asks peers in turn.
//
//   request  = handler number | body  -> protocol -> response, or an error with a code      always answered
//   gossip   = handler number | body  -> protocol
//   response = body                   -> whoever asked, found by (peer, odd request id)
//
// Contract
//   N1  no bytes of a peer make anything here throw; what is not understood is answered with an error, or dropped
//   N2  memory is bounded whatever peers send: messages that are worked on, questions that are open, rates that are counted
//   N3  nothing is taken or told before normal operation; requests are answered at any time
//
// Threading: any. Two loops run during normal operation; disposal ends them.
// Source: the fact sheet's section 11; AvalancheGo's network/p2p.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>What a network of peers is made of.</summary>
internal sealed record PeerNetworkOptions
{
    /// <summary>This node.</summary>
    public required NodeId Self { get; init; }

    /// <summary>The network's number.</summary>
    public required uint NetworkId { get; init; }

    /// <summary>This chain, as the node names it.</summary>
    public required Bytes32 ChainId { get; init; }

    /// <summary>The way out.</summary>
    public required IPeerSender Sender { get; init; }

    /// <summary>The waiting transactions.</summary>
    public required IGossipSet Set { get; init; }

    /// <summary>Who validates.</summary>
    public required IValidatorSource Validators { get; init; }

    /// <summary>What may be signed.</summary>
    public required IWarpOutbox Outbox { get; init; }

    /// <summary>Who signs.</summary>
    public required IMessageSigner Signer { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Salts, seeds of filters, samples. A peer that can guess them can hide transactions from this node, so a host seeds it with entropy.</summary>
    public required SeededRandom Random { get; init; }

    /// <summary>Sizes and rates.</summary>
    public PeerLimits Limits { get; init; } = new();
}

/// <summary>The peers' side of the plugin.</summary>
internal sealed class PeerNetwork : IAppHandler, IMeasured
{
    private readonly PeerNetworkOptions _options;
    private readonly PeerLimits _limits;
    private readonly PeerTable _peers;
    private readonly TxGossip _gossip;
    private readonly Dictionary<ulong, IPeerProtocol> _protocols;
    private readonly Lock _gate = new();
    private readonly Dictionary<(NodeId Peer, uint Id), DateTimeOffset> _pulls = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _loops = Task.CompletedTask;
    private uint _nextRequestId = 1;
    private int _inside;
    private bool _hasLoops;
    private volatile bool _isNormalOp;

    public PeerNetwork(PeerNetworkOptions options)
    {
        _options = options;
        _limits = options.Limits;
        _peers = new PeerTable(options.Self, options.Validators, options.Time, _limits, options.Random.Fork(1));
        _gossip = new TxGossip(options.Set, _peers, Counters, options.Time, _limits, options.Random.Fork(2));
        _protocols = new Dictionary<ulong, IPeerProtocol>
        {
            [TxGossip.Handler] = _gossip,
            [SignatureRequests.Handler] =
                new SignatureRequests(options.NetworkId, options.ChainId, options.Outbox, options.Signer, Counters, options.Time, _limits),
        };
    }

    /// <summary>What happened so far.</summary>
    public PeerCounters Counters { get; } = new();

    /// <summary>Peers that are connected.</summary>
    public int ConnectedPeers => _peers.Connected;

    /// <summary>Tells peers of transactions that were submitted here and wait now.</summary>
    public void Submitted(IReadOnlyList<GossipItem> items)
    {
        foreach (GossipItem item in items)
        {
            _gossip.Known.Add(item.Id);
            _gossip.Queue.Add(item);
        }
    }

    /// <inheritdoc/>
    public void AddTo(MetricSet metrics) => PeerMetrics.Add(metrics, Counters, () => ConnectedPeers);

    /// <inheritdoc/>
    public void Connected(ReadOnlyMemory<byte> nodeId, PeerVersion version)
    {
        if (NodeId.TryFrom(nodeId.Span, out NodeId peer))
        {
            _peers.Add(peer);
        }
    }

    /// <inheritdoc/>
    public void Disconnected(ReadOnlyMemory<byte> nodeId)
    {
        if (NodeId.TryFrom(nodeId.Span, out NodeId peer))
        {
            _peers.Remove(peer);
        }
    }

    /// <inheritdoc/>
    public void SetNormalOp(bool isNormalOp)
    {
        _isNormalOp = isNormalOp;
        lock (_gate)
        {
            if (isNormalOp && !_hasLoops && !_stop.IsCancellationRequested)
            {
                _hasLoops = true;
                _loops = Task.WhenAll(LoopAsync(_limits.PushPeriod, PushAsync), LoopAsync(_limits.PullPeriod, PullAsync));
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppRequestAsync(ReadOnlyMemory<byte> nodeId, uint requestId, DateTime deadline, ReadOnlyMemory<byte> request, CancellationToken cancelled)
    {
        if (!NodeId.TryFrom(nodeId.Span, out NodeId from))
        {
            return;
        }

        Counters.Count(PeerEvent.Requests);
        PeerAnswer answer = PeerAnswer.Fail(PeerError.NoSuchHandler);
        if (!TryEnter())
        {
            answer = PeerAnswer.Fail(PeerError.Throttled);
        }
        else
        {
            try
            {
                if (TryRoute(request, out IPeerProtocol? protocol, out ReadOnlyMemory<byte> body))
                {
                    answer = await protocol!.RequestAsync(from, body, cancelled).ConfigureAwait(false);
                }
            }
            finally
            {
                Leave();
            }
        }

        if (answer.Error.IsError)
        {
            Counters.Count(PeerEvent.RequestsRefused);
            await _options.Sender.FailAsync(from, requestId, answer.Error, cancelled).ConfigureAwait(false);
        }
        else
        {
            await _options.Sender.RespondAsync(from, requestId, answer.Response, cancelled).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppGossipAsync(ReadOnlyMemory<byte> nodeId, ReadOnlyMemory<byte> message, CancellationToken cancelled)
    {
        Counters.Count(PeerEvent.Gossips);
        if (!NodeId.TryFrom(nodeId.Span, out NodeId from) || !_isNormalOp)
        {
            Counters.Drop(PeerEvent.DroppedEarly);
            return;
        }

        if (!TryEnter())
        {
            Counters.Drop(PeerEvent.DroppedCrowded);
            return;
        }

        try
        {
            if (TryRoute(message, out IPeerProtocol? protocol, out ReadOnlyMemory<byte> body))
            {
                await protocol!.GossipAsync(from, body, cancelled).ConfigureAwait(false);
            }
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public ValueTask AppResponseAsync(ReadOnlyMemory<byte> nodeId, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled)
    {
        if (TryClose(nodeId, requestId, out NodeId from) && _isNormalOp)
        {
            _gossip.Take(from, response);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask AppRequestFailedAsync(ReadOnlyMemory<byte> nodeId, uint requestId, int errorCode, string message, CancellationToken cancelled)
    {
        TryClose(nodeId, requestId, out _);                         // pulls come again by themselves
        return ValueTask.CompletedTask;
    }

    /// <summary>One round of pushes: what is new, then what is due again.</summary>
    public async Task PushAsync(CancellationToken cancelled)
    {
        for (int i = 0; i < _limits.MessagesPerPush; i++)
        {
            List<ReadOnlyMemory<byte>> fresh = _gossip.Queue.TakeFresh();
            if (fresh.Count == 0)
            {
                break;
            }

            await PushAsync(fresh, new PushTargets(_peers.Top(_limits.PushStakePermille), _limits.PushValidators, 0, 0), cancelled).ConfigureAwait(false);
        }

        List<ReadOnlyMemory<byte>> due = _gossip.Queue.TakeDue();
        if (due.Count > 0)
        {
            await PushAsync(due, new PushTargets([], _limits.RegossipValidators, 0, 0), cancelled).ConfigureAwait(false);
        }
    }

    /// <summary>One pull, if this node validates and knows another validator.</summary>
    public async Task PullAsync(CancellationToken cancelled)
    {
        await _peers.RefreshAsync(cancelled).ConfigureAwait(false);
        if (!_peers.IsValidator(_options.Self) || !_peers.TrySample(out NodeId peer) || !TryOpen(peer, out uint requestId))
        {
            return;
        }

        Counters.Count(PeerEvent.PullsSent);
        byte[] request = SdkMessages.WithHandler(TxGossip.Handler, _gossip.Known.EncodeRequest());
        await _options.Sender.RequestAsync(peer, requestId, request, cancelled).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task loops;
        lock (_gate)
        {
            _stop.Cancel();
            loops = _loops;
        }

        await loops.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task PushAsync(List<ReadOnlyMemory<byte>> items, PushTargets targets, CancellationToken cancelled)
    {
        Counters.Count(PeerEvent.PushesSent);
        Counters.Count(PeerEvent.ItemsSent, items.Count);
        byte[] message = SdkMessages.WithHandler(TxGossip.Handler, SdkMessages.WriteElements(items));
        await _options.Sender.GossipAsync(targets, message, cancelled).ConfigureAwait(false);
    }

    private async Task LoopAsync(TimeSpan period, Func<CancellationToken, Task> round)
    {
        using PeriodicTimer timer = new(period, _options.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                if (_isNormalOp)
                {
                    await TryRoundAsync(round).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // disposed of
        }
    }

    // A node that refuses a message, or is not to be reached for a moment, must not end gossip for good: the next round comes.
    private async Task TryRoundAsync(Func<CancellationToken, Task> round)
    {
        try
        {
            await round(_stop.Token).ConfigureAwait(false);
        }
        catch (RpcException)
        {
            Counters.Count(PeerEvent.RoundsFailed);
        }
    }

    private bool TryRoute(ReadOnlyMemory<byte> message, out IPeerProtocol? protocol, out ReadOnlyMemory<byte> body)
    {
        protocol = null;
        if (!SdkMessages.TryReadHandler(message, out ulong handler, out body) || !_protocols.TryGetValue(handler, out protocol))
        {
            Counters.Count(PeerEvent.Malformed);
        }

        return protocol is not null;
    }

    private bool TryEnter()
    {
        if (Interlocked.Increment(ref _inside) <= _limits.MaxInside)
        {
            return true;
        }

        Leave();
        return false;
    }

    private void Leave() => Interlocked.Decrement(ref _inside);

    // Request ids are odd, as the SDK's are, and not given twice while they are open.
    private bool TryOpen(NodeId peer, out uint requestId)
    {
        lock (_gate)
        {
            requestId = 0;
            if (_pulls.Count >= _limits.MaxOutstanding)
            {
                ForgetOld();
            }

            if (_pulls.Count >= _limits.MaxOutstanding)
            {
                return false;
            }

            do
            {
                requestId = _nextRequestId;
                _nextRequestId += 2;
            }
            while (!_pulls.TryAdd((peer, requestId), _options.Time.GetUtcNow()));

            return true;
        }
    }

    // The node answers each request, but for one that it never got: what is open for a minute is not open any more.
    private void ForgetOld()
    {
        DateTimeOffset now = _options.Time.GetUtcNow();
        foreach (((NodeId, uint) key, DateTimeOffset opened) in new List<KeyValuePair<(NodeId, uint), DateTimeOffset>>(_pulls))
        {
            if (now - opened >= TimeSpan.FromMinutes(1))
            {
                _pulls.Remove(key);
            }
        }
    }

    private bool TryClose(ReadOnlyMemory<byte> nodeId, uint requestId, out NodeId from)
    {
        bool isOurs = NodeId.TryFrom(nodeId.Span, out from);
        lock (_gate)
        {
            isOurs = isOurs && _pulls.Remove((from, requestId));
        }

        if (!isOurs)
        {
            Counters.Count(PeerEvent.Unasked);
        }

        return isOurs;
    }
}
