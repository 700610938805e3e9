// When WaitForEvent answers: "there is something to build of".
//
// The node cancels its call and makes it anew after every change of preference, SetState and BuildBlock, and each new call must be answered at once when there
// is work: the answer depends on what is true now, not on what has happened since the last call (level-triggered).
//
// Invariants
//   E1  a call ends only in normal operation, while the chain has something pending that the preferred branch does not hold
//   E2  two answers for the same parent are SpacingMs apart, and RetryMs when the parent's last build found nothing and nothing has come since: what waits may be
//       unable to enter a block, and the node would ask without pause
//   E3  a waiting call costs nothing: no polling, but for the wait of E2; and no thread
//
// Threading: any thread; Wake is called for every transaction, so without a waiter it is one exchange.

using System;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>Waits for work.</summary>
/// <param name="time">Measures the spacing.</param>
/// <param name="parent">What the next block is built on.</param>
/// <param name="hasPending">Whether there is something to build of.</param>
internal sealed class EventGate(TimeProvider time, Func<BlockId> parent, Func<bool> hasPending)
{
    /// <summary>Between two answers for one parent.</summary>
    public const int SpacingMs = 100;

    /// <summary>Between two answers for one parent on which nothing could be built.</summary>
    public const int RetryMs = 1000;

    private readonly Lock _gate = new();
    private TaskCompletionSource? _changed;
    private volatile bool _isOpen;
    private long _arrivals;
    private BlockId? _answeredFor;
    private long _answeredAt;
    private (BlockId Parent, long Arrivals)? _barren;

    /// <summary>In normal operation: only then are there answers.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set
        {
            _isOpen = value;
            Wake();
        }
    }

    /// <summary>Something has come, or the branches have changed: waiting calls look again.</summary>
    public void Wake()
    {
        Interlocked.Increment(ref _arrivals);
        Interlocked.Exchange(ref _changed, null)?.TrySetResult();
    }

    /// <summary>A build on the present parent found nothing.</summary>
    public void FoundNothing()
    {
        BlockId on = parent();
        lock (_gate)
        {
            _barren = (on, Interlocked.Read(ref _arrivals));
        }
    }

    /// <summary>Returns when there is work.</summary>
    /// <exception cref="OperationCanceledException">The caller no longer waits.</exception>
    public async Task WaitAsync(CancellationToken cancelled)
    {
        while (true)
        {
            cancelled.ThrowIfCancellationRequested();
            Task changed = Changed();                                       // before the look, so that nothing comes in between
            if (!_isOpen || !hasPending())
            {
                await changed.WaitAsync(cancelled).ConfigureAwait(false);
                continue;
            }

            TimeSpan left = TakeTurn();
            if (left <= TimeSpan.Zero)
            {
                return;
            }

            using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
            await Task.WhenAny(changed, Task.Delay(left, time, ended.Token)).ConfigureAwait(false);
            await ended.CancelAsync().ConfigureAwait(false);                // the timer goes with the wait
            if (changed.IsCompleted)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), time, cancelled).ConfigureAwait(false);   // a flood of arrivals is looked at a thousand times a second at most
            }
        }
    }

    private Task Changed()
    {
        TaskCompletionSource mine = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _changed, mine, null) ?? mine).Task;
    }

    // Zero: this call may answer, and has taken the turn. Otherwise how long it is too early (E2).
    private TimeSpan TakeTurn()
    {
        BlockId on = parent();
        lock (_gate)
        {
            bool isBarren = _barren is { } barren && barren.Parent == on && barren.Arrivals == Interlocked.Read(ref _arrivals);
            if (_answeredFor == on)
            {
                TimeSpan left = TimeSpan.FromMilliseconds(isBarren ? RetryMs : SpacingMs) - time.GetElapsedTime(_answeredAt);
                if (left > TimeSpan.Zero)
                {
                    return left;
                }
            }

            _answeredFor = on;
            _answeredAt = time.GetTimestamp();
            return TimeSpan.Zero;
        }
    }
}
