// Serves http.HTTP.Handle: a request whose body and answer stay with the node, which serves them for this one request at an address of their own.
//
//   no upgrade   io.reader.Reader gives the body; the answer is collected, then WriteHeader and Write
//   WebSocket    Hijack gives an address of net.conn.Conn and io.reader.Reader; "HTTP/1.1 101 ..." and then frames are written to Conn. Reads go through Reader,
//                which holds what the node has read ahead, and reads on from the connection; writes go to Conn, because io.writer.Writer holds them back
//
// Handle returns when the exchange is over: the node then takes its services down.
//
// Threading: any thread, any number; one reader and one writer at a time per exchange, as with any stream.

using System;
using System.IO;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.HttpResponseWriter;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Http;

/// <summary>One exchange that the node holds open.</summary>
internal static class HttpExchange
{
    private static readonly Google.Protobuf.Reflection.ServiceDescriptor WriterService = ResponsewriterReflection.Descriptor.Services[0];
    private static readonly RpcMethod<WriteRequest, WriteResponse> Write = RpcMethod<WriteRequest, WriteResponse>.Of(WriterService, "Write");
    private static readonly RpcMethod<WriteHeaderRequest, Empty> WriteHeader = RpcMethod<WriteHeaderRequest, Empty>.Of(WriterService, "WriteHeader");
    private static readonly RpcMethod<Empty, HijackResponse> Hijack = RpcMethod<Empty, HijackResponse>.Of(WriterService, "Hijack");

    /// <summary>Runs a request to its end.</summary>
    public static async Task<HTTPResponse> HandleAsync(RequestDelegate handle, HTTPRequest request, CancellationToken cancelled)
    {
        Request asked = request.Request ?? new Request();
        if (string.IsNullOrEmpty(request.ResponseWriter?.ServerAddr))
        {
            throw new RpcException(RpcCode.InvalidArgument, "response_writer.server_addr is empty.");
        }

        using RpcChannel node = new(request.ResponseWriter.ServerAddr);
        await using NodeStream body = NodeStream.ReadOnly(node);
        using MemoryStream answer = new();
        DefaultHttpContext context = new();
        string target = asked.RequestUri.Length != 0 ? asked.RequestUri : asked.Url?.Path + (asked.Url?.RawQuery.Length > 0 ? "?" + asked.Url.RawQuery : "");
        if (HttpBridge.TryDescribe(
            context, asked.Method, target, HttpBridge.PairsOf(asked.Header), HttpBridge.PairsOf(request.ResponseWriter.Header), body, answer, cancelled))
        {
            context.Request.Host = new HostString(asked.Host);
            context.Request.ContentLength = asked.ContentLength >= 0 ? asked.ContentLength : null;
            await using SocketFeature socket = new(context, async () => (await node.CallAsync(Hijack, new Empty(), cancelled: cancelled).ConfigureAwait(false)).ServerAddr);
            context.Features.Set<IHttpWebSocketFeature>(socket);
            await handle(context).ConfigureAwait(false);
            if (socket.IsAccepted)
            {
                return new HTTPResponse();
            }

            await context.Response.CompleteAsync().ConfigureAwait(false);
        }

        HTTPResponse reply = new();
        WriteHeaderRequest head = new() { StatusCode = context.Response.StatusCode };
        WriteRequest write = new() { Payload = Wire.Bytes(answer.GetBuffer().AsMemory(0, (int)answer.Length)) };
        foreach ((string key, StringValues values) in HttpBridge.HeadersOf(context))
        {
            Header header = new() { Key = key, Values = { values.ToArray() } };
            head.Headers.Add(header);
            write.Headers.Add(header);
            reply.Header.Add(new Element { Key = key, Values = { values.ToArray() } });
        }

        await node.CallAsync(WriteHeader, head, cancelled: cancelled).ConfigureAwait(false);
        if (!write.Payload.IsEmpty)
        {
            await node.CallAsync(Write, write, cancelled: cancelled).ConfigureAwait(false);
        }

        return reply;
    }

    /// <summary>The opening of a WebSocket, RFC 6455 section 4.2.</summary>
    private sealed class SocketFeature(HttpContext context, Func<Task<string>> hijack) : IHttpWebSocketFeature, IAsyncDisposable
    {
        private const string KeySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        private const int KeyBytes = 16;

        private RpcChannel? _channel;
        private NodeStream? _stream;

        /// <summary>The connection is no longer HTTP.</summary>
        public bool IsAccepted => _stream is not null;

        /// <inheritdoc/>
        public bool IsWebSocketRequest =>
            HttpMethods.IsGet(context.Request.Method)
            && Has("Upgrade", "websocket") && Has("Connection", "upgrade") && context.Request.Headers.SecWebSocketVersion == "13" && Key is not null;

        private string? Key
        {
            get
            {
                string? key = context.Request.Headers.SecWebSocketKey;
                Span<byte> bytes = stackalloc byte[KeyBytes + 2];
                return key is not null && Convert.TryFromBase64String(key, bytes, out int length) && length == KeyBytes ? key : null;
            }
        }

        /// <inheritdoc/>
        public async Task<WebSocket> AcceptAsync(WebSocketAcceptContext accept)
        {
            string key = IsWebSocketRequest && !IsAccepted ? Key! : throw new InvalidOperationException("The request opens no WebSocket, or has opened one.");
            _channel = new RpcChannel(await hijack().ConfigureAwait(false));
            _stream = NodeStream.Connection(_channel);
            StringBuilder head = new("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
#pragma warning disable CA5350 // the protocol asks for SHA-1; nothing is kept secret by it
            head.Append("Sec-WebSocket-Accept: ").Append(Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + KeySuffix)))).Append("\r\n");
#pragma warning restore CA5350
            if (accept.SubProtocol is { } protocol)
            {
                head.Append("Sec-WebSocket-Protocol: ").Append(protocol).Append("\r\n");
            }

            foreach ((string name, StringValues values) in HttpBridge.HeadersOf(context))
            {
                foreach (string? value in values)
                {
                    head.Append(name).Append(": ").Append(value).Append("\r\n");
                }
            }

            await _stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), context.RequestAborted).ConfigureAwait(false);
            return WebSocket.CreateFromStream(_stream, new WebSocketCreationOptions
            {
                IsServer = true,
                SubProtocol = accept.SubProtocol,
                KeepAliveInterval = accept.KeepAliveInterval ?? TimeSpan.FromSeconds(30),
            });
        }

        /// <inheritdoc/>
        public async ValueTask DisposeAsync()
        {
            if (_stream is not null)
            {
                await _stream.DisposeAsync().ConfigureAwait(false);
            }

            _channel?.Dispose();
        }

        // One of the words of a header that is a list of words.
        private bool Has(string header, string word)
        {
            foreach (string? value in context.Request.Headers[header])
            {
                foreach (string part in (value ?? "").Split(',', StringSplitOptions.TrimEntries))
                {
                    if (part.Equals(word, StringComparison.OrdinalIgnoreCase))
                    {
                        return true;
                    }
                }
            }

            return false;
        }
    }
}
