// Compiled code where the random programs of the judge do not look for sure: shapes that are hard to compile, addresses around the heap's
// ends, calls that lay windows over windows, what is refused, and that a first run compiles nothing.

using System;
using System.Collections.Generic;
using System.Runtime;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Jit;
using ParallelVm.Loadtest.Benches;

namespace ParallelVm.Executor.Tests.Jit;

public sealed class JitCodeTests
{
    private static readonly AccessMode[] Write = [AccessMode.Write];

    private static CodeCache Cache() => new(new CodeCacheOptions { FailsOnFault = true }, new JitAtOnce(), TimeProvider.System);

    private static JitRefusal Admit(VerifiedProgram program, JitCaps caps)
    {
        return JitAdmission.Check(program.CodeFor(ForkRules.Launch), 0, caps);
    }

    // Every shape at the largest size that is admitted, run at a hundred gas limits up to its end.
    [Fact]
    public void Shapes_that_are_hard_to_compile_run_like_the_interpreter_at_every_limit()
    {
        foreach (string shape in JitShapes.Names)
        {
            for (ulong seed = 1; seed <= 2; seed++)
            {
                int instructions = JitCaps.Default.MaxInstructions;
                VerifiedProgram program;
                do
                {
                    program = Code.Verify(JitShapes.Draw(shape, seed, instructions, 128, 48).Encode());
                    instructions -= 16;
                }
                while (Admit(program, JitCaps.Default) != JitRefusal.None);

                CodeCache cache = Cache();
                Bench compiled = new(new Interpreter(cache));
                Bench interpreted = new();
                ulong used = AssertEqual(interpreted, compiled, program, 1_000_000, $"{shape} {seed}").GasUsed;
                ulong step = Math.Max(1, (used - 100) / 100);
                for (ulong limit = 100; limit <= used; limit += step)
                {
                    AssertEqual(interpreted, compiled, program, limit, $"{shape} {seed} limit {limit}");
                }

                AssertEqual(interpreted, compiled, program, used - 1, $"{shape} {seed} just short");
                Assert.Equal(1, cache.Metrics.Compiled);
            }
        }
    }

    // Addresses around page ends, the heap's ends and wrap-around, by every size, with immediates below, at and beyond the heap's address.
    [Fact]
    public void Loads_and_stores_reach_exactly_what_the_interpreter_reaches()
    {
        const ulong heap = MachineMemory.HeapAddress;
        uint[] offsets = [0, 1, 4, 8, 4096, (uint)heap - 1, (uint)heap, (uint)heap + 1, (uint)heap + 8, uint.MaxValue - 7, uint.MaxValue];
        Opcode[] opcodes =
            [Opcode.Ld1, Opcode.Ld2, Opcode.Ld4, Opcode.Ld8, Opcode.Ldq, Opcode.St1, Opcode.St2, Opcode.St4, Opcode.St8, Opcode.Stq];
        List<ulong> bases = [0, 0x0FFF, 0x1000, 0x1001, 0x1007, 0x1008, 0x100F, uint.MaxValue, 1UL << 32, ulong.MaxValue, ulong.MaxValue - 7, 1UL << 63];
        for (int delta = -33; delta <= 9; delta++)
        {
            bases.Add(unchecked(heap + (ulong)delta));
            bases.Add(unchecked(heap + 8192 + (ulong)delta));
            bases.Add(unchecked(heap - heap - 8 + (ulong)delta));           // with an immediate of the heap's address or beyond
        }

        Bench interpreted = new();
        Bench compiled = new(new Interpreter(Cache()));
        int traps = 0;
        int runs = 0;
        foreach (Opcode opcode in opcodes)
        {
            foreach (uint offset in offsets)
            {
                VerifiedProgram program = Code.Verify(Code.Single(
                    [
                        Code.Op(Opcode.Ldi, 8, 2),
                        Code.Op(Opcode.Mgrow, 9, 8),
                        Code.Op(Opcode.Ldis, 0, unchecked((uint)-5)),
                        Code.Op(Opcode.Ldi, 1, 77),
                        Code.Op(Opcode.Mov2, 2, 0),
                        Code.Op(Opcode.Arg, 10, 0),
                        Code.Op(opcode, 0, 10, offset),
                        Code.Op(Opcode.Ld8, 12, 9, 0),
                        Code.Op(Opcode.Ld8, 13, 9, 8),
                        Code.Op(Opcode.Sst8, 0, 0, 0),
                        Code.Op(Opcode.Sst8, 0, 8, 12),
                        Code.Op(Opcode.Sst8, 0, 16, 13),
                        Code.Op(Opcode.Halt),
                    ],
                    Write, data: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));
                foreach (ulong address in bases)
                {
                    Outcome outcome = AssertEqual(
                        interpreted, compiled, program, 100_000, $"{opcode} [{address:x} + {offset:x}]", BitConverter.GetBytes(unchecked(address - (offset > heap ? offset : 0))));
                    traps += outcome.Halt == Halt.Trap ? 1 : 0;
                    runs++;
                }
            }
        }

        Assert.InRange(runs - traps, 1_000, runs / 2);
    }

