// Errors between VMs of different nodes. Numbers below zero are the p2p SDK's, those above are the application's.
//
// Source: AvalancheGo's network/p2p and acp118; the fact sheet's sections 11 and 13.

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>An answer that says why there is none. <c>default</c> is no error.</summary>
/// <param name="Text">For people; null: no error.</param>
internal readonly record struct PeerError(int Code, string? Text)
{
    /// <summary>The request is not understood.</summary>
    public static readonly PeerError Unexpected = new(-1, "unexpected error");

    /// <summary>No protocol has that handler number.</summary>
    public static readonly PeerError NoSuchHandler = new(-2, "unregistered handler");

    /// <summary>Only validators are answered.</summary>
    public static readonly PeerError NotAValidator = new(-3, "not a validator");

    /// <summary>Too many requests.</summary>
    public static readonly PeerError Throttled = new(-4, "throttled");

    /// <summary>A signature was asked for something that is no Warp message.</summary>
    public const int WarpParseCode = 1;

    /// <summary>A signature was asked for something that this chain did not accept.</summary>
    public const int WarpVerifyCode = 2;

    /// <summary>True when this is an error.</summary>
    public bool IsError => Text is not null;
}
