// Compiled code changes no byte: chains of random blocks give the same receipts, gas, diffs and roots interpreted, compiled, and while
// programs become compiled and are evicted at random points, with 1 and with 8 workers.

using System;
using System.Collections.Generic;
using ParallelVm.Executor;
using ParallelVm.Executor.Jit;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class JitTests
{
    private const int Blocks = 40;

    [Theory, InlineData(1), InlineData(2), InlineData(20261121)]
    public void Chains_are_the_same_interpreted_compiled_and_switching_at_random(int seed)
    {
        World world = new((ulong)seed);
        SeededRandom random = new((ulong)seed + 77);
        HandScheduler hand = new();
        CodeCache switching = new(new CodeCacheOptions { ReentryUses = 20, FailsOnFault = true }, hand, TimeProvider.System);
        using ParallelEngine interpreted = new(TimeProvider.System, 1, salt: 1, JitMode.Off);
        using ParallelEngine compiled = new(TimeProvider.System, 1, salt: 1, JitMode.AtOnce);
        using ParallelEngine wide = new(TimeProvider.System, 8, salt: 2, JitMode.AtOnce) { AlwaysParallel = true };
        using ParallelEngine mixed = new(TimeProvider.System, 8, salt: 3, switching) { AlwaysParallel = true };
        int invalid = 0;
        for (int block = 0; block < Blocks; block++)
        {
            Message[] batch = world.Draw(1 + random.Next(100));
            BlockContext context = World.Context((ulong)block);
            string where = $"seed {seed} block {block}";
            BatchResult expected = SerialFictionTests.ExecuteValid(interpreted, world, ref batch, in context, ref invalid);
            SerialFictionTests.AssertEqual(expected, compiled.Execute(batch, in context, world.State, world.Rules, 1), where + " compiled");
            SerialFictionTests.AssertEqual(expected, wide.Execute(batch, in context, world.State, world.Rules, 8), where + " compiled, 8 workers");
            SerialFictionTests.AssertEqual(expected, mixed.Execute(batch, in context, world.State, world.Rules, 1 + random.Next(8)), where + " switching");
            if (random.Chance(1, 3))
            {
                hand.Drain();
            }

            if (random.Chance(1, 4))
            {
                switching.EvictOldest();
            }

            world.State = (MemoryState)expected.Post;
        }

        Assert.Null(interpreted.Code);
        Assert.True(compiled.Code!.Metrics.Functions > 5 && switching.Metrics.Functions > 5, $"{compiled.Code.Metrics} {switching.Metrics}");
        Assert.True(switching.Metrics.Evicted > 1, $"{switching.Metrics}");
        Assert.Equal(0, compiled.Code.Metrics.Refused[(int)JitRefusal.CompilerFault]);
    }

    // The default: whatever the background threads have done by now, results are those of the interpreter, and Dispose ends them.
    [Fact]
    public void Background_compiles_change_nothing()
    {
        World world = new(3);
        using ParallelEngine interpreted = new(TimeProvider.System, 1, salt: 1, JitMode.Off);
        using ParallelEngine engine = new(TimeProvider.System, 2) { AlwaysParallel = true };
        int invalid = 0;
        for (int block = 0; block < Blocks; block++)
        {
            Message[] batch = world.Draw(30);
            BlockContext context = World.Context((ulong)block);
            BatchResult expected = SerialFictionTests.ExecuteValid(interpreted, world, ref batch, in context, ref invalid);
            SerialFictionTests.AssertEqual(expected, engine.Execute(batch, in context, world.State, world.Rules, 2), $"block {block}");
            world.State = (MemoryState)expected.Post;
        }

        Assert.NotNull(engine.Code);
    }

    private sealed class HandScheduler : IJitScheduler
    {
        private readonly Queue<Action> _waiting = new();

        public bool TrySchedule(Action compile)
        {
            lock (_waiting)
            {
                _waiting.Enqueue(compile);
                return true;
            }
        }

        public void Drain()
        {
            while (_waiting.TryDequeue(out Action? compile))
            {
                compile();
            }
        }
    }
}
