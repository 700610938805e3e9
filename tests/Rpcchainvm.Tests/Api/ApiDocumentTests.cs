// docs/api.md is made from the method tables; this test fails when it is not current and prints what it should be.

using System;
using System.IO;
using System.Text;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Api.Methods;
using ParallelVm.Rpcchainvm.Api.Ws;

namespace ParallelVm.Rpcchainvm.Tests.Api;

public sealed class ApiDocumentTests
{
    [Fact]
    public void The_api_document_is_current()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ParallelVm.sln")))
        {
            folder = folder.Parent;
        }

        Assert.NotNull(folder);
        string path = Path.Combine(folder.FullName, "docs", "api.md");
        string expected = Document();
        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"docs/api.md should be:\n{expected}");
    }

    private static string Document()
    {
        StringBuilder text = new();
        text.Append("# The HTTP API\n\nMade from the method tables in `Rpcchainvm/Api`; a test keeps it current.\n\n");
        text.Append("JSON-RPC 2.0 by POST of `application/json` to `/ext/bc/CHAIN/rpc`; events by WebSocket at `/ext/bc/CHAIN/ws`. CORS, TLS and host names are the node's.\n");
        text.Append($"A body is at most {RpcServer.MaxBodyBytes >> 20} MiB and {RpcServer.MaxDepth} levels deep, a batch {RpcServer.MaxBatch} requests, an answer {RpcServer.MaxAnswerBytes >> 20} MiB. Too much at once is HTTP status 503 with `Retry-After`.\n\n");
        text.Append("32-byte values and byte strings are hexadecimal without a prefix. Amounts and prices are texts of decimal digits; heights, gas, counts and milliseconds are numbers.\n");
        text.Append("Where an integer is asked for, a number or a text of digits will do. Parameters go by name or by place.\n\n## Errors\n\n| code | meaning |\n|---|---|\n");
        foreach ((int code, string meaning) in RpcError.All)
        {
            text.Append($"| {code} | {meaning} |\n");
        }

        text.Append("\n## Methods of /rpc\n");
        foreach (RpcMethod method in MethodTable.All)
        {
            Append(text, method);
        }

        text.Append("\n### A call\n\nThe object `call` of simulate and discoverKeys.\n\n");
        Append(text, CallMethods.CallFields);
        text.Append("\n## Methods of /ws\n\nA cursor is `height` and `index`: within a block its receipts come first, each with its place, and the block last, with the number of its transactions. ");
        text.Append("Whoever names the last cursor that they have as `after` misses nothing and gets nothing twice. There is no queue per client: a client that falls behind what is kept is told (`dropped`) and closed.\n");
        foreach (RpcMethod method in SocketSession.Methods)
        {
            Append(text, method);
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, RpcMethod method)
    {
        text.Append($"\n### {method.Name}\n\n{method.Summary}\n\n");
        Append(text, method.Params);
        text.Append($"{(method.Params.Length == 0 ? "" : "\n")}Answers {method.Result}.\n");
    }

    private static void Append(StringBuilder text, RpcParam[] parameters)
    {
        if (parameters.Length == 0)
        {
            return;
        }

        text.Append("| parameter | type | |\n|---|---|---|\n");
        foreach (RpcParam parameter in parameters)
        {
            text.Append($"| {parameter.Name}{(parameter.IsOptional ? "?" : "")} | {parameter.Type} | {parameter.Meaning} |\n");
        }
    }
}
