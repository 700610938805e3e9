// Few at once of what runs programs or walks blocks. Who waits too long is told to come back.
//
// Threading: any.

using System;
using System.Threading;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>The gate of heavy work; one for all methods of an API.</summary>
internal sealed class HeavyGate : IDisposable
{
    private const int AtOnce = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _room = new(AtOnce);

    /// <summary>What is answered when there is no room.</summary>
    public static RpcError Full { get; } = new(RpcError.Busy, "Too many simulations are running; ask again later.");

    /// <summary>Enters, or waits for room a while.</summary>
    /// <returns>False when there was none. True: <see cref="Leave"/> has to follow.</returns>
    public bool TryEnter() => _room.Wait(Patience, CancellationToken.None);

    /// <summary>Makes room.</summary>
    public void Leave() => _room.Release();

    /// <inheritdoc/>
    public void Dispose() => _room.Dispose();
}
