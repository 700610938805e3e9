// What the node tells this VM about other nodes: who is connected, and the messages of their VMs.
//
// Contract
//   A1  nothing that a peer sends may surface as an error: a failed App* call stops the chain for good. An implementation catches what its own decoders
//       refuse; what escapes it all the same is counted and swallowed by VmService, except our own broken invariants.
//   A2  App* calls come two at a time or more, in no order among themselves, concurrent with everything else. Connected and Disconnected come one at a time,
//       under the node's lock, and may repeat for one node.
//   A3  node ids are 20 bytes, already checked. The memory belongs to the callee: it is not reused.
//   A4  an AppRequest is answered by SendAppResponse or SendAppError before its deadline; a slow answer must not hold the call (return, and answer later).

using System;
using System.Threading;
using System.Threading.Tasks;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The program of a peer, as it said when it connected.</summary>
internal readonly record struct PeerVersion(string Name, uint Major, uint Minor, uint Patch);

/// <summary>The receiver of everything that comes from other nodes; <c>Gossip</c> and <c>Warp</c> stand behind it.</summary>
internal interface IAppHandler : IAsyncDisposable
{
    /// <summary>A node that tracks this chain is connected; the local node itself is announced too.</summary>
    void Connected(ReadOnlyMemory<byte> nodeId, PeerVersion version);

    /// <summary>That node is gone, or benched.</summary>
    void Disconnected(ReadOnlyMemory<byte> nodeId);

    /// <summary>The node may build and gossip (true) or is still catching up (false).</summary>
    void SetNormalOp(bool isNormalOp);

    /// <summary>A request of a peer, to be answered with the same node and request id before <paramref name="deadline"/> (UTC).</summary>
    ValueTask AppRequestAsync(ReadOnlyMemory<byte> nodeId, uint requestId, DateTime deadline, ReadOnlyMemory<byte> request, CancellationToken cancelled);

    /// <summary>A request of ours found no answer. Codes below zero are the SDK's, see the fact sheet's section 11.</summary>
    ValueTask AppRequestFailedAsync(ReadOnlyMemory<byte> nodeId, uint requestId, int errorCode, string message, CancellationToken cancelled);

    /// <summary>The answer to a request of ours, or something unasked: which one is for the callee to know.</summary>
    ValueTask AppResponseAsync(ReadOnlyMemory<byte> nodeId, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled);

    /// <summary>Gossip of a peer.</summary>
    ValueTask AppGossipAsync(ReadOnlyMemory<byte> nodeId, ReadOnlyMemory<byte> message, CancellationToken cancelled);
}
