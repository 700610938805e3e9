// What comes from other nodes, handed on to the IAppHandler. Nothing of it may become an error of ours (V3): a failure of the handler is counted and dropped,
// except one that says that this process is broken.

using System;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <content>Peers.</content>
internal sealed partial class VmService
{
    private void AddPeers(RpcService service)
    {
        service
            .On<ConnectedRequest, Empty>("Connected", (request, cancelled) => LockedAsync(
                _ => GuardAsync(request.NodeId, () =>
                {
                    _peers.Connected(request.NodeId.Memory, new PeerVersion(request.Name, request.Major, request.Minor, request.Patch));
                    return default;
                }),
                cancelled))
            .On<DisconnectedRequest, Empty>("Disconnected", (request, cancelled) => LockedAsync(
                _ => GuardAsync(request.NodeId, () =>
                {
                    _peers.Disconnected(request.NodeId.Memory);
                    return default;
                }),
                cancelled))
            .On<AppRequestMsg, Empty>("AppRequest", (request, cancelled) => GuardAsync(
                request.NodeId, () => _peers.AppRequestAsync(request.NodeId.Memory, request.RequestId, DeadlineOf(request.Deadline), request.Request.Memory, cancelled)))
            .On<AppRequestFailedMsg, Empty>("AppRequestFailed", (request, cancelled) => GuardAsync(
                request.NodeId, () => _peers.AppRequestFailedAsync(request.NodeId.Memory, request.RequestId, request.ErrorCode, request.ErrorMessage, cancelled)))
            .On<AppResponseMsg, Empty>("AppResponse", (request, cancelled) => GuardAsync(
                request.NodeId, () => _peers.AppResponseAsync(request.NodeId.Memory, request.RequestId, request.Response.Memory, cancelled)))
            .On<AppGossipMsg, Empty>("AppGossip", (request, cancelled) => GuardAsync(
                request.NodeId, () => _peers.AppGossipAsync(request.NodeId.Memory, request.Msg.Memory, cancelled)));
    }

    private async Task<Empty> GuardAsync(ByteString nodeId, Func<ValueTask> deliver)
    {
        if (nodeId.Length != NodeId.Size || !TryOpen(out _))
        {
            Metrics.PeerFaults.Add();
            return new Empty();
        }

        try
        {
            await deliver().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (InvariantException or StateStoreException))
        {
            Metrics.PeerFaults.Add();
            if (e is not OperationCanceledException)
            {
                _options.Log?.Invoke($"a message of a peer failed: {e.GetType().Name}: {e.Message}");
            }
        }

        return new Empty();
    }

    // A deadline that is absent or no time at all leaves no time.
    private static DateTime DeadlineOf(Timestamp? deadline) =>
        deadline is { Seconds: >= -62_135_596_800 and <= 253_402_300_799, Nanos: >= 0 and <= 999_999_999 } ? deadline.ToDateTime() : DateTime.MinValue;
}
