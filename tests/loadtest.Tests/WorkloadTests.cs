using System;
using System.Linq;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class WorkloadTests
{
    private static readonly WorkloadShape Shape = new(Seed: 42, Accounts: 64, Pools: 16, WorkloadMix.Default, ConflictPermyriad: 0);

    [Fact]
    public void Load_of_a_height_depends_on_seed_and_height_only()
    {
        Intent[] first = new Workload(Shape).At(new Height(7), 300);
        Workload again = new(Shape);
        again.At(new Height(3), 100);
        Assert.Equal(first, again.At(new Height(7), 300));
        Assert.Equal(first[..100], again.At(new Height(7), 100));
        Assert.NotEqual(first, again.At(new Height(8), 300));
        Assert.NotEqual(first, new Workload(Shape with { Seed = 43 }).At(new Height(7), 300));
    }

    [Fact]
    public void Mix_and_failures_come_out_as_asked()
    {
        Intent[] intents = new Workload(Shape).At(new Height(1), 20_000);
        int failing = intents.Count(intent => intent.Failure != IntentFailure.None);
        int transfers = intents.Count(intent => intent.Failure == IntentFailure.None && intent.Kind == IntentKind.Transfer);
        Assert.InRange(failing, 1_800, 2_200);
        Assert.InRange(transfers, 9_600, 10_400);
        foreach (IntentFailure failure in Enum.GetValues<IntentFailure>())
        {
            Assert.Contains(intents, intent => intent.Failure == failure);
        }

        Assert.All(intents, intent =>
        {
            Assert.InRange(intent.Sender, 0, Shape.Accounts - 1);
            Assert.InRange(intent.Recipient, 0, Shape.Accounts - 1);
            Assert.NotEqual(intent.Sender, intent.Recipient);
            Assert.InRange(intent.Pool, 0, Shape.Pools - 1);
        });
    }

    [Fact]
    public void Pools_are_as_popular_as_one_over_their_rank()
    {
        Intent[] intents = new Workload(Shape).At(new Height(1), 200_000);
        double harmonic = Enumerable.Range(1, Shape.Pools).Sum(rank => 1.0 / rank);
        foreach (int pool in new[] { 0, 1, 3, 15 })
        {
            double expected = intents.Length / harmonic / (pool + 1);
            Assert.InRange(intents.Count(intent => intent.Pool == pool), expected * 0.9, expected * 1.1);
        }
    }

    [Fact]
    public void Full_conflict_sends_everything_to_one_sender_and_one_pool()
    {
        Intent[] intents = new Workload(Shape with { ConflictPermyriad = 10_000 }).At(new Height(1), 1_000);
        Assert.All(intents, intent => Assert.True(intent.Pool == 0 && (intent.Kind == IntentKind.Swap || intent.Sender == 0)));
    }
}
