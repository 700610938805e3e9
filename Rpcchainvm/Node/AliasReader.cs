// The names that the node's operator gave to chains. A chain that the node does not know, or a name that is none, is refused (RpcException).
//
// Threading: any.   Cost: a round trip.   Source: the fact sheet's section 5.2.

using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.Reflection;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.AliasReader;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Node;

/// <summary>Aliases of chains.</summary>
internal sealed class AliasReaderClient(IRpcChannel channel)
{
    private static readonly ServiceDescriptor Service = AliasreaderReflection.Descriptor.Services[0];
    private static readonly RpcMethod<Alias, ID> LookupMethod = RpcMethod<Alias, ID>.Of(Service, "Lookup");
    private static readonly RpcMethod<ID, Alias> PrimaryMethod = RpcMethod<ID, Alias>.Of(Service, "PrimaryAlias");
    private static readonly RpcMethod<ID, AliasList> AllMethod = RpcMethod<ID, AliasList>.Of(Service, "Aliases");

    /// <summary>The chain of a name.</summary>
    public async Task<Bytes32> FindAsync(string alias, CancellationToken cancelled = default) =>
        Wire.Id((await channel.CallAsync(LookupMethod, new Alias { Alias_ = alias }, cancelled: cancelled).ConfigureAwait(false)).Id, "id");

    /// <summary>The first name of a chain.</summary>
    public async Task<string> PrimaryAsync(Bytes32 chain, CancellationToken cancelled = default) =>
        (await channel.CallAsync(PrimaryMethod, new ID { Id = Wire.Of(chain) }, cancelled: cancelled).ConfigureAwait(false)).Alias_;

    /// <summary>All names of a chain.</summary>
    public async Task<IReadOnlyList<string>> AllAsync(Bytes32 chain, CancellationToken cancelled = default) =>
        (await channel.CallAsync(AllMethod, new ID { Id = Wire.Of(chain) }, cancelled: cancelled).ConfigureAwait(false)).Aliases;
}
