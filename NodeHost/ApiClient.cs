// A client of the chain's JSON-RPC, whichever way its requests go: through the plugin's own address, as the node forwards them, or over
// HTTP to a node that somebody else runs (ApiWays.cs).
//
// A server that is busy is asked again for a while; everything else that is no result is an exception with one sentence.
//
// Threading: any thread; requests of one client may be under way side by side.
// Cost of a submission: two digits per byte, written once; the answers are read where they lie.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;

namespace ParallelVm.NodeHost;

/// <summary>What the API answered instead of a result.</summary>
/// <param name="code">Code of JSON-RPC, or the status of HTTP.</param>
internal sealed class ApiFailedException(int code, string sentence) : Exception(sentence)
{
    /// <summary>Code of JSON-RPC, or the status of HTTP.</summary>
    public int Code => code;
}

/// <summary>What became of a submitted transaction.</summary>
/// <param name="Id">Its id; default when the server saw no transaction.</param>
/// <param name="IsTaken">It waits there.</param>
/// <param name="SentAt">Timestamp of its request, of <see cref="Stopwatch"/>.</param>
internal readonly record struct SubmitAnswer(TxId Id, bool IsTaken, long SentAt);

/// <summary>A client of one chain's API.</summary>
/// <param name="way">How requests get there; disposed of with the client.</param>
/// <param name="meter">Gets the duration of every request.</param>
internal sealed class ApiClient(IApiWay way, RpcMeter meter) : IDisposable
{
    /// <summary>The route of JSON-RPC below a chain's own.</summary>
    public const string Prefix = "/rpc";

    /// <summary>Most transactions of a submitMany.</summary>
    public const int MostTransactions = 512;

    /// <summary>Most bytes of transactions of a submitMany: twice as many digits, in a body of at most 1 MiB.</summary>
    public const int MostBytes = 400_000;

    private const int Attempts = 100;
    private const int StatusOk = 200;
    private const int StatusBusy = 503;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private int _id;

    /// <summary>How long requests took.</summary>
    public RpcMeter Meter => meter;

    /// <summary>The result of a method.</summary>
    /// <exception cref="ApiFailedException">The API answers with an error, or not as this one does.</exception>
    public async Task<JsonNode> CallAsync(string method, JsonObject parameters)
    {
        JsonObject request = new() { ["jsonrpc"] = "2.0", ["id"] = Interlocked.Increment(ref _id), ["method"] = method, ["params"] = parameters };
        using JsonDocument answer = await PostAsync(method, JsonSerializer.SerializeToUtf8Bytes(request)).ConfigureAwait(false);
        JsonElement result = ResultOf(answer, method).Clone();
        JsonNode? node = result.ValueKind switch
        {
            JsonValueKind.Object => JsonObject.Create(result),
            JsonValueKind.Array => JsonArray.Create(result),
            _ => JsonValue.Create(result),
        };
        return node ?? throw NotTheApi(method);
    }

    /// <summary>Submits transactions, as many at once as a request takes.</summary>
    /// <param name="atOnce">Requests that may be under way; with more than one, pieces of the list may arrive in any order.</param>
    /// <returns>One answer per transaction.</returns>
    /// <exception cref="ApiFailedException">The API answers with an error, or not as this one does.</exception>
    public async Task<SubmitAnswer[]> SubmitAsync(IReadOnlyList<ReadOnlyMemory<byte>> transactions, int atOnce = 1)
    {
        SubmitAnswer[] answers = new SubmitAnswer[transactions.Count];
        List<Task> underWay = [];
        for (int first = 0; first < transactions.Count;)
        {
            int count = 0;
            for (int bytes = 0; first + count < transactions.Count && count < MostTransactions && (count == 0 || bytes + transactions[first + count].Length <= MostBytes); count++)
            {
                bytes += transactions[first + count].Length;
            }

            if (underWay.Count == atOnce)
            {
                Task ended = await Task.WhenAny(underWay).ConfigureAwait(false);
                underWay.Remove(ended);
                await ended.ConfigureAwait(false);
            }

            underWay.Add(SubmitPieceAsync(transactions, first, count, answers));
            first += count;
        }

        await Task.WhenAll(underWay).ConfigureAwait(false);
        return answers;
    }

