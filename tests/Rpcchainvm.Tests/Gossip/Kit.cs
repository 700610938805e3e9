// Peers without a node: a clock that is moved, a set in memory, a network that delivers by seed and may lose.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Tests.Gossip;

/// <summary>A clock that tests move. Its timers never ring: tests ask for the rounds that the loops would take.</summary>
internal sealed class ManualTime : TimeProvider
{
    private DateTimeOffset _now = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000);

    public void Move(TimeSpan by) => _now += by;

    public override DateTimeOffset GetUtcNow() => _now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new SilentTimer();

    private sealed class SilentTimer : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
            // nothing is held
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>Transactions in memory: 32 bytes of id and some more. Bytes 0xBA first are a bad signature; anything shorter is malformed.</summary>
internal sealed class MemorySet(int capacity = int.MaxValue) : IGossipSet
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TxId, byte[]> _items = [];
    private readonly List<TxId> _order = [];

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _items.Count;
            }
        }
    }

    public static byte[] Transaction(SeededRandom random, int length = 250)
    {
        byte[] bytes = new byte[length];
        random.Fill(bytes);
        bytes[0] = 1;
        return bytes;
    }

    public static TxId IdOf(ReadOnlySpan<byte> bytes) => new(Bytes32.From(bytes));

    public bool Contains(TxId id)
    {
        lock (_gate)
        {
            return _items.ContainsKey(id);
        }
    }

    public void Remove(TxId id)
    {
        lock (_gate)
        {
            _items.Remove(id);
            _order.Remove(id);
        }
    }

    public void List(List<GossipItem> target)
    {
        lock (_gate)
        {
            foreach (TxId id in _order)
            {
                target.Add(new GossipItem(id, _items[id]));
            }
        }
    }

    public Refusal Put(byte[] bytes)
    {
        TxId[] ids = new TxId[1];
        return Add([bytes], ids)[0];
    }

    public IReadOnlyList<Refusal> Add(IReadOnlyList<ReadOnlyMemory<byte>> elements, TxId[] ids)
    {
        List<Refusal> refusals = [];
        lock (_gate)
        {
            for (int i = 0; i < elements.Count; i++)
            {
                refusals.Add(Add(elements[i].Span, out ids[i]));
            }
        }

        return refusals;
    }

    private Refusal Add(ReadOnlySpan<byte> bytes, out TxId id)
    {
        id = default;
        if (bytes.Length < 40)
        {
            return new Refusal(RefusalCode.Truncated, "short");
        }

        if (bytes[0] == 0xBA)
        {
            return new Refusal(RefusalCode.BadSignature, "bad");
        }

        id = IdOf(bytes);
        if (_items.ContainsKey(id))
        {
            return new Refusal(RefusalCode.DuplicateTransaction, "known");
        }

        if (_items.Count >= capacity)
        {
            return new Refusal(RefusalCode.MempoolFull, "full");
        }

        _items.Add(id, bytes.ToArray());
        _order.Add(id);
        return Refusal.None;
    }
}

/// <summary>The outbox and signer of a chain that accepted a few things.</summary>
internal sealed class MemoryOutbox : IWarpOutbox, IMessageSigner
{
    public HashSet<BlockId> Blocks { get; } = [];

    public HashSet<AddressedCall> Calls { get; } = [];

    public int Signed { get; private set; }

    public bool IsAccepted(BlockId block) => Blocks.Contains(block);

    public bool IsEmitted(AddressedCall call) => Calls.Contains(call);

    public Task<byte[]?> SignAsync(UnsignedMessage message, CancellationToken cancelled)
    {
        Signed++;
        byte[] signature = new byte[SignedMessage.SignatureBytes];
        message.Id.CopyTo(signature);
        return Task.FromResult<byte[]?>(signature);
    }
}

/// <summary>N nodes whose messages wait in one queue until they are delivered.</summary>
internal sealed class Net
{
    private readonly Queue<Func<Task>> _queue = new();
    private readonly SeededRandom _random;
    private readonly int _losePercent;

    public Net(int nodes, ulong seed, PeerLimits? limits = null, bool areValidators = true, int losePercent = 0, int capacity = int.MaxValue)
    {
        _random = new SeededRandom(seed);
        _losePercent = losePercent;
        List<ValidatorWeight> validators = [];
        for (int i = 0; i < nodes; i++)
        {
            NodeId id = IdOf(i);
            validators.Add(new ValidatorWeight(id, (ulong)(10 + i)));
            Nodes.Add(new Node(this, id, limits ?? new PeerLimits(), seed, areValidators ? validators : [], capacity));
        }

        foreach (Node node in Nodes)
        {
            foreach (Node other in Nodes)
            {
                node.Network.Connected(other.Id.ToArray(), default);
            }

            node.Network.SetNormalOp(true);
        }
    }

