// http.HTTP.Handle against the node's services for one request: a plain answer, a body that is read piece by piece, and a WebSocket over a connection that is
// taken over. The other end of the WebSocket is .NET's own client.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Http;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class HttpExchangeTests
{
    private static readonly RpcMethod<HTTPRequest, HTTPResponse> Handle = RpcMethod<HTTPRequest, HTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "Handle");

    [Fact]
    public async Task A_plain_request_reads_its_body_from_the_node_and_writes_its_answer_there()
    {
        await using NodeExchange node = await NodeExchange.StartAsync(new byte[100_000]);
        await using RpcServer server = await RpcServer.StartAsync([HttpBridge.ToRpc(async context =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            context.Response.StatusCode = 203;
            context.Response.ContentType = "text/plain";
            await context.Response.WriteAsync($"{context.Request.Method} {context.Request.Path} {context.Request.QueryString} {context.Request.Host} {body.Length} {context.WebSockets.IsWebSocketRequest}");
        })]);
        using RpcChannel channel = new(server.Address);
        HTTPRequest request = node.Request("POST", "/rpc?q=1");
        request.ResponseWriter.Header.Add(new Element { Key = "Node-Id", Values = { "x" } });
        HTTPResponse reply = await channel.CallAsync(Handle, request);
        Assert.Equal("POST /rpc ?q=1 host:1 100000 False", node.Written.ToString());
        Assert.Equal(203, node.Status);
        Assert.Equal((string[])["Content-Type", "Node-Id"], reply.Header.Select(header => header.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_request_that_opens_no_socket_properly_is_no_socket()
    {
        await using NodeExchange node = await NodeExchange.StartAsync([]);
        List<bool> seen = [];
        await using RpcServer server = await RpcServer.StartAsync([HttpBridge.ToRpc(context =>
        {
            seen.Add(context.WebSockets.IsWebSocketRequest);
            return Task.CompletedTask;
        })]);
        using RpcChannel channel = new(server.Address);
        foreach ((string method, string upgrade, string connection, string version, string key) in ((string, string, string, string, string)[])
            [
                ("GET", "websocket", "keep-alive, Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("POST", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("GET", "h2c", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("GET", "websocket", "close", "13", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("GET", "websocket", "Upgrade", "12", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZQ=="),
                ("GET", "websocket", "Upgrade", "13", "!"),
            ])
        {
            HTTPRequest request = node.Request(method, "/ws");
            request.Request.Header.Add(new Element { Key = "Upgrade", Values = { upgrade } });
            request.Request.Header.Add(new Element { Key = "Connection", Values = { connection } });
            request.Request.Header.Add(new Element { Key = "Sec-Websocket-Version", Values = { version } });
            request.Request.Header.Add(new Element { Key = "Sec-Websocket-Key", Values = { key } });
            await channel.CallAsync(Handle, request);
        }

        Assert.Equal((bool[])[true, false, false, false, false, false, false], seen);
        Assert.Equal(RpcCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(() => channel.CallAsync(Handle, new HTTPRequest()))).Code);
    }

    [Theory, InlineData(8)]
    public async Task Messages_of_a_socket_go_both_ways_and_its_close_ends_the_call(int seed)
    {
        await using NodeExchange node = await NodeExchange.StartAsync([]);
        await using RpcServer server = await RpcServer.StartAsync([HttpBridge.ToRpc(async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
            byte[] buffer = new byte[200_000];
            while (true)
            {
                ValueWebSocketReceiveResult got = await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted);
                if (got.MessageType == WebSocketMessageType.Close)
                {
                    await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
                    return;
                }

                await socket.SendAsync(buffer.AsMemory(0, got.Count), got.MessageType, got.EndOfMessage, context.RequestAborted);
            }
        })]);
        using RpcChannel channel = new(server.Address);
        Task<HTTPResponse> call = channel.CallAsync(Handle, node.Upgrade("/ws"));

        List<string> lines = await node.ReadHeadAsync();
        Assert.Equal("HTTP/1.1 101 Switching Protocols", lines[0]);
        Assert.Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", lines);      // the example of RFC 6455 section 1.3
        Assert.Contains("Node-Id: x", lines);

        using WebSocket client = node.ToSocket();
        SeededRandom random = new((ulong)seed);
        byte[] buffer = new byte[200_000];
        foreach (int length in (int[])[0, 1, 125, 126, 65_535, 65_536, 150_000])
        {
            byte[] message = new byte[length];
            random.Fill(message);
            await client.SendAsync(message, WebSocketMessageType.Binary, true, CancellationToken.None);
            int have = 0;
            ValueWebSocketReceiveResult got;
            do
            {
                got = await client.ReceiveAsync(buffer.AsMemory(have), CancellationToken.None);
                have += got.Count;
            }
            while (!got.EndOfMessage);
            Assert.True(buffer.AsSpan(0, have).SequenceEqual(message), $"seed {seed} length {length}");
        }

        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        await call.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(1, node.Closed);
    }
}
