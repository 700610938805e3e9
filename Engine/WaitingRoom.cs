// Where threads wait for something to become true: they spin a little (a wake-up costs 14 to 99 microseconds) and then sleep.
//
//   who waits    says that it is about to sleep -> looks once more -> sleeps, or not
//   who changes  changes                        -> looks for sleepers -> wakes, or not
//
// Invariant  W1  nobody sleeps through what it waits for: in each of the two orders there is a full fence between the two steps, so either the sleeper
//                sees the change or whoever made it sees the sleeper; and between its last look and its sleep a sleeper has the lock that waking takes
//
// What is true may be over before a sleeper is up, or another thread may have taken it: a waiter that was woken looks again.
// Cost: nobody asleep, Wake is a fence and a load. Nothing is allocated.   Threading: anybody.

using System;
using System.Threading;

namespace ParallelVm.Engine;

/// <summary>What a thread waits for. Read from shared memory, again and again.</summary>
internal interface IWaitCondition
{
    /// <summary>The wait is over.</summary>
    bool IsTrue { get; }
}

/// <summary>One place to wait.</summary>
internal sealed class WaitingRoom
{
    /// <summary>Looks before a thread goes to sleep.</summary>
    public const int SpinsMax = 1_200;

    /// <summary>Between two looks: a tenth of a microsecond.</summary>
    public const int SpinLength = 3;

    private readonly object _beds = new();
    private int _asleep;

    /// <summary>Returns when the condition was true at a moment since the call.</summary>
    /// <param name="spins">Every thread that matters may have a core, so that spinning can pay.</param>
    public void Wait<TCondition>(TCondition condition, bool spins)
        where TCondition : struct, IWaitCondition
    {
        for (int spin = 0; spins && spin < SpinsMax; spin++)
        {
            if (condition.IsTrue)
            {
                return;
            }

            Thread.SpinWait(SpinLength);
        }

        lock (_beds)
        {
            Interlocked.Increment(ref _asleep);                         // W1: a full fence between saying so and looking
            while (!condition.IsTrue)
            {
                Monitor.Wait(_beds);
            }

            Interlocked.Decrement(ref _asleep);
        }
    }

    /// <summary>Wakes up to <paramref name="count"/> sleepers; to be called after the change that they wait for.</summary>
    public void Wake(int count = 1)
    {
        Interlocked.MemoryBarrier();                                    // W1: between the change and looking for sleepers
        if (Volatile.Read(ref _asleep) == 0)
        {
            return;
        }

        lock (_beds)
        {
            for (int i = Math.Min(count, _asleep); i > 0; i--)
            {
                Monitor.Pulse(_beds);
            }
        }
    }
}
