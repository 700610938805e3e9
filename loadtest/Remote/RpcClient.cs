// Asks a node over JSON-RPC, as any client would. A node that is busy or still catching up is asked again for a while; everything else
// that is no result is an exception with one sentence.
//
// Threading: one caller.

using System;
using System.Diagnostics;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Threading.Tasks;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Remote;

/// <summary>What a node answered instead of a result.</summary>
/// <param name="code">Code of JSON-RPC, or the status of HTTP.</param>
internal sealed class RpcFailedException(int code, string sentence) : Exception(sentence)
{
    /// <summary>There is no such thing.</summary>
    public const int NotFound = -32001;

    /// <summary>Code of JSON-RPC, or the status of HTTP.</summary>
    public int Code => code;
}

/// <summary>A node's API.</summary>
internal sealed class RpcClient : IDisposable
{
    private const int Attempts = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly Uri _url;
    private int _id;

    /// <summary>An API at a URL.</summary>
    /// <param name="chain">The chain's URL, with or without <c>/rpc</c>.</param>
    public RpcClient(Uri chain)
    {
        string text = chain.GetLeftPart(UriPartial.Path).TrimEnd('/');
        _url = new Uri(text.EndsWith("/rpc", StringComparison.Ordinal) ? text : text + "/rpc");
    }

    /// <summary>How long calls took.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>The result of a method.</summary>
    /// <exception cref="RpcFailedException">The node answers with an error, or not as the API does.</exception>
    /// <exception cref="HttpRequestException">There is no node.</exception>
    public async Task<JsonNode> CallAsync(string method, JsonObject parameters)
    {
        string body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = ++_id, ["method"] = method, ["params"] = parameters }.ToJsonString();
        for (int attempt = 1; ; attempt++)
        {
            using ByteArrayContent content = new(System.Text.Encoding.UTF8.GetBytes(body));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            long start = Stopwatch.GetTimestamp();
            using HttpResponseMessage response = await _http.PostAsync(_url, content).ConfigureAwait(false);
            byte[] answer = await response.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
            Latency.Record((long)(Stopwatch.GetElapsedTime(start).TotalMilliseconds * 1e6));
            if (response.StatusCode == HttpStatusCode.ServiceUnavailable && attempt < Attempts)
            {
                await Task.Delay(Pause).ConfigureAwait(false);
                continue;
            }

            return response.StatusCode == HttpStatusCode.OK
                ? ResultOf(answer)
                : throw new RpcFailedException((int)response.StatusCode, $"{_url} answers {method} with HTTP status {(int)response.StatusCode}.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private JsonNode ResultOf(byte[] answer)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(answer);
        }
        catch (System.Text.Json.JsonException)
        {
            node = null;
        }

        if (node is JsonObject found && found["error"] is JsonObject error && error["code"] is JsonValue code && code.TryGetValue(out int number))
        {
            throw new RpcFailedException(number, error["message"]?.ToString() ?? "");
        }

        return node is JsonObject whole && whole["result"] is JsonNode result ? result : throw new RpcFailedException(0, $"{_url} does not answer as the API does.");
    }
}
