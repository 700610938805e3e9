// Nothing is allocated per transaction when results are recycled: a batch four times as long costs the same bytes. Who keeps results
// pays for what is in them, and for nothing else.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class AllocationTests
{
    private const int Small = 256;
    private const int Large = 1_024;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_host_that_recycles_results_allocates_nothing_per_transaction(int workers)
    {
        using ParallelEngine engine = new(TimeProvider.System, workers) { AlwaysParallel = workers > 1 };
        Assert.Equal(0, Growth(engine, workers, Adders, recycles: true));
        Assert.Equal(0, Growth(engine, workers, Loners, recycles: true));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_host_that_keeps_results_pays_for_receipts_outputs_and_changes(int workers)
    {
        using ParallelEngine engine = new(TimeProvider.System, workers) { AlwaysParallel = workers > 1 };
        long receipts = (Large - Small) * (long)Unsafe.SizeOf<Receipt>();
        Assert.Equal(receipts, Growth(engine, workers, Adders, recycles: false));
        long changes = 2 * (Large - Small) * (long)(Unsafe.SizeOf<DiffEntry>() + 16);          // two sums for each transaction
        Assert.Equal(receipts + changes, Growth(engine, workers, Loners, recycles: false));
    }

    // A result that was recycled is the next one's memory, never that of one which is still held.
    [Fact]
    public void A_kept_result_stays_as_it_is_while_others_are_recycled()
    {
        World world = new(10);
        using ParallelEngine engine = new(TimeProvider.System, 1);
        Message[] batch = Loners(world, Small);
        StillState state = new(world.State);
        BatchResult kept = engine.Execute(batch, World.Context(1), state, world.Rules, workers: 1);
        Receipt[] receipts = kept.Receipts.ToArray();
        DiffEntry[] changes = kept.Diff.Entries.ToArray();
        byte[] values = kept.Diff.Values.ToArray();
        for (ulong height = 2; height < 10; height++)
        {
            BatchResult other = engine.Execute(Adders(world, (int)height), World.Context(height), state, world.Rules, workers: 1);
            other.Recycle();
            other.Recycle();
        }

        Assert.Equal(receipts, kept.Receipts.ToArray());
        Assert.Equal(changes, kept.Diff.Entries.ToArray());
        Assert.Equal(values, kept.Diff.Values.ToArray());
    }

    // On the caller's thread alone: other tests run beside this one. Helpers have nothing of their own to allocate for, and do as the caller does.
    private static long Growth(ParallelEngine engine, int workers, Func<World, int, Message[]> draw, bool recycles)
    {
        World world = new(9);
        Message[] small = draw(world, Small);
        Message[] large = draw(world, Large);
        StillState state = new(world.State);
        Measure(engine, large, state, world, workers, recycles);
        Measure(engine, small, state, world, workers, recycles);
        return Measure(engine, large, state, world, workers, recycles) - Measure(engine, small, state, world, workers, recycles);
    }

    private static long Measure(ParallelEngine engine, Message[] batch, IStateView state, World world, int workers, bool recycles)
    {
        long least = long.MaxValue;
        for (int round = 0; round < 16; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            BatchResult result = engine.Execute(batch, World.Context(1), state, world.Rules, workers);
            if (recycles)
            {
                result.Recycle();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    // Every transaction adds to two hot keys: the diff stays small, whatever the length of the batch.
    private static Message[] Adders(World world, int count) => Batch(world, count, _ => 0);

    // Every transaction adds to two keys of its own, which are new: the diff grows with the batch.
    private static Message[] Loners(World world, int count) => Batch(world, count, i => (ulong)i + 1);

    private static Message[] Batch(World world, int count, Func<int, ulong> group)
    {
        ProgramId program = new(new Bytes32(11, 0, 0, 1));
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            (ProgramId, LocalKey, AccessMode)[] slots =
                [(program, new LocalKey(new Bytes32(21, group(i), 0, 0)), AccessMode.Add), (program, new LocalKey(new Bytes32(21, group(i), 0, 1)), AccessMode.Add)];
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
