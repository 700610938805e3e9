// The API behind the node: asked over http.HTTP, as AvalancheGo forwards a client's request or takes its connection over.

using System;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Tests.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Api;

public sealed class BridgedTests
{
    [Fact]
    public async Task A_call_through_the_node_is_answered_by_the_chain_that_the_node_opened()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted) });
        CreateHandlersResponse created = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        Assert.Equal(["/rpc", "/ws"], [created.Handlers[0].Prefix, created.Handlers[1].Prefix]);
        using RpcChannel channel = new(created.Handlers[0].ServerAddr);
        HandleSimpleHTTPRequest request = new()
        {
            Method = "POST",
            Url = "/ext/bc/x/rpc",
            Body = ByteString.CopyFromUtf8("""{"jsonrpc":"2.0","id":1,"method":"chainInfo"}"""),
        };
        request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> simple =
            RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");
        HandleSimpleHTTPResponse reply = await channel.CallAsync(simple, request);
        Assert.Equal(200, reply.Code);
        Assert.Equal("application/json", Assert.Single(Assert.Single(reply.Headers).Values));
        Assert.Equal(0, (int)JsonNode.Parse(reply.Body.ToStringUtf8())!["result"]!["lastAccepted"]!["height"]!);

        request.Body = ByteString.CopyFromUtf8("""{"jsonrpc":"2.0","method":"chainInfo"}""");
        Assert.Equal(204, (await channel.CallAsync(simple, request)).Code);
        await kit.AskAsync<Empty>("Shutdown");
    }

    [Fact]
    public async Task A_socket_through_the_node_follows_the_chain_that_the_node_grows()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted) });
        CreateHandlersResponse created = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        using RpcChannel channel = new(created.Handlers[1].ServerAddr);
        await using NodeExchange node = await NodeExchange.StartAsync([]);
        Task<HTTPResponse> call = channel.CallAsync(RpcMethod<HTTPRequest, HTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "Handle"), node.Upgrade("/ext/bc/x/ws"));
        Assert.Equal("HTTP/1.1 101 Switching Protocols", (await node.ReadHeadAsync())[0]);
        using WebSocket socket = node.ToSocket();

        BuildBlockResponse first = await kit.GrowAsync();
        await SendAsync(socket, """{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"blocks","after":{"height":0,"index":0}}}""");
        Assert.Equal(0, (int)(await ReceiveAsync(socket))["result"]!["after"]!["height"]!);
        BuildBlockResponse second = await kit.GrowAsync(2);
        foreach (BuildBlockResponse block in (BuildBlockResponse[])[first, second])         // what was before the subscription by its cursor, what came after it live
        {
            JsonNode told = await ReceiveAsync(socket);
            Assert.Equal("block", (string)told["method"]!);
            Assert.Equal(Convert.ToHexStringLower(block.Id.Span), (string)told["params"]!["id"]!);
            Assert.Equal(block.Height, (ulong)told["params"]!["cursor"]!["height"]!);
        }

        await kit.AskAsync<Empty>("Shutdown");                          // ends the call, or the node would wait for it
        await Task.WhenAny(call, Task.Delay(TimeSpan.FromSeconds(20)));
        Assert.True(call.IsCompleted);
    }

    private static Task SendAsync(WebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    private static async Task<JsonNode> ReceiveAsync(WebSocket socket)
    {
        using CancellationTokenSource late = new(TimeSpan.FromSeconds(20));
        byte[] buffer = new byte[1 << 16];
        int have = 0;
        ValueWebSocketReceiveResult got;
        do
        {
            got = await socket.ReceiveAsync(buffer.AsMemory(have), late.Token);
            have += got.Count;
        }
        while (!got.EndOfMessage);
        return JsonNode.Parse(buffer.AsSpan(0, have))!;
    }
}
