// The order of a node's calls (section 8 of the sheet) in its less usual shapes: many undecided blocks, a chain that catches up, everything at once, times.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Tests.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Conformance;

public sealed class OrderTests
{
    private const ulong LastMs = 253_402_300_799_999;                   // 9999-12-31T23:59:59.999Z, the last time that the node takes

    // Section 9: parsed in any order before anything is known of them, then verified and accepted upwards, with or without a P-chain height; then normal operation.
    [Fact]
    public async Task A_fresh_chain_catches_up_by_blocks_that_it_parses_without_their_parents()
    {
        await using VmKit ahead = await VmKit.OpenAsync();
        List<BuildBlockResponse> grown = await ahead.GrowManyAsync(6);
        await using VmKit late = await VmKit.StartAsync();
        await late.InitializeAsync();
        for (int start = 0; start < 2; start++)
        {
            await late.GoAsync(State.Bootstrapping);                    // may begin more than once
        }

        BatchedParseBlockRequest batch = new();
        batch.Request.AddRange(grown.AsEnumerable().Reverse().Select(static block => block.Bytes));
        BatchedParseBlockResponse parsed = await late.CallAsync<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", batch);
        Assert.Equal(grown.AsEnumerable().Reverse().Select(static block => (block.Id, block.ParentId, block.Timestamp)), parsed.Response.Select(static block => (block.Id, block.ParentId, block.Timestamp)));
        for (int i = 0; i < grown.Count; i++)
        {
            Assert.Equal(Error.NotFound, (await late.GetAsync(grown[i].Id)).Err);
            await late.VerifyAsync(grown[i].Bytes, i % 3 == 0 ? null : (ulong)i);
            await late.AcceptAsync(grown[i].Id);
        }

        await late.PreferAsync(grown[^1].Id);
        SetStateResponse state = await late.GoAsync();
        Assert.Equal((6UL, grown[5].Id, grown[4].Id, grown[5].Timestamp), (state.Height, state.LastAcceptedId, state.LastAcceptedParentId, state.Timestamp));
        BuildBlockResponse next = await late.GrowAsync();
        Assert.Equal((7UL, grown[5].Id), (next.Height, next.ParentId));

        await ahead.VerifyAsync(next.Bytes);                            // and the other one follows
        await ahead.AcceptAsync(next.Id);
        Assert.Equal(next.Id, (await ahead.IdAtAsync(7)).BlkId);
    }

    [Fact]
    public async Task Ten_blocks_may_be_undecided_and_of_two_branches_one_is_rejected_whole()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        ByteString genesis = (await kit.IdAtAsync(0)).BlkId;
        List<BuildBlockResponse> one = await BranchAsync(5);
        await kit.PreferAsync(genesis);
        List<BuildBlockResponse> other = await BranchAsync(5);
        Assert.All(one.Concat(other), block => Assert.Equal(Error.Unspecified, kit.GetAsync(block.Id).Result.Err));

        await kit.AcceptAsync(one[0].Id);
        foreach (BuildBlockResponse block in other)
        {
            await kit.RejectAsync(block.Id);
        }

        await kit.PreferAsync(one[4].Id);
        foreach (BuildBlockResponse block in one[1..])
        {
            await kit.AcceptAsync(block.Id);
        }

        Assert.All(other, block => Assert.Equal(Error.NotFound, kit.GetAsync(block.Id).Result.Err));
        Assert.Equal(one[4].Id, (await kit.IdAtAsync(5)).BlkId);
        Assert.Equal(6UL, (await kit.GrowAsync()).Height);

