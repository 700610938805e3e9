// The seam through which a run can be watched, instruction by instruction. The loop is compiled once with it and once without,
// so a run that is not watched pays nothing.
//
// Threading: called on the thread that runs, in order.   A sink must not change what it is shown.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>An instruction about to run.</summary>
/// <param name="Depth">0 in the called program, 1 in a program that it calls, ...</param>
/// <param name="Function">Function of the running program.</param>
/// <param name="Instruction">Index in the canonical code of that function.</param>
/// <param name="Word">The instruction as the container has it.</param>
/// <param name="Price">What it added to its block's charge, which has been taken before.</param>
/// <param name="Gas">Gas left before it; a variable charge is the difference to what is left after it.</param>
public readonly record struct TraceStep(int Depth, int Function, int Instruction, ulong Word, ulong Price, ulong Gas);

/// <summary>Watches a run.</summary>
public interface ITraceSink
{
    /// <summary>A program begins: the called one, or one that it calls.</summary>
    /// <param name="depth">0 for the called program.</param>
    /// <param name="program">Its id.</param>
    /// <param name="code">Its code.</param>
    /// <param name="entry">The entry that begins.</param>
    /// <param name="slots">Slot -> index into the transaction's access list.</param>
    void Enter(int depth, in ProgramId program, VerifiedProgram code, ProgramEntry entry, ReadOnlySpan<ushort> slots);

    /// <summary>An instruction is about to run.</summary>
    /// <param name="step">Which.</param>
    /// <param name="cells">The 128 cells from the frame's first; those beyond the function's own are not its.</param>
    void Before(in TraceStep step, ReadOnlySpan<ulong> cells);

    /// <summary>The same, for who wants to see the memory that the instruction sees.</summary>
    /// <param name="step">Which.</param>
    /// <param name="cells">As in the other.</param>
    /// <param name="memory">The memory of the program that runs; what it gives is good until this returns.</param>
    void Before(in TraceStep step, ReadOnlySpan<ulong> cells, ITraceMemory memory) => Before(step, cells);

    /// <summary>The instruction is done, before the next begins.</summary>
    /// <param name="step">The step that began last.</param>
    /// <param name="cells">The same frame.</param>
    /// <param name="gas">Gas left after it.</param>
    /// <param name="code">0, or the trap or revert code that it ended the program with.</param>
    void After(in TraceStep step, ReadOnlySpan<ulong> cells, ulong gas, ushort code);

    /// <summary>The program that began last ends.</summary>
    /// <param name="code">0 for success, else trap or revert code; out of gas at a block's charge has no instruction of its own.</param>
    void Leave(ushort code);
}

/// <summary>Memory of a program that runs.</summary>
public interface ITraceMemory
{
    /// <summary>The bytes at an address; false outside mapped memory.</summary>
    bool TryRead(ulong address, ulong length, out ReadOnlySpan<byte> bytes);
}

/// <summary>Is a loop compiled with calls to the sink?</summary>
internal interface ITrace
{
    static abstract bool IsOn { get; }
}

internal readonly struct Untraced : ITrace
{
    public static bool IsOn => false;
}

internal readonly struct Traced : ITrace
{
    public static bool IsOn => true;
}
