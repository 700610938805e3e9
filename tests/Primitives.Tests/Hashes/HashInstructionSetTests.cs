// Every hash is the same function on every machine: with each instruction set switched off in a process of its own.

namespace ParallelVm.Primitives.Tests.Hashes;

public sealed class HashInstructionSetTests
{
    public static TheoryData<string> Levels => InstructionSets.Levels;

    [Theory, MemberData(nameof(Levels))]
    public void Every_hash_is_the_same_at_every_level_of_instruction_sets(string level) => InstructionSets.ProveEqual("hashes", level);
}
