// The laws of forks, on a fictitious fork 1: an opcode byte keeps its meaning, new bytes come, old ones retire for new code only,
// and a new price holds for old code from the first block of the fork.

using System;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class ForkTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);

    // fork 0 without MULHI; fork 1 adds it, retires MIN, and makes WADD and hashing dearer
    private static readonly ForkRules Zero = ForkRules.First(Without(Opcode.Mulhi), GasPrices.Launch);

    private static readonly ForkRules One = Zero.Next(
        added: [Opcode.Mulhi], retired: [Opcode.Min], repriced: [(Opcode.Wadd, 50)], prices: GasPrices.Launch with { KeccakWord = 500 });

    private static readonly ForkSchedule Forks = new(Zero, One);

    private static OpcodeInfo[] Without(Opcode opcode) => Array.FindAll(OpcodeTable.All.ToArray(), info => info.Opcode != opcode);

    private static byte[] Program(ushort fork, params ulong[] code) => new Container
    {
        Fork = fork,
        Code = [.. code, Halt],
        Data = new byte[64],
        Functions = [new FunctionHeader(8, 0, 0, (ushort)(code.Length + 1))],
        Entries = [new ContainerEntry(1, 0, 0, [])],
    }.Encode();

    private static RefusalCode Verify(byte[] container, ForkRules rules, out VerifiedProgram? program)
    {
        Verifier.TryVerify(container, VerifierLimits.Default, rules, out program, out Refusal refusal);
        return refusal.Code;
    }

    private static Outcome Run(VerifiedProgram program, uint fork)
    {
        Bench bench = new();
        return bench.Interpreter.Run(bench.Message(program), bench.Records, Bench.Block with { Fork = fork, Forks = Forks });
    }

    [Fact]
    public void New_code_may_hold_what_its_fork_allows_and_is_verified_for_the_active_fork()
    {
        byte[] mulhi = Program(0, Code.Op(Opcode.Ldi, 0, 7), Code.Op(Opcode.Mulhi, 1, 0, 0));
        byte[] mulhi1 = Program(1, Code.Op(Opcode.Ldi, 0, 7), Code.Op(Opcode.Mulhi, 1, 0, 0));
        byte[] min = Program(0, Code.Op(Opcode.Ldi, 0, 7), Code.Op(Opcode.Min, 1, 0, 0));
        byte[] min1 = Program(1, Code.Op(Opcode.Ldi, 0, 7), Code.Op(Opcode.Min, 1, 0, 0));
        Assert.Equal(RefusalCode.UnknownOpcode, Verify(mulhi, Zero, out _));
        Assert.Equal(RefusalCode.None, Verify(mulhi1, One, out _));
        Assert.Equal(RefusalCode.None, Verify(min, Zero, out _));
        Assert.Equal(RefusalCode.UnknownOpcode, Verify(min1, One, out _));
        Assert.Equal(RefusalCode.UnknownFork, Verify(min, One, out _));
        Assert.Equal(RefusalCode.UnknownFork, Verify(mulhi1, Zero, out _));
    }

    [Fact]
    public void Old_code_runs_on_with_one_meaning_at_the_prices_of_the_blocks_fork()
    {
        byte[] container = Program(
            0,
            Code.Op(Opcode.Ldi, 0, 7),
            Code.Op(Opcode.Min, 1, 0, 0),
            Code.Op(Opcode.Wadd, 2, 0, 1),
            Code.Op(Opcode.Ldi, 3, 0x1000),
            Code.Op(Opcode.Ldi, 0, 64),
            Code.Op(Opcode.Keccak, 4, 3, 0));
        Assert.Equal(RefusalCode.None, Verify(container, Zero, out VerifiedProgram? program));
        Outcome before = Run(program!, 0);
        Outcome after = Run(program!, 1);
        Outcome again = Run(program!, 0);
        Assert.Equal(Executor.Halt.Success, before.Halt);
        Assert.Equal(before, again);
        ulong more = 49 + (2 * (500 - GasPrices.Launch.KeccakWord));
        Assert.Equal(before with { GasUsed = before.GasUsed + more }, after);
    }

    [Fact]
    public void Verified_again_under_its_own_fork_code_gets_the_answer_it_got_when_it_was_deployed()
    {
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            if (info.Operands.Length > 0 || info.Flow != Flow.Next)
            {
                continue;
            }

            byte[] container = Program(0, Code.Op(info.Opcode));
            Assert.Equal(Verify(container, Zero, out _), Verify(container, Forks[0], out _));
        }

        Assert.Throws<InvariantException>(() => Forks[2]);
    }

    [Fact]
    public void A_fork_that_would_break_old_code_or_make_work_free_cannot_be_made()
    {
        Assert.Throws<ArgumentException>(() => Zero.Next(added: [Opcode.Add]));
        Assert.Throws<ArgumentException>(() => Zero.Next(added: [(Opcode)0xFF]));
        Assert.Throws<ArgumentException>(() => One.Next(retired: [Opcode.Min]));
        Assert.Throws<ArgumentException>(() => Zero.Next(retired: [Opcode.Mulhi]));
        Assert.Throws<ArgumentException>(() => Zero.Next(repriced: [(Opcode.Mulhi, 3)]));
        Assert.Throws<ArgumentException>(() => Zero.Next(repriced: [(Opcode.Add, 0)]));
        Assert.Throws<ArgumentException>(() => new ForkSchedule(Zero, Zero));
        ForkRules two = One.Next();
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            byte opcode = (byte)info.Opcode;
            Assert.True(!Zero.Knows(opcode) || One.Knows(opcode), info.Mnemonic);               // K1
            Assert.Equal(One.Allows(opcode), two.Allows(opcode));
            Assert.Equal(One.GasOf(info.Opcode), two.GasOf(info.Opcode));
        }
    }
}
