// vm.VM as the node calls it: every method by name, timed. A status other than Ok is an RpcException for the caller to judge; the
// waits of WaitForEvent are not counted, since they measure the load and not the wire.
//
// Threading: any.

using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>Calls one plugin.</summary>
internal sealed class VmClient(IRpcChannel channel, RpcMeter meter)
{
    private static readonly ServiceDescriptor Service = VmReflection.Descriptor.Services[0];

    /// <summary>Calls a method without an argument.</summary>
    public Task<TResponse> CallAsync<TResponse>(string method, CancellationToken cancelled = default)
        where TResponse : class, IMessage<TResponse> =>
        CallAsync<Empty, TResponse>(method, new Empty(), cancelled);

    /// <summary>Calls a method that answers nothing.</summary>
    public Task CallAsync<TRequest>(string method, TRequest request, CancellationToken cancelled = default)
        where TRequest : class, IMessage<TRequest> =>
        CallAsync<TRequest, Empty>(method, request, cancelled);

    /// <summary>Calls a method.</summary>
    /// <exception cref="RpcException">It ended in another status than Ok.</exception>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(string method, TRequest request, CancellationToken cancelled = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            return await channel.CallAsync(RpcMethod<TRequest, TResponse>.Of(Service, method), request, cancelled: cancelled).ConfigureAwait(false);
        }
        finally
        {
            if (method != "WaitForEvent")
            {
                meter.Add(Stopwatch.GetElapsedTime(start));
            }
        }
    }
}
