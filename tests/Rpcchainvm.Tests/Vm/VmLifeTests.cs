// From a process without a chain to one that is shut down, over the wire.

using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class VmLifeTests
{
    [Fact]
    public async Task A_process_that_is_only_registered_answers_version_and_shutdown_and_nothing_else()
    {
        await using VmKit kit = await VmKit.StartAsync();
        Assert.Equal("test", (await kit.AskAsync<VersionResponse>("Version")).Version);
        Assert.Empty((await kit.AskAsync<GatherResponse>("Gather")).MetricFamilies.Where("vm_last_accepted_height"));
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<Empty, HealthResponse>("Health", new Empty())).Code);
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<GetBlockRequest, GetBlockResponse>("GetBlock", new GetBlockRequest { Id = VmKit.Filled(1) })).Code);
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<Empty, WaitForEventResponse>("WaitForEvent", new Empty())).Code);
        await kit.AskAsync<Empty>("Shutdown");
        await kit.AskAsync<Empty>("Shutdown");
        Assert.Equal("test", (await kit.AskAsync<VersionResponse>("Version")).Version);
    }

    [Fact]
    public async Task A_fresh_chain_reports_genesis_with_a_parent_of_zeros_and_a_time()
    {
        await using VmKit kit = await VmKit.StartAsync();
        InitializeResponse reply = await kit.InitializeAsync();
        Assert.Equal(0UL, reply.Height);
        Assert.Equal(VmKit.Filled(0), reply.LastAcceptedParentId);
        Assert.Equal(new Timestamp { Seconds = 1_700_000_000, Nanos = 123_000_000 }, reply.Timestamp);
        Assert.Equal(Sha256.Hash(reply.Bytes.Span).ToArray(), reply.LastAcceptedId.ToByteArray());

        GetBlockResponse genesis = await kit.GetAsync(reply.LastAcceptedId);
        Assert.Equal((reply.Bytes, reply.LastAcceptedParentId, reply.Timestamp, Error.Unspecified), (genesis.Bytes, genesis.ParentId, genesis.Timestamp, genesis.Err));
        Assert.Equal(reply.LastAcceptedId, (await kit.IdAtAsync(0)).BlkId);

        SetStateResponse state = await kit.GoAsync(State.Bootstrapping);
        Assert.Equal((reply.LastAcceptedId, reply.LastAcceptedParentId, reply.Height, reply.Bytes, reply.Timestamp),
            (state.LastAcceptedId, state.LastAcceptedParentId, state.Height, state.Bytes, state.Timestamp));
    }

    [Fact]
    public async Task A_request_that_is_odd_anywhere_is_refused_and_a_good_one_still_opens_the_chain()
    {
        await using VmKit kit = await VmKit.StartAsync();
        List<Action<InitializeRequest>> oddities =
        [
            request => request.NetworkUpgrades = null,
            request => request.ChainId = ByteString.CopyFrom(1),
            request => request.SubnetId = ByteString.CopyFrom(new byte[33]),
            request => request.NodeId = VmKit.Filled(1),
            request => request.ChainDataDir = "",
            request => request.DbServerAddr = "",
            request => request.ServerAddr = "",
            request => request.GenesisBytes = ByteString.Empty,
            request => request.GenesisBytes = ByteString.CopyFrom(0xFF, 0x00),
            request => request.GenesisBytes = ByteString.CopyFromUtf8("{}"),
            request => request.ConfigBytes = ByteString.CopyFromUtf8("[]"),
            request => request.ConfigBytes = ByteString.CopyFromUtf8("{\"worker\": 2}"),
            request => request.ConfigBytes = ByteString.CopyFromUtf8("{\"workers\": 0}"),
            request => request.ConfigBytes = ByteString.CopyFromUtf8("{\"jit\": 1}"),
            request => request.ConfigBytes = ByteString.CopyFrom(0x7B, 0xFF),
            request => request.UpgradeBytes = ByteString.CopyFromUtf8("{}"),
        ];
        foreach (Action<InitializeRequest> oddity in oddities)
        {
            InitializeRequest request = kit.Request();
            oddity(request);
            RpcException refused = await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", request);
            Assert.Equal(RpcCode.InvalidArgument, refused.Code);
            Assert.NotEmpty(refused.Detail);
        }

        await kit.InitializeAsync();
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", kit.Request())).Code);
        foreach (State odd in (State[])[State.Unspecified, (State)9])
        {
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<SetStateRequest, SetStateResponse>("SetState", new SetStateRequest { State = odd })).Code);
        }
    }

    [Fact]
    public async Task A_restart_on_the_same_data_reports_what_was_accepted_and_goes_on()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        List<BuildBlockResponse> grown = await kit.GrowManyAsync(3);
        await kit.RestartAsync();
        InitializeResponse reply = await kit.InitializeAsync();
        Assert.Equal((3UL, grown[2].Id, grown[1].Id, grown[2].Bytes), (reply.Height, reply.LastAcceptedId, reply.LastAcceptedParentId, reply.Bytes));
        await kit.GoAsync();
        BuildBlockResponse next = await kit.GrowAsync();
        Assert.Equal((4UL, grown[2].Id), (next.Height, next.ParentId));
        Assert.Equal(grown[0].Id, (await kit.IdAtAsync(1)).BlkId);
    }

    [Fact]
    public async Task A_node_that_lost_its_tail_is_never_told_of_a_block_above_its_marker()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        List<BuildBlockResponse> grown = await kit.GrowManyAsync(2);
        (string key, byte[] marker) = Assert.Single(kit.Node.Data);
        marker = [.. marker];
        grown.AddRange(await kit.GrowManyAsync(3));

        kit.Node.Data[key] = marker;                                    // the power cut
        await kit.RestartAsync();
        InitializeResponse reply = await kit.InitializeAsync();
        Assert.Equal((2UL, grown[1].Id), (reply.Height, reply.LastAcceptedId));
        Assert.Equal(Error.NotFound, (await kit.GetAsync(grown[2].Id)).Err);
        Assert.Equal(Error.NotFound, (await kit.IdAtAsync(3)).Err);

        await kit.GoAsync(State.Bootstrapping);
        foreach (BuildBlockResponse block in grown[2..])
        {
            await kit.VerifyAsync(block.Bytes);
            await kit.AcceptAsync(block.Id);
        }

        Assert.Equal((5UL, grown[4].Id), await LastAsync(kit));

        kit.Node.Data.Clear();                                          // no marker at all: genesis
        await kit.RestartAsync();
        Assert.Equal(0UL, (await kit.InitializeAsync()).Height);
        Assert.Single(kit.Node.Data);
    }

    [Fact]
    public async Task A_marker_of_another_chain_and_a_database_that_fails_are_refused_with_a_sentence()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        await kit.GrowAsync();
        (string key, byte[] marker) = Assert.Single(kit.Node.Data);
        byte[] other = [.. marker];
        other[^1] ^= 1;
        kit.Node.Data[key] = other;
        await kit.RestartAsync();
        RpcException refused = await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", kit.Request());
        Assert.Contains("another chain", refused.Detail, StringComparison.Ordinal);

        kit.Node.Data[key] = [9];
        refused = await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", kit.Request());
        Assert.Equal(RpcCode.Unavailable, refused.Code);

        kit.Node.Data[key] = marker;
        Assert.Equal(1UL, (await kit.InitializeAsync()).Height);

        // a marker that cannot be written: the acceptance is not acknowledged, and the next start is not ahead of the node
        await kit.GoAsync();
        BuildBlockResponse block = await kit.BuildAsync();
        await kit.VerifyAsync(block.Bytes);
        kit.Node.WriteError = Protos.Rpcdb.Error.Closed;
        await Assert.ThrowsAsync<RpcException>(() => kit.AcceptAsync(block.Id));
        kit.Node.WriteError = Protos.Rpcdb.Error.Unspecified;
        await kit.RestartAsync();
        Assert.Equal(1UL, (await kit.InitializeAsync()).Height);
        await kit.VerifyAsync(block.Bytes);
        await kit.AcceptAsync(block.Id);
        Assert.Equal((2UL, block.Id), await LastAsync(kit));
    }

    [Fact]
    public async Task After_shutdown_lookups_say_closed_and_waiting_calls_have_ended()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse block = await kit.GrowAsync();
        Task<WaitForEventResponse> waiting = kit.AskAsync<WaitForEventResponse>("WaitForEvent");
        await kit.AskAsync<Empty>("Shutdown");
        Assert.Equal(RpcCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => waiting)).Code);
        Assert.Equal(Error.Closed, (await kit.GetAsync(block.Id)).Err);
        Assert.Equal(Error.Closed, (await kit.IdAtAsync(0)).Err);
        await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(block.Bytes));
        await Assert.ThrowsAsync<RpcException>(kit.InitializeAsync);
        await kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = ByteString.CopyFrom(VmKit.NodeId) });
        await kit.AskAsync<Empty>("Shutdown");
    }

    [Fact]
    public async Task Health_is_json_and_metrics_are_families_of_unique_sorted_names()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        await kit.GrowAsync(3);
        using JsonDocument health = JsonDocument.Parse(Encoding.UTF8.GetString((await kit.AskAsync<HealthResponse>("Health")).Details.Span));
        Assert.Equal(1, health.RootElement.GetProperty("height").GetInt32());
        Assert.Equal("NormalOp", health.RootElement.GetProperty("state").GetString());
        Assert.True(health.RootElement.GetProperty("disk").GetProperty("freeBytes").GetInt64() > 0);
        Assert.Equal(0, health.RootElement.GetProperty("lagMs").GetInt64());
        Assert.InRange(health.RootElement.GetProperty("ageMs").GetInt64(), -60_000, 60_000);
        Assert.Equal(0, health.RootElement.GetProperty("admission").GetProperty("peers").GetProperty("refused").GetInt64());
        JsonElement checkpoint = health.RootElement.GetProperty("checkpoint");
        Assert.Equal(1, checkpoint.GetProperty("height").GetInt32() + checkpoint.GetProperty("blocksBehind").GetInt32());
        Assert.True(checkpoint.GetProperty("ageMs").ValueKind is JsonValueKind.Null or JsonValueKind.Number);
        kit.Submit();
        await Task.Delay(20);
        using JsonDocument busy = JsonDocument.Parse(Encoding.UTF8.GetString((await kit.AskAsync<HealthResponse>("Health")).Details.Span));
        Assert.Equal(busy.RootElement.GetProperty("ageMs").GetInt64(), busy.RootElement.GetProperty("lagMs").GetInt64());

        GatherResponse gathered = await kit.AskAsync<GatherResponse>("Gather");
        string last = "";
        foreach (MetricFamily family in gathered.MetricFamilies)
        {
            Assert.True(string.CompareOrdinal(last, family.Name) < 0, $"{family.Name} after {last}");
            last = family.Name;
            HashSet<string> seen = [];
            foreach (Metric metric in family.Metric)
            {
                Assert.DoesNotContain(metric.Label, label => label.Name == "chain");
                Assert.True(seen.Add(metric.Label.ToString()), $"{family.Name} has one label set twice");
                Assert.Equal(
                    (family.Type == MetricType.Counter, family.Type == MetricType.Gauge, family.Type == MetricType.Histogram),
                    (metric.Counter is not null, metric.Gauge is not null, metric.Histogram is not null));
            }
        }

        Assert.Equal(1, Assert.Single(Assert.Single(gathered.MetricFamilies.Where("vm_last_accepted_height")).Metric).Gauge.Value);
        Assert.Equal(3, Assert.Single(Assert.Single(gathered.MetricFamilies.Where("vm_transactions_accepted_total")).Metric).Counter.Value);
        Histogram accepts = Assert.Single(
            Assert.Single(gathered.MetricFamilies.Where("grpc_server_handling_seconds")).Metric, metric => metric.Label[0].Value == "/vm.VM/BlockAccept").Histogram;
        Assert.Equal(1UL, accepts.SampleCount);
    }

    // What peers and clients send is counted where it is dropped, refused or answered.
    [Fact]
    public async Task Gossip_and_the_api_are_among_the_metrics()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with
        {
            Peers = NodePeers.Attach,
            Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted, door: open.FromClients),
        });
        CreateHandlersResponse handlers = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        using RpcChannel channel = new(handlers.Handlers[0].ServerAddr);
        foreach (string call in (string[])["\"chainInfo\"", "\"noSuchMethod\"", "\"submit\",\"params\":[\"00\"]"])
        {
            Protos.Http.HandleSimpleHTTPRequest request = new() { Method = "POST", Url = "/x/rpc", Body = ByteString.CopyFromUtf8($$"""{"jsonrpc":"2.0","id":1,"method":{{call}}}""") };
            request.RequestHeaders.Add(new Protos.Http.Element { Key = "Content-Type", Values = { "application/json" } });
            await channel.CallAsync(RpcMethod<Protos.Http.HandleSimpleHTTPRequest, Protos.Http.HandleSimpleHTTPResponse>.Of(Protos.Http.HttpReflection.Descriptor.Services[0], "HandleSimple"), request);
        }

        ByteString push = ByteString.CopyFrom(SdkMessages.WithHandler(0, SdkMessages.WriteElements([new byte[] { 1, 2, 3 }])));
        await kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = ByteString.CopyFrom(VmKit.NodeId), Msg = push });
        await kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = ByteString.CopyFrom(VmKit.NodeId), Msg = push });

        List<string> counted = [];
        foreach (MetricFamily family in (await kit.AskAsync<GatherResponse>("Gather")).MetricFamilies)
        {
            foreach (Metric metric in family.Metric)
            {
                double value = metric.Histogram?.SampleCount ?? metric.Counter?.Value ?? metric.Gauge.Value;
                if (value != 0 && (family.Name.StartsWith("vm_api", StringComparison.Ordinal) || family.Name.StartsWith("vm_gossip", StringComparison.Ordinal) || family.Name.StartsWith("vm_transactions_refused", StringComparison.Ordinal)))
                {
                    counted.Add($"{family.Name} {string.Join(' ', System.Linq.Enumerable.Select(metric.Label, static label => label.Value))} {value}".Replace("  ", " ", StringComparison.Ordinal));
                }
            }
        }

        counted.Sort(StringComparer.Ordinal);
        Assert.Equal(
            [
                "vm_api_call_seconds chainInfo 1", "vm_api_call_seconds none 1", "vm_api_call_seconds submit 1", "vm_api_errors_total none -32601 1", "vm_api_errors_total submit -32000 1",
                "vm_gossip_messages_received_total 2", "vm_gossip_transactions_received_total 2", "vm_transactions_refused_total clients UnknownVersion 1",
                "vm_transactions_refused_total peers Truncated 2",
            ],
            counted);
    }

    [Fact]
    public async Task State_sync_is_off_and_says_so()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        StateSyncEnabledResponse enabled = await kit.AskAsync<StateSyncEnabledResponse>("StateSyncEnabled");
        Assert.Equal((false, Error.Unspecified), (enabled.Enabled, enabled.Err));
        Assert.Equal(Error.StateSyncNotImplemented, (await kit.AskAsync<GetOngoingSyncStateSummaryResponse>("GetOngoingSyncStateSummary")).Err);
        Assert.Equal(Error.StateSyncNotImplemented, (await kit.AskAsync<GetLastStateSummaryResponse>("GetLastStateSummary")).Err);
        Assert.Equal(
            Error.StateSyncNotImplemented,
            (await kit.CallAsync<ParseStateSummaryRequest, ParseStateSummaryResponse>("ParseStateSummary", new ParseStateSummaryRequest { Bytes = VmKit.Filled(1) })).Err);
        Assert.Equal(
            Error.StateSyncNotImplemented, (await kit.CallAsync<GetStateSummaryRequest, GetStateSummaryResponse>("GetStateSummary", new GetStateSummaryRequest { Height = 1 })).Err);
        Assert.Equal(
            Error.StateSyncNotImplemented,
            (await kit.CallAsync<StateSummaryAcceptRequest, StateSummaryAcceptResponse>("StateSummaryAccept", new StateSummaryAcceptRequest { Bytes = VmKit.Filled(1) })).Err);
        Assert.Empty((await kit.AskAsync<NewHTTPHandlerResponse>("NewHTTPHandler")).ServerAddr);
        Assert.Empty((await kit.AskAsync<CreateHandlersResponse>("CreateHandlers")).Handlers);
    }

    [Fact]
    public void Every_method_of_the_service_is_handled()
    {
        ParallelVm.Rpcchainvm.Vm.VmService vm = new(new ParallelVm.Rpcchainvm.Vm.VmOptions { Version = "" });
        Assert.Empty(vm.ToRpc().Unhandled);
    }

    private static async Task<(ulong Height, ByteString Id)> LastAsync(VmKit kit)
    {
        SetStateResponse state = await kit.GoAsync(State.Bootstrapping);
        return (state.Height, state.LastAcceptedId);
    }
}

internal static class Families
{
    public static List<MetricFamily> Where(this IEnumerable<MetricFamily> families, string name)
    {
        List<MetricFamily> found = [];
        foreach (MetricFamily family in families)
        {
            if (family.Name == name)
            {
                found.Add(family);
            }
        }

        return found;
    }
}
