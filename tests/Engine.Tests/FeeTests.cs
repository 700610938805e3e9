// Fees without a hot key: reserved before, settled after, in block order, whatever runs in between.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

public sealed class FeeTests
{
    private static readonly PublicKey Payer = new(new Bytes32(31, 0, 0, 0));
    private static readonly ProgramId Program = new(new Bytes32(11, 0, 0, 1));
    private static readonly LocalKey Key = new(new Bytes32(21, 0, 0, 0));

    [Theory, InlineData(1), InlineData(77)]
    public void Supply_after_a_batch_is_supply_before_less_what_was_burned(int seed)
    {
        using ParallelEngine engine = new(TimeProvider.System, 4) { AlwaysParallel = true };
        World world = new((ulong)seed) { ConservesSupply = true };
        int invalid = 0;
        for (int block = 0; block < 60; block++)
        {
            Message[] batch = world.Draw(40);
            BlockContext context = World.Context((ulong)block);
            BatchResult expected = SerialFictionTests.ExecuteValid(engine, world, ref batch, in context, ref invalid);
            BatchResult result = engine.Execute(batch, in context, world.State, world.Rules, 4);
            SerialFictionTests.AssertEqual(expected, result, $"seed {seed} block {block}");
            MemoryState post = (MemoryState)result.Post;
            Assert.True(World.Supply(world.State) == World.Supply(post) + result.Burned, $"seed {seed} block {block}");
            UInt128 fees = 0;
            ulong gas = 0;
            foreach (Receipt receipt in result.Receipts.Span)
            {
                fees += receipt.Fee;
                gas += receipt.Outcome.GasUsed;
            }

            Assert.Equal(fees, result.Burned + result.Tips);
            Assert.Equal(gas, result.GasUsed);
            Assert.Equal((UInt128)gas * World.BaseFee, result.Burned);
            world.State = post;
        }
    }

    [Fact]
    public void A_failed_transaction_pays_and_leaves_nothing_else()
    {
        using ParallelEngine engine = new(TimeProvider.System, 1);
        World world = new(1);
        Message message = Refusing(world, Payer, 5_000, 5, 1);
        BatchResult result = engine.Execute([message], World.Context(1), world.State, world.Rules, 1);
        Receipt receipt = Assert.Single(result.Receipts.ToArray());
        Assert.Equal(Halt.Revert, receipt.Outcome.Halt);
        Assert.Equal((UInt128)receipt.Outcome.GasUsed * 4, receipt.Fee);           // base fee 3, tip 1, room for 5
        Assert.Equal(2, result.Diff.Entries.Length);                                // payer and treasury
        Assert.Equal(Balance(world, world.State, Payer) - receipt.Fee, Balance(world, result.Post, Payer));
        Assert.Equal((UInt128)receipt.Outcome.GasUsed, Balance(world, result.Post, world.Treasury));
    }

    // The last of a payer's transactions is refused when earlier ones reserved too much, although all of them together would use less.
    [Fact]
    public void Reservations_of_earlier_transactions_count_against_the_balance()
    {
        using ParallelEngine engine = new(TimeProvider.System, 1);
        World world = new(1);
        ulong half = (ulong)(Balance(world, world.State, Payer) / 2 / 4) + 1;
        Message first = Refusing(world, Payer, half, 4, 1);
        Message second = Refusing(world, Payer, half, 4, 1);
        Assert.True(engine.TryExecute([first], World.Context(1), world.State, world.Rules, 1, out _, out _));
        Assert.False(engine.TryExecute([first, second], World.Context(1), world.State, world.Rules, 1, out _, out BatchFault fault));
        Assert.Equal(new TxIndex(1), fault.TxIndex);
        Assert.Equal(RefusalCode.BatchPayerShort, fault.Refusal.Code);
    }

