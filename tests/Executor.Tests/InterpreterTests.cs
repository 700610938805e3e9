// What a run may touch, what it costs, and that a failure leaves no trace.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class InterpreterTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);

    // writes, grows, deletes and adds, with a loop and a variable charge, then ends as told
    private static VerifiedProgram Writer(ulong end) => Code.Verify(Code.Single(
        [
            Code.Op(Opcode.Ldi, 0, 0),
            Code.Op(Opcode.Ldi, 1, 4),
            Code.Op(Opcode.Ldi, 2, 11),
            Code.Op(Opcode.Ldi, 3, 0),
            Code.Op(Opcode.Mgrow, 4, 1),
            Code.Op(Opcode.Loop, 5),
            Code.Op(Opcode.Sst8, 0, 64, 0),
            Code.Op(Opcode.Sst8, 1, 0, 0),
            Code.Op(Opcode.Addi, 0, 0, 1),
            Code.Op(Opcode.Sacc, 3, 0, 2),
            Code.Op(Opcode.Jlt, 0, 1, 5),
            Code.Op(Opcode.Sdel, 2),
            Code.Op(Opcode.Mset, 4, 0, 1),
            end,
        ],
        [AccessMode.Write, AccessMode.Write, AccessMode.Write, AccessMode.Add]));

    private static readonly AccessMode[] WriterModes = [AccessMode.Write, AccessMode.Write, AccessMode.Write, AccessMode.Add];

    private static void Seed(Bench bench)
    {
        bench.Records[0].Set([1, 2, 3, 4, 5]);
        bench.Records[2].Set(new byte[300]);
        bench.Records[2].IsTouched = true;
    }

    private static void AssertUntouched(Bench bench, string what)
    {
        Assert.True(bench.Records[0].Value.SequenceEqual((byte[])[1, 2, 3, 4, 5]) && bench.Records[0].Exists && !bench.Records[0].IsTouched, what);
        Assert.True(!bench.Records[1].Exists && bench.Records[1].Length == 0 && !bench.Records[1].IsTouched, what);
        Assert.True(bench.Records[2].Exists && bench.Records[2].Length == 300 && bench.Records[2].IsTouched, what);
        Assert.True(!bench.Records[3].Exists && !bench.Records[3].IsTouched, what);
        Assert.True(bench.Interpreter.Adds.Length == 0 && bench.Interpreter.Output.Length == 0, what);
    }

    [Fact]
    public void Every_gas_limit_below_what_a_run_uses_ends_out_of_gas_with_the_whole_limit_used_and_no_trace()
    {
        Bench bench = new();
        VerifiedProgram program = Writer(Halt);
        Message message = bench.Message(program, WriterModes);
        Seed(bench);
        Outcome full = bench.Run(message);
        Assert.Equal(Executor.Halt.Success, full.Halt);
        for (ulong limit = 100; limit <= full.GasUsed + 1; limit++)
        {
            message = bench.Message(program, WriterModes, gasLimit: limit);
            Seed(bench);
            Outcome outcome = bench.Run(message);
            if (limit >= full.GasUsed)
            {
                Assert.Equal(full, outcome);
                continue;
            }

            Assert.True(outcome.Code == (ushort)TrapCode.OutOfGas && outcome.GasUsed == limit, $"limit {limit}: {outcome}");
            AssertUntouched(bench, $"limit {limit}");
        }
    }

    [Fact]
    public void Revert_and_trap_restore_bytes_length_existence_and_the_touched_flag()
    {
        foreach ((ulong end, Executor.Halt halt, int code) in new[]
        {
            (Code.Op(Opcode.Abort, 1), Executor.Halt.Revert, 260),
            (Code.Op(Opcode.Trap, 0), Executor.Halt.Trap, (int)TrapCode.Unreachable),
        })
        {
            Bench bench = new();
            Message message = bench.Message(Writer(end), WriterModes);
            Seed(bench);
            Outcome outcome = bench.Run(message);
            Assert.Equal(halt, outcome.Halt);
            Assert.Equal(code, outcome.Code);
            Assert.Equal(13, outcome.Instruction);
            AssertUntouched(bench, halt.ToString());
        }
    }

    [Fact]
    public void Adds_are_summed_per_access_modulo_2_128_and_an_add_under_write_edits_the_record()
    {
        Bench bench = new();
        Message message = bench.Message(Writer(Halt), WriterModes);
        Seed(bench);
        Assert.Equal(Executor.Halt.Success, bench.Run(message).Halt);
        Assert.Equal(new PendingAdd(3, 44), Assert.Single(bench.Interpreter.Adds.ToArray()));
        Assert.False(bench.Records[3].Exists);
        Assert.False(bench.Records[2].Exists);
        Assert.Equal(72, bench.Records[0].Length);
        Assert.Equal(3, bench.Records[1].Value[0]);

        VerifiedProgram adder = Code.Verify(Code.Single(
            [Code.Op(Opcode.Ldis, 0, 0xFFFFFFFF), Code.Op(Opcode.Mov, 1, 0), Code.Op(Opcode.Sacc, 0, 0, 0), Halt], [AccessMode.Add]));
        message = bench.Message(adder, [AccessMode.Write]);
        bench.Records[0].Accumulate(5);
        Assert.Equal(Executor.Halt.Success, bench.Run(message).Halt);
        Assert.Equal((UInt128)4, bench.Records[0].Accumulator);
        Assert.Equal(0, bench.Interpreter.Adds.Length);
    }

    [Fact]
    public void An_undeclared_touch_names_slot_and_mode_before_the_first_instruction()
    {
        Bench bench = new();
        VerifiedProgram program = Code.Verify(Code.Single([Halt], [AccessMode.Read, AccessMode.Write]));
        Outcome missing = bench.Run(bench.Message(program, [AccessMode.Read, AccessMode.Read]));
        Assert.Equal((ushort)TrapCode.UndeclaredAccess, missing.Code);
        Assert.Equal((1, AccessMode.Write, 100UL), (missing.MissingSlot, missing.MissingMode, missing.GasUsed));
        Outcome foreign = bench.Run(bench.Message(program, [AccessMode.Write, AccessMode.Write], owners: [0, 1]));
        Assert.Equal((1, AccessMode.Write), (foreign.MissingSlot, foreign.MissingMode));
        Outcome count = bench.Run(bench.Message(program, [AccessMode.Write], [0]));
        Assert.Equal((ushort)TrapCode.BadArgument, count.Code);
        Assert.Equal(Executor.Halt.Success, bench.Run(bench.Message(program, [AccessMode.Read, AccessMode.Write])).Halt);
    }

    [Fact]
    public void Two_slots_that_name_one_access_see_each_others_writes()
    {
        Bench bench = new();
        VerifiedProgram program = Code.Verify(Code.Single(
            [Code.Op(Opcode.Ldi, 0, 41), Code.Op(Opcode.Sst8, 0, 8, 0), Code.Op(Opcode.Sld8, 1, 1, 8), Code.Op(Opcode.Addi, 1, 1, 1), Code.Op(Opcode.Sst8, 1, 8, 1), Halt],
            [AccessMode.Write, AccessMode.Write]));
        Assert.Equal(Executor.Halt.Success, bench.Run(bench.Message(program, [AccessMode.Write], [0, 0])).Halt);
        Assert.Equal(42, bench.Records[0].Value[8]);
        Assert.Equal(16, bench.Records[0].Length);
    }

    [Fact]
    public void Memory_is_mapped_aligned_and_zero_or_the_run_traps()
    {
        Bench bench = new();
        Outcome Run(Opcode opcode, uint imm, ulong pages = 1, byte[]? data = null, ulong start = 0)
        {
            uint cell = opcode is Opcode.Ldq or Opcode.Stq ? 4u : 3u;
            List<ulong> code = [Code.Op(Opcode.Ldi, 0, (uint)pages), Code.Op(Opcode.Mgrow, 1, 0)];
            for (uint i = 3; i < 8; i++)
            {
                code.Add(Code.Op(Opcode.Ldi, i, 0));
            }

            code.AddRange([Code.Op(Opcode.Ldi, 2, (uint)start), Code.Op(opcode, cell, start == 0 ? 1u : 2u, imm), Code.Op(Opcode.Abort, 3)]);
            return bench.Run(bench.Message(Code.Verify(Code.Single([.. code], data: data))));
        }

        foreach ((Opcode opcode, uint size) in new[]
        {
            (Opcode.Ld1, 1u), (Opcode.Ld2, 2u), (Opcode.Ld4, 4u), (Opcode.Ld8, 8u), (Opcode.Ldq, 32u),
            (Opcode.St1, 1u), (Opcode.St2, 2u), (Opcode.St4, 4u), (Opcode.St8, 8u), (Opcode.Stq, 32u),
        })
        {
            Assert.Equal(256, Run(opcode, 4096 - size).Code);
            Assert.Equal((ushort)TrapCode.MemoryBound, Run(opcode, 4096 - size + Math.Min(size, 8)).Code);
            Assert.Equal((ushort)TrapCode.MemoryBound, Run(opcode, 0, pages: 0).Code);
            if (size > 1)
            {
                Assert.Equal((ushort)TrapCode.Align, Run(opcode, 1).Code);
            }
        }

        byte[] data = [9, 0, 0, 0, 0, 0, 0, 0];
        Assert.Equal(265, Run(Opcode.Ld8, 0, data: data, start: 0x1000).Code);
        Assert.Equal((ushort)TrapCode.MemoryBound, Run(Opcode.Ld8, 8, data: data, start: 0x1000).Code);
        Assert.Equal((ushort)TrapCode.MemoryBound, Run(Opcode.St8, 0, data: data, start: 0x1000).Code);
        Assert.Equal((ushort)TrapCode.Limit, Run(Opcode.Ld8, 0, pages: 5).Code);
    }

    [Fact]
    public void A_page_is_zero_again_in_the_next_run()
    {
        Bench bench = new();
        VerifiedProgram program = Code.Verify(Code.Single(
            [Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Mgrow, 1, 0), Code.Op(Opcode.Ld8, 2, 1, 64), Code.Op(Opcode.St8, 0, 1, 64), Code.Op(Opcode.Abort, 2)]));
        Assert.Equal(256, bench.Run(bench.Message(program)).Code);
        Assert.Equal(256, bench.Run(bench.Message(program)).Code);
    }

    [Fact]
    public void Quads_of_keys_callers_digests_and_arguments_are_the_memory_image_of_the_32_bytes()
    {
        Bench bench = new();
        (ulong Word, Bytes32 Expected)[] cases =
        [
            (Code.Op(Opcode.Caller, 4), Bench.Sequence(0x80)),
            (Code.Op(Opcode.Self, 4), Bench.Sequence(0xA0)),
            (Code.Op(Opcode.Chain, 4), Bench.Sequence(0x40)),
            (Code.Op(Opcode.Signer, 4, 1), Bench.Sequence(0xC0)),
            (Code.Op(Opcode.Skey, 4, 0), Bench.Key(0).Value),
            (Code.Op(Opcode.Sown, 4, 0), Bench.Sequence(0xB0)),
            (Code.Op(Opcode.Argq, 4, 0), Bench.Sequence(0x11)),
            (Code.Op(Opcode.Sldq, 4, 0, 0), Bench.Sequence(0x22)),
            (Code.Op(Opcode.Blake3, 4, 1, 3), Primitives.Blake3.Hash([])),
            (Code.Op(Opcode.Keccak, 4, 1, 3), Primitives.Keccak256.Hash([])),
            (Code.Op(Opcode.Sha256, 4, 1, 3), Primitives.Sha256.Hash([])),
        ];
        foreach ((ulong word, Bytes32 expected) in cases)
        {
            VerifiedProgram program = Code.Verify(Code.Single(
                [
                    Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Mgrow, 1, 0), Code.Op(Opcode.Ldi, 2, 32), Code.Op(Opcode.Ldi, 3, 0), word,
                    Code.Op(Opcode.Stq, 4, 1, 0), Code.Op(Opcode.Retd, 1, 2), Halt,
                ],
                [AccessMode.Read]));
            Message message = bench.Message(program, [AccessMode.Read], arguments: Bench.Sequence(0x11).ToArray(), owners: [1]);
            bench.Records[0].Set(Bench.Sequence(0x22).ToArray());
            Assert.Equal(Executor.Halt.Success, bench.Run(message).Halt);
            Assert.Equal(expected, Bytes32.From(bench.Returned()));
        }
    }

    [Fact]
    public void A_run_allocates_nothing_once_warm()
    {
        Bench bench = new();
        Message message = bench.Message(Writer(Code.Op(Opcode.Abort, 1)), WriterModes);
        Seed(bench);
        for (int i = 0; i < 200; i++)
        {
            bench.Run(message);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            bench.Run(message);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // The charge word holds 32 bits: the dearest instruction, as often as a function may hold it, still fits.
    [Fact]
    public void The_largest_basic_block_is_charged_in_full()
    {
        ulong[] code = new ulong[Container.MaxFunctionLength];
        OpcodeInfo dearest = OpcodeTable.Get(Opcode.Edver);
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            Assert.True(info.Gas <= dearest.Gas, info.Mnemonic);
        }

        Array.Fill(code, Code.Op(Opcode.Edver, 4, 1));
        (code[0], code[1], code[^1]) = (Code.Op(Opcode.Ldi, 0, 0), Code.Op(Opcode.Ldi, 1, 0x1000), Halt);
        Bench bench = new();
        VerifiedProgram program = Code.Verify(Code.Single(code, data: new byte[128]));
        ulong used = 100 + 2 + ((ulong)(code.Length - 3) * dearest.Gas);
        Assert.Equal(Executor.Halt.Success, bench.Run(bench.Message(program, gasLimit: used)).Halt);
        Assert.Equal((ushort)TrapCode.OutOfGas, bench.Run(bench.Message(program, gasLimit: used - 1)).Code);
    }
}
