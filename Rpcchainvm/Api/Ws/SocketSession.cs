// One client of /ws. It says subscribe; from then on it gets every accepted block, and receipts, from its cursor on, in order, each
// once. A client that comes back names its last cursor and misses nothing.
//
// There is no queue per client: the chain is the queue. The sender reads the next block when the client has taken the last one, so a
// client that is slow costs one message of memory. It can fall behind in two ways, and both end the session: a message that it does
// not take in time; and receipts that are not kept any more when its turn comes, of which it is told:
//
//   -> {"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"all","after":{"height":7,"index":2}}}
//   <- {"jsonrpc":"2.0","result":{"after":{"height":7,"index":2}},"id":1}
//   <- {"jsonrpc":"2.0","method":"receipts","params":{"block":{...},"receipts":[...],"cursor":{"height":7,"index":4}}}
//   <- {"jsonrpc":"2.0","method":"block","params":{...,"cursor":{"height":7,"index":5}}}
//   <- {"jsonrpc":"2.0","method":"dropped","params":{"reason":"...","after":{...}}}                       the last message
//
// Threading: a receiving and a sending task, which take turns with subscription and socket (AloneAsync).

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Net.WebSockets;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api.Methods;

namespace ParallelVm.Rpcchainvm.Api.Ws;

/// <summary>Talks to one client.</summary>
internal sealed class SocketSession : IDisposable
{
    private const int MaxRequestBytes = 16 * 1024;
    private const int ReceiptsPerMessage = 64;
    private const int MaxPayers = 64;

    private static readonly RpcParam[] CursorFields =
    [
        new("height", "integer", "of a block"),
        new("index", "integer", "of a receipt in it (after the whole block)", IsOptional: true),
    ];

    private readonly ApiContext _api;
    private readonly AcceptedSignal _accepted;
    private readonly WebSocket _socket;
    private readonly TimeSpan _sendTimeout;
    private readonly RpcServer _server;
    private readonly SemaphoreSlim _sending = new(1);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Subscription? _subscription;                    // this and the next: whoever is alone
    private Block? _block;                                  // that of the cursor

    /// <summary>A session on an accepted socket, which stays the caller's.</summary>
    public SocketSession(ApiContext api, AcceptedSignal accepted, WebSocket socket, TimeSpan sendTimeout)
    {
        _api = api;
        _accepted = accepted;
        _socket = socket;
        _sendTimeout = sendTimeout;
        _server = new RpcServer(api, MethodsOf(this));
    }

    /// <summary>The methods of <c>/ws</c>, for the reference page.</summary>
    public static RpcMethod[] Methods { get; } = MethodsOf(null);

    /// <inheritdoc/>
    public void Dispose()
    {
        _server.Dispose();
        _sending.Dispose();
    }

