// Calls unary gRPC methods of one address over HTTP/2 without TLS.
//
// Contract
//   K1  a call waits until the server can be reached (wait-for-ready), unless told otherwise; only cancellation or its deadline ends the wait
//   K2  a call is sent again only when the server surely did not see it: the connection could not be made, or the stream was refused. A connection that breaks
//       under a call is Unavailable, for the caller to judge
//   K3  a GOAWAY of the server is no error: SocketsHttpHandler moves to a new connection, and sends again what the server says it has not begun
//   K4  the server sees a ping every 30 s and never more than one in 5 s, which is what Go servers punish: the handler's own probing of windows is off
//
// A message of any size goes and comes; a response is parsed when all of it is here.
//
// Threading: any thread, any number of calls; one connection carries them. Disposal ends the calls that run.

using System;
using System.Buffers;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>How one call is made.</summary>
/// <param name="Deadline">The call ends in DeadlineExceeded after this long; zero: never.</param>
/// <param name="FailsFast">Unavailable at once when the server cannot be reached, and no waiting.</param>
internal readonly record struct RpcCallOptions(TimeSpan Deadline = default, bool FailsFast = false);

/// <summary>The seam of everything that calls: Grpc.Net.Client could stand behind it.</summary>
internal interface IRpcChannel : IDisposable
{
    /// <summary>Makes one call.</summary>
    /// <exception cref="RpcException">The call ended in another status than Ok.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the server is told.</exception>
    Task<TResponse> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options = default, CancellationToken cancelled = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>;
}

/// <inheritdoc cref="IRpcChannel"/>
internal sealed class RpcChannel : IRpcChannel
{
    private const int WindowBytes = 16 << 20;
    private const int FirstPauseMs = 5;
    private const int LastPauseMs = 500;
    private const long RefusedStream = 7;                           // RFC 9113: REFUSED_STREAM

    private readonly HttpMessageInvoker _http;
    private readonly string _origin;

    static RpcChannel() => AppContext.SetSwitch("System.Net.SocketsHttpHandler.Http2FlowControl.DisableDynamicWindowSizing", true);    // K4

    /// <summary>Makes a channel; nothing is dialled before the first call.</summary>
    /// <param name="address"><c>host:port</c>.</param>
    public RpcChannel(string address)
    {
        ArgumentException.ThrowIfNullOrEmpty(address);
        _origin = "http://" + address;
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
            AutomaticDecompression = DecompressionMethods.None,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            InitialHttp2StreamWindowSize = WindowBytes,
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        });
    }

    /// <inheritdoc/>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options = default, CancellationToken cancelled = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        using CancellationTokenSource? timer = options.Deadline > TimeSpan.Zero ? CancellationTokenSource.CreateLinkedTokenSource(cancelled) : null;
        timer?.CancelAfter(options.Deadline);
        CancellationToken ends = timer?.Token ?? cancelled;
        try
        {
            for (int pause = FirstPauseMs; ; pause = Math.Min(pause * 2, LastPauseMs))
            {
                try
                {
                    return await AttemptAsync(method, request, options, ends).ConfigureAwait(false);
                }
                catch (HttpRequestException e) when (!options.FailsFast && IsSurelyUnseen(e))       // K1, K2
                {
                    await Task.Delay(pause, ends).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (!cancelled.IsCancellationRequested && ends.IsCancellationRequested)
        {
            throw new RpcException(RpcCode.DeadlineExceeded, $"{method.Path} at {_origin} was not answered within {options.Deadline}.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancelled.ThrowIfCancellationRequested();
            throw new RpcException(RpcCode.Unavailable, $"{method.Path} at {_origin}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static bool IsSurelyUnseen(HttpRequestException e) =>
        e.HttpRequestError == HttpRequestError.ConnectionError || e.InnerException is HttpProtocolException { ErrorCode: RefusedStream };

    private async Task<TResponse> AttemptAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options, CancellationToken ends)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        using HttpRequestMessage message = new(HttpMethod.Post, _origin + method.Path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new MessageContent(request),
        };
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        if (options.Deadline > TimeSpan.Zero)
        {
            message.Headers.TryAddWithoutValidation(RpcStatus.TimeoutHeader, RpcStatus.FormatTimeout(options.Deadline));
        }

        using HttpResponseMessage response = await _http.SendAsync(message, ends).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new RpcException(RpcStatus.OfHttp((int)response.StatusCode), $"{method.Path} was answered with HTTP status {(int)response.StatusCode}.");
        }

        ThrowIfRefused(response.Headers);
        Stream stream = await response.Content.ReadAsStreamAsync(ends).ConfigureAwait(false);
        PipeReader body = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 32 << 10));
        TResponse? reply;
        try
        {
            reply = await RpcFraming.ReadOnlyMessageAsync(body, method.Responses.ParseFrom, ends).ConfigureAwait(false);
        }
        finally
        {
            await body.CompleteAsync().ConfigureAwait(false);
        }

        if (!ThrowIfRefused(response.TrailingHeaders))
        {
            throw new RpcException(RpcCode.Unknown, $"{method.Path} was answered without a status.");
        }

        return reply ?? throw new RpcException(RpcCode.Internal, $"{method.Path} was answered Ok without a message.");
    }

    // True when the headers hold a status, and it is Ok.
    private static bool ThrowIfRefused(HttpResponseHeaders headers)
    {
        if (!headers.NonValidated.TryGetValues(RpcStatus.CodeHeader, out HeaderStringValues codes))
        {
            return false;
        }

        string text = codes.ToString();
        if (text == "0")
        {
            return true;
        }

        RpcCode code = int.TryParse(text, out int number) && Enum.IsDefined((RpcCode)number) ? (RpcCode)number : RpcCode.Unknown;
        string detail = headers.NonValidated.TryGetValues(RpcStatus.MessageHeader, out HeaderStringValues messages) ? RpcStatus.Unescape(messages.ToString()) : "";
        throw new RpcException(code, detail);
    }

    /// <summary>A request's body: made anew for each attempt.</summary>
    private sealed class MessageContent : HttpContent
    {
        private readonly IMessage _message;

        public MessageContent(IMessage message)
        {
            _message = message;
            Headers.ContentType = new MediaTypeHeaderValue(RpcStatus.ContentType);
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            ArrayBufferWriter<byte> bytes = new(RpcFraming.PrefixBytes + _message.CalculateSize());
            RpcFraming.Write(bytes, _message);
            await stream.WriteAsync(bytes.WrittenMemory, cancellationToken).ConfigureAwait(false);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;                                           // gRPC bodies come without a length
        }
    }
}
