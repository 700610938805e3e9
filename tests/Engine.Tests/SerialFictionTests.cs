// The one promise: for every batch and every worker count, state root, receipts, gas and diff are those of the plain loop.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class SerialFictionTests
{
    private const int BlocksPerSeed = 520;
    private const int BlocksPerState = 20;

    // 10 seeds x 520 blocks; a state is carried over 20 blocks. Every kind of failure has to occur, and often.
    [Fact]
    public void Parallel_equals_serial_on_random_blocks()
    {
        using ParallelEngine serial = new(TimeProvider.System, 1, salt: 1);
        using ParallelEngine parallel = new(TimeProvider.System, 8, salt: 2) { AlwaysParallel = true };
        Dictionary<ushort, int> endings = [];
        int blocks = 0;
        int invalid = 0;
        for (ulong seed = 1; seed <= 10; seed++)
        {
            World world = new(seed);
            SeededRandom sizes = new(seed + 1_000);
            for (int block = 0; block < BlocksPerSeed; block++, blocks++)
            {
                if (block % BlocksPerState == 0)
                {
                    world = new World((seed * 100_000) + (ulong)block);
                }

                Message[] batch = world.Draw(block % 130 == 129 ? 512 : 1 + sizes.Next(64));
                BlockContext context = World.Context((ulong)block);
                string where = $"seed {seed} block {block}";
                BatchResult expected = ExecuteValid(serial, world, ref batch, in context, ref invalid);
                foreach (int workers in new[] { 2, 3, 8 })
                {
                    Assert.True(parallel.TryExecute(batch, in context, world.State, world.Rules, workers, out BatchResult? actual, out BatchFault fault), $"{where}: {fault}");
                    AssertEqual(expected, actual, $"{where} workers {workers}");
                }

                foreach (Receipt receipt in expected.Receipts.Span)
                {
                    ushort ending = receipt.Succeeded ? (ushort)0 : Math.Min(receipt.Outcome.Code, (ushort)TrapCode.UserBase);
                    endings[ending] = endings.GetValueOrDefault(ending) + 1;
                }

                world.State = (MemoryState)expected.Post;
            }
        }

        int total = endings.Values.Sum();
        int failed = total - endings[0];
        string counts = string.Join(", ", endings.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}: {pair.Value}"));
        Assert.True(blocks >= 5_000);
        foreach (ushort kind in new[] { 0, (int)TrapCode.OutOfGas, (int)TrapCode.Overflow, (int)TrapCode.DivideByZero, (int)TrapCode.Schema, (int)TrapCode.BadArgument, (int)TrapCode.UndeclaredAccess, (int)TrapCode.UserBase })
        {
            Assert.True(endings.GetValueOrDefault(kind) > 100, $"kind {kind} is too rare; {counts}");
        }

        Assert.True(failed * 100 >= total * 40, $"{failed} of {total} failed; {counts}");
    }

    [Fact]
    public void Root_is_the_same_with_1_2_7_and_64_workers()
    {
        using ParallelEngine engine = new(TimeProvider.System, 64) { AlwaysParallel = true, MeasuresTransactions = true };
        World world = new(6464);
        int invalid = 0;
        for (int block = 0; block < 12; block++)
        {
            Message[] batch = world.Draw(300);
            BlockContext context = World.Context((ulong)block);
            BatchResult expected = ExecuteValid(engine, world, ref batch, in context, ref invalid);
            foreach (int workers in new[] { 2, 7, 64 })
            {
                BatchResult actual = engine.Execute(batch, in context, world.State, world.Rules, workers);
                AssertEqual(expected, actual, $"block {block} workers {workers}");
                Assert.Equal(workers, actual.Trace.Workers);
                Assert.True(actual.Trace.WorkNs >= actual.Trace.SpanNs && actual.Trace.Width >= 1);
            }

            world.State = (MemoryState)expected.Post;
        }
    }

    [Fact]
    public void A_refused_batch_is_refused_alike_and_changes_nothing()
    {
        using ParallelEngine engine = new(TimeProvider.System, 4) { AlwaysParallel = true };
        World world = new(5);
        Message[] batch = world.Draw(40);
        Message poor = world.Make(
            ProgramId.Native, TestProgram.Refuse, World.Arguments(1), [], new PublicKey(new Bytes32(99, 9, 9, 9)), 10_000, 10, 1);
        batch[17] = poor;
        BlockContext context = World.Context(1);
        foreach (int workers in new[] { 1, 2, 4 })
        {
            Assert.False(engine.TryExecute(batch, in context, world.State, world.Rules, workers, out BatchResult? result, out BatchFault fault));
            Assert.Null(result);
            Assert.Equal(17, fault.TxIndex.Value);
            Assert.Equal(RefusalCode.BatchPayerShort, fault.Refusal.Code);
        }

        Assert.Throws<ArgumentException>(() => engine.Execute(batch, World.Context(1), world.State, world.Rules, 2));
    }

    // Serially; transactions whose payer cannot cover them are taken out, as a builder would.
    internal static BatchResult ExecuteValid(ParallelEngine engine, World world, ref Message[] batch, in BlockContext context, ref int invalid)
    {
        while (true)
        {
            if (engine.TryExecute(batch, in context, world.State, world.Rules, 1, out BatchResult? result, out BatchFault fault))
            {
                return result;
            }

            invalid++;
            int removed = fault.TxIndex.Value;
            batch = [.. batch[..removed], .. batch[(removed + 1)..]];
        }
    }

    internal static void AssertEqual(BatchResult expected, BatchResult actual, string where)
    {
        CanonicalWriter left = new();
        CanonicalWriter right = new();
        Assert.True(expected.Receipts.Length == actual.Receipts.Length, where);
        for (int tx = 0; tx < expected.Receipts.Length; tx++)
        {
            left.Clear();
            right.Clear();
            expected.Receipts.Span[tx].Encode(left);
            actual.Receipts.Span[tx].Encode(right);
            Assert.True(left.Written.SequenceEqual(right.Written), $"{where}: receipt {tx}: {expected.Receipts.Span[tx]} / {actual.Receipts.Span[tx]}");
        }

        Assert.True(expected.Diff.Entries.Length == actual.Diff.Entries.Length, $"{where}: diff length");
        for (int i = 0; i < expected.Diff.Entries.Length; i++)
        {
            DiffEntry one = expected.Diff.Entries[i];
            DiffEntry other = actual.Diff.Entries[i];
            Assert.True(one == other && expected.Diff.ValueOf(one).SequenceEqual(actual.Diff.ValueOf(other)), $"{where}: diff entry {i}");
        }

        Assert.True(expected.Root == actual.Root, $"{where}: root");
        Assert.True(
            expected.GasUsed == actual.GasUsed && expected.Burned == actual.Burned && expected.Tips == actual.Tips, $"{where}: gas and fees");
    }
}
