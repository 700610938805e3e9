// What a sink sees is what ran: every instruction once and in order, gas that adds up to the outcome's, and an outcome that is the
// same with and without it.

using System;
using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class TraceTests
{
    private sealed class Recorder : ITraceSink
    {
        public List<(TraceStep Step, ulong GasAfter, ushort Code, ulong[] Before, ulong[] After)> Steps { get; } = [];

        public List<int> Ends { get; } = [];

        private TraceStep _open;
        private ulong[] _before = [];
        private int _depth = -1;

        public void Enter(int depth, in ProgramId program, VerifiedProgram code, ProgramEntry entry, ReadOnlySpan<ushort> slots)
        {
            Assert.Equal(_depth + 1, depth);
            _depth = depth;
        }

        public void Before(in TraceStep step, ReadOnlySpan<ulong> cells)
        {
            Assert.Equal(_depth, step.Depth);
            _open = step;
            _before = cells.ToArray();
        }

        public void After(in TraceStep step, ReadOnlySpan<ulong> cells, ulong gas, ushort code)
        {
            Assert.Equal(_open, step);
            Steps.Add((step, gas, code, _before, cells.ToArray()));
        }

        public void Leave(ushort code)
        {
            Ends.Add(code);
            _depth--;
        }
    }

    [Fact]
    public void A_sink_sees_every_instruction_once_with_its_gas_operands_and_result()
    {
        byte[] container = new Container
        {
            Code =
            [
                Code.Op(Opcode.Ldi, 0, 3),
                Code.Op(Opcode.Loop, 1),
                Code.Op(Opcode.Mov, 4, 0),
                Code.Op(Opcode.Call, 1, 4),
                Code.Op(Opcode.Mov, 0, 4),
                Code.Op(Opcode.Jnz, 0, 1),
                Code.Op(Opcode.Ldi, 1, 2),
                Code.Op(Opcode.Mgrow, 2, 1),
                Code.Op(Opcode.Div, 3, 1, 0),
                Code.Op(Opcode.Halt),
                Code.Op(Opcode.Subi, 0, 0, 1),
                Code.Op(Opcode.Ret),
            ],
            Functions = [new FunctionHeader(8, 0, 0, 10), new FunctionHeader(4, 1, 1, 2)],
            Entries = [new ContainerEntry(1, 0, 4, [])],
        }.Encode();
        Bench bench = new();
        Message message = bench.Message(Code.Verify(container));
        Recorder recorder = new();
        Outcome watched = bench.Interpreter.Run(message, bench.Records, Bench.Block, recorder);
        Assert.Equal(bench.Run(message), watched);
        Assert.Equal((ushort)TrapCode.DivideByZero, watched.Code);
        Assert.Equal([(int)TrapCode.DivideByZero], recorder.Ends);

        Opcode[] round = [Opcode.Loop, Opcode.Mov, Opcode.Call, Opcode.Subi, Opcode.Ret, Opcode.Mov, Opcode.Jnz];
        Opcode[] expected = [Opcode.Ldi, .. round, .. round, .. round, Opcode.Ldi, Opcode.Mgrow, Opcode.Div];
        Assert.Equal(expected, recorder.Steps.ConvertAll(step => (Opcode)(byte)step.Step.Word));

        ulong gas = message.IntrinsicGas;
        foreach ((TraceStep step, ulong after, _, _, _) in recorder.Steps)
        {
            gas += step.Price + (step.Gas - after);
        }

        Assert.Equal(watched.GasUsed, gas);                     // the last block ends with the instruction that traps
        (TraceStep grow, ulong left, _, ulong[] before, ulong[] cells) = recorder.Steps[^2];
        Assert.Equal(7, grow.Instruction);
        Assert.Equal((2UL, 2 * GasPrices.Launch.Page), (before[1], grow.Gas - left));
        Assert.Equal(0x100_0000UL, cells[2]);
        Assert.Equal((1, 0), (recorder.Steps[4].Step.Function, recorder.Steps[4].Step.Instruction));
        Assert.Equal((3UL, 2UL), (recorder.Steps[4].Before[0], recorder.Steps[4].After[0]));
        Assert.Equal((ushort)TrapCode.DivideByZero, recorder.Steps[^1].Code);
    }
}