    public ManualTime Time { get; } = new();

    public List<Node> Nodes { get; } = [];

    /// <summary>Errors that were answered, in order.</summary>
    public List<int> Errors { get; } = [];

    /// <summary>Responses that were answered.</summary>
    public List<byte[]> Responses { get; } = [];

    /// <summary>Request ids that were used.</summary>
    public List<uint> RequestIds { get; } = [];

    public static NodeId IdOf(int i) => new(0xAA, (ulong)i, 7);

    /// <summary>Delivers all that waits, and what that brings.</summary>
    public async Task DeliverAsync()
    {
        while (_queue.TryDequeue(out Func<Task>? deliver))
        {
            await deliver();
        }
    }

    /// <summary>A second passes: ten pushes and a pull of each.</summary>
    public async Task SecondAsync()
    {
        for (int i = 0; i < 10; i++)
        {
            Time.Move(TimeSpan.FromMilliseconds(100));
            foreach (Node node in Nodes)
            {
                await node.Network.PushAsync(default);
            }

            await DeliverAsync();
        }

        foreach (Node node in Nodes)
        {
            await node.Network.PullAsync(default);
        }

        await DeliverAsync();
    }

    private void Send(Func<Task> deliver, Func<Task>? lost = null)
    {
        if (_random.Chance(_losePercent, 100))
        {
            deliver = lost ?? (() => Task.CompletedTask);
        }

        _queue.Enqueue(deliver);
    }

    /// <summary>One node.</summary>
    internal sealed class Node : IPeerSender, IValidatorSource
    {
        private readonly Net _net;
        private readonly List<ValidatorWeight> _validators;

        public Node(Net net, NodeId id, PeerLimits limits, ulong seed, List<ValidatorWeight> validators, int capacity)
        {
            _net = net;
            _validators = validators;
            Id = id;
            Set = new MemorySet(capacity);
            Network = new PeerNetwork(new PeerNetworkOptions
            {
                Self = id,
                NetworkId = 12345,
                ChainId = new Bytes32(1, 2, 3, 4),
                Sender = this,
                Set = Set,
                Validators = this,
                Outbox = Outbox,
                Signer = Outbox,
                Time = net.Time,
                Random = new SeededRandom(seed).Fork(id.W1 + 100),
                Limits = limits,
            });
        }

        public NodeId Id { get; }

        public MemorySet Set { get; }

        public MemoryOutbox Outbox { get; } = new();

        public PeerNetwork Network { get; }

        public void Submit(byte[] transaction)
        {
            Assert.False(Set.Put(transaction).IsRefused);
            Network.Submitted([new GossipItem(MemorySet.IdOf(transaction), transaction)]);
        }

        public Task RequestAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled)
        {
            _net.RequestIds.Add(requestId);
            Node? peer = _net.Nodes.Find(node => node.Id == to);
            _net.Send(
                () => peer!.Network.AppRequestAsync(Id.ToArray(), requestId, DateTime.MaxValue, request, default).AsTask(),
                () => Network.AppRequestFailedAsync(to.ToArray(), requestId, -1, "timed out", default).AsTask());
            return Task.CompletedTask;
        }

        public Task RespondAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled)
        {
            _net.Responses.Add(response.ToArray());
            Node? peer = _net.Nodes.Find(node => node.Id == to);
            if (peer is not null)
            {
                _net.Send(() => peer.Network.AppResponseAsync(Id.ToArray(), requestId, response, default).AsTask());
            }

            return Task.CompletedTask;
        }

        public Task FailAsync(NodeId to, uint requestId, PeerError error, CancellationToken cancelled)
        {
            _net.Errors.Add(error.Code);
            return Task.CompletedTask;
        }

        public Task GossipAsync(PushTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled)
        {
            HashSet<NodeId> to = [.. targets.Nodes];
            for (int i = 0; i < targets.Validators; i++)
            {
                to.Add(_net.Nodes[_net._random.Next(_net.Nodes.Count)].Id);
            }

            foreach (Node peer in _net.Nodes)
            {
                if (peer.Id != Id && to.Contains(peer.Id))
                {
                    _net.Send(() => peer.Network.AppGossipAsync(Id.ToArray(), message, default).AsTask());
                }
            }

            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<ValidatorWeight>?> CurrentAsync(CancellationToken cancelled) =>
            Task.FromResult<IReadOnlyList<ValidatorWeight>?>(_validators);
    }
}
