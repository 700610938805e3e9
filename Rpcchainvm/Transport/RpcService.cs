// A service to be served: its descriptor, and a handler for each of its methods. Methods without a handler are answered Unimplemented by the server.
//
//   new RpcService(DatabaseDescriptor)
//       .On<GetRequest, GetResponse>("Get", (request, cancelled) => ...)
//
// A handler runs on the pool, many at once. It ends with a response, or with an exception: RpcException gives the status, OperationCanceledException of its own
// token gives Cancelled, anything else gives Unknown and is shown to the server's OnFailure first.
//
// Threading: built by one thread, then read only.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>A method as the server sees it: types erased.</summary>
internal sealed record RpcHandler(Func<ReadOnlySequence<byte>, IMessage> Parse, Func<IMessage, CancellationToken, Task<IMessage>> Handle);

/// <summary>The handlers of one service.</summary>
internal sealed class RpcService(ServiceDescriptor descriptor)
{
    private readonly Dictionary<string, RpcHandler> _handlers = new(StringComparer.Ordinal);

    /// <summary>Handlers by path.</summary>
    public IReadOnlyDictionary<string, RpcHandler> Handlers => _handlers;

    /// <summary>Methods of the descriptor that nothing handles.</summary>
    public IEnumerable<string> Unhandled
    {
        get
        {
            foreach (MethodDescriptor method in descriptor.Methods)
            {
                if (!_handlers.ContainsKey($"/{descriptor.FullName}/{method.Name}"))
                {
                    yield return method.Name;
                }
            }
        }
    }

    /// <summary>Says who handles a method.</summary>
    /// <exception cref="ArgumentException">There is no such method, or it has a handler.</exception>
    public RpcService On<TRequest, TResponse>(string method, Func<TRequest, CancellationToken, Task<TResponse>> handle)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        RpcMethod<TRequest, TResponse> found = RpcMethod<TRequest, TResponse>.Of(descriptor, method);
        _handlers.Add(found.Path, new RpcHandler(
            bytes => found.Requests.ParseFrom(bytes),
            async (request, cancelled) => await handle((TRequest)request, cancelled).ConfigureAwait(false)));
        return this;
    }

    /// <summary>The standard health service, which always says that it serves.</summary>
    public static RpcService Health() =>
        new RpcService(Protos.GrpcHealth.HealthReflection.Descriptor.Services[0])
            .On<Protos.GrpcHealth.HealthCheckRequest, Protos.GrpcHealth.HealthCheckResponse>("Check", (request, _) => request.Service.Length == 0
                ? Task.FromResult(new Protos.GrpcHealth.HealthCheckResponse { Status = Protos.GrpcHealth.HealthCheckResponse.Types.ServingStatus.Serving })
                : throw new RpcException(RpcCode.NotFound, $"There is no service '{request.Service}'."));
}
