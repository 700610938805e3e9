// The P-chain's validators, as the node sees them.
//
// What was true at a height stays true, so sets at a height are remembered (the newest that were asked for), and the subnet of a chain for good. What is
// true now is asked each time. Asked of a height that the node's P-chain has not reached the node refuses (RpcException).
//
// With sybil protection off every set is empty. NodeId.Zero stands for the summed weight of inactive validators: no node, no key.
//
// Threading: any.   Cost: a round trip, and in the node the P-chain's lock: not for every block.   Source: the fact sheet's section 5.2.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.ValidatorState;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Node;

/// <summary>One validator of a subnet at some height.</summary>
/// <param name="PublicKey">96 bytes uncompressed, or empty.</param>
internal sealed record SubnetValidator(NodeId Node, ulong Weight, ReadOnlyMemory<byte> PublicKey);

/// <summary>One validator of a subnet now.</summary>
/// <param name="Validator">Who, as in a set at a height.</param>
/// <param name="StartTime">Seconds since 1970.</param>
/// <param name="MinNonce">Of an L1's validator: the next change of its weight.</param>
/// <param name="IsActive">False: its weight counts, and it does not take part.</param>
/// <param name="ValidationId">What added it.</param>
/// <param name="IsL1">It is managed by an L1, not by the P-chain.</param>
internal sealed record CurrentValidator(SubnetValidator Validator, ulong StartTime, ulong MinNonce, bool IsActive, Bytes32 ValidationId, bool IsL1);

/// <summary>A key that signs warp messages.</summary>
/// <param name="PublicKey">96 bytes uncompressed.</param>
/// <param name="Nodes">Who signs with it.</param>
internal sealed record WarpKey(ReadOnlyMemory<byte> PublicKey, ulong Weight, IReadOnlyList<NodeId> Nodes);

/// <summary>The keys of a subnet, in the order of a signature's bits.</summary>
/// <param name="TotalWeight">With the weight of validators that have no key.</param>
internal sealed record WarpKeySet(ulong TotalWeight, IReadOnlyList<WarpKey> Keys);

/// <summary>The P-chain's view of validators.</summary>
internal interface IValidatorState
{
    /// <summary>The height recommended for proposals.</summary>
    Task<ulong> GetMinimumHeightAsync(CancellationToken cancelled = default);

    /// <summary>The P-chain's height.</summary>
    Task<ulong> GetCurrentHeightAsync(CancellationToken cancelled = default);

    /// <summary>The subnet of a chain.</summary>
    Task<Bytes32> GetSubnetIdAsync(Bytes32 chainId, CancellationToken cancelled = default);

    /// <summary>Validators of a subnet at a height; empty when the node runs without sybil protection.</summary>
    Task<IReadOnlyList<SubnetValidator>> GetValidatorSetAsync(ulong height, Bytes32 subnetId, CancellationToken cancelled = default);

    /// <summary>Validators of a subnet now, and the height that this is.</summary>
    Task<(ulong Height, IReadOnlyList<CurrentValidator> Validators)> GetCurrentValidatorSetAsync(Bytes32 subnetId, CancellationToken cancelled = default);

    /// <summary>What signs for each subnet at a height: what a warp message is verified against.</summary>
    Task<IReadOnlyDictionary<Bytes32, WarpKeySet>> GetWarpSetsAsync(ulong height, CancellationToken cancelled = default);
}

/// <inheritdoc cref="IValidatorState"/>
internal sealed class ValidatorStateClient(IRpcChannel channel) : IValidatorState
{
    private const int HeightsKept = 8;
    private const int SubnetsKept = 4_096;

    private static readonly ServiceDescriptor Service = ValidatorstateReflection.Descriptor.Services[0];
    private static readonly RpcMethod<Empty, GetMinimumHeightResponse> Minimum = RpcMethod<Empty, GetMinimumHeightResponse>.Of(Service, "GetMinimumHeight");
    private static readonly RpcMethod<Empty, GetCurrentHeightResponse> Current = RpcMethod<Empty, GetCurrentHeightResponse>.Of(Service, "GetCurrentHeight");
    private static readonly RpcMethod<GetSubnetIDRequest, GetSubnetIDResponse> Subnet = RpcMethod<GetSubnetIDRequest, GetSubnetIDResponse>.Of(Service, "GetSubnetID");
    private static readonly RpcMethod<GetValidatorSetRequest, GetValidatorSetResponse> Set = RpcMethod<GetValidatorSetRequest, GetValidatorSetResponse>.Of(Service, "GetValidatorSet");

    private static readonly RpcMethod<GetCurrentValidatorSetRequest, GetCurrentValidatorSetResponse> CurrentSet =
        RpcMethod<GetCurrentValidatorSetRequest, GetCurrentValidatorSetResponse>.Of(Service, "GetCurrentValidatorSet");

    private static readonly RpcMethod<GetWarpValidatorSetsRequest, GetWarpValidatorSetsResponse> WarpSets =
        RpcMethod<GetWarpValidatorSetsRequest, GetWarpValidatorSetsResponse>.Of(Service, "GetWarpValidatorSets");

