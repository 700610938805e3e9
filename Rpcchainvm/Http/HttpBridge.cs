// Serves http.HTTP: what a client asked the node for arrives as one message, runs through an ASP.NET Core RequestDelegate, and goes back as one message.
//
//   HandleSimple   a request without an upgrade: method, raw URL, headers, body  -->  status, all headers, body
//
// The answer's headers replace those that the node has set already, so they begin with what it had set (node-id, CORS) and ours come on top, in Go's
// canonical spelling: with "content-type" the node would not see a type and would guess a second one. Content-Length and Transfer-Encoding are the node's.
//
// Any URL and any header may come: what is no URL is answered 400, a handler that fails 500 with its sentence in the log only.
//
// Cost: request and response are in memory whole.   Threading: any thread, any number.

using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Http;

/// <summary>From http.HTTP to a RequestDelegate.</summary>
internal static class HttpBridge
{
    /// <summary>The service over a handler.</summary>
    public static RpcService ToRpc(RequestDelegate handle) =>
        new RpcService(HttpReflection.Descriptor.Services[0])
            .On<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>("HandleSimple", (request, cancelled) => HandleSimpleAsync(handle, request, cancelled));

    /// <summary>The spelling that Go gives a header: the first letter and every one after a hyphen large, the others small.</summary>
    public static string Canonical(string name)
    {
        StringBuilder text = new(name.Length);
        bool isFirst = true;
        foreach (char c in name)
        {
            text.Append(isFirst ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c));
            isFirst = c == '-';
        }

        return text.ToString();
    }

    private static async Task<HandleSimpleHTTPResponse> HandleSimpleAsync(RequestDelegate handle, HandleSimpleHTTPRequest request, CancellationToken cancelled)
    {
        FeatureCollection features = new();
        using MemoryStream body = new();
        HttpResponseFeature response = new();
        HttpRequestFeature described = new() { Method = request.Method, Scheme = "http", Protocol = "HTTP/1.1", RawTarget = request.Url };
        described.Body = new MemoryStream(request.Body.ToByteArray(), writable: false);
        features.Set<IHttpRequestFeature>(described);
        features.Set<IHttpResponseFeature>(response);
        features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        features.Set<IHttpRequestLifetimeFeature>(new Lifetime { RequestAborted = cancelled });
        DefaultHttpContext context = new(features);
        Take(request.ResponseHeaders, context.Response.Headers);
        Take(request.RequestHeaders, context.Request.Headers);
        if (!TrySplit(request.Url, out PathString path, out QueryString query))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
        }
        else
        {
            context.Request.Path = path;
            context.Request.QueryString = query;
            context.Request.ContentLength = request.Body.Length;
            await handle(context).ConfigureAwait(false);
            await context.Response.CompleteAsync().ConfigureAwait(false);
        }

        HandleSimpleHTTPResponse reply = new() { Code = context.Response.StatusCode, Body = ByteString.CopyFrom(body.GetBuffer(), 0, (int)body.Length) };
        foreach ((string name, StringValues values) in context.Response.Headers)
        {
            string canonical = Canonical(name);
            if (canonical is not ("Content-Length" or "Transfer-Encoding"))
            {
                Element element = new() { Key = canonical };
                foreach (string? value in values)
                {
                    element.Values.Add(value ?? "");
                }

                reply.Headers.Add(element);
            }
        }

        return reply;
    }

    private static void Take(IEnumerable<Element> source, IHeaderDictionary target)
    {
        foreach (Element element in source)
        {
            target[element.Key] = new StringValues([.. element.Values]);
        }
    }

    // The request line's target: "/path?query", or a whole URL in the absolute form.
    private static bool TrySplit(string target, out PathString path, out QueryString query)
    {
        path = default;
        query = default;
        string text = target;
        if (text.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
        {
            int slash = text.IndexOf('/', text.IndexOf("//", StringComparison.Ordinal) + 2);
            text = slash < 0 ? "/" : text[slash..];
        }

        if (text.Length == 0 || text[0] != '/')
        {
            return false;
        }

        int mark = text.IndexOf('?', StringComparison.Ordinal);
        path = PathString.FromUriComponent(mark < 0 ? text : text[..mark]);
        query = mark < 0 ? QueryString.Empty : new QueryString(text[mark..]);
        return true;
    }

    private sealed class Lifetime : IHttpRequestLifetimeFeature
    {
        public CancellationToken RequestAborted { get; set; }

        public void Abort()
        {
            // there is no connection to cut; the handler's answer goes back as it is
        }
    }
}
