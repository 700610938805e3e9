// What the node offers to its plugin beside the database: app messages to other nodes, the P-chain's validators, the BLS key, names of chains.
// Keys are stand-ins of the right length.
//
// Threading: any.   Source: the fact sheet's section 5.2.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.AliasReader;
using ParallelVm.Rpcchainvm.Protos.AppSender;
using ParallelVm.Rpcchainvm.Protos.ValidatorState;
using ParallelVm.Rpcchainvm.Protos.Warp;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.NodeHost;

/// <summary>Makes the services of one node.</summary>
internal sealed class NodeServices(NodeIdentity self, HostNetwork network)
{
    /// <summary>What the chain is called besides its id.</summary>
    public const string Alias = "parallelvm";

    /// <summary>The P-chain's height; it stands still.</summary>
    public const ulong PChainHeight = 7;

    /// <summary>Of each validator.</summary>
    public const ulong Weight = 100;

    private const ulong StartTime = 1_700_000_000;

    /// <summary>All of them.</summary>
    public IReadOnlyList<RpcService> ToRpc() => [Sender(), Validators(), Signer(), Aliases()];

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
        .On<GetCurrentValidatorSetRequest, GetCurrentValidatorSetResponse>("GetCurrentValidatorSet", (request, _) =>
        {
            GetCurrentValidatorSetResponse response = new() { CurrentHeight = PChainHeight };
            foreach (Validator validator in request.SubnetId.Span.SequenceEqual(NodeIdentity.SubnetId.ToArray()) ? AllValidators() : [])
            {
                validator.StartTime = StartTime;
                validator.IsActive = true;
                validator.IsL1Validator = true;
                validator.ValidationId = ByteString.CopyFrom(Sha256.Hash(validator.NodeId.Span).ToArray());
                response.Validators.Add(validator);
            }

            return Task.FromResult(response);
        })
        .On<GetWarpValidatorSetsRequest, GetWarpValidatorSetsResponse>("GetWarpValidatorSets", (request, _) =>
        {
            if (request.Height > PChainHeight)
            {
                throw new RpcException(RpcCode.Unknown, "the P-chain is not that high");
            }

            // in the order of keys, as a signature's bits count them
            List<WarpValidator> keys = [];
            foreach (Validator validator in AllValidators())
            {
                keys.Add(new WarpValidator { PublicKey = validator.PublicKey, Weight = validator.Weight, NodeIds = { validator.NodeId } });
            }

            keys.Sort(static (a, b) => a.PublicKey.Span.SequenceCompareTo(b.PublicKey.Span));
            WarpValidatorSet set = new() { SubnetId = ByteString.CopyFrom(NodeIdentity.SubnetId.ToArray()), TotalWeight = Weight * (ulong)keys.Count };
            set.Validators.AddRange(keys);
            return Task.FromResult(new GetWarpValidatorSetsResponse { ValidatorSets = { set } });
        });

    private static RpcService Aliases() => new RpcService(AliasreaderReflection.Descriptor.Services[0])
        .On<Alias, ID>("Lookup", (request, _) => request.Alias_ == Alias || request.Alias_ == IdText.Of(NodeIdentity.ChainId)
            ? Task.FromResult(new ID { Id = ByteString.CopyFrom(NodeIdentity.ChainId.ToArray()) })
            : throw new RpcException(RpcCode.Unknown, $"there is no ID with alias {request.Alias_}"))
        .On<ID, Alias>("PrimaryAlias", (request, _) => Task.FromResult(new Alias { Alias_ = NamesOf(request)[0] }))
        .On<ID, AliasList>("Aliases", (request, _) =>
        {
            AliasList list = new();
            list.Aliases.AddRange(NamesOf(request));
            return Task.FromResult(list);
        });

    private static string[] NamesOf(ID chain) => chain.Id.Span.SequenceEqual(NodeIdentity.ChainId.ToArray())
        ? [Alias, IdText.Of(NodeIdentity.ChainId)]
        : throw new RpcException(RpcCode.Unknown, "there is no alias for this ID");

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
            yield return new Validator { NodeId = ByteString.CopyFrom(node.NodeId.ToArray()), Weight = Weight, PublicKey = ByteString.CopyFrom(node.Sign("public key"u8)) };
        }
    }
}
