// Whole networks of peers under a seed: transactions reach everyone also when messages are lost; whatever bytes come, nothing throws,
// requests are answered with the SDK's codes, and memory stays bounded.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Tests.Gossip;

public sealed class PeerNetworkTests
{
    private static readonly Bytes32 Chain = new(1, 2, 3, 4);

    [Theory, InlineData(1ul, 0, true), InlineData(2ul, 30, true), InlineData(3ul, 30, false), InlineData(4ul, 60, true)]
    public async Task What_is_submitted_anywhere_comes_to_everyone_though_messages_are_lost(ulong seed, int losePercent, bool areValidators)
    {
        Net net = new(5, seed, areValidators: areValidators, losePercent: losePercent);
        SeededRandom random = new(seed);
        for (int i = 0; i < 300; i++)
        {
            net.Nodes[random.Next(5)].Submit(MemorySet.Transaction(random));
        }

        int seconds = 0;
        while (net.Nodes.Exists(node => node.Set.Count < 300) && seconds < 300)
        {
            await net.SecondAsync();
            seconds++;
        }

        Assert.All(net.Nodes, node => Assert.True(node.Set.Count == 300, $"seed {seed}: {node.Set.Count} of 300 after {seconds} s"));
        Assert.Empty(net.Errors);
        Assert.All(net.RequestIds, id => Assert.Equal(1u, id & 1));
    }

    [Fact]
    public async Task Nodes_that_lack_nothing_are_sent_nothing()
    {
        Net net = new(3, 7);
        SeededRandom random = new(7);
        for (int i = 0; i < 200; i++)
        {
            net.Nodes[0].Submit(MemorySet.Transaction(random));
        }

        while (net.Nodes.Exists(node => node.Set.Count < 200))
        {
            await net.SecondAsync();
        }

        net.Responses.Clear();
        for (int i = 0; i < 20; i++)
        {
            await net.SecondAsync();
        }

        long bytes = 0;
        net.Responses.ForEach(response => bytes += response.Length);
        Assert.Equal(60, net.Responses.Count);
        Assert.True(bytes < 60 * 250 * 20, $"{bytes} bytes for nothing but false positives' complement");
    }

    [Fact]
    public async Task Requests_are_refused_with_the_codes_of_the_sdk()
    {
        Net net = new(2, 8);
        PeerNetwork network = net.Nodes[0].Network;
        await network.PullAsync(default);                           // the validators are known now
        byte[] good = SdkMessages.WithHandler(0, new KnownFilter(new MemorySet(), new PeerLimits(), new SeededRandom(1)).EncodeRequest());
        byte[] validator = net.Nodes[1].Id.ToArray();

        Assert.Equal(-2, await CodeOf(validator, SdkMessages.WithHandler(1, [])));
        Assert.Equal(-2, await CodeOf(validator, []));
        Assert.Equal(-3, await CodeOf(Net.IdOf(77).ToArray(), good));
        Assert.Equal(-1, await CodeOf(validator, SdkMessages.WithHandler(0, [0xFF])));
        Assert.Equal(-1, await CodeOf(validator, SdkMessages.WithHandler(0, SdkMessages.WritePair(2, new byte[31], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]))));
        Assert.Equal(-1, await CodeOf(validator, SdkMessages.WithHandler(0, SdkMessages.WritePair(2, new byte[32], [17]))));
        Assert.Null(await CodeOf(validator, good));

        // two validators: 1800 an hour and four standard deviations
        int answered = 4;
        while (await CodeOf(validator, good) is null)
        {
            answered++;
        }

        Assert.Equal(1920, answered);
        Assert.Equal(-4, net.Errors[^1]);

