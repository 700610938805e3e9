// The node's side of one chain for tests of the service: a database that outlives the VM and can be put back to an older state (a power cut that lost the node's
// tail), and what was sent to peers. Everything goes over loopback.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.AppSender;
using ParallelVm.Rpcchainvm.Protos.Rpcdb;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

internal sealed class NodeStub : IAsyncDisposable
{
    private readonly Dictionary<ulong, Queue<PutRequest>> _iterators = [];
    private ulong _nextIterator;

    private NodeStub(SortedDictionary<string, byte[]> data) => Data = data;

    /// <summary>Hex keys, so that the order is that of the bytes.</summary>
    public SortedDictionary<string, byte[]> Data { get; }

    public RpcServer Server { get; private set; } = null!;

    public List<string> Calls { get; } = [];

    /// <summary>Answers every write with this.</summary>
    public Error WriteError { get; set; }

    public int OpenIterators => _iterators.Count;

    public static async Task<NodeStub> StartAsync(SortedDictionary<string, byte[]>? data = null)
    {
        NodeStub stub = new(data ?? new SortedDictionary<string, byte[]>(StringComparer.Ordinal));
        stub.Server = await RpcServer.StartAsync([stub.Database(), stub.Sender()]);
        return stub;
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    private static string Hex(ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    private RpcService Database() => new RpcService(RpcdbReflection.Descriptor.Services[0])
        .On<HasRequest, HasResponse>("Has", (request, _) => Locked(() => new HasResponse { Has = Data.ContainsKey(Hex(request.Key)) }))
        .On<GetRequest, GetResponse>("Get", (request, _) => Locked(() => Data.TryGetValue(Hex(request.Key), out byte[]? value)
            ? new GetResponse { Value = ByteString.CopyFrom(value) }
            : new GetResponse { Err = Error.NotFound }))
        .On<PutRequest, PutResponse>("Put", (request, _) => Locked(() =>
        {
            Apply(put: request);
            return new PutResponse { Err = WriteError };
        }))
        .On<DeleteRequest, DeleteResponse>("Delete", (request, _) => Locked(() =>
        {
            Apply(delete: request);
            return new DeleteResponse { Err = WriteError };
        }))
        .On<WriteBatchRequest, WriteBatchResponse>("WriteBatch", (request, _) => Locked(() =>
        {
            foreach (PutRequest put in request.Puts)
            {
                Apply(put: put);
            }

            foreach (DeleteRequest delete in request.Deletes)
            {
                Apply(delete: delete);
            }

            return new WriteBatchResponse { Err = WriteError };
        }))
        .On<NewIteratorWithStartAndPrefixRequest, NewIteratorWithStartAndPrefixResponse>("NewIteratorWithStartAndPrefix", (request, _) => Locked(() =>
        {
            Queue<PutRequest> pairs = [];
            foreach ((string key, byte[] value) in Data)
            {
                if (string.CompareOrdinal(key, Hex(request.Start)) >= 0 && key.StartsWith(Hex(request.Prefix), StringComparison.Ordinal))
                {
                    pairs.Enqueue(new PutRequest { Key = ByteString.CopyFrom(Convert.FromHexString(key)), Value = ByteString.CopyFrom(value) });
                }
            }

            _iterators.Add(++_nextIterator, pairs);
            return new NewIteratorWithStartAndPrefixResponse { Id = _nextIterator };
        }))
        .On<IteratorNextRequest, IteratorNextResponse>("IteratorNext", (request, _) => Locked(() =>
        {
            IteratorNextResponse page = new();
            while (page.Data.Count < 3 && _iterators[request.Id].TryDequeue(out PutRequest? pair))
            {
                page.Data.Add(pair);
            }

            return page;
        }))
        .On<IteratorErrorRequest, IteratorErrorResponse>("IteratorError", (_, _) => Task.FromResult(new IteratorErrorResponse()))
        .On<IteratorReleaseRequest, IteratorReleaseResponse>("IteratorRelease", (request, _) => Locked(() =>
        {
            _iterators.Remove(request.Id);
            return new IteratorReleaseResponse();
        }));

    private RpcService Sender() => new RpcService(AppsenderReflection.Descriptor.Services[0])
        .On<SendAppErrorMsg, Empty>("SendAppError", (request, _) => Locked(() =>
        {
            Calls.Add($"error {request.RequestId} {request.ErrorCode}");
            return new Empty();
        }));

    private void Apply(PutRequest? put = null, DeleteRequest? delete = null)
    {
        if (WriteError == Error.Unspecified && put is not null)
        {
            Data[Hex(put.Key)] = put.Value.ToByteArray();
        }

        if (WriteError == Error.Unspecified && delete is not null)
        {
            Data.Remove(Hex(delete.Key));
        }
    }

    private Task<T> Locked<T>(Func<T> run)
    {
        lock (Data)
        {
            return Task.FromResult(run());
        }
    }
}
