// The verifier on control flow made to hurt it: what has to be accepted is, and time grows like length.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed partial class AdversarialProgramsTests
{
    private const int ThreadCpuTime = 3;            // CLOCK_THREAD_CPUTIME_ID

    [Theory, InlineData(1024), InlineData(10_000), InlineData(65_536)]
    public void All_are_accepted_but_the_late_refusal(int instructions)
    {
        foreach ((string name, byte[] container) in AdversarialPrograms.Corpus(instructions))
        {
            bool accepted = Verifier.TryVerify(container, VerifierLimits.Default, out _, out Refusal refusal);
            Assert.True(accepted == (name != "lateRefusal"), $"{name} at {instructions}: {refusal}");
        }
    }

    // 16 times the code in at most 48 times the time; a square would take 256 times. What counts is this thread's time on a core, not the
    // clock's; the best of repeated runs are compared, until they fit or a busy machine has had chances enough.
    [Fact]
    public void Time_grows_like_length()
    {
        var small = AdversarialPrograms.Corpus(Container.MaxInstructions / 16);
        var large = AdversarialPrograms.Corpus(Container.MaxInstructions);
        for (int i = 0; i < small.Count; i++)
        {
            (TimeSpan shorter, TimeSpan longer) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
            for (int run = 0; run < 60 && (run < 3 || longer > shorter * 48); run++)
            {
                shorter = Min(shorter, Time(small[i].Container));
                longer = Min(longer, Time(large[i].Container));
            }

            Assert.True(longer <= shorter * 48, $"{large[i].Name}: {shorter.TotalMilliseconds:F2} ms for a sixteenth, {longer.TotalMilliseconds:F2} ms for the whole");
        }
    }

    private static TimeSpan Time(byte[] container)
    {
        TimeSpan start = OnCore();
        Verifier.TryVerify(container, VerifierLimits.Default, out _, out _);
        return OnCore() - start;
    }

    private static TimeSpan OnCore() =>
        OperatingSystem.IsLinux() && ClockGetTime(ThreadCpuTime, out Timespec at) == 0
            ? new TimeSpan((at.Seconds * TimeSpan.TicksPerSecond) + (at.Nanoseconds / TimeSpan.NanosecondsPerTick))
            : Stopwatch.GetElapsedTime(0);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out Timespec at);

    private readonly record struct Timespec(long Seconds, long Nanoseconds);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
