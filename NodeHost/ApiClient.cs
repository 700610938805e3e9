// A client of the chain's HTTP API as its requests arrive at the plugin: the node takes POST /ext/bc/<chain>/rpc and calls
// http.HTTP.HandleSimple.
//
// Threading: any.   Source: the fact sheet's section 6.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text.Json;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.Http;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>Posts JSON-RPC to one plugin.</summary>
internal sealed class ApiClient(string address, RpcMeter meter) : IDisposable
{
    /// <summary>The route that it posts to.</summary>
    public const string Prefix = "/rpc";

    private const int TransactionsPerCall = 500;

    private static readonly RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse> Simple =
        RpcMethod<HandleSimpleHTTPRequest, HandleSimpleHTTPResponse>.Of(HttpReflection.Descriptor.Services[0], "HandleSimple");

    private readonly RpcChannel _channel = new(address);

    /// <summary>Submits transactions.</summary>
    /// <returns>How many were taken.</returns>
    public async Task<int> SubmitAsync(IReadOnlyList<ReadOnlyMemory<byte>> transactions)
    {
        int taken = 0;
        for (int first = 0; first < transactions.Count; first += TransactionsPerCall)
        {
            ArrayBufferWriter<byte> body = new();
            using (Utf8JsonWriter json = new(body))
            {
                json.WriteStartObject();
                json.WriteString("jsonrpc", "2.0");
                json.WriteNumber("id", 1);
                json.WriteString("method", "submitMany");
                json.WriteStartObject("params");
                json.WriteStartArray("transactions");
                for (int i = first; i < Math.Min(transactions.Count, first + TransactionsPerCall); i++)
                {
                    json.WriteStringValue(Convert.ToHexStringLower(transactions[i].Span));
                }

                json.WriteEndArray();
                json.WriteEndObject();
                json.WriteEndObject();
            }

            using JsonDocument answer = JsonDocument.Parse(await PostAsync(body.WrittenMemory).ConfigureAwait(false));
            if (!answer.RootElement.TryGetProperty("result", out JsonElement result))
            {
                throw new InvariantException($"submitMany answered {answer.RootElement}");
            }

            foreach (JsonElement one in result.EnumerateArray())
            {
                taken += one.TryGetProperty("refused", out _) ? 0 : 1;
            }
        }

        return taken;
    }

    /// <summary>Posts a body.</summary>
    /// <exception cref="RpcException">The plugin answers no call.</exception>
    public async Task<ReadOnlyMemory<byte>> PostAsync(ReadOnlyMemory<byte> body)
    {
        HandleSimpleHTTPRequest request = new()
        {
            Method = "POST",
            Url = $"/ext/bc/{IdText.Of(NodeIdentity.ChainId)}{Prefix}",
            Body = UnsafeByteOperations.UnsafeWrap(body),
        };
        request.RequestHeaders.Add(new Element { Key = "Content-Type", Values = { "application/json" } });
        long start = Stopwatch.GetTimestamp();
        HandleSimpleHTTPResponse response = await _channel.CallAsync(Simple, request).ConfigureAwait(false);
        meter.Add(Stopwatch.GetElapsedTime(start));
        return response.Code == 200 ? response.Body.Memory : throw new RpcException(RpcCode.Unknown, $"HTTP {response.Code}: {response.Body.ToStringUtf8()}");
    }

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();
}
