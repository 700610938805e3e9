// What goes in and what stays out; and that nothing is left behind in the scratch of one batch that the next could see.

using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class ParallelGateTests
{
    private static readonly GateLimits Limits = new(Wake: 10_000, GraphPerTransaction: 4, GraphPerAccess: 5);

    [Theory]
    [InlineData(9, false)]                      // 9,990: done before anybody has woken up
    [InlineData(11, true)]
    public void Little_work_stays_out(int txCount, bool expected) =>
        Assert.Equal(expected, new ParallelGate(Limits, 1).MayGain(Independent(txCount, 1, 1_110).View(), 2));

    [Theory]
    [InlineData(64, 600, 2, false)]             // half of 600 is less than 64 keys' 324
    [InlineData(64, 700, 2, true)]
    [InlineData(64, 400, 8, true)]              // eight workers gain seven eighths
    [InlineData(1, 20, 2, true)]
    [InlineData(1, 18, 2, false)]
    public void Keys_that_cost_more_than_the_run_stay_out(int keys, int cost, int workers, bool expected) =>
        Assert.Equal(expected, new ParallelGate(Limits, 1).MayGain(Independent(1_000, keys, (uint)cost).View(), workers));

    [Theory, InlineData(AccessMode.Write, false), InlineData(AccessMode.Read, true), InlineData(AccessMode.Add, true)]
    public void One_key_for_all_stays_out_when_it_is_written(AccessMode mode, bool expected)
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 1_000; tx++)
        {
            shape.Add(100, (0, mode), (tx + 1, AccessMode.Write));
        }

        Assert.Equal(expected, new ParallelGate(Limits, 1).MayGain(shape.View(), 2));
    }

    // Neighbours conflict, but a tenth of the senders could run at any time.
    [Fact]
    public void Senders_in_turn_are_not_taken_for_one_chain()
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 4_000; tx++)
        {
            shape.Add(100, (tx / 400, AccessMode.Write));
        }

        for (ulong salt = 0; salt < 50; salt++)
        {
            Assert.True(new ParallelGate(Limits, salt).MayGain(shape.View(), 2), $"salt {salt}");
        }
    }

    // A share of the batch writes one key, the rest is free: what is clearly parallel gets in, what is clearly serial does not, wherever the sample begins.
    [Theory, InlineData(50, true), InlineData(70, true), InlineData(97, false), InlineData(100, false)]
    public void The_share_of_a_hot_key_decides(int percent, bool expected)
    {
        SeededRandom random = new(7);
        for (ulong salt = 0; salt < 50; salt++)
        {
            BatchShape shape = new();
            for (int tx = 0; tx < 4_000; tx++)
            {
                shape.Add(100, (random.Next(100) < percent ? 0 : tx + 1, AccessMode.Write));
            }

            Assert.True(new ParallelGate(Limits, salt).MayGain(shape.View(), 2) == expected, $"salt {salt}");
        }
    }

    [Theory, InlineData(1), InlineData(2)]
    public void A_gate_that_was_used_decides_like_a_new_one(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ParallelGate used = new(Limits, 3);
        for (int round = 0; round < 300; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 2_000, 1 + random.Next(20));
            bool decided = used.MayGain(shape.View(), 2);
            // the scratch is clean: the sample of a batch with no conflict at all is free
            Assert.True(used.MayGain(Independent(500, 1, 100).View(), 2), $"seed {seed} round {round} {decided}");
        }
    }

    private static BatchShape Independent(int txCount, int keys, uint cost)
    {
        BatchShape shape = new();
        for (int tx = 0; tx < txCount; tx++)
        {
            (int, AccessMode)[] accesses = new (int, AccessMode)[keys];
            for (int k = 0; k < keys; k++)
            {
                accesses[k] = ((tx * keys) + k, AccessMode.Write);
            }

            shape.Add(cost, accesses);
        }

        return shape;
    }
}