        async Task<List<BuildBlockResponse>> BranchAsync(int length)
        {
            List<BuildBlockResponse> branch = [];
            for (int i = 0; i < length; i++)
            {
                BuildBlockResponse block = await kit.BuildAsync();
                await kit.VerifyAsync(block.Bytes);
                await kit.PreferAsync(block.Id);
                branch.Add(block);
            }

            return branch;
        }
    }

    // Sections 8.2 and 3: calls that the node makes outside its lock run beside those inside it, and a caller that ignores the lock changes nothing.
    [Theory, InlineData(5)]
    public async Task Everything_at_once_disturbs_nothing(int seed)
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted) });
        CreateHandlersResponse handlers = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        Assert.Equal(2, handlers.Handlers.Count);
        ByteString genesis = (await kit.IdAtAsync(0)).BlkId;
        ByteString bytes = (await kit.GetAsync(genesis)).Bytes;
        ByteString peer = ByteString.CopyFrom(VmKit.NodeId);
        using CancellationTokenSource stop = new();
        int calls = 0;
        Func<SeededRandom, Task>[] others =
        [
            _ => kit.AskAsync<GatherResponse>("Gather"),
            _ => kit.AskAsync<VersionResponse>("Version"),
            _ => kit.AskAsync<HealthResponse>("Health"),
            _ => kit.AskAsync<StateSyncEnabledResponse>("StateSyncEnabled"),
            random => kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = peer, Msg = Noise(random) }),
            random => kit.CallAsync<AppRequestMsg, Empty>("AppRequest", new AppRequestMsg { NodeId = peer, RequestId = (uint)random.Next(99), Request = Noise(random) }),
            _ => kit.CallAsync<ConnectedRequest, Empty>("Connected", new ConnectedRequest { NodeId = peer }),            // repeats are allowed
            _ => kit.CallAsync<DisconnectedRequest, Empty>("Disconnected", new DisconnectedRequest { NodeId = peer }),
            _ => kit.GetAsync(genesis),
            random => kit.IdAtAsync((ulong)random.Next(20)),
            _ => kit.CallAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", new ParseBlockRequest { Bytes = bytes }),
            _ => kit.CallAsync<GetAncestorsRequest, GetAncestorsResponse>("GetAncestors", new GetAncestorsRequest { BlkId = genesis, MaxBlocksNum = 5 }),
            async random =>
            {
                using CancellationTokenSource soon = new(random.Next(5));
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
                {
                    while (true)
                    {
                        await kit.AskAsync<WaitForEventResponse>("WaitForEvent", soon.Token);
                    }
                });
            },
        ];
        Task[] callers = [.. Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
        {
            SeededRandom random = new SeededRandom((ulong)seed).Fork((ulong)caller);
            while (!stop.IsCancellationRequested)
            {
                await others[random.Next(others.Length)](random);
                Interlocked.Increment(ref calls);
            }
        }))];
        for (ulong height = 1; height <= 15; height++)
        {
            Assert.Equal(height, (await kit.GrowAsync()).Height);
        }

        await stop.CancelAsync();
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(calls > 20, $"{calls} calls");
        Assert.Null(kit.Broken);
    }

    [Fact]
    public async Task Times_are_those_that_a_node_can_write_or_the_block_is_none()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse built = await kit.BuildAsync();
        Assert.Equal(0, built.Timestamp.Nanos % 1_000_000);
        Assert.True(Block.TryDecode(built.Bytes.Span, out Block? block, out Refusal refusal), refusal.ToString());
        foreach ((ulong ms, bool isGood) in ((ulong, bool)[])[(0, true), (LastMs, true), (LastMs + 1, false), (ulong.MaxValue, false)])
        {
            ByteString bytes = ByteString.CopyFrom(Block.Create(block.Header with { TimestampMs = ms }, block.Transactions).Bytes.Span);
            ParseBlockRequest request = new() { Bytes = bytes };
            if (isGood)
            {
                Assert.Equal(
                    new Timestamp { Seconds = (long)(ms / 1000), Nanos = (int)(ms % 1000) * 1_000_000 },
                    (await kit.CallAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", request)).Timestamp);
            }
            else
            {
                Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", request)).Code);
            }

            await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(bytes));                    // not after its parent, or ahead of the clock, or no time
        }

        await kit.VerifyAsync(built.Bytes);
        await kit.AcceptAsync(built.Id);
    }

    private static ByteString Noise(SeededRandom random)
    {
        byte[] bytes = new byte[random.Next(100)];
        random.Fill(bytes);
        return ByteString.CopyFrom(bytes);
    }
}
