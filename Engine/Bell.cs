// One ring lets one waiter through, and a ring that nobody waits for stays until somebody comes.
//
// Threading: anybody. A ring happens before the wait that it lets through. How waiting is done: WaitingRoom.

using System.Threading;

namespace ParallelVm.Engine;

internal sealed class Bell
{
    private readonly WaitingRoom _room = new();
    private int _rings;

    /// <summary>Rings that nobody has taken.</summary>
    public int Rings => Volatile.Read(ref _rings);

    /// <summary>Lets <paramref name="count"/> waiters through.</summary>
    public void Ring(int count = 1)
    {
        Interlocked.Add(ref _rings, count);
        _room.Wake(count);
    }

    /// <summary>Takes a ring if there is one.</summary>
    public bool TryTake()
    {
        for (int rings = Rings; rings > 0;)
        {
            int before = Interlocked.CompareExchange(ref _rings, rings - 1, rings);
            if (before == rings)
            {
                return true;
            }

            rings = before;
        }

        return false;
    }

    /// <summary>Takes a ring, and waits for it if it has to.</summary>
    /// <param name="spins">Every worker may have a core, so that spinning can pay.</param>
    public void Wait(bool spins)
    {
        while (!TryTake())
        {
            _room.Wait(new HasRung(this), spins);
        }
    }

    private readonly struct HasRung(Bell bell) : IWaitCondition
    {
        public bool IsTrue => bell.Rings > 0;
    }
}
