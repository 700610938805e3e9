// The node's database, as the plugin sees it: rpcdb.Database, a key space of this chain's own.
//
// A missing key is an answer (null, false), not a failure. Everything else that goes wrong is a NodeDatabaseException, and after a failed *write* the database
// is latched: nobody knows what it holds, so every later call fails with the first failure's sentence (Go's plugins do the same).
//
// A batch is atomic. The server applies all puts and then all deletes, so a batch holds each key once: the last word about it.
//
// Cost: one round trip on loopback per call.   Threading: any thread.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.Rpcdb;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Node;

/// <summary>The node's database failed, or is closed.</summary>
internal sealed class NodeDatabaseException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Keys and values in the node's database.</summary>
internal sealed class NodeDatabase(IRpcChannel channel)
{
    private static readonly ServiceDescriptor Service = RpcdbReflection.Descriptor.Services[0];
    private static readonly RpcMethod<HasRequest, HasResponse> HasMethod = RpcMethod<HasRequest, HasResponse>.Of(Service, "Has");
    private static readonly RpcMethod<GetRequest, GetResponse> GetMethod = RpcMethod<GetRequest, GetResponse>.Of(Service, "Get");
    private static readonly RpcMethod<PutRequest, PutResponse> PutMethod = RpcMethod<PutRequest, PutResponse>.Of(Service, "Put");
    private static readonly RpcMethod<DeleteRequest, DeleteResponse> DeleteMethod = RpcMethod<DeleteRequest, DeleteResponse>.Of(Service, "Delete");
    private static readonly RpcMethod<WriteBatchRequest, WriteBatchResponse> WriteMethod = RpcMethod<WriteBatchRequest, WriteBatchResponse>.Of(Service, "WriteBatch");

    private static readonly RpcMethod<CompactRequest, CompactResponse> CompactMethod = RpcMethod<CompactRequest, CompactResponse>.Of(Service, "Compact");
    private static readonly RpcMethod<Empty, HealthCheckResponse> HealthMethod = RpcMethod<Empty, HealthCheckResponse>.Of(Service, "HealthCheck");

    private static readonly RpcMethod<NewIteratorWithStartAndPrefixRequest, NewIteratorWithStartAndPrefixResponse> IterateMethod =
        RpcMethod<NewIteratorWithStartAndPrefixRequest, NewIteratorWithStartAndPrefixResponse>.Of(Service, "NewIteratorWithStartAndPrefix");

    private static readonly RpcMethod<IteratorNextRequest, IteratorNextResponse> NextMethod = RpcMethod<IteratorNextRequest, IteratorNextResponse>.Of(Service, "IteratorNext");
    private static readonly RpcMethod<IteratorErrorRequest, IteratorErrorResponse> ErrorMethod = RpcMethod<IteratorErrorRequest, IteratorErrorResponse>.Of(Service, "IteratorError");

    private static readonly RpcMethod<IteratorReleaseRequest, IteratorReleaseResponse> ReleaseMethod =
        RpcMethod<IteratorReleaseRequest, IteratorReleaseResponse>.Of(Service, "IteratorRelease");

    private NodeDatabaseException? _broken;

    /// <summary>True when the key is there.</summary>
    public async Task<bool> HasAsync(ReadOnlyMemory<byte> key, CancellationToken cancelled = default)
    {
        HasResponse response = await CallAsync(HasMethod, new HasRequest { Key = Bytes(key) }, isWrite: false, cancelled).ConfigureAwait(false);
        return response.Has && Check(response.Err, "Has");
    }

    /// <summary>The value of a key; null when there is none. An empty value is a value.</summary>
    public async Task<byte[]?> GetAsync(ReadOnlyMemory<byte> key, CancellationToken cancelled = default)
    {
        GetResponse response = await CallAsync(GetMethod, new GetRequest { Key = Bytes(key) }, isWrite: false, cancelled).ConfigureAwait(false);
        return Check(response.Err, "Get") ? response.Value.ToByteArray() : null;
    }

