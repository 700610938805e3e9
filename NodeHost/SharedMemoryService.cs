// sharedmemory.SharedMemory between the chains of one node, in memory.
//
//   half (of, from)  what chain `from` put for chain `of`: key -> value and traits; Get, Indexed and removes of chain `of` see it
//
// Apply is checked whole before anything is changed, and the chain's own database changes with it. A key that was removed before it was put is
// remembered, and the put that comes then leaves nothing, as the node does for imports that are verified before their export is here.
//
// Threading: any; one lock for all chains.   Source: the fact sheet's section 5.2.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.SharedMemory;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>The shared memory of one node.</summary>
internal sealed class SharedMemoryPool
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(Bytes32 Of, Bytes32 From), SortedDictionary<string, Element?>> _halves = [];

    /// <summary>The service of one chain.</summary>
    /// <param name="map">The node's database, changed together with the memory.</param>
    /// <param name="prefix">Where the chain's keys are.</param>
    public RpcService ToRpc(Bytes32 chain, DiskMap map, byte[] prefix) => new RpcService(SharedmemoryReflection.Descriptor.Services[0])
        .On<GetRequest, GetResponse>("Get", (request, _) => Task.FromResult(Get(chain, request)))
        .On<IndexedRequest, IndexedResponse>("Indexed", (request, _) => Task.FromResult(Find(chain, request)))
        .On<ApplyRequest, ApplyResponse>("Apply", (request, _) => Task.FromResult(Apply(chain, request, map, prefix)));

    private static string Hex(ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    private static Bytes32 ChainOf(ByteString bytes) =>
        bytes.Length == Bytes32.Size ? Bytes32.From(bytes.Span) : throw new RpcException(RpcCode.Unknown, "invalid chain id");

    private SortedDictionary<string, Element?> Half(Bytes32 of, Bytes32 from)
    {
        if (!_halves.TryGetValue((of, from), out SortedDictionary<string, Element?>? half))
        {
            _halves.Add((of, from), half = new SortedDictionary<string, Element?>(StringComparer.Ordinal));
        }

        return half;
    }

    private GetResponse Get(Bytes32 chain, GetRequest request)
    {
        lock (_gate)
        {
            SortedDictionary<string, Element?> half = Half(chain, ChainOf(request.PeerChainId));
            GetResponse response = new();
            foreach (ByteString key in request.Keys)
            {
                response.Values.Add(half.TryGetValue(Hex(key), out Element? element) && element is not null ? element.Value : throw new RpcException(RpcCode.Unknown, "not found"));
            }

            return response;
        }
    }

    // Traits in ascending order, keys in ascending order within each, and no element twice.
    private IndexedResponse Find(Bytes32 chain, IndexedRequest request)
    {
        SortedSet<string> traits = new(StringComparer.Ordinal);
        foreach (ByteString trait in request.Traits)
        {
            traits.Add(Hex(trait));
        }

        lock (_gate)
        {
            SortedDictionary<string, Element?> half = Half(chain, ChainOf(request.PeerChainId));
            IndexedResponse response = new() { LastTrait = request.StartTrait, LastKey = request.StartKey };
            HashSet<string> seen = [];
            string start = Hex(request.StartTrait);
            foreach (string trait in traits)
            {
                int order = string.CompareOrdinal(trait, start);
                if (order < 0)
                {
                    continue;
                }

                foreach ((string key, Element? element) in half)
                {
                    if (response.Values.Count >= request.Limit)
                    {
                        return response;
                    }

                    bool isAfter = order > 0 || string.CompareOrdinal(key, Hex(request.StartKey)) >= 0;
                    if (element is not null && isAfter && HasTrait(element, trait))
                    {
                        response.LastTrait = ByteString.CopyFrom(Convert.FromHexString(trait));
                        response.LastKey = element.Key;
                        if (seen.Add(key))
                        {
                            response.Values.Add(element.Value);
                        }
                    }
                }
            }

            return response;
        }
    }

    private static bool HasTrait(Element element, string trait)
    {
        foreach (ByteString one in element.Traits)
        {
            if (Hex(one) == trait)
            {
                return true;
            }
        }

        return false;
    }

    private ApplyResponse Apply(Bytes32 chain, ApplyRequest request, DiskMap map, byte[] prefix)
    {
        lock (_gate)
        {
            foreach (AtomicRequest change in request.Requests)
            {
                Bytes32 peer = ChainOf(change.PeerChainId);
                HashSet<string> put = [];
                foreach (Element element in change.PutRequests)
                {
                    bool isThere = Half(peer, chain).TryGetValue(Hex(element.Key), out Element? old) && old is not null;
                    if (isThere || !put.Add(Hex(element.Key)))
                    {
                        throw new RpcException(RpcCode.Unknown, "duplicate put");
                    }
                }

                HashSet<string> removed = [];
                foreach (ByteString key in change.RemoveRequests)
                {
                    bool wasRemoved = Half(chain, peer).TryGetValue(Hex(key), out Element? old) && old is null;
                    if (wasRemoved || !removed.Add(Hex(key)))
                    {
                        throw new RpcException(RpcCode.Unknown, "duplicate remove");
                    }
                }
            }

            foreach (AtomicRequest change in request.Requests)
            {
                Bytes32 peer = ChainOf(change.PeerChainId);
                foreach (ByteString key in change.RemoveRequests)
                {
                    SortedDictionary<string, Element?> ours = Half(chain, peer);
                    if (!ours.Remove(Hex(key)))
                    {
                        ours.Add(Hex(key), null);                           // before its put
                    }
                }

                foreach (Element element in change.PutRequests)
                {
                    SortedDictionary<string, Element?> theirs = Half(peer, chain);
                    if (!theirs.Remove(Hex(element.Key)))
                    {
                        theirs.Add(Hex(element.Key), element);
                    }
                }
            }

            map.Write(OperationsOf(request.Batches, prefix));
            return new ApplyResponse();
        }
    }

    private static List<(byte[] Key, byte[]? Value)> OperationsOf(IEnumerable<Batch> batches, byte[] prefix)
    {
        List<(byte[], byte[]?)> operations = [];
        foreach (Batch batch in batches)
        {
            foreach (BatchPut put in batch.Puts)
            {
                operations.Add(([.. prefix, .. put.Key.Span], put.Value.ToByteArray()));
            }

            foreach (BatchDelete delete in batch.Deletes)
            {
                operations.Add(([.. prefix, .. delete.Key.Span], null));
            }
        }

        return operations;
    }
}
