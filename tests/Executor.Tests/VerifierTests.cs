// What the verifier accepts and refuses, law by law. VerifierFuzzTests throws bytes at it.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class VerifierTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);

    // a loop, a call, state, memory, output: something for every check
    private static byte[] Rich() => new Container
    {
        Constants = [7, ulong.MaxValue],
        Data = [1, 2, 3, 4, 5, 6, 7, 8],
        Functions = [new FunctionHeader(16, 0, 0, 12), new FunctionHeader(4, 1, 1, 2)],
        Code =
        [
            Code.Op(Opcode.Ldi, 0, 0),
            Code.Op(Opcode.Ldi, 1, 5),
            Code.Op(Opcode.Loop, 2),
            Code.Op(Opcode.Mov, 8, 0),
            Code.Op(Opcode.Call, 1, 8),
            Code.Op(Opcode.Sst8, 1, 8, 8),
            Code.Op(Opcode.Sld8, 2, 0, 16),
            Code.Op(Opcode.Addi, 0, 0, 1),
            Code.Op(Opcode.Jlt, 0, 1, 2),
            Code.Op(Opcode.Mov2, 4, 0),
            Code.Op(Opcode.Sacc, 2, 0, 4),
            Halt,
            Code.Op(Opcode.Addi, 0, 0, 3),
            Code.Op(Opcode.Ret),
        ],
        Entries = [new ContainerEntry(9, 0, 2, [AccessMode.Read, AccessMode.Write, AccessMode.Add])],
    }.Encode();

    [Fact]
    public void Containers_re_encode_to_the_same_bytes_and_are_refused_at_every_shorter_length()
    {
        byte[] bytes = Rich();
        Assert.True(Container.TryDecode(bytes, out Container container, out Refusal refusal), refusal.ToString());
        Assert.Equal(bytes, container.Encode());
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.False(Container.TryDecode(bytes.AsSpan(0, length), out _, out refusal), $"length {length}");
            Assert.True(refusal.IsRefused);
        }

        Assert.False(Container.TryDecode([.. bytes, 0], out _, out refusal));
        Assert.Equal(RefusalCode.TrailingBytes, refusal.Code);
    }

    [Fact]
    public void Each_broken_law_is_refused_with_its_own_code()
    {
        (RefusalCode Expected, byte[] Container)[] cases =
        [
            (RefusalCode.UnknownOpcode, Code.Single([0xFF, Halt])),
            (RefusalCode.UnknownOpcode, Code.Single([0xFE, Halt])),
            (RefusalCode.ReservedBits, Code.Single([Halt | 0x100])),
            (RefusalCode.OperandOutOfRange, Code.Single([Code.Op(Opcode.Ldi, 4, 0), Halt], cells: 4)),
            (RefusalCode.OperandOutOfRange, Code.Single([Code.Op(Opcode.Caller, 2), Halt])),
            (RefusalCode.OperandOutOfRange, Code.Single([Code.Op(Opcode.Ldc, 0, 0), Halt])),
            (RefusalCode.OperandOutOfRange, Code.Single([Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Sst8, 0, 4, 0), Halt], [AccessMode.Write])),
            (RefusalCode.OperandOutOfRange, Code.Single([Code.Op(Opcode.Trap, 1)])),
            (RefusalCode.BadTarget, Code.Single([Code.Op(Opcode.Jmp, 1)])),
            (RefusalCode.BadTarget, Code.Single([Code.Op(Opcode.Nop), Code.Op(Opcode.Jmp, 0)])),
            (RefusalCode.FallsOff, Code.Single([Code.Op(Opcode.Nop)])),
            (RefusalCode.UnreachableCode, Code.Single([Halt, Halt])),
            (RefusalCode.UndefinedCell, Code.Single([Code.Op(Opcode.Mov, 0, 1), Halt])),
            (RefusalCode.UndefinedCell, Code.Single([Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Jz, 0, 3), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Mov, 2, 1), Halt])),
            (RefusalCode.BadLoop, Code.Single([Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Jz, 0, 3), Code.Op(Opcode.Loop, 1), Code.Op(Opcode.Nop), Code.Op(Opcode.Jnz, 0, 2), Halt])),
            (RefusalCode.RecursiveCall, new Container
            {
                Functions = [new FunctionHeader(0, 0, 0, 2)],
                Code = [Code.Op(Opcode.Call, 0, 0), Halt],
                Entries = [new ContainerEntry(1, 0, 0, [])],
            }.Encode()),
            (RefusalCode.SlotNotAllowed, Code.Single([Code.Op(Opcode.Sld8, 0, 1, 0), Halt], [AccessMode.Read])),
            (RefusalCode.SlotNotAllowed, Code.Single([Code.Op(Opcode.Sld8, 0, 0, 0), Halt], [AccessMode.Add])),
            (RefusalCode.SlotNotAllowed, Code.Single([Code.Op(Opcode.Sdel, 0), Halt], [AccessMode.Read])),
            (RefusalCode.TooManySlots, Code.Single([Halt], new AccessMode[65])),
            (RefusalCode.TooManyPages, Code.Single([Halt], pages: 257)),
        ];
        for (int i = 0; i < cases.Length; i++)
        {
            Assert.True(cases[i].Expected == Code.RefusalOf(cases[i].Container), $"case {i}: {Code.RefusalOf(cases[i].Container)}, not {cases[i].Expected}");
        }
    }

    [Fact]
    public void A_slot_used_by_a_callee_counts_for_the_entry()
    {
        Container container = new()
        {
            Functions = [new FunctionHeader(4, 0, 0, 2), new FunctionHeader(4, 0, 0, 2)],
            Code = [Code.Op(Opcode.Call, 1, 0), Halt, Code.Op(Opcode.Sdel, 0), Code.Op(Opcode.Ret)],
            Entries = [new ContainerEntry(1, 0, 0, [AccessMode.Read])],
        };
        Assert.Equal(RefusalCode.SlotNotAllowed, Code.RefusalOf(container.Encode()));
    }

    // Lengths are charged up to 1 MiB, so a network with generous limits must not map more.
    [Fact]
    public void No_limits_allow_more_memory_than_lengths_are_charged_for()
    {
        VerifierLimits generous = new(64, 1_000);
        Assert.True(Verifier.TryVerify(Code.Single([Halt], pages: VerifierLimits.MaxMemoryPages), generous, out _, out Refusal refusal), refusal.ToString());
        Assert.False(Verifier.TryVerify(Code.Single([Halt], pages: VerifierLimits.MaxMemoryPages + 1), generous, out _, out refusal));
        Assert.Equal(RefusalCode.TooManyPages, refusal.Code);
    }

    // One rule at a time: the code is accepted, and with one word replaced it needs a cell that the rule leaves undefined.
    [Fact]
    public void Cells_are_defined_only_as_far_as_calls_loops_and_returns_say()
    {
        ulong nop = Code.Op(Opcode.Nop);
        ulong ret = Code.Op(Opcode.Ret);
        ulong zero = Code.Op(Opcode.Ldi, 0, 7);
        ulong one = Code.Op(Opcode.Ldi, 1, 7);
        ulong call = Code.Op(Opcode.Call, 1, 0);
        ulong use = Code.Op(Opcode.Mov, 2, 1);
        ulong back = Code.Op(Opcode.Jz, 0, 2);
        (string Rule, ulong[] Code, ulong[] Callee, byte Args, byte Rets, int At, ulong Word)[] cases =
        [
            ("beyond a call's results", [one, call, nop, Halt], [zero, ret], 0, 1, 2, use),
            ("an argument", [zero, call, Halt], [ret], 1, 0, 0, nop),
            ("a result", [Halt], [zero, ret], 0, 1, 1, nop),
            ("beyond a loop's live cells", [one, zero, Code.Op(Opcode.Loop, 1), nop, back, Halt], [ret], 0, 0, 3, use),
            ("live on the way in", [one, zero, Code.Op(Opcode.Loop, 2), back, Halt], [ret], 0, 0, 0, nop),
            ("live on the way back", [one, zero, Code.Op(Opcode.Loop, 2), nop, back, Halt], [ret], 0, 0, 3, Code.Op(Opcode.Call, 1, 1)),
        ];
        foreach ((string rule, ulong[] code, ulong[] callee, byte args, byte rets, int at, ulong word) in cases)
        {
            ulong[] all = [.. code, .. callee];
            Container container = new()
            {
                Functions = [new FunctionHeader(4, 0, 0, (ushort)code.Length), new FunctionHeader(4, args, rets, (ushort)callee.Length)],
                Code = all,
                Entries = [new ContainerEntry(1, 0, 0, [])],
            };
            Code.Verify(container.Encode());
            all[at] = word;
            Assert.True(Code.RefusalOf(container.Encode()) == RefusalCode.UndefinedCell, rule);
        }
    }

    // 64 activations and 4096 cells are accepted, and the run reaches the last of them; one more of either is refused.
    [Theory, InlineData(64, 64), InlineData(32, 128)]
    public void The_deepest_nest_of_calls_runs_and_one_deeper_is_refused(int activations, int cells)
    {
        byte[] Nest(int functions)
        {
            FunctionHeader[] headers = new FunctionHeader[functions];
            ulong[] code = new ulong[3 * functions];
            for (int i = 0; i < functions; i++)
            {
                headers[i] = new FunctionHeader((byte)cells, 0, 0, 3);
                code[3 * i] = Code.Op(Opcode.Ldi, (uint)cells - 1, (uint)i);
                code[(3 * i) + 1] = i + 1 < functions ? Code.Op(Opcode.Call, (uint)i + 1, (uint)cells) : Code.Op(Opcode.Nop);
                code[(3 * i) + 2] = i + 1 < functions ? Code.Op(Opcode.Ret) : Code.Op(Opcode.Abort, (uint)cells - 1);
            }

            return new Container { Functions = headers, Code = code, Entries = [new ContainerEntry(1, 0, 0, [])] }.Encode();
        }

        Bench bench = new();
        Outcome outcome = bench.Run(bench.Message(Code.Verify(Nest(activations))));
        Assert.Equal((256 + activations - 1, activations - 1, 2), (outcome.Code, outcome.Function, outcome.Instruction));
        Assert.Equal(RefusalCode.CallTooDeep, Code.RefusalOf(Nest(activations + 1)));
    }

    [Fact]
    public void Six_loops_nest_a_seventh_is_refused_and_so_are_loops_that_overlap()
    {
        byte[] Loops(int depth, bool overlap = false)
        {
            ulong[] code = new ulong[1 + (2 * depth) + 1];
            code[0] = Code.Op(Opcode.Ldi, 0, 0);
            for (int i = 0; i < depth; i++)
            {
                code[1 + i] = Code.Op(Opcode.Loop, 1);
                code[1 + depth + i] = Code.Op(Opcode.Jnz, 0, (uint)(overlap ? 1 + i : depth - i));
            }

            code[^1] = Halt;
            return Code.Single(code);
        }

        Bench bench = new();
        Assert.Equal(100UL + 1 + (6 * 3), bench.Run(bench.Message(Code.Verify(Loops(6)))).GasUsed);
        Assert.Equal(RefusalCode.BadLoop, Code.RefusalOf(Loops(7)));
        Assert.Equal(RefusalCode.BadLoop, Code.RefusalOf(Loops(2, overlap: true)));
    }
}
