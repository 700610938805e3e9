// The second line of defence: what the verifier has excluded is checked again at run time, before every instruction, and what it calls
// undefined is overwritten, so that code which reads it ends differently from the normal loop. Off, it costs nothing: the loop is
// compiled without it. On, a failed check is our defect and stops the process, as it would a node.
//
//   word       the opcode runs in this fork, unused bits are zero, operands are in range, it is the container's word with targets replaced
//   targets    are charge words of the same function, at the container's targets
//   cells      what is read is defined; what is used as a felt is below p
//   slots      exist, in a mode that entry and access list cover; what is written belongs to the running program
//   machine    frames and calls are within bounds, gas does not grow, the heap that the loop sees is the memory's
//
// Where it is on: an Interpreter that is told so, and every one in a build with the constant PARANOID.
//
// Threading: one per open program, owned by its machine.   Cost: some hundred nanoseconds per instruction.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Is a loop compiled with the checks?</summary>
internal interface IChecks
{
    static abstract bool AreOn { get; }
}

internal readonly struct Unchecked : IChecks
{
    public static bool AreOn => false;
}

internal readonly struct Checked : IChecks
{
    public static bool AreOn => true;
}

/// <summary>What is known of one open program while it runs.</summary>
internal sealed unsafe class Paranoia
{
    /// <summary>What undefined cells hold: no felt, and nothing that code would compute.</summary>
    public const ulong Poison = 0xFFFF_FFFF_BAD0_CE11;

    private readonly (CellKinds Known, int Function)[] _callers = new (CellKinds, int)[VerifierLimits.MaxCallDepth];
    private ulong* _first;
    private CellKinds _known;
    private int _function;
    private int _depth;
    private ulong _gas;

    /// <summary>Begins with a function whose arguments are in its frame.</summary>
    public void Begin(Activation active, int function, ulong gas)
    {
        int args = active.Code.Program.Container.Functions[function].Args;
        _first = active.Frame;
        _known = new CellKinds(CellCheck.Run(0, args), 0);
        _function = function;
        _depth = 0;
        _gas = gas;
        Overwrite(_first + args, VerifierLimits.MaxFrameCells + Container.MaxCells - args);
    }

    /// <summary>Checks the word at a place, and says what is known after it.</summary>
    public void Step(Machine machine, int at, ulong* f, ulong gas)
    {
        LoadedCode code = machine.Active.Code;
        Container container = code.Program.Container;
        int end = _function + 1 < code.Starts.Length ? code.Starts[_function + 1] : code.WordCount;
        Invariant.Require(at >= code.Starts[_function] && at < end);
        Invariant.Require(gas <= _gas);
        _gas = gas;
        ulong run = code.Words[at];
        if ((byte)run == LoadedCode.ChargeByte)
        {
            return;
        }

        ulong word = code.CanonicalWord(_function, code.Origins[at]);
        OpcodeInfo? info = OpcodeTable.Find((byte)word);
        Invariant.Require(info is not null && machine.Rules.Knows((byte)word) && (word & ~info.UsedBits) == 0);
        Invariant.Require(machine.Mapped == (ulong)machine.Active.Memory.Mapped && (machine.Mapped == 0 || machine.Heap == machine.Active.Memory.Heap));
        CheckTargets(code, info, word, run, end);
        FunctionHeader header = container.Functions[_function];
        Invariant.Require(f >= _first && f - _first + header.Cells <= VerifierLimits.MaxFrameCells);
        foreach (Operand operand in info.Operands)
        {
            Invariant.Require(FunctionCheck.InRange(container, operand.Kind, operand.Read(word), header.Cells, word));
            if (operand.IsSlot)
            {
                CheckSlot(machine, operand, word, f);
            }
        }

        CheckReads(CellCheck.Reads(container, header, info, word), f);
        Advance(container, header, info, word, f);
    }