    [Fact]
    public void A_program_sees_the_payers_balance_less_all_reservations_of_the_batch()
    {
        using ParallelEngine engine = new(TimeProvider.System, 2) { AlwaysParallel = true };
        World world = new(1);
        (ProgramId, LocalKey, AccessMode)[] slots =
            [(ProgramId.Native, new LocalKey(Payer.Value), AccessMode.Read), (ProgramId.Native, new LocalKey(Payer.Value), AccessMode.Read)];
        Message tell = world.Make(Program, TestProgram.Tell, World.Arguments(8), slots, Payer, 5_000, 3, 0);
        Message later = Refusing(world, Payer, 5_000, 3, 0);
        UInt128 reserved = ((UInt128)tell.GasLimit + later.GasLimit) * 3;
        foreach (int workers in new[] { 1, 2 })
        {
            BatchResult result = engine.Execute([tell, later], World.Context(1), world.State, world.Rules, workers);
            byte[] expected = World.Arguments((ulong)(Balance(world, world.State, Payer) - reserved));
            Assert.True(result.Receipts.Span[0].Succeeded);
            Assert.True(result.Receipts.Span[0].Output.Span.IndexOf(expected) >= 0);
        }
    }

    [Fact]
    public void A_price_below_the_base_fee_makes_the_batch_invalid()
    {
        using ParallelEngine engine = new(TimeProvider.System, 1);
        World world = new(1);
        Message[] batch = [Refusing(world, Payer, 100, 3, 0), Refusing(world, Payer, 100, 2, 0)];
        Assert.False(engine.TryExecute(batch, World.Context(1), world.State, world.Rules, 1, out _, out BatchFault fault));
        Assert.Equal(new BatchFault(new TxIndex(1), fault.Refusal), fault);
        Assert.Equal(RefusalCode.BatchPriceBelowBaseFee, fault.Refusal.Code);
    }

    [Fact]
    public void A_program_twice_in_the_table_may_not_hide_a_second_mode_for_one_key()
    {
        using ParallelEngine engine = new(TimeProvider.System, 1);
        World world = new(1);
        Message honest = Refusing(world, Payer, 100, 3, 0);
        Assert.True(AccessList.TryCreate([new Access(0, Key, AccessMode.Write), new Access(1, Key, AccessMode.Add)], 2, out AccessList list, out _));
        StateKey key = world.Hashing.KeyOf(Program, Key);
        Message twice = new()
        {
            Id = honest.Id,
            Programs = [Program, Program],
            Program = honest.Program,
            EntryIndex = honest.EntryIndex,
            Arguments = honest.Arguments,
            Accesses = list,
            Keys = [key, key],
            SlotTable = [0, 1],
            Payer = honest.Payer,
            PayerKey = honest.PayerKey,
            Signers = honest.Signers,
            GasLimit = honest.GasLimit,
            IntrinsicGas = honest.IntrinsicGas,
            MaxPrice = honest.MaxPrice,
            Tip = honest.Tip,
        };
        Assert.False(engine.TryExecute([honest, twice], World.Context(1), world.State, world.Rules, 1, out _, out BatchFault fault));
        Assert.Equal(RefusalCode.BatchKeyTwice, fault.Refusal.Code);
    }

    private static Message Refusing(World world, PublicKey payer, ulong gas, ulong maxPrice, ulong tip)
    {
        LocalKey other = new(new Bytes32(21, 0, 0, 1));
        return world.Make(
            Program, TestProgram.Refuse, World.Arguments(7), [(Program, Key, AccessMode.Write), (Program, other, AccessMode.Add)], payer, gas, maxPrice, tip);
    }

    private static UInt128 Balance(World world, IStateView state, PublicKey account)
    {
        byte[] buffer = new byte[StateLimits.MaxRecordBytes];
        int length = state.Read(world.Hashing.KeyOf(ProgramId.Native, new LocalKey(account.Value)), buffer);
        Executor.Record record = new();
        record.Set(buffer.AsSpan(0, Math.Max(0, length)));
        return record.Accumulator;
    }
}
