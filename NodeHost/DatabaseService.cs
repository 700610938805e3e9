// rpcdb.Database over a DiskMap: the plugin's keys lie below a prefix of their own, as the node does it.
//
// Batches put first and delete then, whatever order the caller had in mind; iterators give pages of about 128 KiB and end with an empty one.
//
// Threading: any.   Source: the fact sheet's section 5.1.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.Rpcdb;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>Serves a key space.</summary>
internal sealed class DatabaseService(DiskMap map, byte[] prefix)
{
    private const int PageBytes = 128 * 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, (List<(byte[] Key, byte[] Value)> Pairs, int Next)> _iterators = [];
    private ulong _nextIterator;

    /// <summary>The service's table.</summary>
    public RpcService ToRpc() => new RpcService(RpcdbReflection.Descriptor.Services[0])
        .On<HasRequest, HasResponse>("Has", (request, _) => Task.FromResult(new HasResponse { Has = map.TryGet(KeyOf(request.Key), out byte[]? _) }))
        .On<GetRequest, GetResponse>("Get", (request, _) => Task.FromResult(map.TryGet(KeyOf(request.Key), out byte[]? value)
            ? new GetResponse { Value = UnsafeByteOperations.UnsafeWrap(value) }
            : new GetResponse { Err = Error.NotFound }))
        .On<PutRequest, PutResponse>("Put", (request, _) =>
        {
            map.Write([(KeyOf(request.Key), request.Value.ToByteArray())]);
            return Task.FromResult(new PutResponse());
        })
        .On<DeleteRequest, DeleteResponse>("Delete", (request, _) =>
        {
            map.Write([(KeyOf(request.Key), null)]);
            return Task.FromResult(new DeleteResponse());
        })
        .On<WriteBatchRequest, WriteBatchResponse>("WriteBatch", (request, _) =>
        {
            List<(byte[], byte[]?)> operations = [];
            foreach (PutRequest put in request.Puts)
            {
                operations.Add((KeyOf(put.Key), put.Value.ToByteArray()));
            }

            foreach (DeleteRequest delete in request.Deletes)
            {
                operations.Add((KeyOf(delete.Key), null));
            }

            map.Write(operations);
            return Task.FromResult(new WriteBatchResponse());
        })
        .On<CompactRequest, CompactResponse>("Compact", (_, _) => Task.FromResult(new CompactResponse()))
        .On<CloseRequest, CloseResponse>("Close", (_, _) => Task.FromResult(new CloseResponse()))
        .On<Empty, HealthCheckResponse>("HealthCheck", (_, _) => Task.FromResult(new HealthCheckResponse { Details = ByteString.CopyFromUtf8("{}") }))
        .On<NewIteratorWithStartAndPrefixRequest, NewIteratorWithStartAndPrefixResponse>("NewIteratorWithStartAndPrefix", (request, _) => Task.FromResult(Open(request)))
        .On<IteratorNextRequest, IteratorNextResponse>("IteratorNext", (request, _) => Task.FromResult(Next(request)))
        .On<IteratorErrorRequest, IteratorErrorResponse>("IteratorError", (request, _) => Task.FromResult(Check(request)))
        .On<IteratorReleaseRequest, IteratorReleaseResponse>("IteratorRelease", (request, _) =>
        {
            lock (_gate)
            {
                _iterators.Remove(request.Id);
            }

            return Task.FromResult(new IteratorReleaseResponse());
        });

    private byte[] KeyOf(ByteString key)
    {
        byte[] full = new byte[prefix.Length + key.Length];
        prefix.CopyTo(full, 0);
        key.CopyTo(full, prefix.Length);
        return full;
    }

    private NewIteratorWithStartAndPrefixResponse Open(NewIteratorWithStartAndPrefixRequest request)
    {
        List<(byte[], byte[])> pairs = map.List(KeyOf(request.Start), KeyOf(request.Prefix));
        lock (_gate)
        {
            ulong id = _nextIterator++;
            _iterators.Add(id, (pairs, 0));
            return new NewIteratorWithStartAndPrefixResponse { Id = id };
        }
    }

    private IteratorErrorResponse Check(IteratorErrorRequest request)
    {
        lock (_gate)
        {
            return _iterators.ContainsKey(request.Id) ? new IteratorErrorResponse() : throw new RpcException(RpcCode.Unknown, "unknown iterator");
        }
    }

    private IteratorNextResponse Next(IteratorNextRequest request)
    {
        lock (_gate)
        {
            if (!_iterators.TryGetValue(request.Id, out (List<(byte[] Key, byte[] Value)> Pairs, int Next) iterator))
            {
                throw new RpcException(RpcCode.Unknown, "unknown iterator");
            }

            IteratorNextResponse page = new();
            int bytes = 0;
            int next = iterator.Next;
            for (; next < iterator.Pairs.Count && bytes < PageBytes; next++)
            {
                (byte[] key, byte[] value) = iterator.Pairs[next];
                page.Data.Add(new PutRequest { Key = ByteString.CopyFrom(key.AsSpan(prefix.Length)), Value = ByteString.CopyFrom(value) });
                bytes += key.Length + value.Length;
            }

            _iterators[request.Id] = (iterator.Pairs, next);
            return page;
        }
    }
}
