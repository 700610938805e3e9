// A method as data: its name, its parameters, what it answers, and what runs it. The server, the reference page and the tests read
// the same rows.

using System.Text.Json;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>A parameter.</summary>
/// <param name="Name">By name, and by place in the method's list.</param>
/// <param name="Type">As the reference page names it.</param>
/// <param name="Meaning">One phrase.</param>
/// <param name="IsOptional">It may be left out.</param>
internal sealed record RpcParam(string Name, string Type, string Meaning, bool IsOptional = false);

/// <summary>Runs a method: reads its parameters and writes one JSON value.</summary>
/// <returns>An error, and then what was written is dropped.</returns>
internal delegate RpcError RpcHandler(ApiContext api, ParamReader parameters, Utf8JsonWriter json);

/// <summary>A method.</summary>
/// <param name="Name">What a request names.</param>
/// <param name="Params">In the order of parameters by place.</param>
/// <param name="Summary">What it does.</param>
/// <param name="Result">What it answers.</param>
/// <param name="IsHeavy">It runs programs or walks blocks: few at once.</param>
/// <param name="Run">The code.</param>
internal sealed record RpcMethod(string Name, RpcParam[] Params, string Summary, string Result, bool IsHeavy, RpcHandler Run);
