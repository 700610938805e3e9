// ACP-118, protocol 2: peers and relayers ask for this node's signature of a message of this chain.
//
//   SignatureRequest --> an unsigned message of this network and chain --> accepted here? --> the node's signer --> 96 bytes
//
// Signed is the hash of an accepted block, and an addressed call that the accepted state says was emitted; nothing else, never
// something that is only processing. The justification is not needed for either.
//
// Threading: any.   Cost: a signature is remembered by message id, so a flood of one request costs one.
// Source: ACP-118; the fact sheet's section 13.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Answers requests for signatures.</summary>
internal sealed class SignatureRequests(
    uint networkId, Bytes32 chainId, IWarpOutbox outbox, IMessageSigner signer, PeerCounters counters, TimeProvider time, PeerLimits limits) : IPeerProtocol
{
    /// <summary>The handler number.</summary>
    public const ulong Handler = 2;

    private readonly SlidingWindow _requests = new(time, TimeSpan.FromSeconds(10), limits.MaxPeers);
    private readonly Lock _gate = new();
    private readonly Dictionary<Bytes32, byte[]> _signatures = [];
    private readonly Queue<Bytes32> _order = new();

    /// <inheritdoc/>
    public async ValueTask<PeerAnswer> RequestAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled)
    {
        if (!_requests.TryTake(from, 1, limits.SignaturesPerTenSeconds))
        {
            return PeerAnswer.Fail(PeerError.Throttled);
        }

        if (!SdkMessages.TryReadPair(body, 1, out ReadOnlyMemory<byte> bytes, out _, out Refusal refusal)
            || !UnsignedMessage.TryDecode(bytes.Span, out UnsignedMessage? message, out refusal))
        {
            counters.Count(PeerEvent.Malformed);
            return PeerAnswer.Fail(PeerError.Unexpected with { Text = refusal.Sentence });
        }

        if (TryFind(message.Id, out byte[]? signature))
        {
            return Response(signature);
        }

        refusal = Check(message, out int code);
        if (refusal.IsRefused)
        {
            return PeerAnswer.Fail(new PeerError(code, refusal.Sentence));
        }

        signature = await signer.SignAsync(message, cancelled).ConfigureAwait(false);
        if (signature is not { Length: SignedMessage.SignatureBytes })
        {
            return PeerAnswer.Fail(PeerError.Unexpected with { Text = "the node does not sign now" });
        }

        Keep(message.Id, signature);
        return Response(signature);
    }

    /// <inheritdoc/>
    public ValueTask GossipAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled) => ValueTask.CompletedTask;

    private Refusal Check(UnsignedMessage message, out int code)
    {
        code = PeerError.WarpVerifyCode;
        if (message.NetworkId != networkId || message.SourceChainId != chainId)
        {
            return new Refusal(RefusalCode.WarpNotOurs, $"The message is of network {message.NetworkId} and chain {IdText.Of(message.SourceChainId)}.");
        }

        if (!WarpPayload.TryDecode(message.Payload.Span, out WarpPayload? payload, out Refusal refusal))
        {
            code = PeerError.WarpParseCode;
            return refusal;
        }

        return payload switch
        {
            HashPayload hash when !outbox.IsAccepted(new BlockId(hash.Hash)) =>
                new Refusal(RefusalCode.WarpNotOurs, $"No accepted block is {IdText.Of(hash.Hash)}."),
            AddressedCall call when !outbox.IsEmitted(call) =>
                new Refusal(RefusalCode.WarpNotOurs, "The accepted state holds no such message."),
            _ => Refusal.None,
        };
    }

    private PeerAnswer Response(byte[] signature)
    {
        counters.Count(PeerEvent.Signatures);
        return PeerAnswer.Of(SdkMessages.WritePair(1, signature, default));
    }

    private bool TryFind(Bytes32 id, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out byte[]? signature)
    {
        lock (_gate)
        {
            return _signatures.TryGetValue(id, out signature);
        }
    }

    private void Keep(Bytes32 id, byte[] signature)
    {
        lock (_gate)
        {
            if (_signatures.TryAdd(id, signature))
            {
                _order.Enqueue(id);
                if (_order.Count > limits.SignaturesKept)
                {
                    _signatures.Remove(_order.Dequeue());
                }
            }
        }
    }
}
