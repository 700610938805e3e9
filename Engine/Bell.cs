// Where threads wait: one ring lets one of them through, and a ring that nobody waits for stays until somebody comes.
//
// Waiting spins a little (a wake-up costs 14 to 99 microseconds) and then parks; nothing is allocated.
// Threading: anybody. A ring happens before the wait that it lets through.

using System.Threading;

namespace ParallelVm.Engine;

internal sealed class Bell
{
    private const int SpinsMax = 1_200;
    private const int SpinLength = 3;           // a tenth of a microsecond

    private readonly object _gate = new();
    private int _rings;                         // changed under the gate

    /// <summary>Rings that nobody has taken.</summary>
    public int Rings => Volatile.Read(ref _rings);

    /// <summary>Lets <paramref name="count"/> waiters through.</summary>
    public void Ring(int count = 1)
    {
        lock (_gate)
        {
            for (int i = 0; i < count; i++)
            {
                _rings++;
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Takes a ring if there is one.</summary>
    public bool TryTake()
    {
        if (Rings == 0)
        {
            return false;
        }

        lock (_gate)
        {
            bool isThere = _rings > 0;
            _rings -= isThere ? 1 : 0;
            return isThere;
        }
    }

    /// <summary>Takes a ring, and waits for it if it has to.</summary>
    /// <param name="spins">Every worker may have a core, so that spinning can pay.</param>
    public void Wait(bool spins)
    {
        for (int spin = 0; spins && spin < SpinsMax && Rings == 0; spin++)
        {
            Thread.SpinWait(SpinLength);
        }

        lock (_gate)
        {
            while (_rings == 0)
            {
                Monitor.Wait(_gate);
            }

            _rings--;
        }
    }
}
