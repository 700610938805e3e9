// The API over HTTP and WebSockets, on Kestrel and the loopback.

using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Http;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Rpcchainvm.Api;

namespace ParallelVm.Rpcchainvm.Tests.Api;

[Collection(Alone.Name)]
public sealed class ServedTests : IDisposable
{
    private const string Info = """{"jsonrpc":"2.0","method":"chainInfo","id":1}""";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ApiKit _kit = new(receiptBlocksKept: 4);

    public void Dispose() => _kit.Dispose();

    [Fact]
    public async Task Http_has_its_status_codes()
    {
        await using ServedApi api = await _kit.ServeAsync();
        using HttpResponseMessage good = await api.PostAsync(Info);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        Assert.Equal("application/json", good.Content.Headers.ContentType!.ToString());
        Assert.Equal("api", (string)JsonNode.Parse(await good.Content.ReadAsStringAsync())!["result"]!["name"]!);

        using HttpResponseMessage wrong = await api.PostAsync("{");
        Assert.Equal(HttpStatusCode.OK, wrong.StatusCode);
        using HttpResponseMessage silent = await api.PostAsync("""{"jsonrpc":"2.0","method":"chainInfo"}""");
        Assert.Equal((HttpStatusCode.NoContent, 0), (silent.StatusCode, (await silent.Content.ReadAsByteArrayAsync()).Length));
        using HttpResponseMessage plain = await api.PostAsync(Info, "text/plain");
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, plain.StatusCode);
        using HttpResponseMessage get = await api.Client.GetAsync(new Uri(api.Url + "/rpc"));
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "POST"), (get.StatusCode, string.Join(',', get.Content.Headers.Allow)));
        using HttpResponseMessage large = await api.PostAsync(new string(' ', RpcServer.MaxBodyBytes + 1));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using HttpRequestMessage unsized = new(HttpMethod.Post, new Uri(api.Url + "/rpc")) { Content = new StringContent(new string(' ', RpcServer.MaxBodyBytes + 1), Encoding.UTF8, "application/json") };
        unsized.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage chunked = await api.Client.SendAsync(unsized);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, chunked.StatusCode);
        using HttpResponseMessage noSocket = await api.Client.GetAsync(new Uri(api.Url + "/ws"));
        Assert.Equal(HttpStatusCode.UpgradeRequired, noSocket.StatusCode);
    }

    // Ten times as many at once as are served: each is answered or turned away, and what is held at once stays bounded.
    [Fact]
    public async Task A_flood_is_turned_away_and_afterwards_all_is_as_before()
    {
        await using ServedApi api = await _kit.ServeAsync(new ApiLimits { RequestsAtOnce = 4, SocketsAtOnce = 2 });
        string call = $$"""{"jsonrpc":"2.0","method":"submit","params":["{{ApiKit.Hex(_kit.Count(0, 1).Bytes)}}"],"id":1}""";
        string[] batch = new string[50];
        Array.Fill(batch, call);
        string body = $"[{string.Join(',', batch)}]";
        await Flood(api, body, 40);
        GC.Collect();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        int answered = 0;
        for (int round = 0; round < 5; round++)
        {
            answered += await Flood(api, body, 40);
        }

        long after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.InRange(answered, 5 * 4, 5 * 40);
        Assert.True(after - before < 8 << 20, $"{before} bytes before, {after} after");
        Assert.Equal(1, _kit.Chain.MempoolCount);
        using HttpResponseMessage good = await api.PostAsync(Info);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);

        using ClientWebSocket one = await Connect(api);
        using ClientWebSocket two = await Connect(api);
        using ClientWebSocket three = new();
        await Assert.ThrowsAsync<WebSocketException>(() => three.ConnectAsync(SocketUri(api), CancellationToken.None));
        Assert.True(api.Host.TurnedAway >= 1);
    }

    [Fact]
    public async Task A_subscriber_gets_every_block_and_receipt_once_and_in_order()
    {
        await using ServedApi api = await _kit.ServeAsync();
        using ClientWebSocket socket = await Connect(api);
        JsonNode begun = await Ask(socket, """{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"all"}}""");
        Assert.Equal(0, (int)begun["result"]!["after"]!["height"]!);
        for (int height = 1; height <= 3; height++)
        {
            Transaction[] load = [_kit.Count(0, height, tip: 9), _kit.Count(1, height), _kit.Swap(2, 10)];
            Block block = _kit.Accept(load);
            JsonNode receipts = await Receive(socket);
            Assert.Equal("receipts", (string)receipts["method"]!);
            Assert.Equal(block.Id.ToString(), (string)receipts["params"]!["block"]!["id"]!);
            Assert.Equal(Array.ConvertAll(block.Transactions, static transaction => transaction.Id.ToString()), Array.ConvertAll([.. receipts["params"]!["receipts"]!.AsArray()], static receipt => (string)receipt!["id"]!));
            Assert.Equal((height, 2), ((int)receipts["params"]!["cursor"]!["height"]!, (int)receipts["params"]!["cursor"]!["index"]!));
            JsonNode event_ = await Receive(socket);
            Assert.Equal(("block", block.Id.ToString()), ((string)event_["method"]!, (string)event_["params"]!["id"]!));
            Assert.Equal((height, 3), ((int)event_["params"]!["cursor"]!["height"]!, (int)event_["params"]!["cursor"]!["index"]!));
        }

        JsonNode ended = await Ask(socket, """{"jsonrpc":"2.0","id":2,"method":"unsubscribe"}""");
        Assert.Equal(3, (int)ended["result"]!["after"]!["height"]!);
        Assert.Equal(RpcError.MethodNotFound, (int)(await Ask(socket, Info))["error"]!["code"]!);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
    }

    // Wherever a client stopped, what it gets from its cursor on is what it had not got.
    [Fact]
    public async Task A_cursor_resumes_at_every_place()
    {
        await using ServedApi api = await _kit.ServeAsync();
        for (int height = 1; height <= 3; height++)
        {
            _kit.Accept(_kit.Count(0, height, tip: 9), _kit.Count(1, height));
        }

        List<(int Height, int Index)> all = await Events(api, 0, 0, 9);
        Assert.Equal(9, all.Count);
        for (int i = 0; i < all.Count - 1; i++)
        {
            Assert.Equal(all[(i + 1)..], await Events(api, all[i].Height, all[i].Index, all.Count - i - 1));
        }
    }

    [Fact]
    public async Task Payers_narrow_receipts_and_blocks_still_come()
    {
        await using ServedApi api = await _kit.ServeAsync();
        using ClientWebSocket socket = await Connect(api);
        await Ask(socket, $$$"""{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"all","payers":["{{{ApiKit.Accounts[1].PublicKey}}}"]}}""");
        _kit.Accept(_kit.Count(0, 1));
        Assert.Equal("block", (string)(await Receive(socket))["method"]!);
        _kit.Accept(_kit.Count(0, 2), _kit.Count(1, 2, tip: 0));
        JsonNode receipts = await Receive(socket);
        Assert.Equal(1, (int)Assert.Single(receipts["params"]!["receipts"]!.AsArray())!["index"]!);
        Assert.Equal("block", (string)(await Receive(socket))["method"]!);
    }

    [Fact]
    public async Task Whoever_asks_for_what_is_gone_is_told_where_it_stands_and_dropped()
    {
        await using ServedApi api = await _kit.ServeAsync();
        for (int height = 1; height <= 8; height++)
        {
            _kit.Accept(_kit.Count(0, height));
        }

        using ClientWebSocket socket = await Connect(api);
        await Ask(socket, """{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"receipts","after":{"height":2}}}""");
        JsonNode dropped = await Receive(socket);
        Assert.Equal(("dropped", 2), ((string)dropped["method"]!, (int)dropped["params"]!["after"]!["height"]!));
        WebSocketReceiveResult closing = await socket.ReceiveAsync(new ArraySegment<byte>(new byte[1024]), CancellationToken.None);
        Assert.Equal((WebSocketMessageType.Close, WebSocketCloseStatus.PolicyViolation), (closing.MessageType, socket.CloseStatus));

        // blocks are kept longer than receipts
        using ClientWebSocket blocks = await Connect(api);
        await Ask(blocks, """{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"after":{"height":2}}}""");
        Assert.Equal(3, (int)(await Receive(blocks))["params"]!["height"]!);
        JsonNode ahead = await Ask(blocks, """{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"after":{"height":9}}}""", skipEvents: true);
        Assert.Equal(RpcError.InvalidParams, (int)ahead["error"]!["code"]!);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_dropped_and_the_chain_goes_on()
    {
        await using ServedApi api = await _kit.ServeAsync(new ApiLimits { SendTimeout = TimeSpan.FromMilliseconds(300) });
        using ClientWebSocket deaf = new();
        deaf.Options.SetBuffer(256, 256);
        await deaf.ConnectAsync(SocketUri(api), CancellationToken.None);
        await deaf.SendAsync(Encoding.UTF8.GetBytes("""{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"all"}}"""), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(1, api.Host.Sockets);

        // requests that fill both sockets' buffers with answers nobody takes
        byte[] request = Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":"{{new string('x', 250)}}","method":"no"}""");
        using CancellationTokenSource patience = new(Patience);
        try
        {
            while (api.Host.Sockets > 0)
            {
                await deaf.SendAsync(request, WebSocketMessageType.Text, true, patience.Token);
            }
        }
        catch (WebSocketException)
        {
            // dropped
        }

        while (api.Host.Sockets > 0)
        {
            await Task.Delay(20, patience.Token);
        }

        _kit.Accept(_kit.Count(0, 1));
        using HttpResponseMessage good = await api.PostAsync(Info);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
    }

    [Fact]
    public async Task A_request_that_is_too_long_ends_the_socket()
    {
        await using ServedApi api = await _kit.ServeAsync();
        using ClientWebSocket socket = await Connect(api);
        await socket.SendAsync(new byte[40_000], WebSocketMessageType.Text, true, CancellationToken.None);
        WebSocketReceiveResult closing = await socket.ReceiveAsync(new ArraySegment<byte>(new byte[1024]), CancellationToken.None);
        Assert.Equal((WebSocketMessageType.Close, WebSocketCloseStatus.MessageTooBig), (closing.MessageType, socket.CloseStatus));
    }

    // The cursors of receipts (each) and blocks after a place.
    private static async Task<List<(int Height, int Index)>> Events(ServedApi api, int height, int index, int count)
    {
        using ClientWebSocket socket = await Connect(api);
        await Ask(socket, $$$$"""{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":"all","after":{"height":{{{{height}}}},"index":{{{{index}}}}}}}""");
        List<(int, int)> events = [];
        while (events.Count < count)
        {
            JsonNode parameters = (await Receive(socket))["params"]!;
            int at = (int)parameters["cursor"]!["height"]!;
            foreach (JsonNode? receipt in parameters["receipts"]?.AsArray() ?? [])
            {
                events.Add((at, (int)receipt!["index"]!));
            }

            if (parameters["receipts"] is null)
            {
                events.Add((at, (int)parameters["cursor"]!["index"]!));
            }
        }

        return events;
    }

    private static async Task<int> Flood(ServedApi api, string body, int count)
    {
        Task<HttpResponseMessage>[] all = new Task<HttpResponseMessage>[count];
        for (int i = 0; i < count; i++)
        {
            all[i] = api.PostAsync(body);
        }

        int answered = 0;
        foreach (Task<HttpResponseMessage> one in all)
        {
            using HttpResponseMessage response = await one;
            Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable, response.StatusCode.ToString());
            answered += response.StatusCode == HttpStatusCode.OK ? 1 : 0;
        }

        return answered;
    }

    private static Uri SocketUri(ServedApi api) => new(api.Url.Replace("http:", "ws:", StringComparison.Ordinal) + "/ws");

    private static async Task<ClientWebSocket> Connect(ServedApi api)
    {
        ClientWebSocket socket = new();
        await socket.ConnectAsync(SocketUri(api), CancellationToken.None);
        return socket;
    }

    private static async Task<JsonNode> Ask(ClientWebSocket socket, string request, bool skipEvents = false)
    {
        await socket.SendAsync(Encoding.UTF8.GetBytes(request), WebSocketMessageType.Text, true, CancellationToken.None);
        JsonNode answer = await Receive(socket);
        while (skipEvents && answer["method"] is not null)
        {
            answer = await Receive(socket);
        }

        return answer;
    }

    private static async Task<JsonNode> Receive(ClientWebSocket socket)
    {
        using CancellationTokenSource patience = new(Patience);
        byte[] buffer = new byte[1 << 20];
        int length = 0;
        ValueWebSocketReceiveResult received;
        do
        {
            received = await socket.ReceiveAsync(buffer.AsMemory(length), patience.Token);
            length += received.Count;
        }
        while (!received.EndOfMessage);

        Assert.Equal(WebSocketMessageType.Text, received.MessageType);
        return JsonNode.Parse(buffer.AsSpan(0, length))!;
    }
}
