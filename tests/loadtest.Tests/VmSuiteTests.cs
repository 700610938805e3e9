// The kernels of bench vm compute what plain C# computes, in both engines, and would be noticed if they did not.

using System;
using ParallelVm.Executor;
using ParallelVm.Executor.Jit;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class VmSuiteTests
{
    [Fact]
    public void Kernels_give_the_answer_of_plain_csharp_in_both_engines_and_trap_on_another()
    {
        BlockContext context = new(new Height(1), 1, default, 0, 0);
        CodeCache cache = new(new CodeCacheOptions { FailsOnFault = true }, new JitAtOnce(), TimeProvider.System);
        foreach (Interpreter engine in new[] { new Interpreter(), new Interpreter(cache) })
        {
            foreach (VmKernel kernel in VmKernels.All)
            {
                VmKernel small = kernel with { Iterations = 100 };
                Outcome outcome = engine.Run(small.Call(small.Verify()), [], in context);
                Assert.True(outcome.Halt == Halt.Success, $"{kernel.Name}: {outcome}");
                VmKernel wrong = small with { Twin = (seed, iterations) => kernel.Twin(seed, iterations) + 1 };
                Assert.Equal((ushort)TrapCode.Stale, engine.Run(wrong.Call(small.Verify()), [], in context).Code);
            }
        }

        Assert.Equal(VmKernels.All.Length, cache.Metrics.Compiled);
    }
}
