// The HTTP API of one chain: /rpc answers JSON-RPC, /ws sends what becomes final. Both are plain RequestDelegates, so the node's
// bridge, a test and a host without a node serve them alike. CORS, TLS and host names are the node's matter.
//
// What an outsider can push is bounded: bodies and answers in bytes, requests and WebSockets at once in number. What is beyond is
// told so (413, 503) and costs nothing.
//
//   200 an answer      204 notifications only      405 not POST      413 body too long      415 not JSON      503 too much at once
//
// A content type other than application/json is refused, because a browser sends others across origins without asking.
//
// Threading: any thread.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using ParallelVm.Chain;
using ParallelVm.Rpcchainvm.Api.Ws;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Bounds of the API.</summary>
internal sealed record ApiLimits
{
    /// <summary>Requests that are read or answered at once.</summary>
    public int RequestsAtOnce { get; init; } = 32;

    /// <summary>WebSockets at once.</summary>
    public int SocketsAtOnce { get; init; } = 256;

    /// <summary>How long a WebSocket's client may take to read one message.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Serves the API.</summary>
internal sealed class ApiHost : IApiHandler, IMeasured
{
    private readonly ApiLimits _limits;
    private readonly ApiContext _api;
    private readonly RpcServer _server;
    private readonly AcceptedSignal _accepted;
    private readonly CancellationTokenSource _closing = new();
    private int _requests;
    private int _sockets;
    private long _turnedAway;

    /// <summary>An API of a chain.</summary>
    /// <param name="time">The clock of clients.</param>
    /// <param name="submitted">Told of transactions that have just entered the mempool.</param>
    /// <param name="door">Of what is submitted; null: one of its own.</param>
    public ApiHost(
        ChainService chain, TimeProvider time, Action<IReadOnlyList<GossipItem>>? submitted = null, ApiLimits? limits = null, Admission? door = null)
    {
        _limits = limits ?? new ApiLimits();
        Simulator simulator = new(chain, time);
        _api = new ApiContext
        {
            Chain = chain,
            Door = door ?? new Admission(chain, time),
            Simulator = simulator,
            Discovery = new KeyDiscovery(chain, simulator),
            Time = time,
            Submitted = submitted,
        };
        _server = new RpcServer(_api, MethodTable.All);
        _accepted = new AcceptedSignal(chain);
        Routes = [new ApiRoute("/rpc", HandleRpcAsync), new ApiRoute("/ws", HandleSocketAsync)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<ApiRoute> Routes { get; }

    /// <summary>JSON-RPC requests so far.</summary>
    public long Requests => _server.Requests;

    /// <summary>Those that ended with an error.</summary>
    public long Errors => _server.Errors;

    /// <summary>HTTP requests and WebSockets that were turned away because there were too many.</summary>
    public long TurnedAway => Interlocked.Read(ref _turnedAway);

    /// <summary>WebSockets that are open.</summary>
    public int Sockets => Volatile.Read(ref _sockets);

    /// <inheritdoc/>
    public void AddTo(MetricSet metrics)
    {
        _server.Meter.AddTo(metrics);
        metrics.Counter("vm_api_turned_away_total", "HTTP requests and WebSockets that were turned away because there were too many.", () => TurnedAway);
        metrics.Gauge("vm_api_sockets", "WebSockets that are open.", () => Sockets);
        metrics.Gauge("vm_api_requests_inside", "HTTP requests that are being answered.", () => Volatile.Read(ref _requests));
    }

    /// <summary>Closes the WebSockets; what is being answered may still end.</summary>
    public void Dispose()
    {
        _closing.Cancel();
        _accepted.Dispose();
        _api.Simulator.Dispose();
        _server.Dispose();
        _closing.Dispose();
    }

    private async Task HandleRpcAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (!HttpMethods.IsPost(request.Method))
        {
            context.Response.Headers.Allow = "POST";
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }

        if (!request.HasJsonContentType() || request.Headers.ContentEncoding.Count != 0)
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        if (request.ContentLength > RpcServer.MaxBodyBytes)
        {
            context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
            return;
        }

        if (Interlocked.Increment(ref _requests) > _limits.RequestsAtOnce)
        {
            Interlocked.Decrement(ref _requests);
            TurnAway(context);
            return;
        }

        try
        {
            await AnswerAsync(context).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _requests);
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        PipeReader reader = context.Request.BodyReader;
        ReadOnlySequence<byte>? body = await ReadAsync(reader, context.RequestAborted).ConfigureAwait(false);
        if (body is null)
        {
            context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
            return;
        }

        ArrayBufferWriter<byte> answer = new();
        ReadOnlyMemory<byte> whole = body.Value.IsSingleSegment ? body.Value.First : body.Value.ToArray();
        bool isAnswered = _server.Handle(whole, answer, context.RequestAborted);
        reader.AdvanceTo(body.Value.End);                   // not before: the body was read where it lies
        if (!isAnswered)
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        context.Response.StatusCode = StatusCodes.Status200OK;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = answer.WrittenCount;
        await context.Response.BodyWriter.WriteAsync(answer.WrittenMemory, context.RequestAborted).ConfigureAwait(false);
    }

    // The whole body, not yet advanced over; null when it is longer than bodies may be.
    private static async Task<ReadOnlySequence<byte>?> ReadAsync(PipeReader reader, CancellationToken cancel)
    {
        while (true)
        {
            ReadResult read = await reader.ReadAsync(cancel).ConfigureAwait(false);
            if (read.Buffer.Length > RpcServer.MaxBodyBytes)
            {
                reader.AdvanceTo(read.Buffer.End);
                return null;
            }

            if (read.IsCompleted)
            {
                return read.Buffer;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private async Task HandleSocketAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.Headers.Upgrade = "websocket";
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            return;
        }

        if (Interlocked.Increment(ref _sockets) > _limits.SocketsAtOnce)
        {
            Interlocked.Decrement(ref _sockets);
            TurnAway(context);
            return;
        }

        try
        {
            using System.Net.WebSockets.WebSocket socket = await context.WebSockets.AcceptWebSocketAsync().ConfigureAwait(false);
            using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, context.RequestAborted);
            await new SocketSession(_api, _accepted, socket, _limits.SendTimeout).RunAsync(ends.Token).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _sockets);
        }
    }

    private void TurnAway(HttpContext context)
    {
        Interlocked.Increment(ref _turnedAway);
        context.Response.Headers.RetryAfter = "1";
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
    }
}
