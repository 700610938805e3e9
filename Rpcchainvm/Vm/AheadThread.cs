// The thread that looks at blocks ahead (ChainService.CheckNext): beside the node's calls, which neither wait for it nor share its locks.
//
// It is a thread of its own and no task: a step is milliseconds of signatures, and the pool's few threads answer the node.
//
// Contract
//   H1  Wake returns at once
//   H2  when Dispose returns, the thread has ended: within one step of CheckNext
//   H3  what the chain throws is shown to the host, once, and nothing is looked at any more
//
// Threading: any; Dispose once.

using System;
using System.Threading;
using ParallelVm.Chain;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>Looks at blocks ahead.</summary>
internal sealed class AheadThread : IDisposable
{
    private readonly ChainService _chain;
    private readonly Action<Exception> _onFailure;
    private readonly object _signal = new();
    private readonly Thread _thread;
    private bool _isAsked;
    private volatile bool _isClosing;

    public AheadThread(ChainService chain, Action<Exception> onFailure)
    {
        _chain = chain;
        _onFailure = onFailure;
        _thread = new Thread(Run) { IsBackground = true, Name = "blocks ahead" };
        _thread.Start();
    }

    /// <summary>True once the thread has ended.</summary>
    public bool HasEnded => !_thread.IsAlive;

    /// <summary>There may be something to look at.</summary>
    public void Wake()
    {
        lock (_signal)
        {
            _isAsked = true;
            Monitor.Pulse(_signal);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_signal)
        {
            _isClosing = true;
            Monitor.Pulse(_signal);
        }

        _thread.Join();
    }

    private void Run()
    {
        try
        {
            while (WaitForWork())
            {
                while (!_isClosing && _chain.CheckNext())
                {
                }
            }
        }
#pragma warning disable CA1031 // a thread's last line: the host is told and decides
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _onFailure(failure);
        }
    }

    private bool WaitForWork()
    {
        lock (_signal)
        {
            while (!_isAsked && !_isClosing)
            {
                Monitor.Wait(_signal);
            }

            _isAsked = false;
            return !_isClosing;
        }
    }
}
