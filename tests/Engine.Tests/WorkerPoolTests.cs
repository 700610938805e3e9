// The pool: everything once, exceptions on the caller, no hang, no thread left behind in a closed Run.

using System;
using System.Threading;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests;

public sealed class WorkerPoolTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(64)]
    public void For_visits_every_item_once(int workers)
    {
        using WorkerPool pool = new(workers);
        for (int round = 0; round < 50; round++)
        {
            int[] visits = new int[round * 7];
            pool.For(visits.Length, workers, i => Interlocked.Increment(ref visits[i]));
            Assert.All(visits, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void Worker_numbers_are_distinct_and_the_caller_is_worker_0()
    {
        using WorkerPool pool = new(8);
        for (int round = 0; round < 200; round++)
        {
            int[] seen = new int[8];
            int caller = Environment.CurrentManagedThreadId;
            int callerNumber = -1;
            pool.Run(8, worker =>
            {
                Interlocked.Increment(ref seen[worker]);
                if (Environment.CurrentManagedThreadId == caller)
                {
                    callerNumber = worker;
                }
            });
            Assert.Equal(0, callerNumber);
            Assert.All(seen, count => Assert.InRange(count, 0, 1));
        }
    }

    [Fact]
    public void An_exception_of_any_worker_is_thrown_on_the_caller_and_the_pool_lives_on()
    {
        using WorkerPool pool = new(4);
        for (int round = 0; round < 50; round++)
        {
            int bad = round;
            Assert.Throws<InvariantException>(() => pool.For(100, 4, i => Invariant.Require(i != bad)));
            int done = 0;
            pool.For(100, 4, _ => Interlocked.Increment(ref done));
            Assert.Equal(100, done);
        }
    }

    [Fact]
    public void A_run_inside_a_run_is_done_by_its_caller()
    {
        using WorkerPool pool = new(4);
        int done = 0;
        pool.For(10, 4, _ => pool.For(10, 4, _ => Interlocked.Increment(ref done)));
        Assert.Equal(100, done);
    }

    // Two threads ring for each other, so that both wait over and over, spinning or parked.
    [Theory, InlineData(true), InlineData(false)]
    public void Waiting_at_a_bell_allocates_nothing(bool spins)
    {
        const int rounds = 400;
        Bell there = new();
        Bell back = new();
        long grownThere = 0;
        Thread other = new(() => grownThere = GrownBy(() =>
        {
            there.Wait(spins);
            back.Ring();
        }));
        other.Start();
        long grownHere = GrownBy(() =>
        {
            there.Ring();
            back.Wait(spins);
        });
        other.Join();
        Assert.Equal((0, 0), (grownHere, grownThere));

        static long GrownBy(Action turn)
        {
            long before = 0;
            for (int round = 0; round < rounds; round++)
            {
                before = round == rounds / 2 ? GC.GetAllocatedBytesForCurrentThread() : before;
                turn();
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    // A helper that was woken for a Run and comes too late may enter the next one, but not if that wants fewer.
    [Fact]
    public void No_run_is_entered_by_more_helpers_than_it_wants()
    {
        using WorkerPool pool = new(8);
        for (int round = 0; round < 2_000; round++)
        {
            pool.Run(8, _ => { });
            int workers = 1 + (round % 3);
            int highest = 0;
            pool.Run(workers, worker => InterlockedMax(ref highest, worker));
            Assert.InRange(highest, 0, workers - 1);
        }

        static void InterlockedMax(ref int target, int value)
        {
            for (int seen = Volatile.Read(ref target); value > seen;)
            {
                int before = Interlocked.CompareExchange(ref target, value, seen);
                seen = before == seen ? value : before;
            }
        }
    }

    // A message whose entry is outside its program is our own defect (M1..M3 are admission's). It must surface, not hang,
    // and the engine must be right again afterwards.
    [Fact]
    public void A_defect_in_a_worker_surfaces_on_the_caller_and_the_next_batch_is_right()
    {
        using ParallelEngine engine = new(TimeProvider.System, 4) { AlwaysParallel = true };
        World world = new(3);
        int invalid = 0;
        BlockContext context = World.Context(1);
        for (int round = 0; round < 20; round++)
        {
            Message[] good = world.Draw(60);
            BatchResult expected = SerialFictionTests.ExecuteValid(engine, world, ref good, in context, ref invalid);
            Message[] bad = [.. good];
            bad[round * 2] = WithEntry(bad[round * 2], 99);
            Assert.Throws<IndexOutOfRangeException>(() => engine.Execute(bad, World.Context(1), world.State, world.Rules, 4));
            SerialFictionTests.AssertEqual(expected, engine.Execute(good, in context, world.State, world.Rules, 4), $"round {round}");
        }
    }

    private static Message WithEntry(Message message, int entry) => new()
    {
        Id = message.Id,
        Programs = message.Programs,
        Program = message.Program,
        EntryIndex = entry,
        Arguments = message.Arguments,
        Accesses = message.Accesses,
        Keys = message.Keys,
        SlotTable = message.SlotTable,
        Payer = message.Payer,
        PayerKey = message.PayerKey,
        Signers = message.Signers,
        GasLimit = message.GasLimit,
        IntrinsicGas = message.IntrinsicGas,
        MaxPrice = message.MaxPrice,
        Tip = message.Tip,
    };
}