        async Task<int?> CodeOf(byte[] from, byte[] request)
        {
            int before = net.Errors.Count;
            await network.AppRequestAsync(from, 5, DateTime.MaxValue, request, default);
            return net.Errors.Count > before ? net.Errors[^1] : null;
        }
    }

    [Fact]
    public async Task A_pull_brings_what_the_filter_lacks_up_to_the_size_of_a_message()
    {
        Net net = new(2, 9);
        SeededRandom random = new(9);
        for (int i = 0; i < 500; i++)
        {
            net.Nodes[0].Set.Put(MemorySet.Transaction(random));
        }

        int rounds = 0;
        while (net.Nodes[1].Set.Count < 500)
        {
            await net.SecondAsync();
            rounds++;
        }

        Assert.Equal(7, rounds);                                    // 82 of 250 bytes are 20 KiB and what crosses it
    }

    [Fact]
    public async Task Answers_that_nobody_asked_for_change_nothing()
    {
        Net net = new(2, 10);
        PeerNetwork network = net.Nodes[0].Network;
        byte[] push = SdkMessages.WriteElements([MemorySet.Transaction(new SeededRandom(10))]);
        await network.AppResponseAsync(net.Nodes[1].Id.ToArray(), 1, push, default);
        await network.AppRequestFailedAsync(net.Nodes[1].Id.ToArray(), 1, -1, "timed out", default);
        Assert.Equal((0, 2), (net.Nodes[0].Set.Count, network.Counters[PeerEvent.Unasked]));
    }

    private sealed class RefusingSender : IPeerSender
    {
        private int _tried;

        public int Tried => Volatile.Read(ref _tried);

        public Task RequestAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled) => Refuse();

        public Task RespondAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled) => Refuse();

        public Task FailAsync(NodeId to, uint requestId, PeerError error, CancellationToken cancelled) => Refuse();

        public Task GossipAsync(PushTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled) => Refuse();

        private Task Refuse()
        {
            Interlocked.Increment(ref _tried);
            return Task.FromException(new RpcException(RpcCode.Unavailable, "the node is away"));
        }
    }

    [Fact]
    public async Task Loops_go_on_after_rounds_that_the_node_refused()
    {
        RefusingSender sender = new();
        Net net = new(1, 12);
        MemorySet set = new();
        PeerNetwork network = new(new PeerNetworkOptions
        {
            Self = Net.IdOf(0),
            NetworkId = 12345,
            ChainId = Chain,
            Sender = sender,
            Set = set,
            Validators = net.Nodes[0],
            Outbox = net.Nodes[0].Outbox,
            Signer = net.Nodes[0].Outbox,
            Time = TimeProvider.System,
            Random = new SeededRandom(12),
            Limits = new PeerLimits { PushPeriod = TimeSpan.FromMilliseconds(1) },
        });
        network.SetNormalOp(true);
        SeededRandom random = new(12);
        for (int i = 1; i <= 3; i++)
        {
            byte[] transaction = MemorySet.Transaction(random);
            set.Put(transaction);
            network.Submitted([new GossipItem(MemorySet.IdOf(transaction), transaction)]);
            for (int wait = 0; wait < 5_000 && network.Counters[PeerEvent.RoundsFailed] < i; wait++)
            {
                await Task.Delay(2);
            }

            Assert.True(sender.Tried >= i && network.Counters[PeerEvent.RoundsFailed] >= i, $"round {i}: tried {sender.Tried}");
        }

        await network.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_is_taken_before_normal_operation()
    {
        Net net = new(2, 11);
        PeerNetwork network = net.Nodes[0].Network;
        network.SetNormalOp(false);
        byte[] gossip = SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(new SeededRandom(11))]));
        await network.AppGossipAsync(net.Nodes[1].Id.ToArray(), gossip, default);
        Assert.Equal((0, 1), (net.Nodes[0].Set.Count, network.Counters[PeerEvent.GossipDropped]));
        network.SetNormalOp(true);
        await network.AppGossipAsync(net.Nodes[1].Id.ToArray(), gossip, default);
        Assert.Equal(1, net.Nodes[0].Set.Count);
        await network.DisposeAsync();
    }

    [Theory, InlineData(21ul), InlineData(22ul)]
    public async Task No_bytes_of_a_peer_make_anything_throw_or_stay_unanswered(ulong seed)
    {
        Net net = new(3, seed, new PeerLimits { ThrottlePeriod = TimeSpan.FromSeconds(1), PullPeriod = TimeSpan.FromMicroseconds(1), RefusedPerMinute = int.MaxValue });
        PeerNetwork network = net.Nodes[0].Network;
        SeededRandom random = new(seed);
        byte[][] peers = [net.Nodes[1].Id.ToArray(), net.Nodes[2].Id.ToArray(), Net.IdOf(99).ToArray(), [], new byte[19]];
        byte[] pull = new KnownFilter(new MemorySet(), new PeerLimits { FilterMinIds = 10 }, random.Fork(1)).EncodeRequest();
        byte[] sign = SdkMessages.WritePair(1, UnsignedMessage.Create(12345, Chain, new HashPayload(default).Encode()).Bytes.Span, default);
        int requests = 0;
        for (int round = 0; round < 50_000; round++)
        {
            byte[] body = random.Next(4) switch
            {
                0 => Noise(random, 80),
                1 => Mutated(random, pull),
                2 => Mutated(random, sign),
                _ => Mutated(random, SdkMessages.WriteElements([Noise(random, 60), MemorySet.Transaction(random, 45)])),
            };
            byte[] message = random.Chance(1, 20) ? body : SdkMessages.WithHandler((ulong)random.Next(4), body);
            byte[] peer = peers[random.Next(peers.Length)];
            if (random.Chance(1, 100))
            {
                net.Time.Move(TimeSpan.FromSeconds(1));
            }

            switch (random.Next(4))
            {
                case 0:
                    requests += peer.Length == 20 ? 1 : 0;
                    await network.AppRequestAsync(peer, (uint)random.Next(100), DateTime.MaxValue, message, default);
                    break;
                case 1:
                    await network.AppGossipAsync(peer, message, default);
                    break;
                case 2:
                    await network.PullAsync(default);
                    await network.AppResponseAsync(peer, (uint)random.Next(100), body, default);
                    break;
                default:
                    await network.AppRequestFailedAsync(peer, (uint)random.Next(100), random.Next(10) - 5, "?", default);
                    break;
            }

            await net.DeliverAsync();
        }

        Assert.True(net.Errors.Count + net.Responses.Count >= requests, $"seed {seed}: {requests} requests, {net.Errors.Count} errors, {net.Responses.Count} responses");
        Assert.True(net.Nodes[0].Set.Count > 300, $"seed {seed}: only {net.Nodes[0].Set.Count} came through");
        Assert.Contains(-1, net.Errors);
        Assert.Contains(-2, net.Errors);
        Assert.Contains(2, net.Errors);
    }

    // Who passes on what every node refuses does it on purpose; who repeats what is known does not.
    [Fact]
    public async Task A_forger_is_muted_for_a_minute_and_who_repeats_himself_is_not()
    {
        Net net = new(4, 33);
        PeerNetwork network = net.Nodes[0].Network;
        SeededRandom random = new(33);
        byte[] forger = net.Nodes[1].Id.ToArray();
        byte[] honest = net.Nodes[2].Id.ToArray();
        List<ReadOnlyMemory<byte>> forged = [];
        for (int i = 0; i < 64; i++)
        {
            byte[] one = MemorySet.Transaction(random);
            one[0] = 0xBA;
            forged.Add(one);
        }

        byte[] known = SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(random)]));
        await network.AppGossipAsync(forger, SdkMessages.WithHandler(0, SdkMessages.WriteElements(forged)), default);
        for (int i = 0; i < 2_000; i++)
        {
            await network.AppGossipAsync(honest, known, default);
        }

        Assert.Equal((1, 0), (net.Nodes[0].Set.Count, network.Counters[PeerEvent.GossipDropped]));
        await network.AppGossipAsync(forger, SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(random)])), default);
        Assert.Equal((1, 1), (net.Nodes[0].Set.Count, network.Counters[PeerEvent.DroppedMuted]));
        await network.AppGossipAsync(honest, SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(random)])), default);
        Assert.Equal(2, net.Nodes[0].Set.Count);

        net.Time.Move(TimeSpan.FromMinutes(2));
        await network.AppGossipAsync(forger, SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(random)])), default);
        Assert.Equal(3, net.Nodes[0].Set.Count);
    }

    [Fact]
    public async Task Open_questions_are_bounded()
    {
        Net net = new(2, 41, new PeerLimits { MaxOutstanding = 8 });
        for (int i = 0; i < 100; i++)
        {
            await net.Nodes[0].Network.PullAsync(default);
        }

        Assert.Equal(8, net.RequestIds.Count);
        net.Time.Move(TimeSpan.FromMinutes(1));
        await net.Nodes[0].Network.PullAsync(default);
        Assert.Equal(9, net.RequestIds.Count);
    }

    [Fact]
    public async Task Only_what_was_accepted_is_signed()
    {
        Net net = new(2, 51);
        Net.Node node = net.Nodes[0];
        AddressedCall said = new(Chain.ToArray(), "said"u8.ToArray());
        BlockId accepted = new(new Bytes32(9, 9, 9, 9));
        node.Outbox.Calls.Add(said);
        node.Outbox.Blocks.Add(accepted);

        Assert.Equal(0, await Ask(UnsignedMessage.Create(12345, Chain, said.Encode()).Bytes.Span.ToArray()));
        Assert.Equal(0, await Ask(UnsignedMessage.Create(12345, Chain, new HashPayload(accepted.Value).Encode()).Bytes.Span.ToArray()));
        Assert.Equal(2, await Ask(UnsignedMessage.Create(12345, Chain, new AddressedCall(said.SourceAddress, "not said"u8.ToArray()).Encode()).Bytes.Span.ToArray()));
        Assert.Equal(2, await Ask(UnsignedMessage.Create(12345, Chain, new HashPayload(default).Encode()).Bytes.Span.ToArray()));
        Assert.Equal(2, await Ask(UnsignedMessage.Create(12346, Chain, said.Encode()).Bytes.Span.ToArray()));
        Assert.Equal(2, await Ask(UnsignedMessage.Create(12345, default, said.Encode()).Bytes.Span.ToArray()));
        Assert.Equal(1, await Ask(UnsignedMessage.Create(12345, Chain, [0, 0, 0, 0, 0, 9]).Bytes.Span.ToArray()));
        Assert.Equal(-1, await Ask([0, 0]));
        Assert.Equal(2, node.Outbox.Signed);

        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(0, await Ask(UnsignedMessage.Create(12345, Chain, said.Encode()).Bytes.Span.ToArray()));
        }

        Assert.Equal(2, node.Outbox.Signed);                        // remembered
        Assert.True(SdkMessages.TryReadPair(net.Responses[^1], 1, out ReadOnlyMemory<byte> signature, out _, out _));
        Assert.Equal(96, signature.Length);

        int answered = 0;
        while (await Ask([0, 0]) == -1)
        {
            answered++;
        }

        Assert.Equal((128 - 58, -4), (answered, net.Errors[^1]));

        async Task<int> Ask(byte[] message)
        {
            int before = net.Errors.Count;
            byte[] request = SdkMessages.WithHandler(2, SdkMessages.WritePair(1, message, "why"u8));
            await node.Network.AppRequestAsync(net.Nodes[1].Id.ToArray(), 7, DateTime.MaxValue, request, default);
            return net.Errors.Count > before ? net.Errors[^1] : 0;
        }
    }

    // elements of no bytes, which are no transactions
    internal static byte[] EmptyElements(int count)
    {
        byte[] message = new byte[2 * count];
        for (int i = 0; i < message.Length; i += 2)
        {
            message[i] = 0x0A;
        }

        return message;
    }

    internal static byte[] Noise(SeededRandom random, int max)
    {
        byte[] bytes = new byte[random.Next(max)];
        random.Fill(bytes);
        return bytes;
    }

    private static byte[] Mutated(SeededRandom random, byte[] from)
    {
        byte[] bytes = from.AsSpan(0, random.Chance(1, 8) ? random.Next(from.Length + 1) : from.Length).ToArray();
        if (bytes.Length > 0 && random.Chance(1, 2))
        {
            bytes[random.Next(Math.Min(bytes.Length, 12))] = (byte)random.Next(256);
        }

        return bytes;
    }
}
