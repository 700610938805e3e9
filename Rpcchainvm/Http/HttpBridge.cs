// Serves http.HTTP: what a client asked the node for arrives as one message, runs through an ASP.NET Core RequestDelegate, and goes back as one message.
//
//   HandleSimple   a request without an upgrade: method, raw URL, headers, body  -->  status, all headers, body
//   Handle         an upgrade (WebSocket), or HTTP/2: see HttpExchange.cs
//
// The answer's headers replace those that the node has set already, so they begin with what it had set (node-id, CORS) and ours come on top, in Go's
// canonical spelling: with "content-type" the node would not see a type and would guess a second one. Content-Length and Transfer-Encoding are the node's.
//
// Any URL and any header may come: what is no URL is answered 400, a handler that fails 500 with its sentence in the log only.
//
// Cost: request and response are in memory whole.   Threading: any thread, any number.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Http;

/// <summary>From http.HTTP to a RequestDelegate.</summary>
internal static class HttpBridge
{
    /// <summary>The service over a handler.</summary>
    public static RpcService ToRpc(RequestDelegate handle) =>
        new RpcService(HttpReflection.Descriptor.Services[0])
            .On<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>("HandleSimple", (request, cancelled) => HandleSimpleAsync(handle, request, cancelled))
            .On<HTTPRequest, HTTPResponse>("Handle", (request, cancelled) => HttpExchange.HandleAsync(handle, request, cancelled));

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

    /// <summary>What a handler sees of a request that came as a message.</summary>
    /// <param name="target">The request line's target, as received.</param>
    /// <param name="answer">Gets the answer's body.</param>
    /// <returns>False when the target is none; nothing has been set then.</returns>
    internal static bool TryDescribe(
        HttpContext context, string method, string target, IEnumerable<(string Key, IEnumerable<string> Values)> headers,
        IEnumerable<(string Key, IEnumerable<string> Values)> alreadySet, Stream body, Stream answer, CancellationToken cancelled)
    {
        context.Features.Set<IHttpRequestFeature>(new HttpRequestFeature { Method = method, Scheme = "http", Protocol = "HTTP/1.1", RawTarget = target, Body = body });
        context.Features.Set<IHttpResponseFeature>(new HttpResponseFeature());
        context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(answer));
        context.Features.Set<IHttpRequestLifetimeFeature>(new Lifetime { RequestAborted = cancelled });
        Take(alreadySet, context.Response.Headers);
        Take(headers, context.Request.Headers);
        if (!TrySplit(target, out PathString path, out QueryString query))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return false;
        }

        context.Request.Path = path;
        context.Request.QueryString = query;
        return true;
    }

    /// <summary>The headers that go back, as the node wants them.</summary>
    internal static IEnumerable<(string Key, StringValues Values)> HeadersOf(HttpContext context)
    {
        foreach ((string name, StringValues values) in context.Response.Headers)
        {
            string canonical = Canonical(name);
            if (canonical is not ("Content-Length" or "Transfer-Encoding"))
            {
                yield return (canonical, values);
            }
        }
    }

    /// <summary>Elements of a message.</summary>
    internal static IEnumerable<(string Key, IEnumerable<string> Values)> PairsOf(IEnumerable<Element> elements)
    {
        foreach (Element element in elements)
        {
            yield return (element.Key, element.Values);
        }
    }

    private static async Task<HandleSimpleHTTPResponse> HandleSimpleAsync(RequestDelegate handle, HandleSimpleHTTPRequest request, CancellationToken cancelled)
    {
        PipeReader body = PipeReader.Create(new ReadOnlySequence<byte>(request.Body.Memory));
        using MemoryStream answer = new();
        DefaultHttpContext context = new();
        if (TryDescribe(context, request.Method, request.Url, PairsOf(request.RequestHeaders), PairsOf(request.ResponseHeaders), body.AsStream(), answer, cancelled))
        {
            context.Features.Set<IRequestBodyPipeFeature>(new WholeBody(body));     // in one piece where it lies, not in copies of 4 KiB
            context.Request.ContentLength = request.Body.Length;
            await handle(context).ConfigureAwait(false);
            await context.Response.CompleteAsync().ConfigureAwait(false);
        }

        HandleSimpleHTTPResponse reply = new() { Code = context.Response.StatusCode, Body = Wire.Bytes(answer.GetBuffer().AsMemory(0, (int)answer.Length)) };
        foreach ((string key, StringValues values) in HeadersOf(context))
        {
            reply.Headers.Add(new Element { Key = key, Values = { values.ToArray() } });
        }

        return reply;
    }

    private static void Take(IEnumerable<(string Key, IEnumerable<string> Values)> source, IHeaderDictionary target)
    {
        foreach ((string key, IEnumerable<string> values) in source)
        {
            target[key] = new StringValues([.. values]);
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

    private sealed class WholeBody(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader => reader;
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
