// What a VM is made of besides the node: its clock, and who stands behind app messages and the API.

using System;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Rpcchainvm.Node;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The node's services of one chain.</summary>
internal sealed record NodeLinks(
    NodeDatabase Database, IAppSender Sender, IWarpSigner Signer, IValidatorState Validators, SharedMemoryClient SharedMemory, AliasReaderClient Aliases);

/// <summary>The parts of a VM.</summary>
internal sealed record VmOptions
{
    /// <summary>What Version answers; shown by the node.</summary>
    public required string Version { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Makes the receiver of app messages of a chain that has just been opened; null: they are dropped.</summary>
    public Func<OpenChain, NodeLinks, IAppHandler>? Peers { get; init; }

    /// <summary>Makes the HTTP API of a chain that has just been opened; null: there is none.</summary>
    public Func<OpenChain, IApiHandler>? Api { get; init; }

    /// <summary>Blocks that were parsed are looked at before they are to be verified.</summary>
    public bool LooksAhead { get; init; } = true;

    /// <summary>The process can no longer trust itself or its disk, and must stop at once: a broken invariant, a failed store.</summary>
    public Action<Exception>? OnBroken { get; init; }

    /// <summary>Shutdown has been done: from now on the process may be told to end.</summary>
    public Action? OnShutdown { get; init; }

    /// <summary>One line for the node's log.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>Receives what nobody listens to.</summary>
internal sealed class NoPeers : IAppHandler
{
    /// <inheritdoc/>
    public void Connected(ReadOnlyMemory<byte> nodeId, PeerVersion version)
    {
    }

    /// <inheritdoc/>
    public void Disconnected(ReadOnlyMemory<byte> nodeId)
    {
    }

    /// <inheritdoc/>
    public void SetNormalOp(bool isNormalOp)
    {
    }

    /// <inheritdoc/>
    public ValueTask AppRequestAsync(ReadOnlyMemory<byte> nodeId, uint requestId, DateTime deadline, ReadOnlyMemory<byte> request, CancellationToken cancelled) => default;

    /// <inheritdoc/>
    public ValueTask AppRequestFailedAsync(ReadOnlyMemory<byte> nodeId, uint requestId, int errorCode, string message, CancellationToken cancelled) => default;

    /// <inheritdoc/>
    public ValueTask AppResponseAsync(ReadOnlyMemory<byte> nodeId, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled) => default;

    /// <inheritdoc/>
    public ValueTask AppGossipAsync(ReadOnlyMemory<byte> nodeId, ReadOnlyMemory<byte> message, CancellationToken cancelled) => default;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => default;
}
