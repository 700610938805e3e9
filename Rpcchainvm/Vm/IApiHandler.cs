// The seam between the HTTP API and how its requests arrive: AvalancheGo forwards them over the http.HTTP service, a test or an embedder may use Kestrel itself.
//
// A handler is an ASP.NET Core RequestDelegate, so it reads HttpRequest and writes HttpResponse and knows nothing of gRPC. Calls come from any thread, many at
// once, without any lock of the node. A WebSocket comes through IHttpWebSocketFeature as in Kestrel.

using System;
using System.Collections.Generic;
using Microsoft.AspNetCore.Http;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>One route of the API.</summary>
/// <param name="Prefix">What follows the chain's own URL, for example <c>/rpc</c>; the node matches it exactly.</param>
/// <param name="Handle">Serves one request.</param>
internal sealed record ApiRoute(string Prefix, RequestDelegate Handle);

/// <summary>The HTTP API of one chain. Disposed of before the chain: it closes what is open.</summary>
internal interface IApiHandler : IDisposable
{
    /// <summary>All routes; asked for once, after the chain is open.</summary>
    IReadOnlyList<ApiRoute> Routes { get; }
}
