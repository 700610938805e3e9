// JSON-RPC 2.0 over bytes: a body in, an answer out, whatever the body is.
//
//   body -> JSON, bounded in bytes and depth -> a request, or a batch of them -> method table -> answer, bounded in bytes
//
// As the specification has it: a batch is answered by a batch without the notifications' answers, by nothing when all are notifications;
// an empty batch and everything that is no request is answered with Invalid Request. Where it leaves a choice: a member of a request
// that stands twice makes it invalid, other members are ignored; an id is a text, a number or null, and comes back as it was
// sent; a batch is at most MaxBatch long; requests of a batch run one after another, in order.
//
// Invariants
//   J1  no body makes it throw: what a method throws is our defect or the machine's, see Run
//   J2  an answer is at most MaxAnswerBytes and a little: what does not fit is answered with TooLarge
//
// Threading: any thread, nothing shared but the gate of heavy methods.   Cost: O(body) beside the methods.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Threading;
using ParallelVm.Chain;
using ParallelVm.Primitives.State;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Answers bodies.</summary>
internal sealed class RpcServer : IDisposable
{
    /// <summary>Longest body.</summary>
    public const int MaxBodyBytes = 1 << 20;

    /// <summary>Longest answer.</summary>
    public const int MaxAnswerBytes = 8 << 20;

    /// <summary>Most requests of a batch.</summary>
    public const int MaxBatch = 100;

    /// <summary>Deepest nesting.</summary>
    public const int MaxDepth = 16;

