// Room around what one worker writes all the time. The collector lays small objects side by side, and a counter that moves with every key
// takes its cache line away from whoever reads or writes beside it: without this room, interning by two workers took twice
// as long as by one, and three times as long as it does with it.
//
// Two lines on each side: the line beside one that is needed is fetched with it.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ParallelVm.Engine;

/// <summary>A value that shares no cache line with anything else; to be held as a field and used through it.</summary>
/// <typeparam name="T">Without references: the runtime lays such values out as it likes.</typeparam>
[StructLayout(LayoutKind.Sequential)]
internal struct Padded<T>
    where T : unmanaged
{
#pragma warning disable CS0169, IDE0051 // nobody reads them: they keep a distance
    private readonly TwoLines _before;
#pragma warning restore CS0169, IDE0051

    /// <summary>The value.</summary>
    public T Value;

#pragma warning disable CS0169, IDE0051
    private readonly TwoLines _after;
#pragma warning restore CS0169, IDE0051

    [InlineArray(128 / sizeof(long))]
    private struct TwoLines
    {
        private long _first;
    }
}