    /// <inheritdoc/>
    public void Dispose() => way.Dispose();

    private async Task SubmitPieceAsync(IReadOnlyList<ReadOnlyMemory<byte>> transactions, int first, int count, SubmitAnswer[] answers)
    {
        long sent = Stopwatch.GetTimestamp();
        using JsonDocument answer = await PostAsync("submitMany", BodyOf(transactions, first, count)).ConfigureAwait(false);
        JsonElement list = ResultOf(answer, "submitMany");
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() != count)
        {
            throw NotTheApi("submitMany");
        }

        int at = first;
        foreach (JsonElement one in list.EnumerateArray())
        {
            Bytes32 id = default;
            bool hasId = one.TryGetProperty("id", out JsonElement text) && text.ValueKind == JsonValueKind.String && Bytes32.TryParseHex(text.GetString()!, out id);
            answers[at++] = new SubmitAnswer(hasId ? new TxId(id) : default, !one.TryGetProperty("refused", out _), sent);
        }
    }

    // Written by hand: a writer would look at each of a million digits for what has to be escaped.
    private byte[] BodyOf(IReadOnlyList<ReadOnlyMemory<byte>> transactions, int first, int count)
    {
        byte[] head = System.Text.Encoding.ASCII.GetBytes($$$"""{"jsonrpc":"2.0","id":{{{Interlocked.Increment(ref _id)}}},"method":"submitMany","params":{"transactions":[""");
        int length = head.Length + 2;                                       // the end, less a comma too many
        for (int i = first; i < first + count; i++)
        {
            length += (2 * transactions[i].Length) + 3;
        }

        byte[] body = new byte[length];
        head.CopyTo(body, 0);
        int at = head.Length;
        for (int i = first; i < first + count; i++)
        {
            if (i > first)
            {
                body[at++] = (byte)',';
            }

            body[at++] = (byte)'"';
            bool fits = Convert.TryToHexStringLower(transactions[i].Span, body.AsSpan(at), out int written);
            Invariant.Require(fits);
            at += written;
            body[at++] = (byte)'"';
        }

        "]}}"u8.CopyTo(body.AsSpan(at));
        Invariant.Require(at + 3 == body.Length);
        return body;
    }

    private async Task<JsonDocument> PostAsync(string method, byte[] body)
    {
        for (int attempt = 1; ; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            (int status, ReadOnlyMemory<byte> answer) = await way.PostAsync(body).ConfigureAwait(false);
            meter.Add(Stopwatch.GetElapsedTime(start));
            if (status == StatusBusy && attempt < Attempts)
            {
                await Task.Delay(Pause).ConfigureAwait(false);
                continue;
            }

            if (status != StatusOk)
            {
                throw new ApiFailedException(status, $"{way.Target} answers {method} with HTTP status {status}.");
            }

            try
            {
                return JsonDocument.Parse(answer);
            }
            catch (JsonException)
            {
                throw NotTheApi(method);
            }
        }
    }

    private JsonElement ResultOf(JsonDocument answer, string method)
    {
        JsonElement root = answer.RootElement;
        if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("error", out JsonElement error)
            && error.ValueKind == JsonValueKind.Object && error.TryGetProperty("code", out JsonElement code) && code.ValueKind == JsonValueKind.Number && code.TryGetInt32(out int number))
        {
            throw new ApiFailedException(number, error.TryGetProperty("message", out JsonElement message) ? message.ToString() : "");
        }

        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("result", out JsonElement result) ? result : throw NotTheApi(method);
    }

    private ApiFailedException NotTheApi(string method) => new(0, $"{way.Target} does not answer {method} as the API does.");
}