    private const int MaxIdChars = 256;
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MaxDepth };

    private readonly ApiContext _api;
    private readonly Dictionary<string, RpcMethod> _methods = new(StringComparer.Ordinal);
    private readonly HeavyGate _heavy = new();
    private long _requests;
    private long _errors;

    /// <summary>A server of these methods.</summary>
    public RpcServer(ApiContext api, IEnumerable<RpcMethod> methods)
    {
        _api = api;
        foreach (RpcMethod method in methods)
        {
            _methods.Add(method.Name, method);
        }
    }

    /// <summary>Requests that were answered, notifications included.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Those of them that ended with an error.</summary>
    public long Errors => Interlocked.Read(ref _errors);

    /// <summary>Its calls.</summary>
    public ApiMeter Meter { get; } = new();

    /// <summary>Answers a body.</summary>
    /// <param name="answer">Takes the answer.</param>
    /// <returns>False when there is none: notifications only.</returns>
    public bool Handle(ReadOnlyMemory<byte> body, IBufferWriter<byte> answer, CancellationToken cancel = default)
    {
        using Utf8JsonWriter json = new(answer);
        if (body.Length > MaxBodyBytes)
        {
            WriteError(json, default, new RpcError(RpcError.InvalidRequest, $"The body has {body.Length} bytes; at most {MaxBodyBytes} are allowed."));
            return true;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(body, Options);
            return Handle(document.RootElement, json, cancel);
        }
        catch (JsonException)
        {
            WriteError(json, default, new RpcError(RpcError.ParseError, $"The body is not JSON, or nested deeper than {MaxDepth}."));
            return true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _heavy.Dispose();

    private bool Handle(JsonElement root, Utf8JsonWriter json, CancellationToken cancel)
    {
        if (root.ValueKind != JsonValueKind.Array)
        {
            return HandleOne(root, json, cancel);
        }

        int count = root.GetArrayLength();
        if (count is 0 or > MaxBatch)
        {
            WriteError(json, default, new RpcError(RpcError.InvalidRequest, $"The batch has {count} requests; 1 to {MaxBatch} are allowed."));
            return true;
        }

        bool isAnswered = false;
        foreach (JsonElement request in root.EnumerateArray())
        {
            if (!isAnswered)
            {
                isAnswered = true;
                json.WriteStartArray();
            }

            HandleOne(request, json, cancel);
        }

        if (json.BytesCommitted + json.BytesPending == 1)
        {
            json.Reset();                                   // only the bracket: nobody wants an answer
            return false;
        }

        json.WriteEndArray();
        json.Flush();
        return true;
    }

    private bool HandleOne(JsonElement element, Utf8JsonWriter json, CancellationToken cancel)
    {
        Interlocked.Increment(ref _requests);
        long start = Stopwatch.GetTimestamp();
        Request request = Request.Of(element);
        RpcError error = request.Error;
        RpcMethod? method = null;
        if (!error.IsError && !_methods.TryGetValue(request.Method!, out method))
        {
            error = new RpcError(RpcError.MethodNotFound, "There is no such method.");
        }

        ArrayBufferWriter<byte> result = new();
        if (!error.IsError)
        {
            error = Run(method!, request, result, cancel);
        }

        if (!error.IsError && json.BytesCommitted + json.BytesPending + result.WrittenCount > MaxAnswerBytes)
        {
            error = new RpcError(RpcError.TooLarge, $"The answer would be larger than {MaxAnswerBytes} bytes.");
        }

        if (error.IsError)
        {
            Interlocked.Increment(ref _errors);
        }

        Meter.Add(method?.Name, error.Code, Stopwatch.GetElapsedTime(start));

        if (request.IsNotification)
        {
            return false;
        }

        if (error.IsError)
        {
            WriteError(json, request.Id, error);
            return true;
        }

        json.WriteStartObject();
        json.WriteString("jsonrpc", "2.0");
        json.WritePropertyName("result");
        json.WriteRawValue(result.WrittenSpan, skipInputValidation: true);
        WriteId(json, request.Id);
        json.WriteEndObject();
        json.Flush();
        return true;
    }

    // What the machine does wrong is answered as an internal error; a broken invariant of ours goes up and stops the process.
    private RpcError Run(RpcMethod method, in Request request, ArrayBufferWriter<byte> result, CancellationToken cancel)
    {
        ParamReader parameters = ParamReader.Of(method.Params, request.Params);
        if (parameters.Error.IsError)
        {
            return parameters.Error;
        }

        if (method.IsHeavy && !_heavy.TryEnter())
        {
            return HeavyGate.Full;
        }

        try
        {
            using Utf8JsonWriter json = new(result);
            RpcError error = method.Run(_api with { Cancel = cancel, Heavy = _heavy }, parameters, json);
            return parameters.Error.IsError ? parameters.Error : error;
        }
        catch (StateStoreException e)
        {
            return new RpcError(RpcError.Internal, e.Refusal.Sentence, e.Refusal);
        }
        catch (SnapshotGoneException e)
        {
            return new RpcError(RpcError.Busy, e.Message);
        }
        finally
        {
            if (method.IsHeavy)
            {
                _heavy.Leave();
            }
        }
    }

    private static void WriteError(Utf8JsonWriter json, JsonElement id, in RpcError error)
    {
        json.WriteStartObject();
        json.WriteString("jsonrpc", "2.0");
        json.WriteStartObject("error");
        json.WriteNumber("code", error.Code);
        json.WriteString("message", error.Message);
        if (error.Refusal.IsRefused)
        {
            json.WriteStartObject("data");
            json.WriteNumber("code", (int)error.Refusal.Code);
            json.WriteString("name", error.Refusal.Code.ToString());
            json.WriteEndObject();
        }

        json.WriteEndObject();
        WriteId(json, id);
        json.WriteEndObject();
        json.Flush();
    }

    private static void WriteId(Utf8JsonWriter json, JsonElement id)
    {
        json.WritePropertyName("id");
        if (id.ValueKind == JsonValueKind.String && RpcText.TryRead(id, out string? text))
        {
            json.WriteStringValue(text);
        }
        else if (id.ValueKind == JsonValueKind.Number)
        {
            json.WriteRawValue(id.GetRawText());
        }
        else
        {
            json.WriteNullValue();
        }
    }

    /// <summary>A request, or why it is none.</summary>
    private readonly record struct Request(string? Method, JsonElement Params, JsonElement Id, bool IsNotification, RpcError Error)
    {
        public static Request Of(JsonElement element)
        {
            if (element.ValueKind != JsonValueKind.Object)
            {
                return Invalid(default, "A request is an object.");
            }

            JsonElement version = default, method = default, parameters = default, id = default;
            bool isTwice = false;
            foreach (JsonProperty property in element.EnumerateObject())
            {
                if (RpcText.IsNamed(property, "jsonrpc"))
                {
                    isTwice |= Take(property, ref version);
                }
                else if (RpcText.IsNamed(property, "method"))
                {
                    isTwice |= Take(property, ref method);
                }
                else if (RpcText.IsNamed(property, "params"))
                {
                    isTwice |= Take(property, ref parameters);
                }
                else if (RpcText.IsNamed(property, "id"))
                {
                    isTwice |= Take(property, ref id);
                }
            }

            bool isId = id.ValueKind switch
            {
                JsonValueKind.Undefined or JsonValueKind.Null => true,
                JsonValueKind.Number => id.GetRawText().Length <= MaxIdChars,
                JsonValueKind.String => RpcText.TryRead(id, out string? text) && text.Length <= MaxIdChars,
                _ => false,
            };
            if (!isId || isTwice)
            {
                return Invalid(
                    default, isTwice ? "A member of the request stands twice." : string.Create(CultureInfo.InvariantCulture, $"An id is a text of at most {MaxIdChars} characters, a number, or null."));
            }

            if (version.ValueKind != JsonValueKind.String || !RpcText.TryRead(version, out string? said) || said != "2.0")
            {
                return Invalid(id, "The member jsonrpc is not \"2.0\".");
            }

            if (method.ValueKind != JsonValueKind.String || !RpcText.TryRead(method, out string? name))
            {
                return Invalid(id, "The member method is not a text.");
            }

            return parameters.ValueKind is JsonValueKind.Undefined or JsonValueKind.Object or JsonValueKind.Array
                ? new Request(name, parameters, id, id.ValueKind == JsonValueKind.Undefined, default)
                : Invalid(id, "The member params is neither an object nor a list.");
        }

        private static Request Invalid(JsonElement id, string sentence) =>
            new(null, default, id, false, new RpcError(RpcError.InvalidRequest, sentence));

        private static bool Take(JsonProperty property, ref JsonElement member)
        {
            bool isTwice = member.ValueKind != JsonValueKind.Undefined;
            member = property.Value;
            return isTwice;
        }
    }
}