    // A chain of functions, each with a window in the middle of its caller's cells, ending in every way at every depth.
    [Theory, InlineData(Opcode.Ret), InlineData(Opcode.Halt), InlineData(Opcode.Abort), InlineData(Opcode.Trap)]
    public void Ends_inside_calls_are_the_same_at_every_depth(Opcode end)
    {
        for (int depth = 0; depth < 6; depth++)
        {
            List<ulong> code = [];
            List<FunctionHeader> functions = [];
            for (int function = 0; function <= depth; function++)
            {
                int start = code.Count;
                code.Add(Code.Op(Opcode.Addi, 1, 0, (uint)function + 1));
                if (function == 0)
                {
                    code[^1] = Code.Op(Opcode.Ldi, 1, 40);
                }

                code.Add(Code.Op(Opcode.Addi, 5, 1, 3));
                if (function < depth)
                {
                    code.Add(Code.Op(Opcode.Call, (uint)function + 1, 5));
                    code.Add(Code.Op(Opcode.Add, 0, 1, 5));         // a cell below the window and a result
                }
                else
                {
                    code.Add(Code.Op(Opcode.Mov, 0, 5));
                    code.Add(end switch { Opcode.Abort => Code.Op(end, 0), Opcode.Trap => Code.Op(end, 9), _ => Code.Op(end) });
                }

                if (function < depth)
                {
                    code.Add(function == 0 ? Code.Op(Opcode.Sst8, 0, 0, 0) : Code.Op(Opcode.Nop));
                    code.Add(Code.Op(Opcode.Ret));
                }

                functions.Add(new FunctionHeader(6, (byte)(function == 0 ? 0 : 1), (byte)(function == 0 ? 0 : 1), (ushort)(code.Count - start)));
            }

            VerifiedProgram program = Code.Verify(new Container
            {
                Code = [.. code],
                Functions = [.. functions],
                Entries = [new ContainerEntry(1, 0, 0, Write)],
            }.Encode());
            Bench interpreted = new();
            Bench compiled = new(new Interpreter(Cache()));
            ulong used = AssertEqual(interpreted, compiled, program, 1_000_000, $"depth {depth}").GasUsed;
            for (ulong limit = 100; limit < used; limit++)
            {
                AssertEqual(interpreted, compiled, program, limit, $"depth {depth} limit {limit}");
            }
        }
    }

    // The .NET compiler counts what it compiles on a thread: the first run of a compiled program must not add to it.
    [Fact]
    public void The_first_run_of_a_compiled_program_compiles_nothing()
    {
        CodeCache cache = Cache();
        Bench bench = new(new Interpreter(cache));
        VerifiedProgram warm = Code.Verify(JitShapes.Draw("calls", 1, 128, 128, 48).Encode());
        VerifiedProgram program = Code.Verify(JitShapes.Draw("calls", 2, 128, 128, 48).Encode());
        for (int i = 0; i < 200; i++)
        {
            RunOn(bench, warm, 1_000_000);                  // every method of the machine itself is compiled, in its last tier too
        }

        cache.Request(program, ForkRules.Launch);
        Assert.Equal(2, cache.Metrics.Compiled);
        Message message = bench.Message(program, Write, gasLimit: 1_000_000);
        long before = JitInfo.GetCompiledMethodCount(currentThread: true);
        Outcome outcome = bench.Run(message);
        long after = JitInfo.GetCompiledMethodCount(currentThread: true);
        Assert.Equal((Halt.Success, 0L), (outcome.Halt, after - before));
    }

