// What a JSON-RPC call can answer instead of a result. Codes are part of the API: they never change their meaning.

using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>An error of a call. <c>default</c> is none.</summary>
/// <param name="Code">Code of JSON-RPC 2.0, or one of ours in [-32099, -32000]; 0 is no error.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Refusal">For <see cref="Refused"/>: why.</param>
internal readonly record struct RpcError(int Code, string Message, Refusal Refusal = default)
{
    /// <summary>The text is not JSON.</summary>
    public const int ParseError = -32700;

    /// <summary>JSON, but not a request.</summary>
    public const int InvalidRequest = -32600;

    /// <summary>No such method.</summary>
    public const int MethodNotFound = -32601;

    /// <summary>A parameter is missing, unknown, twice there, or not what it has to be.</summary>
    public const int InvalidParams = -32602;

    /// <summary>The node failed.</summary>
    public const int Internal = -32603;

    /// <summary>The chain refuses the input; data has its code and name.</summary>
    public const int Refused = -32000;

    /// <summary>There is no such thing, or this node does not keep it any more.</summary>
    public const int NotFound = -32001;

    /// <summary>The answer would be larger than answers may be.</summary>
    public const int TooLarge = -32002;

    /// <summary>Too much is being asked at once; later it may be answered.</summary>
    public const int Busy = -32003;

    /// <summary>Every code with its meaning, for the reference page.</summary>
    public static readonly (int Code, string Meaning)[] All =
    [
        (ParseError, "the text is not JSON, or nested too deep"),
        (InvalidRequest, "JSON, but not a request: no `jsonrpc` \"2.0\", a method that is no text, a member twice, an empty or too long batch"),
        (MethodNotFound, "no such method"),
        (InvalidParams, "a parameter is missing, unknown, given twice, or not what it has to be"),
        (Internal, "the node failed; nothing is known of the input"),
        (Refused, "the chain refuses the input; `data` has the refusal's `code` and `name`"),
        (NotFound, "there is no such thing, or this node does not keep it any more"),
        (TooLarge, "the answer would be larger than answers may be; ask for less"),
        (Busy, "too much is being asked at once; ask again later"),
    ];

    /// <summary>Whether there is one.</summary>
    public bool IsError => Code != 0;

    /// <summary>A refusal of the chain.</summary>
    public static RpcError Of(in Refusal refusal) => new(Refused, refusal.Sentence, refusal);

    /// <summary>A parameter that is not what it has to be.</summary>
    public static RpcError Param(string sentence) => new(InvalidParams, sentence);

    /// <summary>Something that is not there.</summary>
    public static RpcError Missing(string sentence) => new(NotFound, sentence);
}
