// The node's services for one HTTP request that it hands to a plugin by http.HTTP.Handle: the body, the writer of the answer, and the connection once it is taken
// over. The client's end of that connection is two pipes.

using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.HttpResponseWriter;
using ParallelVm.Rpcchainvm.Transport;
using Conn = ParallelVm.Rpcchainvm.Protos.NetConn;
using Reader = ParallelVm.Rpcchainvm.Protos.IoReader;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

/// <summary>What the node serves for one request.</summary>
internal sealed class NodeExchange : IAsyncDisposable
{
    private readonly MemoryStream _body;
    private RpcServer _server = null!;
    private RpcServer _connection = null!;

    private NodeExchange(byte[] body) => _body = new MemoryStream(body);

    public StringBuilder Written { get; } = new();

    public int Status { get; private set; }

    public int Closed { get; private set; }

    public Pipe ToPlugin { get; } = new(new PipeOptions(pauseWriterThreshold: 0));

    public Pipe FromPlugin { get; } = new(new PipeOptions(pauseWriterThreshold: 0));

    public static async Task<NodeExchange> StartAsync(byte[] body)
    {
        NodeExchange node = new(body);
        node._connection = await RpcServer.StartAsync([node.Connection(), ReaderOf(node.ToPlugin.Reader.AsStream())]);
        node._server = await RpcServer.StartAsync([node.Writer(), ReaderOf(node._body)]);
        return node;
    }

    public HTTPRequest Request(string method, string uri) => new()
    {
        ResponseWriter = new ResponseWriter { ServerAddr = _server.Address },
        Request = new Request { Method = method, RequestUri = uri, Host = "host:1", ContentLength = -1, Proto = "HTTP/1.1", ProtoMajor = 1, ProtoMinor = 1 },
    };

    /// <summary>A request that opens a WebSocket.</summary>
    public HTTPRequest Upgrade(string uri)
    {
        HTTPRequest request = Request("GET", uri);
        request.Request.Header.Add(new Element { Key = "Upgrade", Values = { "websocket" } });
        request.Request.Header.Add(new Element { Key = "Connection", Values = { "Upgrade" } });
        request.Request.Header.Add(new Element { Key = "Sec-Websocket-Version", Values = { "13" } });
        request.Request.Header.Add(new Element { Key = "Sec-Websocket-Key", Values = { "dGhlIHNhbXBsZSBub25jZQ==" } });
        request.ResponseWriter.Header.Add(new Element { Key = "Node-Id", Values = { "x" } });
        return request;
    }

    /// <summary>The lines of the answer's head, as the client sees them.</summary>
    public async Task<List<string>> ReadHeadAsync()
    {
        using StreamReader head = new(FromPlugin.Reader.AsStream(leaveOpen: true), Encoding.ASCII, false, bufferSize: 1, leaveOpen: true);
        List<string> lines = [];
        for (string? line = await head.ReadLineAsync(); !string.IsNullOrEmpty(line); line = await head.ReadLineAsync())
        {
            lines.Add(line);
        }

        return lines;
    }

    /// <summary>The client's end, after the head.</summary>
    public WebSocket ToSocket() => WebSocket.CreateFromStream(new Duplex(FromPlugin.Reader.AsStream(), ToPlugin.Writer.AsStream()), new WebSocketCreationOptions());

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
internal sealed class Duplex(Stream source, Stream target) : Stream
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