    [Fact]
    public void A_run_of_compiled_code_allocates_nothing()
    {
        Bench bench = new(new Interpreter(Cache()));
        VerifiedProgram program = Code.Verify(JitShapes.Draw("operations", 1, 200, 128, 48).Encode());
        Message message = bench.Message(program, Write, gasLimit: 1_000_000);
        long least = long.MaxValue;
        for (int i = 0; i < 50; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            bench.Run(message);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void Each_cap_refuses_by_its_name_at_one_more_than_it_allows()
    {
        VerifiedProgram straight = Code.Verify(JitShapes.Draw("masks", 1, 200, 64, 40).Encode());
        VerifiedProgram loops = Code.Verify(JitShapes.Draw("loops", 1, 200, 64, 40).Encode());
        LoadedCode code = loops.CodeFor(ForkRules.Launch);
        (int length, int blocks, int depth) = loops.Functions[0];
        int words = code.WordsOf(0).Length;
        int live = JitAdmission.LiveCells(code, 0);
        int weight = JitAdmission.Weight(code, 0);
        Assert.Equal(words, length + blocks);
        Assert.Equal(6, depth);
        Assert.InRange(live, 38, 40);
        Assert.Equal(0, straight.Functions[0].LoopDepth);
        JitCaps exact = new(length, blocks, depth, live, weight, words);
        Assert.Equal(JitRefusal.None, Admit(loops, exact));
        Assert.Equal(JitRefusal.TooManyInstructions, Admit(loops, exact with { MaxInstructions = length - 1 }));
        Assert.Equal(JitRefusal.TooManyBlocks, Admit(loops, exact with { MaxBlocks = blocks - 1 }));
        Assert.Equal(JitRefusal.LoopsTooDeep, Admit(loops, exact with { MaxLoopDepth = depth - 1 }));
        Assert.Equal(JitRefusal.TooManyLiveCells, Admit(loops, exact with { MaxLiveCells = live - 1 }));
        Assert.Equal(JitRefusal.TooHeavy, Admit(loops, exact with { MaxWeight = weight - 1 }));
        Assert.Equal(1, CompiledProgram.Compile(code, exact).Count);
        CompiledProgram refused = CompiledProgram.Compile(code, exact with { MaxProgramInstructions = words - 1 });
        Assert.Equal((0, JitRefusal.ProgramTooLarge, (CompiledFunction?)null), (refused.Count, refused.RefusalOf(0), refused.Find(0)));
    }

    // Live cells by definition: a cell is live where some path reads it before it writes it.
    [Fact]
    public void Live_cells_are_an_upper_bound_that_ignores_what_is_never_read_again()
    {
        ulong[] code = new ulong[101];
        for (uint i = 0; i < 100; i++)
        {
            code[i] = Code.Op(Opcode.Ldi, i, i);            // a hundred cells, none of which is read
        }

        code[100] = Code.Op(Opcode.Halt);
        LoadedCode dead = Code.Verify(Code.Single(code)).CodeFor(ForkRules.Launch);
        Assert.Equal(1, JitAdmission.LiveCells(dead, 0));
        LoadedCode sum = Code.Verify(Code.Single(
            [Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Ldi, 2, 1), Code.Op(Opcode.Add, 3, 0, 1), Code.Op(Opcode.Add, 4, 3, 2), Code.Op(Opcode.Abort, 4)]))
            .CodeFor(ForkRules.Launch);
        Assert.Equal(3, JitAdmission.LiveCells(sum, 0));
    }

    // A caller of a refused function is refused with it; an entry beside it is compiled.
    [Fact]
    public void What_reaches_a_refused_function_is_interpreted_and_the_rest_is_compiled()
    {
        ulong[] big = new ulong[600];
        Array.Fill(big, Code.Op(Opcode.Nop));
        big[^1] = Code.Op(Opcode.Ret);
        VerifiedProgram program = Code.Verify(new Container
        {
            Code = [Code.Op(Opcode.Call, 2, 0), Code.Op(Opcode.Halt), Code.Op(Opcode.Halt), .. big],
            Functions = [new FunctionHeader(1, 0, 0, 2), new FunctionHeader(1, 0, 0, 1), new FunctionHeader(1, 0, 0, 600)],
            Entries = [new ContainerEntry(1, 0, 0, []), new ContainerEntry(2, 1, 0, [])],
        }.Encode());
        CompiledProgram compiled = CompiledProgram.Compile(program.CodeFor(ForkRules.Launch), JitCaps.Default);
        Assert.Equal(JitRefusal.TooManyInstructions, compiled.RefusalOf(0));
        Assert.Null(compiled.Find(0));
        Assert.NotNull(compiled.Find(1));
        Bench bench = new(new Interpreter(Cache()));
        Assert.Equal(Halt.Success, bench.Run(bench.Message(program)).Halt);
    }

    private static Outcome AssertEqual(Bench interpreted, Bench compiled, VerifiedProgram program, ulong limit, string where, byte[]? arguments = null)
    {
        Outcome expected = RunOn(interpreted, program, limit, arguments);
        Outcome actual = RunOn(compiled, program, limit, arguments);
        if (expected != actual || !interpreted.Records[0].Value.SequenceEqual(compiled.Records[0].Value))
        {
            Assert.Fail($"{where}: {actual}, expected {expected}");
        }

        return expected;
    }

    private static Outcome RunOn(Bench bench, VerifiedProgram program, ulong limit, byte[]? arguments = null)
    {
        Message message = bench.Message(program, Write, arguments: arguments, gasLimit: limit);
        bench.Records[0].Set([3, 1, 4, 1, 5, 9, 2, 6]);
        return bench.Run(message);
    }
}