    private void CheckTargets(LoadedCode code, OpcodeInfo info, ulong word, ulong run, int end)
    {
        bool hasTarget = info.Flow is Flow.Branch or Flow.Jump;
        Invariant.Require(run == word || (hasTarget && (uint)run == (uint)word));
        ReadOnlySpan<int> targets = hasTarget ? [ControlFlow.TargetOf(run)] : info.Flow == Flow.Switch ? code.Tables[ControlFlow.TargetOf(run)] : [];
        for (int i = 0; i < targets.Length; i++)
        {
            int expected = hasTarget ? ControlFlow.TargetOf(word) : code.Program.Container.Tables[ControlFlow.TargetOf(word)][i];
            Invariant.Require(targets[i] >= code.Starts[_function] && targets[i] < end);
            Invariant.Require((byte)code.Words[targets[i]] == LoadedCode.ChargeByte && code.Origins[targets[i]] == expected);
        }
    }

    private static void CheckSlot(Machine machine, Operand operand, ulong word, ulong* f)
    {
        Activation active = machine.Active;
        uint slot = operand.Read(word);
        if (operand.Kind is OperandKind.ReadArray or OperandKind.WriteArray)
        {
            slot += (uint)Math.Min(f[(byte)(word >> 16)], (byte)(word >> 24) - 1UL);        // beyond it the instruction traps
        }

        Invariant.Require(slot < (uint)active.Entry.SlotModes.Length);
        AccessMode used = operand.Kind switch
        {
            OperandKind.WriteSlot or OperandKind.WriteArray => AccessMode.Write,
            OperandKind.AddSlot => AccessMode.Add,
            OperandKind.CopySlot when word >> 48 != 0 => AccessMode.Write,
            _ => AccessMode.Read,
        };
        ref readonly Access access = ref machine.Message.Accesses[active.Slots[slot]];
        bool isNamedOnly = operand.Kind == OperandKind.AnySlot;
        Invariant.Require(isNamedOnly || (AccessModes.Covers(active.Entry.SlotModes[slot], used) && AccessModes.Covers(access.Mode, used)));
        Invariant.Require(isNamedOnly || used == AccessMode.Read || machine.Message.Programs[access.ProgramIndex] == active.Program);
    }

    private void CheckReads(CellKinds reads, ulong* f)
    {
        Invariant.Require((reads.Defined & ~_known.Defined) == 0 && (reads.Felts & ~_known.Felts) == 0);
        for (UInt128 felts = reads.Felts; felts != 0; felts &= felts - 1)
        {
            Invariant.Require(f[(int)UInt128.TrailingZeroCount(felts)] < Goldilocks.Modulus);
        }
    }

    private void Advance(Container container, FunctionHeader header, OpcodeInfo info, ulong word, ulong* f)
    {
        CellKinds after = CellCheck.After(container, info, word, _known);
        int a = (byte)(word >> 8);
        switch (info.Opcode)
        {
            case Opcode.Call:
                int callee = (int)(word >> 32);
                FunctionHeader called = container.Functions[callee];
                Invariant.Require(_depth < _callers.Length - 1);
                _callers[_depth++] = (after, _function);
                _function = callee;
                _known = new CellKinds(CellCheck.Run(0, called.Args), 0);
                Overwrite(f + a + called.Args, called.Cells - called.Args);
                break;
            case Opcode.Ret when _depth > 0:
                (_known, _function) = _callers[--_depth];
                Overwrite(f + header.Rets, header.Cells - header.Rets);
                break;
            case Opcode.Loop:
                _known = after;
                Overwrite(f + a, header.Cells - a);
                break;
            case Opcode.Xcall:
                _known = after;
                int args = CellCheck.WindowOf(container, word).Args;
                Overwrite(f + a + args, header.Cells - a - args);
                break;
            default:
                _known = after;
                break;
        }
    }

    private static void Overwrite(ulong* cells, int count) => new Span<ulong>(cells, count).Fill(Poison);
}