    /// <summary>Serves the client until one side closes.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task sender = SendAllAsync(ends);
        try
        {
            await ReceiveAllAsync(ends).ConfigureAwait(false);
        }
        finally
        {
            await ends.CancelAsync().ConfigureAwait(false);
            await sender.ConfigureAwait(false);
            Dispose();
        }
    }

    private static RpcMethod[] MethodsOf(SocketSession? session) =>
    [
        new(
            "subscribe",
            [
                new("events", "\"blocks\", \"receipts\" or \"all\"", "(blocks)", IsOptional: true),
                new("after", "object", "`height` and `index` of the last event that the client has (the last accepted block)", IsOptional: true),
                new("payers", "list of public keys", "only receipts of these payers, at most 64 (all)", IsOptional: true),
            ],
            "Sends blocks and receipts from a cursor on, as they become final; in the place of an earlier subscription.",
            "`after`: where it begins. Then notifications `receipts` (`block`, `receipts`, `cursor`), `block` (the fields of method `block`, `cursor`), and `dropped` (`reason`, `after`) before the node closes",
            IsHeavy: false,
            (_, parameters, json) => session!.Subscribe(parameters, json)),
        new(
            "unsubscribe",
            [],
            "Ends the subscription.",
            "`after`: how far it came, or null",
            IsHeavy: false,
            (_, _, json) => session!.Unsubscribe(json)),
    ];

    private RpcError Subscribe(ParamReader parameters, Utf8JsonWriter json)
    {
        string events = parameters.Word("events", "blocks", "receipts", "all");
        Bytes32[] payers = parameters.Bytes32List("payers", MaxPayers);
        Block block = _api.Chain.LastAccepted;
        int index = int.MaxValue;
        if (parameters.Has("after"))
        {
            ParamReader cursor = parameters.Object("after", CursorFields);
            ulong height = cursor.Integer("height", block.Header.Height.Value);
            index = (int)cursor.Integer("index", int.MaxValue, int.MaxValue);
            if (!parameters.Error.IsError && !_api.Chain.TryGetBlock(new Height(height), out block!))
            {
                return RpcError.Missing($"Block {height} is not kept here.");
            }
        }

        if (parameters.Error.IsError)
        {
            return default;
        }

        HashSet<PublicKey>? wanted = parameters.Has("payers") ? [.. Array.ConvertAll(payers, static key => new PublicKey(key))] : null;
        _block = block;
        _subscription = new Subscription(
            events != "receipts", events != "blocks", wanted, new Cursor(block.Header.Height.Value, Math.Min(index, block.Transactions.Length)));
        Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        WriteAfter(json, _subscription.After);
        return default;
    }

    private RpcError Unsubscribe(Utf8JsonWriter json)
    {
        WriteAfter(json, _subscription?.After);
        _subscription = null;
        return default;
    }

    private async Task ReceiveAllAsync(CancellationTokenSource ends)
    {
        CancellationToken cancel = ends.Token;
        byte[] buffer = new byte[MaxRequestBytes];
        try
        {
            while (true)
            {
                int length = 0;
                ValueWebSocketReceiveResult received;
                do
                {
                    received = await _socket.ReceiveAsync(buffer.AsMemory(length), cancel).ConfigureAwait(false);
                    length += received.Count;
                }
                while (!received.EndOfMessage && length < buffer.Length && received.MessageType != WebSocketMessageType.Close);

                if (received.MessageType == WebSocketMessageType.Close)
                {
                    await AloneAsync(() => CloseAsync(WebSocketCloseStatus.NormalClosure, ""), cancel).ConfigureAwait(false);
                    return;
                }

                if (!received.EndOfMessage)
                {
                    await AloneAsync(
                        () => CloseAsync(WebSocketCloseStatus.MessageTooBig, $"requests are at most {MaxRequestBytes} bytes"), cancel).ConfigureAwait(false);
                    ends.CancelAfter(_sendTimeout);
                    await DrainAsync(buffer, cancel).ConfigureAwait(false);
                    return;
                }

                await AloneAsync(() => AnswerAsync(buffer.AsMemory(0, length), cancel), cancel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            _socket.Abort();                                // gone without a word, or the host stops
        }
    }

    // Closing over unread bytes would reset the connection, and the client would not learn why.
    private async Task DrainAsync(byte[] buffer, CancellationToken cancel)
    {
        ValueWebSocketReceiveResult received;
        do
        {
            received = await _socket.ReceiveAsync(buffer.AsMemory(), cancel).ConfigureAwait(false);
        }
        while (received.MessageType != WebSocketMessageType.Close);
    }

    // The answer to subscribe goes out before the first event, since both hold the socket while they do their part.
    private async Task AnswerAsync(ReadOnlyMemory<byte> request, CancellationToken cancel)
    {
        ArrayBufferWriter<byte> answer = new();
        if (_server.Handle(request, answer, cancel))
        {
            await SendAsync(answer.WrittenMemory, cancel).ConfigureAwait(false);
        }
    }

    private async Task SendAllAsync(CancellationTokenSource ends)
    {
        CancellationToken cancel = ends.Token;
        try
        {
            for (Step step = default; step != Step.Lost;)
            {
                Task accepted = _accepted.Next;
                Task changed = Volatile.Read(ref _changed).Task;
                await AloneAsync(async () => step = await SendNextAsync(cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
                if (step == Step.Idle)
                {
                    await Task.WhenAny(accepted, changed).WaitAsync(cancel).ConfigureAwait(false);
                }
            }

            ends.CancelAfter(_sendTimeout);                 // the client has been told; it may still say goodbye
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            _socket.Abort();                                // the receiver sees it
        }
    }

    private async Task<Step> SendNextAsync(CancellationToken cancel)
    {
        if (_subscription is null)
        {
            return Step.Idle;
        }

        ArrayBufferWriter<byte> message = new();
        Step step = TakeStep(message, _subscription);
        if (message.WrittenCount > 0)
        {
            await SendAsync(message.WrittenMemory, cancel).ConfigureAwait(false);
        }

        if (step == Step.Lost)
        {
            await CloseAsync(WebSocketCloseStatus.PolicyViolation, "too slow").ConfigureAwait(false);
        }

        return step;
    }

    // Writes what comes next, if it is wanted, and moves the cursor behind it.
    private Step TakeStep(ArrayBufferWriter<byte> message, Subscription subscription)
    {
        Cursor after = subscription.After;
        int index = after.Index + 1;
        if (after.Index >= _block!.Transactions.Length)
        {
            if (after.Height >= _api.Chain.LastAccepted.Header.Height.Value)
            {
                return Step.Idle;
            }

            if (!_api.Chain.TryGetBlock(new Height(after.Height + 1), out Block? next))
            {
                WriteDropped(message, $"Block {after.Height + 1} is not kept any more.", after);
                return Step.Lost;
            }

            (_block, index) = (next, 0);
        }

        int count = _block.Transactions.Length;
        int reached = count;
        if (index < count && subscription.Receipts)
        {
            if (!_api.Chain.TryGetReceipts(_block.Id, out ReadOnlyMemory<Receipt> receipts))
            {
                WriteDropped(message, $"The receipts of block {_block.Header.Height} are not kept any more.", after);
                return Step.Lost;
            }

            int end = Math.Min(count, index + ReceiptsPerMessage);
            WriteReceipts(message, subscription, _block, receipts.Span, index, end);
            reached = end - 1;
        }
        else if (subscription.Blocks)
        {
            using Utf8JsonWriter json = BeginMessage(message, "block");
            ChainMethods.WriteBlock(json, _api.Chain, _block, isFull: false, withReceipts: false);
            WriteCursor(json, "cursor", new Cursor(_block.Header.Height.Value, count));
            EndMessage(json);
        }

        _subscription = subscription with { After = new Cursor(_block.Header.Height.Value, reached) };
        return Step.Taken;
    }

    private static void WriteReceipts(ArrayBufferWriter<byte> message, Subscription subscription, Block block, ReadOnlySpan<Receipt> receipts, int index, int end)
    {
        bool IsWanted(int i) => subscription.Payers is null || subscription.Payers.Contains(block.Transactions[i].Payer);
        bool isAny = false;
        for (int i = index; i < end; i++)
        {
            isAny |= IsWanted(i);
        }

        if (!isAny)
        {
            return;
        }

        using Utf8JsonWriter json = BeginMessage(message, "receipts");
        json.WriteBlockPlace("block", block);
        json.WriteStartArray("receipts");
        for (int i = index; i < end; i++)
        {
            if (IsWanted(i))
            {
                json.WriteStartObject();
                json.WriteBytes32("id", block.Transactions[i].Id.Value);
                json.WriteNumber("index", i);
                json.WriteReceipt(block.Transactions[i], receipts[i]);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        WriteCursor(json, "cursor", new Cursor(block.Header.Height.Value, end - 1));
        EndMessage(json);
    }

    private static void WriteDropped(ArrayBufferWriter<byte> message, string reason, Cursor after)
    {
        using Utf8JsonWriter json = BeginMessage(message, "dropped");
        json.WriteString("reason", reason);
        WriteCursor(json, "after", after);
        EndMessage(json);
    }

    private static Utf8JsonWriter BeginMessage(ArrayBufferWriter<byte> message, string method)
    {
        Utf8JsonWriter json = new(message);
        json.WriteStartObject();
        json.WriteString("jsonrpc", "2.0");
        json.WriteString("method", method);
        json.WriteStartObject("params");
        return json;
    }

    private static void EndMessage(Utf8JsonWriter json)
    {
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
    }

    private static void WriteAfter(Utf8JsonWriter json, Cursor? after)
    {
        json.WriteStartObject();
        if (after is { } cursor)
        {
            WriteCursor(json, "after", cursor);
        }
        else
        {
            json.WriteNull("after");
        }

        json.WriteEndObject();
    }

    private static void WriteCursor(Utf8JsonWriter json, string name, Cursor cursor)
    {
        json.WriteStartObject(name);
        json.WriteNumber("height", cursor.Height);
        json.WriteNumber("index", cursor.Index);
        json.WriteEndObject();
    }

    private async Task SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        late.CancelAfter(_sendTimeout);
        await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, late.Token).ConfigureAwait(false);
    }

    private async Task CloseAsync(WebSocketCloseStatus status, string reason)
    {
        using CancellationTokenSource late = new(_sendTimeout);
        if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            await _socket.CloseOutputAsync(status, reason, late.Token).ConfigureAwait(false);
        }
    }

    // Does something with the sending side of the socket and the subscription to itself.
    private async Task AloneAsync(Func<Task> act, CancellationToken cancel)
    {
        await _sending.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await act().ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>What came of looking for the next event.</summary>
    private enum Step
    {
        /// <summary>The cursor has moved.</summary>
        Taken,

        /// <summary>There is nothing to send.</summary>
        Idle,

        /// <summary>What comes next is not kept any more.</summary>
        Lost,
    }
}
