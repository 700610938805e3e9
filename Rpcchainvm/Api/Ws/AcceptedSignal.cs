// Wakes whoever waits for the next accepted block. It carries nothing: the chain is asked what there is.
//
// Threading: any thread; raised under the chain's lock, continued elsewhere.

using System;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Chain;

namespace ParallelVm.Rpcchainvm.Api.Ws;

/// <summary>A signal per accepted block.</summary>
internal sealed class AcceptedSignal : IDisposable
{
    private readonly ChainService _chain;
    private TaskCompletionSource _next = NewSource();

    /// <summary>Listens to a chain.</summary>
    public AcceptedSignal(ChainService chain)
    {
        _chain = chain;
        chain.Accepted += Raise;
    }

    /// <summary>Ends with the next acceptance. Take it before looking at the chain, or one may be missed.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <inheritdoc/>
    public void Dispose() => _chain.Accepted -= Raise;

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Raise(Block block) => Interlocked.Exchange(ref _next, NewSource()).TrySetResult();
}
