// Random valid programs, run again and again: no exception, the same answer every time whatever ran before on the same
// interpreter, and out of gas exactly below what a run uses.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class RandomProgramTests
{
    private const int SweepMax = 6_000;

    private static readonly AccessMode[] Modes = [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add];
    private static readonly ushort[] Slots = [0, 1, 2, 3, 0];           // slots 0 and 4 are one record
    private static readonly byte[] Arguments = [.. "arguments of a random call: forty-eight bytes..."u8];

    [Theory, InlineData(1), InlineData(2), InlineData(20261121)]
    public void Valid_programs_give_one_answer_and_run_out_of_gas_exactly_below_what_they_use(int seed)
    {
        SeededRandom random = new((ulong)seed);
        Bench worn = new();
        HashSet<byte> drawn = [];
        Dictionary<int, int> endings = [];
        for (int round = 0; round < 120; round++)
        {
            string where = $"seed {seed} round {round}";
            Container container = ProgramGenerator.Make(random);
            drawn.UnionWith(Array.ConvertAll(container.Code, word => (byte)word));
            VerifiedProgram program = Code.Verify(container.Encode());
            Bench fresh = new();
            Outcome full = Run(fresh, program, 100_000_000);
            string effects = Effects(fresh);
            Assert.True(full == Run(worn, program, 100_000_000) && effects == Effects(worn), where);
            int ending = full.Halt == Halt.Revert ? (int)TrapCode.UserBase : full.Code;
            endings[ending] = endings.GetValueOrDefault(ending) + 1;
            Assert.True(ending != (int)TrapCode.OutOfGas, $"{where}: {full}");

            ulong step = Math.Max(1, (full.GasUsed - 100) / SweepMax);
            for (ulong limit = 100; limit < full.GasUsed; limit += step)
            {
                AssertOutOfGas(worn, program, limit, where);
            }

            AssertOutOfGas(worn, program, full.GasUsed - 1, where);
            for (ulong limit = full.GasUsed; limit <= full.GasUsed + 1; limit++)
            {
                Assert.True(full == Run(worn, program, limit) && effects == Effects(worn), $"{where} limit {limit}");
            }
        }

        Assert.InRange(drawn.Count, OpcodeTable.All.Length - 5, OpcodeTable.All.Length);
        Assert.True(endings.GetValueOrDefault(0) > 40 && endings.Count > 5, $"seed {seed}: {string.Join(", ", endings)}");
    }

    // Whatever a mutation makes of a program: refused, or it runs to an end and what frames held before does not show. Half of the
    // mutations show another cell at the entry's end, so that the verifier has to know which cells are defined there.
    [Theory, InlineData(3), InlineData(4)]
    public void Mutants_of_valid_programs_are_refused_or_give_one_answer(int seed)
    {
        SeededRandom random = new((ulong)seed);
        Bench ones = new();
        Bench twos = new();
        int accepted = 0;
        for (int round = 0; round < 6_000; round++)
        {
            Container container = ProgramGenerator.Make(random);
            if (random.Chance(1, 2))
            {
                int shown = container.Functions[0].Length - 2 - random.Next(ProgramGenerator.Shown);
                container.Code[shown] = OpcodeTable.Get(Opcode.Sst8).Operands[2].Write(container.Code[shown], (uint)random.Next(ProgramGenerator.Cells));
            }
            else
            {
                ref ulong word = ref container.Code[random.Next(container.Code.Length)];
                int field = 8 * random.Next(8);
                word = (word & ~(0xFFUL << field)) | ((ulong)random.Next(random.Chance(1, 2) ? 256 : 40) << field);
            }

            if (!Verifier.TryVerify(container.Encode(), VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal))
            {
                Assert.True(refusal.IsRefused);
                continue;
            }

            accepted++;
            Run(ones, Smear(1), 1_000);
            Run(twos, Smear(2), 1_000);
            Outcome outcome = Run(ones, program, 30_000);
            Assert.True(outcome.GasUsed <= 30_000, $"seed {seed} round {round}");
            Assert.True(outcome == Run(twos, program, 30_000) && Effects(ones) == Effects(twos), $"seed {seed} round {round}");
        }

        Assert.True(accepted > 1_000, $"only {accepted} mutants were accepted");
    }

    // leaves one number in every cell of the first frame
    private static VerifiedProgram Smear(uint number)
    {
        ulong[] code = new ulong[129];
        for (uint cell = 0; cell < 128; cell++)
        {
            code[cell] = Code.Op(Opcode.Ldi, cell, number);
        }

        code[128] = Code.Op(Opcode.Halt);
        return Code.Verify(Code.Single(code, ProgramGenerator.SlotModes));
    }

    private static void AssertOutOfGas(Bench bench, VerifiedProgram program, ulong limit, string where)
    {
        Outcome outcome = Run(bench, program, limit);
        Assert.True(outcome.Halt == Halt.Trap && outcome.Code == (ushort)TrapCode.OutOfGas && outcome.GasUsed == limit, $"{where} limit {limit}: {outcome}");
        bool isUntouched = bench.Records[0].Value.SequenceEqual("a record of some length, longer than a field"u8)
            && bench.Records[1] is { Exists: false, Length: 0 } && bench.Records[2].Length == 20 && bench.Records[3] is { Exists: false, Length: 0 };
        foreach (Record record in bench.Records)
        {
            isUntouched &= !record.IsTouched;
        }

        Assert.True(isUntouched && bench.Interpreter.Adds.IsEmpty && bench.Interpreter.Output.IsEmpty, $"{where} limit {limit}: a trace is left");
    }

    private static Outcome Run(Bench bench, VerifiedProgram program, ulong gasLimit)
    {
        Message message = bench.Message(program, Modes, Slots, Arguments, gasLimit);
        bench.Records[0].Set("a record of some length, longer than a field"u8);
        bench.Records[2].Set(new byte[20]);
        return bench.Run(message);
    }

    private static string Effects(Bench bench)
    {
        List<string> parts = [Convert.ToHexString(bench.Interpreter.Output), string.Join(" ", bench.Interpreter.Adds.ToArray())];
        foreach (Record record in bench.Records)
        {
            parts.Add($"{record.Exists} {record.IsTouched} {Convert.ToHexString(record.Value)}");
        }

        return string.Join("\n", parts);
    }
}
