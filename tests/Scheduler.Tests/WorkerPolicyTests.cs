// The policy's promises, and the stack against a plain list.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class WorkerPolicyTests
{
    [Theory]
    [InlineData(1_000, 1_000, 64, 1)]           // a serial chain
    [InlineData(1_299, 1_000, 64, 1)]           // little to gain
    [InlineData(1_300, 1_000, 64, 2)]
    [InlineData(10_000, 1_000, 64, 10)]         // more than can be busy are not asked
    [InlineData(10_000, 1_000, 4, 4)]
    [InlineData(0, 0, 4, 1)]
    [InlineData(ulong.MaxValue, 1, 8, 8)]
    public void As_many_workers_as_can_be_busy(ulong work, ulong span, int workers, int expected) =>
        Assert.Equal(expected, WorkerPolicy.WorkersFor(work, span, workers));

    [Fact]
    public void Pieces_are_never_empty_and_a_worker_never_gives_all_away()
    {
        for (int ready = 0; ready < 5_000; ready += 7)
        {
            for (int workers = 2; workers <= 64; workers *= 2)
            {
                Assert.InRange(WorkerPolicy.PieceLength(ready, workers), 1, 16);
            }

            Assert.True(ready == 0 || WorkerPolicy.ShareCount(ready) < ready);
        }
    }

    [Theory, InlineData(1), InlineData(2)]
    public void A_stack_gives_the_newest_to_its_owner_and_the_oldest_to_others(int seed)
    {
        SeededRandom random = new((ulong)seed);
        List<int> twin = [];
        ReadyStack stack = new(new int[20]);
        for (int round = 0; round < 5_000; round++)
        {
            int room = 20 - twin.Count;
            if (random.Chance(1, 2) && room > 0)
            {
                int[] piece = [.. Enumerable.Range(round * 32, 1 + random.Next(Math.Min(room, 5)))];
                stack.PushPiece(piece);
                twin.AddRange(piece.Reverse());
            }
            else if (random.Chance(1, 2) && twin.Count > 0)
            {
                Assert.True(stack.Pop() == twin[^1], $"seed {seed} round {round}");
                twin.RemoveAt(twin.Count - 1);
            }
            else
            {
                int count = random.Next(twin.Count + 1);
                Assert.True(stack.Oldest(count).SequenceEqual(twin.Take(count).ToArray()), $"seed {seed} round {round}");
                stack.DropOldest(count);
                twin.RemoveRange(0, count);
            }

            Assert.Equal(twin.Count, stack.Count);
        }
    }
}
