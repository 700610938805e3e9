// Nobody sleeps through what it waits for. A lost wake-up is a thread that never comes back, so each test ends by joining its threads in time.

using System;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests;

public sealed class WaitingRoomTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // A token goes round: each thread sleeps until it has it, and passes it on to one that may just be going to bed.
    [Theory, InlineData(2, false), InlineData(5, false), InlineData(2, true)]
    public void A_token_that_is_passed_on_to_who_goes_to_sleep_is_never_lost(int threads, bool spins)
    {
        const int rounds = 3_000;
        WaitingRoom[] rooms = new WaitingRoom[threads];
        int[] turn = new int[1];
        RunTogether(threads, me => rooms[me] = new WaitingRoom());
        RunTogether(threads, me =>
        {
            for (int round = 0; round < rounds; round++)
            {
                int mine = (round * threads) + me;
                rooms[me].Wait(new Reached(turn, mine), spins);
                Volatile.Write(ref turn[0], mine + 1);
                rooms[(me + 1) % threads].Wake();
            }
        });
        Assert.Equal(rounds * threads, turn[0]);
    }

    // All wait in one room for different moments; who makes time go on wakes all that may be there.
    [Fact]
    public void Everybody_in_one_room_wakes_for_its_own_moment()
    {
        const int threads = 6;
        const int moments = 600;
        WaitingRoom room = new();
        int[] now = new int[1];
        int[] woken = new int[threads];
        RunTogether(threads + 1, me =>
        {
            SeededRandom random = new((ulong)me);
            for (int moment = 1; moment <= moments; moment++)
            {
                if (me == threads)
                {
                    Volatile.Write(ref now[0], moment);
                    room.Wake(threads);
                    Thread.SpinWait(random.Next(400));
                }
                else if (random.Chance(1, 2))
                {
                    room.Wait(new Reached(now, moment), spins: false);
                    woken[me]++;
                }
            }
        });
        Assert.All(woken, count => Assert.True(count > 0));
    }

    // Ringers and waiters in equal numbers: every ring lets one wait through, whoever rings for whom.
    [Theory, InlineData(false), InlineData(true)]
    public void As_many_waits_as_rings_come_through(bool spins)
    {
        const int pairs = 3;
        const int rings = 4_000;
        Bell bell = new();
        RunTogether(2 * pairs, me =>
        {
            SeededRandom random = new((ulong)me);
            for (int i = 0; i < rings; i++)
            {
                if (me < pairs)
                {
                    bell.Wait(spins);
                }
                else
                {
                    int count = Math.Min(rings - i, 1 + random.Next(3));
                    bell.Ring(count);
                    i += count - 1;
                }
            }
        });
        Assert.Equal(0, bell.Rings);
        Assert.False(bell.TryTake());
    }

    private static void RunTogether(int count, Action<int> body)
    {
        Thread[] threads = new Thread[count];
        for (int i = 0; i < count; i++)
        {
            int me = i;
            threads[i] = new Thread(() => body(me)) { IsBackground = true };
            threads[i].Start();
        }

        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join(Patience), "a thread sleeps through its wake-up");
        }
    }

    private readonly struct Reached(int[] now, int moment) : IWaitCondition
    {
        public bool IsTrue => Volatile.Read(ref now[0]) >= moment;
    }
}
