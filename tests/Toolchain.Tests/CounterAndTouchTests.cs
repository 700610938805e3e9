using System;
using System.Buffers.Binary;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class CounterAndTouchTests
{
    private static readonly PublicKey Caller = new(new Bytes32(1, 1, 1, 1));

    [Fact]
    public void Both_increments_count_the_same_number()
    {
        ProgramHost host = new(ReferencePrograms.Counter);
        LocalKey counter = Key(1);
        host.Set(counter, BalanceRecord.Encode(ulong.MaxValue - 5));       // the carry into the high word is on the way
        for (int i = 0; i < 20; i++)
        {
            ProgramCall call = i % 2 == 0 ? CounterCalls.Increment(counter) : CounterCalls.IncrementAdd(counter);
            Assert.Equal(Halt.Success, host.Run(call, Caller).Halt);
            Assert.Equal((UInt128)ulong.MaxValue - 4 + (UInt128)i, host.Balance(counter));
        }
    }

    [Fact]
    public void Counter_that_is_missing_starts_at_one_with_16_bytes_in_both_modes()
    {
        ProgramHost host = new(ReferencePrograms.Counter);
        Assert.Equal(Halt.Success, host.Run(CounterCalls.Increment(Key(1)), Caller).Halt);
        Assert.Equal(Halt.Success, host.Run(CounterCalls.IncrementAdd(Key(2)), Caller).Halt);
        Assert.Equal(BalanceRecord.Encode(1), host.Records[Key(1)].Value.ToArray());
        Assert.Equal(BalanceRecord.Encode(1), host.Records[Key(2)].Value.ToArray());
    }

    [Fact]
    public void Counter_at_its_end_traps_when_it_reads_and_wraps_when_it_adds()
    {
        ProgramHost host = new(ReferencePrograms.Counter);
        host.Set(Key(1), BalanceRecord.Encode(UInt128.MaxValue));
        Outcome outcome = host.Run(CounterCalls.Increment(Key(1)), Caller);
        Assert.Equal((Halt.Trap, (ushort)TrapCode.Overflow), (outcome.Halt, outcome.Code));
        Assert.Equal(UInt128.MaxValue, host.Balance(Key(1)));
        Assert.Equal(Halt.Success, host.Run(CounterCalls.IncrementAdd(Key(1)), Caller).Halt);
        Assert.Equal((UInt128)0, host.Balance(Key(1)));
    }

    [Theory]
    [InlineData(0, 0), InlineData(1, 0), InlineData(0, 1), InlineData(2, 3), InlineData(64, 0), InlineData(0, 64)]
    [InlineData(31, 33), InlineData(65, 0), InlineData(200, 200), InlineData(400, 0), InlineData(0, 400), InlineData(256, 256)]
    public void Touch_program_increments_every_record_of_its_shape(int writes, int adds)
    {
        ProgramHost host = new(TouchProgram.Assemble(writes, adds), Container.MaxSlots);
        LocalKey[] writeKeys = new LocalKey[writes];
        LocalKey[] addKeys = new LocalKey[adds];
        for (int i = 0; i < writes + adds; i++)
        {
            LocalKey key = Key((ulong)(((i * 7919) % 1009) + 1));           // not in slot order
            (i < writes ? writeKeys : addKeys)[i < writes ? i : i - writes] = key;
            if (i % 3 != 0)
            {
                host.Set(key, BalanceRecord.Encode((UInt128)i + ((UInt128)5 << 64)));
            }
        }

        Outcome outcome = host.Run(TouchProgram.Call(writeKeys, addKeys), Caller);
        Assert.Equal(Halt.Success, outcome.Halt);
        for (int i = 0; i < writes + adds; i++)
        {
            byte[] value = host.Records[i < writes ? writeKeys[i] : addKeys[i - writes]].Value.ToArray();
            ulong expected = i % 3 != 0 ? (ulong)i + 1 : 1;
            Assert.Equal(expected, BinaryPrimitives.ReadUInt64LittleEndian(value));
        }
    }

    [Fact]
    public void Touch_program_with_one_record_in_all_slots_counts_every_slot()
    {
        ProgramHost host = new(TouchProgram.Assemble(3, 2));
        LocalKey[] same = [Key(1), Key(1), Key(1)];
        Assert.Equal(Halt.Success, host.Run(TouchProgram.Call(same, same.AsSpan(0, 2)), Caller).Halt);
        Assert.Equal((UInt128)5, host.Balance(Key(1)));
    }

    private static LocalKey Key(ulong number) => new(new Bytes32(number, 0, 0, 0));
}
