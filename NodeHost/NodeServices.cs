// What the node offers to its plugin beside the database: app messages to other nodes, the P-chain's validators, the BLS key.
//
// Threading: any.   Source: the fact sheet's section 5.2.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.AppSender;
using ParallelVm.Rpcchainvm.Protos.ValidatorState;
using ParallelVm.Rpcchainvm.Protos.Warp;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.NodeHost;

/// <summary>Makes the services of one node.</summary>
internal sealed class NodeServices(NodeIdentity self, HostNetwork network)
{
    /// <summary>The P-chain's height; it stands still.</summary>
    public const ulong PChainHeight = 7;

    /// <summary>All of them.</summary>
    public IReadOnlyList<RpcService> ToRpc() => [Sender(), Validators(), Signer()];

    private RpcService Sender() => new RpcService(AppsenderReflection.Descriptor.Services[0])
        .On<SendAppRequestMsg, Empty>("SendAppRequest", (request, _) =>
        {
            foreach (ByteString to in request.NodeIds)
            {
                network.Request(self, to, request.RequestId, request.Request);
            }

            return Task.FromResult(new Empty());
        })
        .On<SendAppResponseMsg, Empty>("SendAppResponse", (response, _) =>
        {
            network.Respond(self, response.NodeId, response.RequestId, response.Response);
            return Task.FromResult(new Empty());
        })
        .On<SendAppErrorMsg, Empty>("SendAppError", (error, _) =>
        {
            network.Fail(self, error.NodeId, error.RequestId, error.ErrorCode, error.ErrorMessage);
            return Task.FromResult(new Empty());
        })
        .On<SendAppGossipMsg, Empty>("SendAppGossip", (gossip, _) =>
        {
            network.Gossip(self, gossip);
            return Task.FromResult(new Empty());
        });

    private RpcService Validators() => new RpcService(ValidatorstateReflection.Descriptor.Services[0])
        .On<Empty, GetMinimumHeightResponse>("GetMinimumHeight", (_, _) => Task.FromResult(new GetMinimumHeightResponse { Height = PChainHeight }))
        .On<Empty, GetCurrentHeightResponse>("GetCurrentHeight", (_, _) => Task.FromResult(new GetCurrentHeightResponse { Height = PChainHeight }))
        .On<GetSubnetIDRequest, GetSubnetIDResponse>("GetSubnetID", (request, _) => request.ChainId.Span.SequenceEqual(NodeIdentity.ChainId.ToArray())
            ? Task.FromResult(new GetSubnetIDResponse { SubnetId = ByteString.CopyFrom(NodeIdentity.SubnetId.ToArray()) })
            : throw new RpcException(RpcCode.Unknown, "not found"))
        .On<GetValidatorSetRequest, GetValidatorSetResponse>("GetValidatorSet", (request, _) =>
        {
            if (request.Height > PChainHeight)
            {
                throw new RpcException(RpcCode.Unknown, "the P-chain is not that high");
            }

            GetValidatorSetResponse response = new();
            if (request.SubnetId.Span.SequenceEqual(NodeIdentity.SubnetId.ToArray()))
            {
                response.Validators.AddRange(AllValidators());
            }

            return Task.FromResult(response);
        })
        .On<GetCurrentValidatorSetRequest, GetCurrentValidatorSetResponse>("GetCurrentValidatorSet", (_, _) =>
        {
            GetCurrentValidatorSetResponse response = new() { CurrentHeight = PChainHeight };
            response.Validators.AddRange(AllValidators());
            return Task.FromResult(response);
        });

    private RpcService Signer() => new RpcService(WarpReflection.Descriptor.Services[0])
        .On<SignRequest, SignResponse>("Sign", (request, _) =>
        {
            if (request.NetworkId != NodeIdentity.NetworkId || !request.SourceChainId.Span.SequenceEqual(NodeIdentity.ChainId.ToArray()))
            {
                throw new RpcException(RpcCode.Unknown, "the message is of another network or chain");
            }

            UnsignedMessage message = UnsignedMessage.Create(request.NetworkId, NodeIdentity.ChainId, request.Payload.Span);
            return Task.FromResult(new SignResponse { Signature = ByteString.CopyFrom(self.Sign(message.Bytes.Span)) });
        });

    private IEnumerable<Validator> AllValidators()
    {
        foreach (NodeIdentity node in network.Identities)
        {
            yield return new Validator { NodeId = ByteString.CopyFrom(node.NodeId.ToArray()), Weight = 100 };
        }
    }
}
