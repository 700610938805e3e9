// What the journal and the output buffer keep when there is more of it than their first arrays hold, and at their limits.
// Everything is reached through programs, as a transaction would.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class JournalAndOutputTests
{
    private const uint Heap = 0x100_0000;

    private static readonly ulong Halt = Code.Op(Opcode.Halt);
    private static readonly ulong Fail = Code.Op(Opcode.Trap, 0);

    private static AccessMode[] All(AccessMode mode, int count)
    {
        AccessMode[] modes = new AccessMode[count];
        Array.Fill(modes, mode);
        return modes;
    }

    [Theory, InlineData(1), InlineData(16), InlineData(17), InlineData(64)]
    public void A_failure_restores_every_record_however_many_and_however_large(int count)
    {
        List<ulong> code = [Code.Op(Opcode.Ldi, 0, 77)];
        for (uint slot = 0; slot < count; slot++)
        {
            code.Add(Code.Op(Opcode.Sst8, slot, 8, 0));
            code.Add(Code.Op(Opcode.Sst8, slot, 1000, 0));                  // a second write must not save a second image
        }

        code.Add(Fail);
        Bench bench = new();
        Message message = bench.Message(Code.Verify(Code.Single([.. code], All(AccessMode.Write, count))), All(AccessMode.Write, count));
        byte[][] before = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            before[i] = new byte[i * 61 % 4097];
            new SeededRandom((ulong)i).Fill(before[i]);
            if (i % 5 != 4)
            {
                bench.Records[i].Set(before[i]);
            }

            bench.Records[i].IsTouched = i % 3 == 0;
        }

        for (int round = 0; round < 3; round++)                             // the journal is reused: a later run finds no leftovers
        {
            Assert.Equal((ushort)TrapCode.Unreachable, bench.Run(message).Code);
            for (int i = 0; i < count; i++)
            {
                bool existed = i % 5 != 4;
                Assert.Equal(existed, bench.Records[i].Exists);
                Assert.Equal(i % 3 == 0, bench.Records[i].IsTouched);
                Assert.True(bench.Records[i].Value.SequenceEqual(existed ? before[i] : []), $"record {i} of {count}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(16), InlineData(17), InlineData(64)]
    public void Adds_are_summed_per_access_modulo_two_to_the_128_and_never_touch_the_record(int count)
    {
        // cells 0,1: 2^128 - 1; cells 2,3: 5: the sum of the two is 4, and 2^127 and more survive in the high word
        List<ulong> code = [Code.Op(Opcode.Ldis, 0, uint.MaxValue), Code.Op(Opcode.Ldis, 1, uint.MaxValue), Code.Op(Opcode.Ldi, 2, 5), Code.Op(Opcode.Ldi, 3, 9)];
        for (uint slot = 0; slot < count; slot++)
        {
            code.Add(Code.Op(Opcode.Sacc, slot, 0, 0));
        }

        for (uint slot = 0; slot < count; slot += 2)
        {
            code.Add(Code.Op(Opcode.Sacc, slot, 0, 2));
        }

        code.Add(Halt);
        Bench bench = new();
        Message message = bench.Message(Code.Verify(Code.Single([.. code], All(AccessMode.Add, count))), All(AccessMode.Add, count));
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(Executor.Halt.Success, bench.Run(message).Halt);
            Assert.Equal(count, bench.Interpreter.Adds.Length);
            foreach (PendingAdd add in bench.Interpreter.Adds)
            {
                UInt128 expected = add.AccessIndex % 2 == 0 ? new UInt128(9, 4) : UInt128.MaxValue;
                Assert.Equal(expected, add.Amount);
                Assert.False(bench.Records[add.AccessIndex].Exists || bench.Records[add.AccessIndex].IsTouched);
            }
        }
    }

    [Fact]
    public void Output_is_events_then_return_data_in_canonical_form()
    {
        byte[] data = [1, 2, 3, 4, 5, 6, 7, 8];
        VerifiedProgram program = Code.Verify(Code.Single(
            [
                Code.Op(Opcode.Ldi, 0, 0x1000), Code.Op(Opcode.Ldi, 1, 3), Code.Op(Opcode.Ldi, 2, 0x1004), Code.Op(Opcode.Ldi, 3, 0), Code.Op(Opcode.Ldi, 4, 2),
                Code.Op(Opcode.Emit, 0xAABBCCDD, 0, 1), Code.Op(Opcode.Emit, 7, 2, 3), Code.Op(Opcode.Retd, 0, 1), Code.Op(Opcode.Retd, 2, 4), Halt,
            ],
            data: data));
        Bench bench = new();
        bench.Run(bench.Message(program));
        CanonicalWriter expected = new();
        expected.WriteU16(2);
        expected.WriteU32(0xAABBCCDD);
        expected.WriteCounted([1, 2, 3]);
        expected.WriteU32(7);
        expected.WriteCounted([]);
        expected.WriteCounted([5, 6]);                                      // the last RETD counts
        Assert.Equal(expected.ToArray(), bench.Interpreter.Output.ToArray());
    }

    [Theory]
    [InlineData(64, 0, true), InlineData(65, 0, false), InlineData(64, 128, true), InlineData(64, 129, false), InlineData(2, 4096, true), InlineData(3, 4096, false)]
    public void Events_end_at_64_and_at_8_KiB(uint events, uint bytes, bool fits)
    {
        VerifiedProgram program = Code.Verify(Code.Single(
            [
                Code.Op(Opcode.Ldi, 5, 2), Code.Op(Opcode.Mgrow, 0, 5), Code.Op(Opcode.Ldi, 1, bytes), Code.Op(Opcode.Ldi, 2, 0), Code.Op(Opcode.Ldi, 3, events),
                Code.Op(Opcode.Loop, 4), Code.Op(Opcode.Emit, 1, 0, 1), Code.Op(Opcode.Addi, 2, 2, 1), Code.Op(Opcode.Jlt, 2, 3, 5), Halt,
            ]));
        Bench bench = new();
        Outcome outcome = bench.Run(bench.Message(program));
        Assert.Equal(fits ? 0 : (ushort)TrapCode.Limit, outcome.Code);
        Assert.Equal(fits ? 2 + ((int)events * (8 + (int)bytes)) + 4 : 0, bench.Interpreter.Output.Length);
    }

    [Theory, InlineData(1024, true), InlineData(1025, false)]
    public void Return_data_ends_at_1_KiB(uint bytes, bool fits)
    {
        VerifiedProgram program = Code.Verify(Code.Single(
            [Code.Op(Opcode.Ldi, 0, Heap), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Mgrow, 0, 1), Code.Op(Opcode.Ldi, 1, bytes), Code.Op(Opcode.Retd, 0, 1), Halt]));
        Bench bench = new();
        Outcome outcome = bench.Run(bench.Message(program));
        Assert.Equal(fits ? 0 : (ushort)TrapCode.Limit, outcome.Code);
        Assert.Equal(fits ? (int)bytes : 0, bench.Returned().Length);
    }

    [Fact]
    public void A_run_that_says_nothing_has_no_output_even_after_one_that_did()
    {
        VerifiedProgram talks = Code.Verify(Code.Single([Code.Op(Opcode.Ldi, 0, 0x1000), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Retd, 0, 1), Halt], data: [1]));
        VerifiedProgram fails = Code.Verify(Code.Single([Code.Op(Opcode.Ldi, 0, 0x1000), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Retd, 0, 1), Fail], data: [1]));
        VerifiedProgram silent = Code.Verify(Code.Single([Halt]));
        Bench bench = new();
        bench.Run(bench.Message(talks));
        Assert.Equal(7, bench.Interpreter.Output.Length);
        bench.Run(bench.Message(fails));
        Assert.Equal(0, bench.Interpreter.Output.Length);
        bench.Run(bench.Message(talks));
        bench.Run(bench.Message(silent));
        Assert.Equal(0, bench.Interpreter.Output.Length);
    }

    [Fact]
    public void The_intrinsic_charge_is_the_sum_of_its_parts()
    {
        Access[] accesses =
        [
            new(0, Bench.Key(0), AccessMode.Read), new(0, Bench.Key(1), AccessMode.Write), new(0, Bench.Key(2), AccessMode.Add), new(0, Bench.Key(3), AccessMode.Add),
        ];
        Assert.Equal(GasPrices.Launch.Transaction, GasPrices.Launch.Intrinsic(0, 1, []));
        Assert.Equal(
            GasPrices.Launch.Transaction + (100 * GasPrices.Launch.TransactionByte) + (2 * GasPrices.Launch.Signer) + GasPrices.Launch.ReadKey + GasPrices.Launch.WriteKey + (2 * GasPrices.Launch.AddKey),
            GasPrices.Launch.Intrinsic(100, 3, accesses));
        Assert.Equal(0UL, GasPrices.PerWord(0, 7));
        Assert.Equal(7UL, GasPrices.PerWord(1, 7));
        Assert.Equal(7UL, GasPrices.PerWord(32, 7));
        Assert.Equal(14UL, GasPrices.PerWord(33, 7));
    }
}
