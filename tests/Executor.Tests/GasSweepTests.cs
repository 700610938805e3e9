// Out of gas at every limit below what a run uses: at the first charge that the limit does not cover, with the whole limit
// used and no trace left; at the use and above it the limit does not show. What to expect at each limit follows from the
// list of charges of one run of the third evaluator.

using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class GasSweepTests
{
    [Fact]
    public void Every_limit_from_nothing_to_the_use_and_one_more_ends_as_the_charges_say()
    {
        const ulong Seed = 7;
        Engines engines = new();
        long runs = 0;
        for (int number = 0; number < 2_000; number++)
        {
            SeededRandom random = RandomCase.Draws(Seed, number);
            Container container = ProgramGenerator.Make(random, isSmall: true);
            VmCase subject = RandomCase.Around(random, container, Code.Verify(container.Encode()), isLimited: false);
            (Verdict full, string? difference) = engines.Judge(subject);
            Assert.True(difference is null, $"seed {Seed} number {number}: {difference}");
            Assert.NotEqual((ushort)TrapCode.OutOfGas, full.Outcome.Code);

            for (ulong limit = 0; limit <= full.Outcome.GasUsed + 1; limit++)
            {
                difference = engines.DifferenceAt(subject, VmCase.WithLimit(subject.Message, limit), full.AtLimit(subject, limit));
                Assert.True(difference is null, $"seed {Seed} number {number}: {difference}");
                runs++;
            }
        }

        Assert.True(runs > 500_000, $"only {runs} limits were tried");
    }

    // The shortcut above is itself checked: the evaluator run at a limit says what the charges of its full run say.
    [Fact]
    public void The_evaluator_itself_ends_at_a_limit_as_its_charges_say()
    {
        for (int number = 0; number < 300; number++)
        {
            SeededRandom random = RandomCase.Draws(8, number);
            Container container = ProgramGenerator.Make(random);
            VmCase subject = RandomCase.Around(random, container, Code.Verify(container.Encode()), isLimited: false);
            Verdict full = BigMachine.Run(subject);
            foreach (Charge charge in full.Charges)
            {
                ulong limit = charge.Total - 1;
                Verdict seen = BigMachine.Run(subject with { Message = VmCase.WithLimit(subject.Message, limit) });
                Assert.Equal(full.AtLimit(subject, limit).Outcome, seen.Outcome);
            }
        }
    }
}
