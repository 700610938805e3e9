// The engine's own code under schedules that a seed or a search chooses, on one thread.

using ParallelVm.Engine.Tests.Controlled;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests;

public sealed class ControlledScheduleTests
{
    private const int Blocks = 20_000;
    private const int DelayedBlocks = 300;

    // All 4,096 shapes, all schedules. Three workers: ./build.sh sim schedules
    [Theory, InlineData(1), InlineData(3)]
    public void No_schedule_of_three_transactions_and_two_workers_breaks_the_order(int chainCostMax)
    {
        ScheduleSearch search = new((ulong)chainCostMax);
        for (int shape = 0; shape < ScheduleSearch.Shapes; shape++)
        {
            try
            {
                search.Search(shape);
            }
            catch (InvariantException broken)
            {
                Assert.Fail($"shape {shape} cut {chainCostMax} schedule {search.Found}: {broken.Message}");
            }
        }

        Assert.True(search.States > 400_000 && search.Ends > ScheduleSearch.Shapes, $"{search.States} states, {search.Ends} ends");
    }

    // A search that cannot fail proves nothing: a graph of another batch lets transactions run that should wait.
    [Fact]
    public void The_search_finds_a_graph_that_lets_a_conflict_through()
    {
        ScheduleSearch search = new(1) { GraphShape = 0 };
        const int bothWriteOneKey = 2 | (2 << 4);
        Assert.Throws<InvariantException>(() => search.Search(bothWriteOneKey));
        string schedule = search.Found;
        Assert.Throws<InvariantException>(() => search.Replay(bothWriteOneKey, schedule));
    }

    // Every block at every width, half of the schedules by coin flips and half by priorities. Threads: SerialFictionTests.
    [Fact]
    public void Twenty_thousand_blocks_equal_the_plain_loop_at_every_width()
    {
        using BlockTrial trial = new();
        for (ulong block = 0; block < Blocks; block++)
        {
            trial.RunControlled(block);
        }

        Assert.True(trial.Steps > Blocks * 100L, $"{trial.Steps} steps");
    }

    // Real threads, each held up at random before a step: the orders that an idle machine rarely shows.
    [Fact]
    public void Delays_at_every_hand_off_change_nothing()
    {
        using BlockTrial trial = new();
        for (ulong block = 0; block < DelayedBlocks; block++)
        {
            trial.RunDelayed(block);
        }
    }
}
