// Serves unary gRPC over HTTP/2 without TLS, on a loopback port of the system's choice.
//
//   HEADERS :method POST :path /vm.VM/GetBlock content-type application/grpc
//   DATA    prefix, message                                                     ---> handler
//   HEADERS :status 200 content-type application/grpc | DATA prefix, message | HEADERS grpc-status 0         <---
//   or, without a message: HEADERS :status 200 content-type application/grpc grpc-status 5 grpc-message ...  <---
//
// Kestrel carries the frames; this file is the gRPC of it (ADR 0020). It is used bare, without host, configuration, services or logging: the process
// has five seconds from its start to its handshake, and must not have its signals taken away.
//
// Limits: none on message size, streams or age of a connection, since the only caller is the node on this machine; pings are answered by Kestrel at any rate.
//
// Threading: handlers run on the pool, as many as there are calls. StopAsync waits for the calls that run.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>Sees how a call ended.</summary>
internal delegate void RpcObserver(string path, RpcCode code, TimeSpan took);

/// <summary>A running gRPC server.</summary>
internal sealed class RpcServer : IHttpApplication<HttpContext>, IAsyncDisposable
{
    private const int WindowBytes = 16 << 20;

    private readonly Dictionary<string, RpcHandler> _handlers = new(StringComparer.Ordinal);
    private readonly Action<Exception>? _onFailure;
    private readonly RpcObserver? _observer;
    private readonly KestrelServer _kestrel;

