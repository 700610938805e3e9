// The memory that this chain shares with another one of the primary network: what the other exported lies in it until this one imports it.
//
//   our put for a peer chain      -> lies in the peer's half of the pair, where its Get and Indexed find it
//   our remove                    -> takes out of our half what the peer put there
//
// ApplyAsync is the only write, and is atomic with changes of the node's database: both are made, or neither. A key is put once; the node refuses a second put.
// A chain of an L1 has nobody to share with; the client is here because the interface is whole.
//
// Threading: any.   Cost: a round trip.   Source: the fact sheet's section 5.2.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.Reflection;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.SharedMemory;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Node;

/// <summary>Something put for another chain.</summary>
/// <param name="Traits">By which it can be found, such as its owners' addresses.</param>
internal sealed record SharedElement(byte[] Key, byte[] Value, IReadOnlyList<byte[]> Traits);

/// <summary>What changes between this chain and one other.</summary>
internal sealed record SharedChange(Bytes32 Peer, IReadOnlyList<byte[]> Removed, IReadOnlyList<SharedElement> Put);

/// <summary>A page of what was found by traits: the next one begins where this one ended, with its last element.</summary>
internal sealed record SharedPage(IReadOnlyList<byte[]> Values, byte[] LastTrait, byte[] LastKey);

/// <summary>Shared memory.</summary>
internal sealed class SharedMemoryClient(IRpcChannel channel)
{
    private static readonly ServiceDescriptor Service = SharedmemoryReflection.Descriptor.Services[0];
    private static readonly RpcMethod<GetRequest, GetResponse> GetMethod = RpcMethod<GetRequest, GetResponse>.Of(Service, "Get");
    private static readonly RpcMethod<IndexedRequest, IndexedResponse> IndexedMethod = RpcMethod<IndexedRequest, IndexedResponse>.Of(Service, "Indexed");
    private static readonly RpcMethod<ApplyRequest, ApplyResponse> ApplyMethod = RpcMethod<ApplyRequest, ApplyResponse>.Of(Service, "Apply");

    /// <summary>What a peer chain put under these keys, in their order.</summary>
    /// <exception cref="RpcException">One of them is not there.</exception>
    public async Task<IReadOnlyList<byte[]>> GetAsync(Bytes32 peer, IReadOnlyList<byte[]> keys, CancellationToken cancelled = default)
    {
        GetRequest request = new() { PeerChainId = Wire.Of(peer) };
        Add(request.Keys, keys);
        return Bytes((await channel.CallAsync(GetMethod, request, cancelled: cancelled).ConfigureAwait(false)).Values);
    }

    /// <summary>What a peer chain put with any of these traits, at or after a place.</summary>
    public async Task<SharedPage> FindAsync(
        Bytes32 peer, IReadOnlyList<byte[]> traits, byte[] startTrait, byte[] startKey, int limit, CancellationToken cancelled = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        IndexedRequest request = new() { PeerChainId = Wire.Of(peer), StartTrait = Wire.Bytes(startTrait), StartKey = Wire.Bytes(startKey), Limit = limit };
        Add(request.Traits, traits);
        IndexedResponse response = await channel.CallAsync(IndexedMethod, request, cancelled: cancelled).ConfigureAwait(false);
        return new SharedPage(Bytes(response.Values), response.LastTrait.ToByteArray(), response.LastKey.ToByteArray());
    }

    /// <summary>Makes all changes, and those of the node's database with them; a null value removes a key there, and the last word about a key counts.</summary>
    /// <exception cref="RpcException">Nothing was changed.</exception>
    public Task ApplyAsync(IReadOnlyList<SharedChange> changes, IEnumerable<(byte[] Key, byte[]? Value)> database, CancellationToken cancelled = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        ArgumentNullException.ThrowIfNull(database);
        ApplyRequest request = new();
        foreach (SharedChange change in changes)
        {
            AtomicRequest atomic = new() { PeerChainId = Wire.Of(change.Peer) };
            Add(atomic.RemoveRequests, change.Removed);
            foreach (SharedElement put in change.Put)
            {
                Element element = new() { Key = Wire.Bytes(put.Key), Value = Wire.Bytes(put.Value) };
                Add(element.Traits, put.Traits);
                atomic.PutRequests.Add(element);
            }

            request.Requests.Add(atomic);
        }

        // the node makes all puts of a batch and then all deletes
        Dictionary<ByteString, byte[]?> last = [];
        foreach ((byte[] key, byte[]? value) in database)
        {
            last[ByteString.CopyFrom(key)] = value;
        }

        Batch batch = new();
        foreach ((ByteString key, byte[]? value) in last)
        {
            if (value is null)
            {
                batch.Deletes.Add(new BatchDelete { Key = key });
            }
            else
            {
                batch.Puts.Add(new BatchPut { Key = key, Value = Wire.Bytes(value) });
            }
        }

        if (last.Count > 0)
        {
            request.Batches.Add(batch);
        }

        return channel.CallAsync(ApplyMethod, request, cancelled: cancelled);
    }

    private static void Add(RepeatedField<ByteString> target, IReadOnlyList<byte[]> source)
    {
        foreach (byte[] bytes in source)
        {
            target.Add(Wire.Bytes(bytes));
        }
    }

    private static List<byte[]> Bytes(RepeatedField<ByteString> source)
    {
        List<byte[]> all = new(source.Count);
        foreach (ByteString bytes in source)
        {
            all.Add(bytes.ToByteArray());
        }

        return all;
    }
}
