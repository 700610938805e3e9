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
