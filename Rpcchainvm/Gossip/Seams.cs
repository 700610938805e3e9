// What gossip needs from the rest, in small interfaces, so that tests drive all of it in one process under a seed.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>A transaction on its way between nodes.</summary>
/// <param name="Bytes">Its encoding; not to be changed.</param>
internal readonly record struct GossipItem(TxId Id, ReadOnlyMemory<byte> Bytes);

/// <summary>Who gets gossip: named nodes, and random ones that the node picks.</summary>
internal readonly record struct PushTargets(IReadOnlyList<NodeId> Nodes, int Validators, int NonValidators, int Peers);

/// <summary>A validator and its stake.</summary>
internal readonly record struct ValidatorWeight(NodeId Node, ulong Weight);

/// <summary>Sends to other nodes by way of our own. A node that cannot be reached is no error: sending just did nothing.</summary>
internal interface IPeerSender
{
    /// <summary>Asks a peer; it answers, or the node says that it did not.</summary>
    Task RequestAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled);

    /// <summary>Answers a peer.</summary>
    Task RespondAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled);

    /// <summary>Answers a peer with an error.</summary>
    Task FailAsync(NodeId to, uint requestId, PeerError error, CancellationToken cancelled);

    /// <summary>Tells peers.</summary>
    Task GossipAsync(PushTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled);
}

/// <summary>The waiting transactions, as gossip sees them. Any thread.</summary>
internal interface IGossipSet
{
    /// <summary>How many wait.</summary>
    int Count { get; }

    /// <summary>True when the transaction waits.</summary>
    bool Contains(TxId id);

    /// <summary>Adds all that wait to a list, best first.</summary>
    void List(List<GossipItem> target);

    /// <summary>Takes in what a peer sent: decoded, checked, one answer each.</summary>
    /// <param name="ids">Set for those that are not refused.</param>
    IReadOnlyList<Refusal> Add(IReadOnlyList<ReadOnlyMemory<byte>> elements, TxId[] ids);
}

/// <summary>Who validates this chain now.</summary>
internal interface IValidatorSource
{
    /// <summary>All validators with their stake, or null when it cannot be known now.</summary>
    Task<IReadOnlyList<ValidatorWeight>?> CurrentAsync(CancellationToken cancelled);
}

/// <summary>The node's BLS key.</summary>
internal interface IMessageSigner
{
    /// <summary>The node's signature of a message of this chain, 96 bytes, or null when it does not sign.</summary>
    Task<byte[]?> SignAsync(UnsignedMessage message, CancellationToken cancelled);
}

/// <summary>What this chain really accepted, and therefore signs.</summary>
internal interface IWarpOutbox
{
    /// <summary>True when the block is accepted, not only verified.</summary>
    bool IsAccepted(BlockId block);

    /// <summary>True when the accepted state says that the address emitted this payload.</summary>
    bool IsEmitted(AddressedCall call);
}

/// <summary>What a handler answers: bytes, or an error.</summary>
internal readonly record struct PeerAnswer(ReadOnlyMemory<byte> Response, PeerError Error)
{
    /// <summary>Bytes.</summary>
    public static PeerAnswer Of(ReadOnlyMemory<byte> response) => new(response, default);

    /// <summary>An error.</summary>
    public static PeerAnswer Fail(PeerError error) => new(default, error);
}

/// <summary>One protocol behind a handler number.</summary>
internal interface IPeerProtocol
{
    /// <summary>Answers a request. Never throws for its bytes.</summary>
    ValueTask<PeerAnswer> RequestAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled);

    /// <summary>Takes gossip. Never throws for its bytes.</summary>
    ValueTask GossipAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled);
}