    private readonly Memory<Bytes32, Bytes32> _subnets = new(SubnetsKept);
    private readonly Memory<(ulong, Bytes32), IReadOnlyList<SubnetValidator>> _sets = new(HeightsKept);
    private readonly Memory<ulong, IReadOnlyDictionary<Bytes32, WarpKeySet>> _warpSets = new(HeightsKept);

    /// <inheritdoc/>
    public async Task<ulong> GetMinimumHeightAsync(CancellationToken cancelled = default) =>
        (await channel.CallAsync(Minimum, new Empty(), cancelled: cancelled).ConfigureAwait(false)).Height;

    /// <inheritdoc/>
    public async Task<ulong> GetCurrentHeightAsync(CancellationToken cancelled = default) =>
        (await channel.CallAsync(Current, new Empty(), cancelled: cancelled).ConfigureAwait(false)).Height;

    /// <inheritdoc/>
    public Task<Bytes32> GetSubnetIdAsync(Bytes32 chainId, CancellationToken cancelled = default) => _subnets.FindAsync(chainId, async () =>
    {
        GetSubnetIDResponse response = await channel.CallAsync(Subnet, new GetSubnetIDRequest { ChainId = Wire.Of(chainId) }, cancelled: cancelled).ConfigureAwait(false);
        return Wire.Id(response.SubnetId, "subnet_id");
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<SubnetValidator>> GetValidatorSetAsync(ulong height, Bytes32 subnetId, CancellationToken cancelled = default) =>
        _sets.FindAsync((height, subnetId), async () =>
        {
            GetValidatorSetRequest request = new() { Height = height, SubnetId = Wire.Of(subnetId) };
            GetValidatorSetResponse response = await channel.CallAsync(Set, request, cancelled: cancelled).ConfigureAwait(false);
            List<SubnetValidator> validators = new(response.Validators.Count);
            foreach (Validator validator in response.Validators)
            {
                validators.Add(Of(validator));
            }

            return (IReadOnlyList<SubnetValidator>)validators;
        });

    /// <inheritdoc/>
    public async Task<(ulong Height, IReadOnlyList<CurrentValidator> Validators)> GetCurrentValidatorSetAsync(Bytes32 subnetId, CancellationToken cancelled = default)
    {
        GetCurrentValidatorSetRequest request = new() { SubnetId = Wire.Of(subnetId) };
        GetCurrentValidatorSetResponse response = await channel.CallAsync(CurrentSet, request, cancelled: cancelled).ConfigureAwait(false);
        List<CurrentValidator> validators = new(response.Validators.Count);
        foreach (Validator validator in response.Validators)
        {
            validators.Add(new CurrentValidator(
                Of(validator), validator.StartTime, validator.MinNonce, validator.IsActive, Wire.Id(validator.ValidationId, "validation_id"), validator.IsL1Validator));
        }

        return (response.CurrentHeight, validators);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyDictionary<Bytes32, WarpKeySet>> GetWarpSetsAsync(ulong height, CancellationToken cancelled = default) => _warpSets.FindAsync(height, async () =>
    {
        GetWarpValidatorSetsResponse response = await channel.CallAsync(WarpSets, new GetWarpValidatorSetsRequest { Height = height }, cancelled: cancelled).ConfigureAwait(false);
        Dictionary<Bytes32, WarpKeySet> sets = [];
        foreach (WarpValidatorSet set in response.ValidatorSets)
        {
            List<WarpKey> keys = new(set.Validators.Count);
            foreach (WarpValidator validator in set.Validators)
            {
                List<NodeId> nodes = new(validator.NodeIds.Count);
                foreach (Google.Protobuf.ByteString node in validator.NodeIds)
                {
                    nodes.Add(Wire.Node(node, "node_ids"));
                }

                keys.Add(new WarpKey(validator.PublicKey.Memory, validator.Weight, nodes));
            }

            sets[Wire.Id(set.SubnetId, "subnet_id")] = new WarpKeySet(set.TotalWeight, keys);
        }

        return (IReadOnlyDictionary<Bytes32, WarpKeySet>)sets;
    });

    private static SubnetValidator Of(Validator validator) => new(Wire.Node(validator.NodeId, "node_id"), validator.Weight, validator.PublicKey.Memory);

    /// <summary>Answers that never change, the newest of them. What fails is not remembered.</summary>
    private sealed class Memory<TKey, TValue>(int kept)
        where TKey : notnull
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<TKey, TValue> _values = [];
        private readonly Queue<TKey> _order = new();

        public async Task<TValue> FindAsync(TKey key, Func<Task<TValue>> ask)
        {
            lock (_gate)
            {
                if (_values.TryGetValue(key, out TValue? known))
                {
                    return known;
                }
            }

            TValue value = await ask().ConfigureAwait(false);
            lock (_gate)
            {
                if (_values.TryAdd(key, value))
                {
                    _order.Enqueue(key);
                    if (_order.Count > kept)
                    {
                        _values.Remove(_order.Dequeue());
                    }
                }
            }

            return value;
        }
    }
}
