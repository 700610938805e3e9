// Which functions may be compiled: the one place that says so.
//
// The cost of the .NET compiler is linear in a function only as long as the function is small and its shape tame; past some size it
// grows faster, and nothing can stop it once it has begun. So what is compiled is bounded before, by the caps below; what is
// over a cap stays with the interpreter for ever, by name. The caps decide speed, never a result.
//
// An entry runs compiled iff every function that it can reach is admitted and compiled: then compiled code calls compiled code
// only, and nothing has to cross between the engines inside a run.
//
// Cost: one pass backwards over a function's words.   Threading: pure.

using System;
using System.Numerics;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Jit;

/// <summary>Why code is not compiled.</summary>
public enum JitRefusal : byte
{
    /// <summary>It is admitted.</summary>
    None,

    /// <summary>A function has more instructions than the cap.</summary>
    TooManyInstructions,

    /// <summary>A function has more basic blocks than the cap.</summary>
    TooManyBlocks,

    /// <summary>Loops nest deeper than the cap.</summary>
    LoopsTooDeep,

    /// <summary>A function makes the .NET compiler more blocks and calls than the cap; see <see cref="JitAdmission.Weight"/>.</summary>
    TooHeavy,

    /// <summary>More cells are live at one place than the cap.</summary>
    TooManyLiveCells,

    /// <summary>The emitter has no law for an opcode.</summary>
    UnknownOpcode,

    /// <summary>All functions together are over the cap of a program.</summary>
    ProgramTooLarge,

    /// <summary>The code alone is larger than the whole cache.</summary>
    LargerThanCache,

    /// <summary>Emitting or compiling failed: our defect. The interpreter goes on.</summary>
    CompilerFault,
}

/// <summary>Bounds on what is compiled.</summary>
/// <param name="MaxInstructions">Instructions of a function.</param>
/// <param name="MaxBlocks">Basic blocks of a function.</param>
/// <param name="MaxLoopDepth">Loops around an instruction.</param>
/// <param name="MaxLiveCells">Cells that hold something still needed, at any one place.</param>
/// <param name="MaxWeight">Weight of a function; see <see cref="JitAdmission.Weight"/>.</param>
/// <param name="MaxProgramInstructions">Instructions of all functions of a program together.</param>
internal sealed record JitCaps(int MaxInstructions, int MaxBlocks, int MaxLoopDepth, int MaxLiveCells, int MaxWeight, int MaxProgramInstructions)
{
    /// <summary>The caps of a node.</summary>
    public static JitCaps Default { get; } = new(512, 128, 6, 64, 768, 16_384);
}

internal static class JitAdmission
{
    /// <summary>What the caps say about one function.</summary>
    public static JitRefusal Check(LoadedCode code, int function, JitCaps caps)
    {
        FunctionShape shape = code.Program.Functions[function];
        return shape.Instructions > caps.MaxInstructions ? JitRefusal.TooManyInstructions
            : shape.Blocks > caps.MaxBlocks ? JitRefusal.TooManyBlocks
            : shape.LoopDepth > caps.MaxLoopDepth ? JitRefusal.LoopsTooDeep
            : Unknown(code, function) ? JitRefusal.UnknownOpcode
            : Weight(code, function) > caps.MaxWeight ? JitRefusal.TooHeavy
            : LiveCells(code, function) > caps.MaxLiveCells ? JitRefusal.TooManyLiveCells
            : JitRefusal.None;
    }

    // a later fork's opcode that neither the emitter nor the operations know yet
    private static bool Unknown(LoadedCode code, int function)
    {
        foreach (ulong word in code.WordsOf(function))
        {
            if ((byte)word != LoadedCode.ChargeByte && !FunctionEmitter.IsSimple((Opcode)(byte)word) && !Operations.Has((Opcode)(byte)word))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// What the .NET compiler makes of a function beyond its instructions: its time grows faster than linearly with the blocks it sees,
    /// and a trap, a branch and a charge are one each. In halves of such a block: an operation is one and a call, a load or store is one
    /// with a slow way that calls and comes back. Weights and cap keep JitShapes below 30 us per instruction.
    /// </summary>
    internal static int Weight(LoadedCode code, int function)
    {
        int weight = 0;
        foreach (ulong word in code.WordsOf(function))
        {
            if ((byte)word == LoadedCode.ChargeByte)
            {
                weight += 2;
                continue;
            }

            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
            weight += FunctionEmitter.IsMemory(info.Opcode) ? 8
                : !FunctionEmitter.IsSimple(info.Opcode) ? 3
                : info.Opcode == Opcode.Switch ? 2 * code.Tables[Target(word)].Length
                : info.Opcode is Opcode.Sdiv or Opcode.Smod or Opcode.Dadd ? 4
                : info.Traps.Length > 0 || info.Flow != Flow.Next ? 2
                : 0;
        }

        return weight;
    }

    /// <summary>An upper bound of the cells that are live at any one place. One pass suffices: what lives across a branch back is what its LOOP names.</summary>
    internal static int LiveCells(LoadedCode code, int function)
    {
        ReadOnlySpan<ulong> words = code.WordsOf(function);
        int first = code.Starts[function];
        UInt128[] live = new UInt128[words.Length + 1];
        int most = 0;
        for (int at = words.Length - 1; at >= 0; at--)
        {
            ulong word = words[at];
            if ((byte)word == LoadedCode.ChargeByte)
            {
                live[at] = live[at + 1];
                continue;
            }

            Flow flow = OpcodeTable.Get((Opcode)(byte)word).Flow;
            UInt128 after = flow is Flow.Jump or Flow.Switch or Flow.End ? 0 : live[at + 1];
            if (IsBranch(word))
            {
                int target = Target(word) - first;
                int loop = (byte)words[target] == LoadedCode.ChargeByte ? target + 1 : target;
                after |= target > at ? live[target] : Uses(code, function, words[loop]).Reads;
            }

            for (int i = 0; flow == Flow.Switch && i < code.Tables[Target(word)].Length; i++)
            {
                after |= live[code.Tables[Target(word)][i] - first];
            }

            (UInt128 reads, UInt128 writes) = Uses(code, function, word);
            if ((Opcode)(byte)word == Opcode.Loop)
            {
                (reads, writes) = (0, 0);                   // LOOP names what may live, and does nothing to it
            }

            most = Math.Max(most, Count(after | writes));
            live[at] = (after & ~writes) | reads;
            most = Math.Max(most, Count(live[at]));
        }

        return most;
    }

    /// <summary>The cells that an instruction reads and those that it writes, as the verifier has it; what it updates is among both.</summary>
    internal static (UInt128 Reads, UInt128 Writes) Uses(LoadedCode code, int function, ulong word)
    {
        Container container = code.Program.Container;
        OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
        UInt128 reads = CellCheck.Reads(container, container.Functions[function], info, word).Defined;
        UInt128 writes = CellCheck.After(container, info, word, default).Defined;
        foreach (Operand operand in info.Operands)
        {
            if (operand.Kind == OperandKind.UpdateFelts)
            {
                writes |= (UInt128)0xFF << (int)operand.Read(word);
            }
        }

        return (reads, writes);
    }

    /// <summary>Is it a word whose immediate is a target?</summary>
    internal static bool IsBranch(ulong word) =>
        (byte)word != LoadedCode.ChargeByte && OpcodeTable.Get((Opcode)(byte)word).Flow is Flow.Branch or Flow.Jump;

    private static int Target(ulong word) => (int)(word >> 32);

    private static int Count(UInt128 cells) => BitOperations.PopCount((ulong)cells) + BitOperations.PopCount((ulong)(cells >> 64));
}
