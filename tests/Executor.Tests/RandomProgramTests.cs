// Programs that are valid by construction: all engines end like the third evaluator, whatever ran on them before.

using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

/// <summary>Half of the programs of a change's tests.</summary>
public sealed class RandomProgramTests
{
    [Fact]
    public void Valid_programs_end_the_same_in_every_engine() => RunMany(20261121, 25_000);

    internal static void RunMany(ulong seed, int programs)
    {
        Engines engines = new();
        HashSet<byte> drawn = [];
        Dictionary<int, int> endings = [];
        for (int number = 0; number < programs; number++)
        {
            SeededRandom random = RandomCase.Draws(seed, number);
            Container container = ProgramGenerator.Make(random, isSmall: number % 4 != 0);
            VmCase subject = RandomCase.Around(random, container, Code.Verify(container.Encode()), isLimited: true);
            (Verdict verdict, string? difference) = engines.Judge(subject);
            Assert.True(difference is null, $"seed {seed} number {number}: {difference}");
            int ending = verdict.Outcome.Halt == Halt.Revert ? (int)TrapCode.UserBase : verdict.Outcome.Code;
            endings[ending] = endings.GetValueOrDefault(ending) + 1;
            foreach (ulong word in container.Code)
            {
                drawn.Add((byte)word);
            }
        }

        Assert.Equal(OpcodeTable.All.Length, drawn.Count);
        Assert.True(endings.GetValueOrDefault(0) > programs / 4 && endings.Count > 10, $"seed {seed}: {string.Join(", ", endings)}");
    }
}

/// <summary>The other half, beside it on another core.</summary>
public sealed class MoreRandomProgramTests
{
    [Fact]
    public void More_valid_programs_end_the_same_in_every_engine() => RandomProgramTests.RunMany(4, 25_000);
}