    /// <summary>Sets a value.</summary>
    public async Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancelled = default)
    {
        PutResponse response = await CallAsync(PutMethod, new PutRequest { Key = Bytes(key), Value = Bytes(value) }, isWrite: true, cancelled).ConfigureAwait(false);
        CheckWrite(response.Err, "Put");
    }

    /// <summary>Removes a key, there or not.</summary>
    public async Task DeleteAsync(ReadOnlyMemory<byte> key, CancellationToken cancelled = default)
    {
        DeleteResponse response = await CallAsync(DeleteMethod, new DeleteRequest { Key = Bytes(key) }, isWrite: true, cancelled).ConfigureAwait(false);
        CheckWrite(response.Err, "Delete");
    }

    /// <summary>Applies all changes or none, in order; a null value removes.</summary>
    public async Task WriteAsync(IEnumerable<(byte[] Key, byte[]? Value)> changes, CancellationToken cancelled = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        Dictionary<ByteString, byte[]?> last = [];
        foreach ((byte[] key, byte[]? value) in changes)
        {
            last[ByteString.CopyFrom(key)] = value;
        }

        WriteBatchRequest request = new();
        foreach ((ByteString key, byte[]? value) in last.OrderBy(change => change.Key.ToByteArray(), ByteOrder.Instance))
        {
            if (value is null)
            {
                request.Deletes.Add(new DeleteRequest { Key = key });
            }
            else
            {
                request.Puts.Add(new PutRequest { Key = key, Value = UnsafeByteOperations.UnsafeWrap(value) });
            }
        }

        CheckWrite((await CallAsync(WriteMethod, request, isWrite: true, cancelled).ConfigureAwait(false)).Err, "WriteBatch");
    }

    /// <summary>Asks the database to give back the space of what was removed between two keys; an empty limit is the end.</summary>
    public async Task CompactAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> limit, CancellationToken cancelled = default)
    {
        CompactRequest request = new() { Start = Bytes(start), Limit = Bytes(limit) };
        Check((await CallAsync(CompactMethod, request, isWrite: false, cancelled).ConfigureAwait(false)).Err, "Compact");
    }

    /// <summary>What the database says of itself, JSON.</summary>
    public async Task<byte[]> CheckHealthAsync(CancellationToken cancelled = default) =>
        (await CallAsync(HealthMethod, new Empty(), isWrite: false, cancelled).ConfigureAwait(false)).Details.ToByteArray();

    /// <summary>The pairs at or after a key that begin with a prefix, in ascending order of keys, as of the beginning of the walk.</summary>
    public async IAsyncEnumerable<(byte[] Key, byte[] Value)> WalkAsync(
        ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> prefix, [EnumeratorCancellation] CancellationToken cancelled = default)
    {
        NewIteratorWithStartAndPrefixRequest request = new() { Start = Bytes(start), Prefix = Bytes(prefix) };
        ulong id = (await CallAsync(IterateMethod, request, isWrite: false, cancelled).ConfigureAwait(false)).Id;
        try
        {
            while (true)
            {
                IteratorNextResponse page = await CallAsync(NextMethod, new IteratorNextRequest { Id = id }, isWrite: false, cancelled).ConfigureAwait(false);
                if (page.Data.Count == 0)
                {
                    break;
                }

                foreach (PutRequest pair in page.Data)
                {
                    yield return (pair.Key.ToByteArray(), pair.Value.ToByteArray());
                }
            }

            // the end may also be a failure
            Check((await CallAsync(ErrorMethod, new IteratorErrorRequest { Id = id }, isWrite: false, cancelled).ConfigureAwait(false)).Err, "IteratorError");
        }
        finally
        {
            await CallAsync(ReleaseMethod, new IteratorReleaseRequest { Id = id }, isWrite: false, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static ByteString Bytes(ReadOnlyMemory<byte> bytes) => UnsafeByteOperations.UnsafeWrap(bytes);

    private static bool Check(Error error, string method) => error switch
    {
        Error.Unspecified => true,
        Error.NotFound => false,
        _ => throw new NodeDatabaseException($"The node's database answered {method} with error {error}."),
    };

    private void CheckWrite(Error error, string method)
    {
        if (error != Error.Unspecified)
        {
            throw Break(new NodeDatabaseException($"The node's database answered {method} with error {error}."));
        }
    }

    private NodeDatabaseException Break(NodeDatabaseException failure) => Interlocked.CompareExchange(ref _broken, failure, null) ?? failure;

    private async Task<TResponse> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, bool isWrite, CancellationToken cancelled)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        if (Volatile.Read(ref _broken) is { } broken)
        {
            throw new NodeDatabaseException($"The node's database failed before: {broken.Message}", broken);
        }

        try
        {
            return await channel.CallAsync(method, request, cancelled: cancelled).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            NodeDatabaseException failure = new($"The node's database cannot be reached: {e.Message}", e);
            throw isWrite ? Break(failure) : failure;
        }
    }

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static readonly ByteOrder Instance = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
