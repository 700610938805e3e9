// The API behind the node: asked over http.HTTP, as AvalancheGo forwards a client's request.

using System.Text.Json.Nodes;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Tests.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Api;

public sealed class BridgedTests
{
    [Fact]
    public async Task A_call_through_the_node_is_answered_by_the_chain_that_the_node_opened()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted) });
        CreateHandlersResponse created = await kit.AskAsync<CreateHandlersResponse>("CreateHandlers");
        Assert.Equal(["/rpc", "/ws"], [created.Handlers[0].Prefix, created.Handlers[1].Prefix]);
        using RpcChannel channel = new(created.Handlers[0].ServerAddr);
        HandleSimpleHTTPRequest request = new()
        {
            Method = "POST",
            Url = "/ext/bc/x/rpc",
            Body = ByteString.CopyFromUtf8("""{"jsonrpc":"2.0","id":1,"method":"chainInfo"}"""),
        };
        request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> simple =
            RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");
        HandleSimpleHTTPResponse reply = await channel.CallAsync(simple, request);
        Assert.Equal(200, reply.Code);
        Assert.Equal("application/json", Assert.Single(Assert.Single(reply.Headers).Values));
        Assert.Equal(0, (int)JsonNode.Parse(reply.Body.ToStringUtf8())!["result"]!["lastAccepted"]!["height"]!);

        request.Body = ByteString.CopyFromUtf8("""{"jsonrpc":"2.0","method":"chainInfo"}""");
        Assert.Equal(204, (await channel.CallAsync(simple, request)).Code);
        await kit.AskAsync<Empty>("Shutdown");
    }
}
