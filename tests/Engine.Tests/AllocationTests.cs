// Nothing is allocated per transaction but its receipt: a batch four times as long may cost four times the receipts, not more.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class AllocationTests
{
    private const int Small = 256;
    private const int Large = 1_024;
    private const int PerBatch = 4_096;

    [Fact]
    public void The_plain_loop_allocates_receipts_and_a_constant()
    {
        using ParallelEngine engine = new(TimeProvider.System, 1);
        Assert.True(Growth(engine, 1, GC.GetAllocatedBytesForCurrentThread) <= ReceiptBytes + PerBatch);
    }

    // On the caller's thread alone: helpers may allocate when they park, at most once per wait.
    [Fact]
    public void The_parallel_way_allocates_receipts_and_a_constant()
    {
        using ParallelEngine engine = new(TimeProvider.System, 2) { AlwaysParallel = true };
        Assert.True(Growth(engine, 2, GC.GetAllocatedBytesForCurrentThread) <= ReceiptBytes + PerBatch);
    }

    private static long ReceiptBytes => (Large - Small) * (long)System.Runtime.CompilerServices.Unsafe.SizeOf<Receipt>();

    private static long Growth(ParallelEngine engine, int workers, Func<long> allocated)
    {
        World world = new(9);
        Message[] small = Adders(world, Small);
        Message[] large = Adders(world, Large);
        StillState state = new(world.State);
        Measure(engine, large, state, world, workers, allocated);
        Measure(engine, small, state, world, workers, allocated);
        return Measure(engine, large, state, world, workers, allocated) - Measure(engine, small, state, world, workers, allocated);
    }

    private static long Measure(ParallelEngine engine, Message[] batch, IStateView state, World world, int workers, Func<long> allocated)
    {
        long least = long.MaxValue;
        for (int round = 0; round < 8; round++)
        {
            long before = allocated();
            engine.Execute(batch, World.Context(1), state, world.Rules, workers);
            least = Math.Min(least, allocated() - before);
        }

        return least;
    }

    // Every transaction adds to two hot keys: the diff stays small, whatever the length of the batch.
    private static Message[] Adders(World world, int count)
    {
        ProgramId program = new(new Bytes32(11, 0, 0, 1));
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            (ProgramId, LocalKey, AccessMode)[] slots =
                [(program, new LocalKey(new Bytes32(21, 0, 0, 0)), AccessMode.Add), (program, new LocalKey(new Bytes32(21, 0, 0, 1)), AccessMode.Add)];
            batch[i] = world.Make(program, TestProgram.AddTwice, World.Arguments((ulong)i), slots, new PublicKey(new Bytes32(31, 0, 0, 0)), 5_000, 4, 1);
        }

        return batch;
    }

    // Reads of a state, with a root that never changes: the store's own allocations are not the engine's.
    private sealed class StillState(IStateView inner) : IStateView
    {
        public StateRoot Root => inner.Root;

        public int Read(in StateKey key, Span<byte> target) => inner.Read(in key, target);

        public IStateView Apply(StateDiff diff) => this;
    }
}
