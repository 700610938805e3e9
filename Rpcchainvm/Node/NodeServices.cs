// What the node offers beside its database: sending to other nodes, and the BLS key; ValidatorState.cs, SharedMemory.cs and AliasReader.cs have the rest. Thin
// clients; interfaces, so that tests and the gossip's simulations can stand in for the node.
//
// None of these takes the chain's lock in the node, so they may be called inside any call of vm.VM. All of them throw RpcException when the node refuses.
//
// Threading: any thread.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.AppSender;
using ParallelVm.Rpcchainvm.Protos.Warp;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Node;

/// <summary>To whom gossip goes: so many of each kind, chosen by the node, besides the named ones.</summary>
internal readonly record struct GossipTargets(ulong Validators, ulong NonValidators, ulong Peers);

/// <summary>Sends to the VMs of other nodes.</summary>
internal interface IAppSender
{
    /// <summary>For each node exactly one answer or failure follows, with this id, which must be unused among those outstanding.</summary>
    Task SendRequestAsync(IReadOnlyCollection<NodeId> nodes, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled = default);

    /// <summary>Answers a request.</summary>
    Task SendResponseAsync(NodeId node, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled = default);

    /// <summary>Refuses a request; codes below zero are the SDK's.</summary>
    Task SendErrorAsync(NodeId node, uint requestId, int code, string message, CancellationToken cancelled = default);

    /// <summary>Tells others, without an answer.</summary>
    Task SendGossipAsync(IReadOnlyCollection<NodeId> nodes, GossipTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled = default);
}

/// <summary>Signs with the node's BLS key.</summary>
internal interface IWarpSigner
{
    /// <summary>The 96-byte signature of the warp message with this payload, from this chain. What is not accepted must not be signed: that is for the caller.</summary>
    Task<byte[]> SignAsync(uint networkId, Bytes32 sourceChainId, ReadOnlyMemory<byte> payload, CancellationToken cancelled = default);
}

/// <inheritdoc cref="IAppSender"/>
internal sealed class AppSenderClient(IRpcChannel channel) : IAppSender
{
    private static readonly ServiceDescriptor Service = AppsenderReflection.Descriptor.Services[0];
    private static readonly RpcMethod<SendAppRequestMsg, Empty> Request = RpcMethod<SendAppRequestMsg, Empty>.Of(Service, "SendAppRequest");
    private static readonly RpcMethod<SendAppResponseMsg, Empty> Response = RpcMethod<SendAppResponseMsg, Empty>.Of(Service, "SendAppResponse");
    private static readonly RpcMethod<SendAppErrorMsg, Empty> Error = RpcMethod<SendAppErrorMsg, Empty>.Of(Service, "SendAppError");
    private static readonly RpcMethod<SendAppGossipMsg, Empty> Gossip = RpcMethod<SendAppGossipMsg, Empty>.Of(Service, "SendAppGossip");

    /// <inheritdoc/>
    public Task SendRequestAsync(IReadOnlyCollection<NodeId> nodes, uint requestId, ReadOnlyMemory<byte> request, CancellationToken cancelled = default)
    {
        SendAppRequestMsg message = new() { RequestId = requestId, Request = Wire.Bytes(request) };
        message.NodeIds.AddRange(Wire.Of(nodes));
        return channel.CallAsync(Request, message, cancelled: cancelled);
    }

    /// <inheritdoc/>
    public Task SendResponseAsync(NodeId node, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled = default) =>
        channel.CallAsync(Response, new SendAppResponseMsg { NodeId = Wire.Of(node), RequestId = requestId, Response = Wire.Bytes(response) }, cancelled: cancelled);

    /// <inheritdoc/>
    public Task SendErrorAsync(NodeId node, uint requestId, int code, string message, CancellationToken cancelled = default) =>
        channel.CallAsync(
            Error, new SendAppErrorMsg { NodeId = Wire.Of(node), RequestId = requestId, ErrorCode = code, ErrorMessage = message }, cancelled: cancelled);

    /// <inheritdoc/>
    public Task SendGossipAsync(IReadOnlyCollection<NodeId> nodes, GossipTargets targets, ReadOnlyMemory<byte> message, CancellationToken cancelled = default)
    {
        SendAppGossipMsg gossip = new()
        {
            Validators = targets.Validators,
            NonValidators = targets.NonValidators,
            Peers = targets.Peers,
            Msg = Wire.Bytes(message),
        };
        gossip.NodeIds.AddRange(Wire.Of(nodes));
        return channel.CallAsync(Gossip, gossip, cancelled: cancelled);
    }
}

/// <inheritdoc cref="IWarpSigner"/>
internal sealed class WarpSignerClient(IRpcChannel channel) : IWarpSigner
{
    private static readonly RpcMethod<SignRequest, SignResponse> Sign = RpcMethod<SignRequest, SignResponse>.Of(WarpReflection.Descriptor.Services[0], "Sign");

    /// <inheritdoc/>
    public async Task<byte[]> SignAsync(uint networkId, Bytes32 sourceChainId, ReadOnlyMemory<byte> payload, CancellationToken cancelled = default)
    {
        SignRequest request = new() { NetworkId = networkId, SourceChainId = Wire.Of(sourceChainId), Payload = Wire.Bytes(payload) };
        return (await channel.CallAsync(Sign, request, cancelled: cancelled).ConfigureAwait(false)).Signature.ToByteArray();
    }
}

/// <summary>Ids and times in messages. What is odd is the caller's mistake: a status, not an exception of ours.</summary>
internal static class Wire
{
    /// <summary>Bytes that are not copied: nobody changes them.</summary>
    public static ByteString Bytes(ReadOnlyMemory<byte> bytes) => UnsafeByteOperations.UnsafeWrap(bytes);

    /// <summary>An id as 32 bytes.</summary>
    public static ByteString Of(Bytes32 id) => UnsafeByteOperations.UnsafeWrap(id.ToArray());

    /// <summary>A node as 20 bytes.</summary>
    public static ByteString Of(NodeId id) => UnsafeByteOperations.UnsafeWrap(id.ToArray());

    /// <summary>Nodes as 20 bytes each.</summary>
    public static IEnumerable<ByteString> Of(IEnumerable<NodeId> ids)
    {
        foreach (NodeId id in ids)
        {
            yield return Of(id);
        }
    }

    /// <summary>Milliseconds since 1970.</summary>
    public static Timestamp Of(ulong timestampMs) => new() { Seconds = (long)(timestampMs / 1000), Nanos = (int)(timestampMs % 1000) * 1_000_000 };

    /// <summary>A 32-byte field.</summary>
    /// <exception cref="RpcException">It has another length.</exception>
    public static Bytes32 Id(ByteString bytes, string field) => bytes.Length == Bytes32.Size
        ? Bytes32.From(bytes.Span)
        : throw new RpcException(RpcCode.InvalidArgument, $"{field} is {bytes.Length} bytes long; an id has {Bytes32.Size}.");

    /// <summary>A 20-byte field.</summary>
    /// <exception cref="RpcException">It has another length.</exception>
    public static NodeId Node(ByteString bytes, string field) => NodeId.TryFrom(bytes.Span, out NodeId id)
        ? id
        : throw new RpcException(RpcCode.InvalidArgument, $"{field} is {bytes.Length} bytes long; a node's id has {NodeId.Size}.");
}
