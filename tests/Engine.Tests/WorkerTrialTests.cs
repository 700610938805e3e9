using System;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests;

// A machine on which all workers take `wide` nanoseconds a unit of gas and one takes `alone`, with noise.
public class WorkerTrialTests
{
    private const int Workers = 8;
    private const ulong Gas = 1_000_000;

    [Theory, InlineData(1UL), InlineData(2UL), InlineData(3UL)]
    public void The_faster_way_is_kept_but_for_looks_whatever_comes_and_goes(ulong seed)
    {
        SeededRandom random = new(seed);
        WorkerTrial trial = new();
        for (int period = 0; period < 20; period++)
        {
            bool isCrowded = period % 2 != 0;
            (int wide, int alone) = isCrowded ? (1_600, 1_000) : (600, 1_000);
            int wrong = 0;
            int late = 0;
            const int Batches = 600;
            for (int i = 0; i < Batches; i++)
            {
                bool isAlone = trial.Choose(Workers) == 1;
                if (isAlone != isCrowded)
                {
                    wrong++;
                    late += i >= Batches / 2 ? 1 : 0;
                }

                trial.Report(Gas, (isAlone ? alone : wide) * (900 + random.Next(200)));
            }

            Assert.True(wrong <= 200, $"seed {seed} period {period}: {wrong} of {Batches} batches went the slower way");
            Assert.True(late <= 3 * WorkerTrial.LookBatches, $"seed {seed} period {period}: {late} late ones");
        }
    }

    [Fact]
    public void A_crowd_that_makes_all_workers_slower_is_noticed_long_before_the_next_look()
    {
        WorkerTrial trial = new();
        int looked = 0;
        for (int i = 0; i < 2_000; i++)
        {
            looked += trial.Choose(Workers) == 1 ? 1 : 0;
            trial.Report(Gas, trial.Choose(Workers) == 1 ? 1_000_000 : 600_000);
        }

        Assert.InRange(looked, 1, 2_000 * WorkerTrial.LookBatches / WorkerTrial.LookAfterMax + (4 * WorkerTrial.LookBatches));
        int until = 0;
        for (bool isLast = false; !isLast; until++)
        {
            int alone = 0;
            for (int i = 0; i < WorkerTrial.LookBatches + 1; i++)
            {
                bool isAlone = trial.Choose(Workers) == 1;
                alone += isAlone ? 1 : 0;
                trial.Report(Gas, isAlone ? 1_000_000 : 1_600_000);
            }

            isLast = alone == WorkerTrial.LookBatches + 1;
            Assert.True(until < 20, "it goes on as before");
        }
    }

    [Fact]
    public void Ways_that_are_alike_are_not_changed()
    {
        WorkerTrial trial = new();
        int alone = 0;
        for (int i = 0; i < 10_000; i++)
        {
            alone += trial.Choose(Workers) == 1 ? 1 : 0;
            trial.Report(Gas, trial.Choose(Workers) == 1 ? 980_000 : 1_000_000);
        }

        Assert.True(alone < 10_000 / 25, $"{alone} batches alone");
    }

    [Theory, InlineData(0), InlineData(99_999)]
    public void What_takes_no_time_says_nothing(long ns)
    {
        WorkerTrial trial = new();
        for (int i = 0; i < 1_000; i++)
        {
            Assert.Equal(Workers, trial.Choose(Workers));
            trial.Report(Gas, ns);
            trial.Report(0, 1_000_000);
        }
    }

    [Fact]
    public void A_narrow_pool_calls_nobody()
    {
        using WorkerPool pool = new(4);
        pool.Width = 1;
        int thread = Environment.CurrentManagedThreadId;
        for (int i = 0; i < 100; i++)
        {
            pool.For(64, 4, _ => Assert.Equal(thread, Environment.CurrentManagedThreadId));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Width = 0);
    }
}
