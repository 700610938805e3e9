// The node behind the seams of gossip: app messages through its sender, validators of this chain's subnet at its P-chain's height, its
// BLS key. A call that the node refuses, or that finds it gone, is counted as not done: peers come back by themselves.
//
// Threading: any.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Peers by way of the node.</summary>
internal sealed class NodePeers(NodeLinks links, Bytes32 subnetId) : IPeerSender, IValidatorSource, IMessageSigner
{
    /// <summary>Makes the peers' side of a chain that has just been opened, and has it told of what is submitted here.</summary>
    public static IAppHandler Attach(OpenChain open, NodeLinks links)
    {
        NodePeers node = new(links, open.Context.SubnetId);
        ChainGossip gossip = new(open.Chain, open.FromPeers);
        PeerNetwork network = new(new PeerNetworkOptions
        {
            Self = open.Context.NodeId,
            NetworkId = open.Context.NetworkId,
            ChainId = open.Context.ChainId,
            Sender = node,
            Set = gossip,
            Validators = node,
            Outbox = gossip,
            Signer = node,
            Time = open.Time,
            Random = new SeededRandom(BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8))),
        });
        open.OnSubmitted = network.Submitted;
        return network;
    }

    /// <inheritdoc/>
    public Task RequestAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled) =>
        TryAsync(() => links.Sender.SendRequestAsync([to], requestId, request, cancelled));

    /// <inheritdoc/>
    public Task RespondAsync(NodeId to, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled) =>
        TryAsync(() => links.Sender.SendResponseAsync(to, requestId, response, cancelled));

    /// <inheritdoc/>
    public Task FailAsync(NodeId to, uint requestId, PeerError error, CancellationToken cancelled) =>
        TryAsync(() => links.Sender.SendErrorAsync(to, requestId, error.Code, error.Text ?? "", cancelled));

    /// <inheritdoc/>
    public Task GossipAsync(PushTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled)
    {
        NodeId[] nodes = [.. targets.Nodes];
        GossipTargets random = new((ulong)targets.Validators, (ulong)targets.NonValidators, (ulong)targets.Peers);
        return TryAsync(() => links.Sender.SendGossipAsync(nodes, random, message, cancelled));
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ValidatorWeight>?> CurrentAsync(CancellationToken cancelled)
    {
        List<ValidatorWeight>? weights = null;
        await TryAsync(async () =>
        {
            ulong height = await links.Validators.GetCurrentHeightAsync(cancelled).ConfigureAwait(false);
            IReadOnlyList<SubnetValidator> validators = await links.Validators.GetValidatorSetAsync(height, subnetId, cancelled).ConfigureAwait(false);
            weights = [];
            foreach (SubnetValidator validator in validators)
            {
                weights.Add(new ValidatorWeight(validator.Node, validator.Weight));
            }
        }).ConfigureAwait(false);
        return weights;
    }

    /// <inheritdoc/>
    public async Task<byte[]?> SignAsync(UnsignedMessage message, CancellationToken cancelled)
    {
        byte[]? signature = null;
        await TryAsync(async () =>
            signature = await links.Signer.SignAsync(message.NetworkId, message.SourceChainId, message.Payload, cancelled).ConfigureAwait(false)).ConfigureAwait(false);
        return signature;
    }

    private static async Task TryAsync(Func<Task> call)
    {
        try
        {
            await call().ConfigureAwait(false);
        }
        catch (RpcException)
        {
            // the node refuses, or is gone: nothing of ours depends on it
        }
    }
}
