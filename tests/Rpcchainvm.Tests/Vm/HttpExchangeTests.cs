// http.HTTP.Handle against the node's services for one request: a plain answer, a body that is read piece by piece, and a WebSocket over a connection that is
// taken over. The other end of the WebSocket is .NET's own client.

using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Http;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Http;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.HttpResponseWriter;
using ParallelVm.Rpcchainvm.Transport;
using Conn = ParallelVm.Rpcchainvm.Protos.NetConn;
using Reader = ParallelVm.Rpcchainvm.Protos.IoReader;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class HttpExchangeTests
{
    private static readonly RpcMethod<HTTPRequest, HTTPResponse> Handle = RpcMethod<HTTPRequest, HTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "Handle");

    [Fact]
    public async Task A_plain_request_reads_its_body_from_the_node_and_writes_its_answer_there()
    {
        await using Exchange node = await Exchange.StartAsync(new byte[100_000]);
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
        await using Exchange node = await Exchange.StartAsync([]);
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
        await using Exchange node = await Exchange.StartAsync([]);
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
        HTTPRequest request = node.Request("GET", "/ws");
        request.Request.Header.Add(new Element { Key = "Upgrade", Values = { "websocket" } });
        request.Request.Header.Add(new Element { Key = "Connection", Values = { "Upgrade" } });
        request.Request.Header.Add(new Element { Key = "Sec-Websocket-Version", Values = { "13" } });
        request.Request.Header.Add(new Element { Key = "Sec-Websocket-Key", Values = { "dGhlIHNhbXBsZSBub25jZQ==" } });
        request.ResponseWriter.Header.Add(new Element { Key = "Node-Id", Values = { "x" } });
        Task<HTTPResponse> call = channel.CallAsync(Handle, request);

        using StreamReader head = new(node.FromPlugin.Reader.AsStream(leaveOpen: true), Encoding.ASCII, false, bufferSize: 1, leaveOpen: true);
        List<string> lines = [];
        for (string? line = await head.ReadLineAsync(); !string.IsNullOrEmpty(line); line = await head.ReadLineAsync())
        {
            lines.Add(line);
        }

        Assert.Equal("HTTP/1.1 101 Switching Protocols", lines[0]);
        Assert.Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", lines);      // the example of RFC 6455 section 1.3
        Assert.Contains("Node-Id: x", lines);

        using WebSocket client = WebSocket.CreateFromStream(new Duplex(node.FromPlugin.Reader.AsStream(), node.ToPlugin.Writer.AsStream()), new WebSocketCreationOptions());
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

    /// <summary>What the node serves for one request.</summary>
    private sealed class Exchange : IAsyncDisposable
    {
        private readonly MemoryStream _body;
        private RpcServer _server = null!;
        private RpcServer _connection = null!;

        private Exchange(byte[] body) => _body = new MemoryStream(body);

        public StringBuilder Written { get; } = new();

        public int Status { get; private set; }

        public int Closed { get; private set; }

        public Pipe ToPlugin { get; } = new(new PipeOptions(pauseWriterThreshold: 0));

        public Pipe FromPlugin { get; } = new(new PipeOptions(pauseWriterThreshold: 0));

        public static async Task<Exchange> StartAsync(byte[] body)
        {
            Exchange node = new(body);
            node._connection = await RpcServer.StartAsync([node.Connection(), ReaderOf(node.ToPlugin.Reader.AsStream())]);
            node._server = await RpcServer.StartAsync([node.Writer(), ReaderOf(node._body)]);
            return node;
        }

        public HTTPRequest Request(string method, string uri) => new()
        {
            ResponseWriter = new ResponseWriter { ServerAddr = _server.Address },
            Request = new Request { Method = method, RequestUri = uri, Host = "host:1", ContentLength = -1, Proto = "HTTP/1.1", ProtoMajor = 1, ProtoMinor = 1 },
        };

        public async ValueTask DisposeAsync()
        {
            await _server.DisposeAsync();
            await _connection.DisposeAsync();
        }

        private static RpcService ReaderOf(Stream source) =>
            new RpcService(Reader.ReaderReflection.Descriptor.Services[0]).On<Reader.ReadRequest, Reader.ReadResponse>("Read", async (request, cancelled) =>
            {
                byte[] bytes = new byte[Math.Min(request.Length, 1000)];            // less than was asked for, as Go's readers may
                int read = await source.ReadAsync(bytes, cancelled);
                Reader.ReadResponse response = new() { Read = ByteString.CopyFrom(bytes.AsSpan(0, read)) };
                if (read == 0)
                {
                    response.Error = new Reader.Error { ErrorCode = Reader.ErrorCode.Eof, Message = "EOF" };
                }

                return response;
            });

        private RpcService Writer() => new RpcService(ResponsewriterReflection.Descriptor.Services[0])
            .On<WriteRequest, WriteResponse>("Write", (request, _) =>
            {
                Written.Append(request.Payload.ToStringUtf8());
                return Task.FromResult(new WriteResponse { Written = request.Payload.Length });
            })
            .On<WriteHeaderRequest, Empty>("WriteHeader", (request, _) =>
            {
                Status = request.StatusCode;
                return Task.FromResult(new Empty());
            })
            .On<Empty, HijackResponse>("Hijack", (_, _) => Task.FromResult(new HijackResponse { ServerAddr = _connection.Address }));

        private RpcService Connection() => new RpcService(Conn.ConnReflection.Descriptor.Services[0])
            .On<Conn.WriteRequest, Conn.WriteResponse>("Write", async (request, cancelled) =>
            {
                await FromPlugin.Writer.WriteAsync(request.Payload.Memory, cancelled);
                return new Conn.WriteResponse { Length = request.Payload.Length };
            })
            .On<Empty, Empty>("Close", (_, _) =>
            {
                Closed++;
                FromPlugin.Writer.Complete();
                return Task.FromResult(new Empty());
            });
    }

    /// <summary>Two one-way streams as one.</summary>
    private sealed class Duplex(Stream source, Stream target) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => source.ReadAsync(buffer, cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await target.WriteAsync(buffer, cancellationToken);
            await target.FlushAsync(cancellationToken);
        }

        public override int Read(byte[] buffer, int offset, int count) => source.Read(buffer, offset, count);

        public override void Write(byte[] buffer, int offset, int count) => target.Write(buffer, offset, count);

        public override void Flush() => target.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
