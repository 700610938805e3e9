// The corners where fees, adds and programs meet in one record, and where the pool is not the engine's alone.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class AdversarialTests
{
    private static readonly ProgramId Program = new(new Bytes32(11, 0, 0, 1));
    private static readonly PublicKey First = new(new Bytes32(31, 0, 0, 0));
    private static readonly PublicKey Second = new(new Bytes32(31, 0, 0, 1));

    // The treasury pays for its own transactions, is declared by others in every mode, and gets the tips.
    [Theory, InlineData(11), InlineData(12)]
    public void A_treasury_that_pays_and_is_declared_gets_its_tips_after_everything_else(int seed)
    {
        using ParallelEngine engine = new(TimeProvider.System, 8) { AlwaysParallel = true };
        World world = new((ulong)seed) { ConservesSupply = true };
        ExecutionRules rules = new() { Hashing = world.Hashing, Treasury = First };
        for (int block = 0; block < 40; block++)
        {
            Message[] batch = world.Draw(40);
            BlockContext context = World.Context((ulong)block);
            BatchResult? expected;
            BatchFault fault;
            while (!engine.TryExecute(batch, in context, world.State, rules, 1, out expected, out fault))
            {
                batch = [.. batch[..fault.TxIndex.Value], .. batch[(fault.TxIndex.Value + 1)..]];
            }

            foreach (int workers in new[] { 2, 8 })
            {
                SerialFictionTests.AssertEqual(expected, engine.Execute(batch, in context, world.State, rules, workers), $"seed {seed} block {block} workers {workers}");
            }

            MemoryState post = (MemoryState)expected.Post;
            Assert.True(World.Supply(world.State) == World.Supply(post) + expected.Burned, $"seed {seed} block {block}");
            world.State = post;
        }
    }

    // The record of a payer disappears while its reservation is out: what comes back makes a new record of exactly that.
    [Fact]
    public void A_payers_record_deleted_during_the_batch_comes_back_as_its_refund()
    {
        using ParallelEngine engine = new(TimeProvider.System, 4) { AlwaysParallel = true };
        World world = new(1);
        Message delete = Native(world, TestProgram.Delete, First, [(First, AccessMode.Write)]);
        Message later = Native(world, TestProgram.Tell, First, [(First, AccessMode.Read), (First, AccessMode.Read)], 0);
        foreach (int workers in new[] { 1, 4 })
        {
            BatchResult result = engine.Execute([delete, later], World.Context(1), world.State, world.Rules, workers);
            UInt128 refund = 0;
            for (int tx = 0; tx < 2; tx++)
            {
                Assert.True(result.Receipts.Span[tx].Succeeded, $"{result.Receipts.Span[tx]}");
                refund += (UInt128)((tx == 0 ? delete : later).GasLimit - result.Receipts.Span[tx].Outcome.GasUsed) * World.BaseFee;
            }

            Assert.Equal(refund, Balance(world, result.Post, First));
            Assert.True(result.Receipts.Span[1].Output.Span.IndexOf(new byte[24]) >= 0);       // it saw no record
        }
    }

    // Adds of zero make a record, failed adds make none, a delete between two groups of adders takes only what was before it.
    [Fact]
    public void Adders_around_a_delete_leave_what_came_after_it()
    {
        using ParallelEngine engine = new(TimeProvider.System, 8) { AlwaysParallel = true };
        World world = new(1);
        LocalKey sum = new(new Bytes32(77, 0, 0, 1));
        LocalKey zero = new(new Bytes32(77, 0, 0, 2));
        LocalKey none = new(new Bytes32(77, 0, 0, 3));
        List<Message> batch = [];
        for (int i = 0; i < 40; i++)
        {
            batch.Add(Call(world, TestProgram.AddTwice, [(sum, AccessMode.Add), (sum, AccessMode.Add)], (ulong)i));
            batch.Add(Call(world, TestProgram.AddTwice, [(zero, AccessMode.Add), (zero, AccessMode.Add)], 0));
            batch.Add(Call(world, TestProgram.Refuse, [(new LocalKey(new Bytes32(78, 0, 0, (ulong)i)), AccessMode.Write), (none, AccessMode.Add)], 5));
            if (i == 19)
            {
                batch.Add(Call(world, TestProgram.Delete, [(sum, AccessMode.Write)]));
            }
        }

        foreach (int workers in new[] { 1, 2, 8 })
        {
            BatchResult result = engine.Execute(batch.ToArray(), World.Context(1), world.State, world.Rules, workers);
            Assert.Equal(2 * (20UL + 39) * 20 / 2, (ulong)Read(world, result.Post, Program, sum, out _));
            Assert.Equal(UInt128.Zero, Read(world, result.Post, Program, zero, out int length));
            Assert.Equal(16, length);
            Read(world, result.Post, Program, none, out length);
            Assert.Equal(-1, length);
        }
    }

    // The engine shares its pool: while others hold the threads, the caller does the whole batch alone, chains and folds included.
    [Fact]
    public void A_batch_that_gets_no_helper_is_finished_by_its_caller()
    {
        using ParallelEngine engine = new(TimeProvider.System, 4) { AlwaysParallel = true };
        World world = new(9);
        int invalid = 0;
        BlockContext context = World.Context(1);
        Message[] batch = world.Draw(200);
        BatchResult expected = SerialFictionTests.ExecuteValid(engine, world, ref batch, in context, ref invalid);
        using ManualResetEventSlim held = new();
        using ManualResetEventSlim release = new();
        Thread holder = new(() => engine.Pool.Run(2, worker =>
        {
            if (worker == 0)
            {
                held.Set();
                release.Wait();
            }
        }));
        holder.Start();
        held.Wait();
        BatchResult alone = engine.Execute(batch, in context, world.State, world.Rules, 4);
        release.Set();
        holder.Join();
        SerialFictionTests.AssertEqual(expected, alone, "no helper");
    }

    [Fact]
    public void Runs_from_many_threads_at_once_each_do_their_own_work_once()
    {
        using WorkerPool pool = new(4);
        int wrong = 0;
        Thread[] callers = new Thread[4];
        for (int i = 0; i < callers.Length; i++)
        {
            callers[i] = new Thread(() =>
            {
                for (int round = 0; round < 400; round++)
                {
                    int[] visits = new int[17];
                    pool.For(visits.Length, 4, item => Interlocked.Increment(ref visits[item]));
                    if (Array.Exists(visits, count => count != 1))
                    {
                        Interlocked.Increment(ref wrong);
                    }
                }
            });
            callers[i].Start();
        }

        foreach (Thread caller in callers)
        {
            caller.Join();
        }

        Assert.Equal(0, wrong);
    }

    private static Message Native(World world, uint selector, PublicKey payer, (PublicKey Account, AccessMode Mode)[] slots, params ulong[] arguments) =>
        world.Make(
            ProgramId.Native,
            selector,
            World.Arguments(arguments),
            Array.ConvertAll(slots, slot => (ProgramId.Native, new LocalKey(slot.Account.Value), slot.Mode)),
            payer,
            5_000,
            World.BaseFee,
            0);

    private static Message Call(World world, uint selector, (LocalKey Key, AccessMode Mode)[] slots, params ulong[] arguments) =>
        world.Make(
            Program, selector, World.Arguments(arguments), Array.ConvertAll(slots, slot => (Program, slot.Key, slot.Mode)), Second, 5_000, World.BaseFee, 0);

    private static UInt128 Balance(World world, IStateView state, PublicKey account) =>
        Read(world, state, ProgramId.Native, new LocalKey(account.Value), out _);

    private static UInt128 Read(World world, IStateView state, ProgramId owner, LocalKey key, out int length)
    {
        byte[] buffer = new byte[StateLimits.MaxRecordBytes];
        length = state.Read(world.Hashing.KeyOf(owner, key), buffer);
        Executor.Record record = new();
        record.Set(buffer.AsSpan(0, Math.Max(0, length)));
        return record.Accumulator;
    }
}
