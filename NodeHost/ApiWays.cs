// Two ways to a chain's JSON-RPC.
//
//   NodeWay    as the node forwards a client's POST /ext/bc/<chain>/rpc: one http.HTTP.HandleSimple at the address that CreateHandlers gave
//   HttpWay    to a node that somebody else runs, or to anything that serves the API over HTTP
//
// Threading: any thread.   Source of the first: the fact sheet's section 6.

using System;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>Takes a body there and an answer back.</summary>
internal interface IApiWay : IDisposable
{
    /// <summary>Where to, for people.</summary>
    string Target { get; }

    /// <summary>Posts a body of JSON.</summary>
    /// <returns>The status of HTTP and the answer's body.</returns>
    Task<(int Status, ReadOnlyMemory<byte> Answer)> PostAsync(ReadOnlyMemory<byte> body);
}

/// <summary>Straight to a plugin, as the node does it.</summary>
/// <param name="address">Of http.HTTP.</param>
internal sealed class NodeWay(string address) : IApiWay
{
    private static readonly RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> Simple =
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");

    private readonly RpcChannel _channel = new(address);
    private readonly string _url = $"/ext/bc/{IdText.Of(NodeIdentity.ChainId)}{ApiClient.Prefix}";

    /// <inheritdoc/>
    public string Target => "The plugin";

    /// <inheritdoc/>
    public async Task<(int Status, ReadOnlyMemory<byte> Answer)> PostAsync(ReadOnlyMemory<byte> body)
    {
        HandleSimpleHTTPRequest request = new() { Method = "POST", Url = _url, Body = UnsafeByteOperations.UnsafeWrap(body) };
        request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
        HandleSimpleHTTPResponse response = await _channel.CallAsync(Simple, request).ConfigureAwait(false);
        return (response.Code, response.Body.Memory);
    }

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();
}

/// <summary>Over HTTP.</summary>
internal sealed class HttpWay : IApiWay
{
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly Uri _url;

    /// <param name="chain">The chain's URL, with or without <c>/rpc</c>.</param>
    public HttpWay(Uri chain)
    {
        string text = chain.GetLeftPart(UriPartial.Path).TrimEnd('/');
        _url = new Uri(text.EndsWith(ApiClient.Prefix, StringComparison.Ordinal) ? text : text + ApiClient.Prefix);
    }

    /// <inheritdoc/>
    public string Target => _url.ToString();

    /// <inheritdoc/>
    /// <exception cref="HttpRequestException">There is no node.</exception>
    public async Task<(int Status, ReadOnlyMemory<byte> Answer)> PostAsync(ReadOnlyMemory<byte> body)
    {
        using ReadOnlyMemoryContent content = new(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await _http.PostAsync(_url, content).ConfigureAwait(false);
        return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync().ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}
