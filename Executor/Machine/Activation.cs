// One program at work: its code, its entry, its frame cells, its memory, and what its slots name. A transaction opens one; a call of
// another program opens one more, whose slots are places of the caller's.
//
// Threading: owned by one machine, reused.   Cost: 34 KB of cells each, taken when a depth is first reached.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>What is open at one depth of the call chain.</summary>
internal sealed unsafe class Activation
{
    // SAFETY: pinned, so that Frame stays valid for the life of the machine; all frames of a program are at most 4096 cells
    // (the verifier's bound), and the last window starts inside them.
    private readonly ulong[] _cells = GC.AllocateArray<ulong>(VerifierLimits.MaxFrameCells + Container.MaxCells, pinned: true);

    /// <summary>The first cell of the entry's frame.</summary>
    public ulong* Frame => (ulong*)Unsafe.AsPointer(ref _cells[0]);

    /// <summary>The program's memory.</summary>
    public MachineMemory Memory { get; } = new();

    /// <summary>What runs.</summary>
    public LoadedCode Code { get; private set; } = null!;

    /// <summary>The entry that was called.</summary>
    public ProgramEntry Entry { get; private set; } = null!;

    /// <summary>Id of the program.</summary>
    public ProgramId Program { get; private set; }

    /// <summary>What CALLER says: the payer, or the id of the calling program.</summary>
    public Bytes32 Caller { get; private set; }

    /// <summary>Slot -> index into the transaction's access list.</summary>
    public ushort[] Slots { get; } = new ushort[Container.MaxSlots];

    /// <summary>Slot -> record.</summary>
    public Record[] Records { get; } = new Record[Container.MaxSlots];

    /// <summary>What the checks know of it, where they are on.</summary>
    public Paranoia Shadow => field ??= new Paranoia();

    /// <summary>A step of this activation has been shown to the tracer and not yet its end.</summary>
    public bool HasOpenStep { get; set; }

    /// <summary>The step that is open.</summary>
    public TraceStep Step { get; set; }

    /// <summary>First cell of the frame in which the open step runs.</summary>
    public ulong* StepFrame { get; set; }

    /// <summary>Opens the activation; slots are the caller's to fill.</summary>
    public void Open(LoadedCode code, ProgramEntry entry, in ProgramId program, in Bytes32 caller)
    {
        Code = code;
        Entry = entry;
        Program = program;
        Caller = caller;
        HasOpenStep = false;
        Memory.Reset(code.Data, entry.MaxPages);
    }
}
