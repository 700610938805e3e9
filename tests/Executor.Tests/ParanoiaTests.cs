// The checks at run time find what a verifier with a hole would let through: code that was never verified is run, and each broken law
// stops the run. That they find nothing in verified code is what all other tests show, in which the paranoid loop is one of the engines.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class ParanoiaTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);

    // what the verifier would have made of the container, had it not looked
    private static VerifiedProgram Unverified(ulong[] code, AccessMode[] slots, ulong[] constants, byte cells = 16)
    {
        Container container = new()
        {
            Code = code,
            Constants = constants,
            Functions = [new FunctionHeader(cells, 0, 0, (ushort)code.Length)],
            Entries = [new ContainerEntry(1, 0, 4, slots)],
        };
        return new VerifiedProgram(container, [new FunctionFacts()], Bytes32.Zero);
    }

    [Fact]
    public void What_the_verifier_excludes_stops_a_paranoid_run()
    {
        AccessMode[] read = [AccessMode.Read];
        (string Law, ulong[] Code, AccessMode[] Slots)[] cases =
        [
            ("an undefined cell is read", [Code.Op(Opcode.Mov, 0, 1), Halt], []),
            ("a cell beyond the function's", [Code.Op(Opcode.Ldi, 16, 1), Halt], []),
            ("a cell that a loop drops", [Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Loop, 1), Code.Op(Opcode.Mov, 0, 1), Halt], []),
            ("a felt that is a word", [Code.Op(Opcode.Ldis, 0, uint.MaxValue), Code.Op(Opcode.Fneg, 1, 0), Halt], []),
            ("a constant above p as a felt", [Code.Op(Opcode.Ldc, 0, 0), Code.Op(Opcode.Fneg, 1, 0), Halt], []),
            ("a loop that calls a word a felt", [Code.Op(Opcode.Ldis, 0, 1), Code.Op(Opcode.Loop, 1, 0, 1), Halt], []),
            ("a slot that is not there", [Code.Op(Opcode.Sexist, 0, 1), Halt], read),
            ("a write to what is read", [Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Sst8, 0, 0, 0), Halt], read),
            ("bits that must be zero", [Halt | 0x100], []),
            ("an operand out of range", [Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Sext, 0, 0, 64), Halt], []),
        ];
        Bench bench = new(new Interpreter(isParanoid: true));
        foreach ((string law, ulong[] code, AccessMode[] slots) in cases)
        {
            Message message = bench.Message(Unverified(code, slots, [ulong.MaxValue]), slots);
            Assert.True(Throws(() => bench.Run(message)), law);
        }

        // the same bench runs good code on
        Assert.Equal(Executor.Halt.Success, bench.Run(bench.Message(Unverified([Code.Op(Opcode.Ldi, 0, 1), Halt], [], []))).Halt);
    }

    private static bool Throws(Func<Outcome> run)
    {
        try
        {
            run();
            return false;
        }
        catch (InvariantException)
        {
            return true;
        }
    }
}
