// http.HTTP over a RequestDelegate: what the handler sees, what goes back, headers in Go's spelling.

using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Http;
using ParallelVm.Rpcchainvm.Http;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class HttpBridgeTests
{
    private static readonly RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> Simple =
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");

    [Fact]
    public async Task A_request_goes_through_a_handler_and_its_answer_keeps_what_the_node_had_set()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Api = _ => new Api() });
        CreateHandlersResponse created = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        Assert.Equal((string[])["/rpc", ""], created.Handlers.Select(handler => handler.Prefix));
        using RpcChannel channel = new(created.Handlers[0].ServerAddr);

        HandleSimpleHTTPRequest request = new() { Method = "POST", Url = "/ext/bc/x%20y/rpc?a=1&b=%26", Body = ByteString.CopyFromUtf8("hello") };
        request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
        request.RequestHeaders.Add(new Element { Key = "X-Two", Values = { "1", "2" } });
        request.ResponseHeaders.Add(new Element { Key = "Node-Id", Values = { "NodeID-x" } });
        request.ResponseHeaders.Add(new Element { Key = "Vary", Values = { "Origin" } });
        HandleSimpleHTTPResponse reply = await channel.CallAsync(Simple, request);
        Assert.Equal(201, reply.Code);
        Assert.Equal("POST /ext/bc/x y/rpc ?a=1&b=%26 application/json 1,2 5 hello", reply.Body.ToStringUtf8());
        Assert.Equal(
            (string[])["Content-Type: text/plain", "Node-Id: NodeID-x", "Vary: Origin", "X-Own-Header: a|b"],
            reply.Headers.Select(header => $"{header.Key}: {string.Join('|', header.Values)}").Order(StringComparer.Ordinal));

        request.Url = "*";
        Assert.Equal(400, (await channel.CallAsync(Simple, request)).Code);
        request.Url = "http://host:1/p?q";
        Assert.StartsWith("POST /p ?q", (await channel.CallAsync(Simple, request)).Body.ToStringUtf8(), StringComparison.Ordinal);
        request.Method = "BREAK";
        Assert.Equal(RpcCode.Unknown, (await Assert.ThrowsAsync<RpcException>(() => channel.CallAsync(Simple, request))).Code);

        await kit.AskAsync<Empty>("Shutdown");
        await Assert.ThrowsAsync<RpcException>(() => channel.CallAsync(Simple, request, new RpcCallOptions(FailsFast: true)));
    }

    [Theory]
    [InlineData("content-type", "Content-Type")]
    [InlineData("X-OWN-header", "X-Own-Header")]
    [InlineData("etag", "Etag")]
    [InlineData("", "")]
    public void Headers_are_spelled_as_go_does(string name, string canonical) => Assert.Equal(canonical, HttpBridge.Canonical(name));

    private sealed class Api : IApiHandler
    {
        public System.Collections.Generic.IReadOnlyList<ApiRoute> Routes => [new ApiRoute("/rpc", Handle), new ApiRoute("", Handle)];

        public void Dispose()
        {
        }

        private static async Task Handle(HttpContext context)
        {
            if (context.Request.Method == "BREAK")
            {
                throw new InvalidOperationException("our mistake");
            }

            using StreamReader reader = new(context.Request.Body, Encoding.UTF8);
            string body = await reader.ReadToEndAsync();
            context.Response.StatusCode = 201;
            context.Response.ContentType = "text/plain";
            context.Response.ContentLength = 3;                             // the node counts itself
            context.Response.Headers["x-own-header"] = new Microsoft.Extensions.Primitives.StringValues(["a", "b"]);
            HttpRequest request = context.Request;
            await context.Response.WriteAsync($"{request.Method} {request.Path.Value} {request.QueryString.Value} {request.ContentType} {request.Headers["X-Two"]} {request.ContentLength} {body}");
        }
    }
}