    private RpcServer(IReadOnlyList<RpcService> services, Action<Exception>? onFailure, RpcObserver? observer)
    {
        _observer = observer;
        _onFailure = onFailure;
        foreach (RpcService service in services)
        {
            foreach ((string path, RpcHandler handler) in service.Handlers)
            {
                _handlers.Add(path, handler);
            }
        }

        KestrelServerOptions options = new() { AddServerHeader = false };
        options.Limits.MaxRequestBodySize = null;
        options.Limits.MinRequestBodyDataRate = null;
        options.Limits.MinResponseDataRate = null;
        options.Limits.MaxConcurrentConnections = null;
        options.Limits.KeepAliveTimeout = TimeSpan.FromDays(365);            // infinite overflows in Kestrel: idle connections get a GOAWAY after a second
        options.Limits.Http2.MaxStreamsPerConnection = int.MaxValue;
        options.Limits.Http2.InitialConnectionWindowSize = WindowBytes;
        options.Limits.Http2.InitialStreamWindowSize = WindowBytes;
        options.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = HttpProtocols.Http2);
        SocketTransportFactory sockets = new(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);
        _kestrel = new KestrelServer(Options.Create(options), sockets, NullLoggerFactory.Instance);
    }

    /// <summary><c>127.0.0.1:port</c>.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Starts to serve; when this returns, calls are answered.</summary>
    /// <param name="services">What is served; the standard health service comes with it.</param>
    /// <param name="onFailure">Sees what a handler threw that is neither a status nor a cancellation, before the caller gets Unknown.</param>
    /// <param name="observer">Sees every call of a method that is served, after it ended.</param>
    public static async Task<RpcServer> StartAsync(IReadOnlyList<RpcService> services, Action<Exception>? onFailure = null, RpcObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        RpcServer server = new([.. services, RpcService.Health()], onFailure, observer);
        await server._kestrel.StartAsync(server, CancellationToken.None).ConfigureAwait(false);
        foreach (string address in server._kestrel.Features.Get<IServerAddressesFeature>()!.Addresses)
        {
            server.Address = new Uri(address).Authority;
        }

        return server;
    }

    /// <summary>Takes no new calls and waits for those that run, at most as long as the token allows.</summary>
    public Task StopAsync(CancellationToken hurry) => _kestrel.StopAsync(hurry);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource hurry = new(TimeSpan.FromSeconds(1));
        await StopAsync(hurry.Token).ConfigureAwait(false);
        _kestrel.Dispose();
    }

    /// <inheritdoc/>
    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    /// <inheritdoc/>
    public void DisposeContext(HttpContext context, Exception? exception)
    {
        // nothing is pooled
    }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        HttpResponse response = context.Response;
        if (!IsGrpc(request.ContentType))
        {
            response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        response.ContentType = RpcStatus.ContentType;
        string path = request.Path.Value ?? "";
        RpcHandler? handler = request.Method == HttpMethods.Post ? _handlers.GetValueOrDefault(path) : null;
        long begun = Stopwatch.GetTimestamp();
        IMessage reply;
        try
        {
            reply = handler is null
                ? throw new RpcException(RpcCode.Unimplemented, $"There is no method {path} here.")
                : await AnswerAsync(context, request, handler).ConfigureAwait(false);
        }
        catch (RpcException refused)
        {
            Observe(path, handler, refused.Code, begun);
            End(response.Headers, refused.Code, refused.Detail);
            return;
        }

        Observe(path, handler, RpcCode.Ok, begun);
        RpcFraming.Write(response.BodyWriter, reply);
        response.AppendTrailer(RpcStatus.CodeHeader, "0");
    }

    private static bool IsGrpc(string? type) =>
        type is not null && type.StartsWith(RpcStatus.ContentType, StringComparison.OrdinalIgnoreCase)
        && (type.Length == RpcStatus.ContentType.Length || type[RpcStatus.ContentType.Length] is '+' or ';');

    private static void End(IHeaderDictionary headers, RpcCode code, string detail)
    {
        headers[RpcStatus.CodeHeader] = ((int)code).ToString(System.Globalization.CultureInfo.InvariantCulture);
        headers[RpcStatus.MessageHeader] = RpcStatus.Escape(detail);
    }

    private void Observe(string path, RpcHandler? handler, RpcCode code, long begun)
    {
        if (handler is not null)
        {
            _observer?.Invoke(path, code, Stopwatch.GetElapsedTime(begun));
        }
    }

    private async Task<IMessage> AnswerAsync(HttpContext context, HttpRequest request, RpcHandler handler)
    {
        string? encoding = request.Headers[RpcStatus.EncodingHeader];
        if (encoding is not (null or "identity"))
        {
            throw new RpcException(RpcCode.Unimplemented, $"Compression '{encoding}' is not spoken here.");
        }

        using CancellationTokenSource? deadline = DeadlineOf(request, context.RequestAborted);
        CancellationToken cancelled = deadline?.Token ?? context.RequestAborted;
        try
        {
            IMessage message = await RpcFraming.ReadOnlyMessageAsync(request.BodyReader, handler.Parse, cancelled).ConfigureAwait(false)
                ?? throw new RpcException(RpcCode.Internal, "The body holds no message.");
            return await handler.Handle(message, cancelled).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancelled.IsCancellationRequested)
        {
            RpcCode code = context.RequestAborted.IsCancellationRequested ? RpcCode.Cancelled : RpcCode.DeadlineExceeded;
            throw new RpcException(code, "The caller did not wait for the answer.");
        }
        catch (Exception e) when (e is not RpcException)
        {
            _onFailure?.Invoke(e);
            throw new RpcException(RpcCode.Unknown, e.Message, e);
        }
    }

    private static CancellationTokenSource? DeadlineOf(HttpRequest request, CancellationToken aborted)
    {
        string? timeout = request.Headers[RpcStatus.TimeoutHeader];
        if (timeout is null)
        {
            return null;
        }

        if (!RpcStatus.TryParseTimeout(timeout, out TimeSpan left))
        {
            throw new RpcException(RpcCode.Internal, $"'{timeout}' is no deadline.");
        }

        CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        source.CancelAfter(left.TotalMilliseconds < int.MaxValue ? left : Timeout.InfiniteTimeSpan);
        return source;
    }
}
