// The counter program from outside. A counter is a balance record under any local key; it exists from its first increment.
// The two entries count the same, but increments by Write wait for each other and increments by Add do not.

using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Calls of the counter program.</summary>
public static class CounterCalls
{
    /// <summary>Selector of <c>increment</c>.</summary>
    public const uint IncrementSelector = 1;

    /// <summary>Selector of <c>increment_add</c>.</summary>
    public const uint IncrementAddSelector = 2;

    /// <summary>Reads the counter and writes one more.</summary>
    public static ProgramCall Increment(LocalKey counter) => new(IncrementSelector, [], [new SlotBinding(counter, AccessMode.Write)]);

    /// <summary>Adds one without reading.</summary>
    public static ProgramCall IncrementAdd(LocalKey counter) => new(IncrementAddSelector, [], [new SlotBinding(counter, AccessMode.Add)]);
}
