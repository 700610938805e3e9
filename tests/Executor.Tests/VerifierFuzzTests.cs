// The verifier on bytes from outside: it accepts or refuses with one sentence, and never throws. What it accepts runs, and
// ends in every engine like the third evaluator, whose cells start as zeros: a read of a cell that was never written
// would show what earlier runs left in an engine's frames.

using System;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class VerifierFuzzTests
{
    [Fact]
    public void Random_bytes_are_accepted_or_refused() => Throw(11, 200_000, HostileContainers.Noise, least: 3_000);

    [Fact]
    public void Mutants_of_valid_programs_are_accepted_or_refused() => Throw(12, 50_000, HostileContainers.Mutant, least: 10_000);

    private static void Throw(ulong seed, int inputs, Func<SeededRandom, byte[]> make, int least)
    {
        Engines engines = new(dearEvery: 4);
        int accepted = 0;
        for (int number = 0; number < inputs; number++)
        {
            SeededRandom random = RandomCase.Draws(seed, number);
            byte[] bytes = make(random);
            bool isAccepted;
            VerifiedProgram? program;
            Refusal refusal;
            try
            {
                isAccepted = Verifier.TryVerify(bytes, VerifierLimits.Default, out program, out refusal);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"seed {seed} number {number}: the verifier threw on {Convert.ToHexString(bytes)}", exception);
            }

            if (!isAccepted)
            {
                Assert.True(refusal.IsRefused && refusal.Sentence.Length > 0, $"seed {seed} number {number}");
                continue;
            }

            accepted++;
            Assert.True(Container.TryDecode(bytes, out Container container, out _) && container.Encode().AsSpan().SequenceEqual(bytes));
            VmCase subject = RandomCase.Around(random, container, program!, isLimited: true);
            subject = subject with { Message = VmCase.WithLimit(subject.Message, Math.Min(subject.Message.GasLimit, 5_000)) };
            string? difference = engines.Judge(subject).Difference;
            Assert.True(difference is null, $"seed {seed} number {number}: {difference}");
        }

        Assert.True(accepted > least, $"only {accepted} of {inputs} were accepted: the test no longer reaches the engines");
    }
}
