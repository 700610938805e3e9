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
/// <param name="MaxProgramInstructions">Instructions of all functions of a program together.</param>
internal sealed record JitCaps(int MaxInstructions, int MaxBlocks, int MaxLoopDepth, int MaxLiveCells, int MaxProgramInstructions)
{
    /// <summary>The caps of a node.</summary>
    public static JitCaps Default { get; } = new(512, 128, 6, 64, 16_384);
}

internal static class JitAdmission
{
    /// <summary>What the caps say about one function of a verified program.</summary>
    /// <param name="words">The function's words with charge words, targets absolute.</param>
    /// <param name="first">Index of the first of them in the program.</param>
    public static JitRefusal Check(LoadedCode code, ReadOnlySpan<ulong> words, int first, int function, JitCaps caps)
    {
        int blocks = 0;
        foreach (ulong word in words)
        {
            if (IsUnknown((Opcode)(byte)word))
            {
                return JitRefusal.UnknownOpcode;
            }

            blocks += (byte)word == LoadedCode.ChargeByte ? 1 : 0;
        }

        if (words.Length - blocks > caps.MaxInstructions)
        {
            return JitRefusal.TooManyInstructions;
        }

        if (blocks > caps.MaxBlocks)
        {
            return JitRefusal.TooManyBlocks;
        }

        if (LoopDepth(words, first) > caps.MaxLoopDepth)
        {
            return JitRefusal.LoopsTooDeep;
        }

        return LiveCells(code, words, first, function) > caps.MaxLiveCells ? JitRefusal.TooManyLiveCells : JitRefusal.None;
    }

    // newer than the emitter
    private static bool IsUnknown(Opcode opcode) => opcode is Opcode.Switch or Opcode.Xcall or Opcode.Mulsh or Opcode.Divsh
        or (>= Opcode.Fadd and <= Opcode.Feq) or Opcode.Mcmp or Opcode.Sldx or Opcode.Sstx or Opcode.Pos2 or Opcode.Pos2p or Opcode.Edver;

    /// <summary>Most loops around one instruction. Branches back go to a LOOP and loops nest, so opens and ends pair like brackets.</summary>
    internal static int LoopDepth(ReadOnlySpan<ulong> words, int first)
    {
        int[] end = new int[words.Length];                  // at a loop's charge word: its last branch back
        for (int at = 0; at < words.Length; at++)
        {
            if (IsBranch(words[at]) && Target(words[at]) - first is int target && target <= at)
            {
                end[target] = at;
            }
        }

        Span<int> open = stackalloc int[VerifierLimits.MaxLoopDepth + 1];
        int depth = 0;
        int deepest = 0;
        for (int at = 0; at < words.Length; at++)
        {
            while (depth > 0 && open[depth - 1] < at)
            {
                depth--;
            }

            if (end[at] > 0)
            {
                open[depth++] = end[at];
                deepest = Math.Max(deepest, depth);
            }
        }

        return deepest;
    }

    /// <summary>An upper bound of the cells that are live at any one place. One pass suffices: what lives across a branch back is what its LOOP names.</summary>
    internal static int LiveCells(LoadedCode code, ReadOnlySpan<ulong> words, int first, int function)
    {
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

            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
            UInt128 after = info.Flow is Flow.Jump or Flow.End ? 0 : live[at + 1];
            if (IsBranch(word))
            {
                int target = Target(word) - first;
                int loop = (byte)words[target] == LoadedCode.ChargeByte ? target + 1 : target;
                after |= target > at ? live[target] : Prefix((byte)(words[loop] >> 8));
            }

            (UInt128 reads, UInt128 writes) = Uses(code, info, word, function);
            most = Math.Max(most, Count(after | writes));
            live[at] = (after & ~writes) | reads;
            most = Math.Max(most, Count(live[at]));
        }

        return most;
    }

    private static (UInt128 Reads, UInt128 Writes) Uses(LoadedCode code, OpcodeInfo info, ulong word, int function)
    {
        UInt128 reads = info.Opcode == Opcode.Ret ? Prefix(code.Functions[function].Rets) : 0;
        UInt128 writes = 0;
        foreach (Operand operand in info.Operands)
        {
            int value = (int)operand.Read(word);
            switch (operand.Kind)
            {
                case OperandKind.Source:
                case OperandKind.SourcePair:
                case OperandKind.SourceQuad:
                    reads |= Run(value, WidthOf(operand.Kind));
                    break;
                case OperandKind.Dest:
                case OperandKind.DestPair:
                case OperandKind.DestQuad:
                    writes |= Run(value, WidthOf(operand.Kind));
                    break;
                case OperandKind.Update:
                    reads |= Run(value, 1);
                    break;
                case OperandKind.Window:
                    FunctionHeader callee = code.Functions[(int)(word >> 32)];
                    reads |= Run(value, callee.Args);
                    writes |= Run(value, callee.Rets);
                    break;
                default:
                    break;
            }
        }

        return (reads, writes);
    }

    /// <summary>Cells of a cell operand: 1, 2 or 4.</summary>
    internal static int WidthOf(OperandKind kind) => kind switch
    {
        OperandKind.DestPair or OperandKind.SourcePair => 2,
        OperandKind.DestQuad or OperandKind.SourceQuad => 4,
        _ => 1,
    };

    /// <summary>Is it a word whose immediate is a target?</summary>
    internal static bool IsBranch(ulong word) =>
        (byte)word != LoadedCode.ChargeByte && OpcodeTable.Get((Opcode)(byte)word).Flow is Flow.Branch or Flow.Jump;

    private static int Target(ulong word) => (int)(word >> 32);

    private static int Count(UInt128 cells) => BitOperations.PopCount((ulong)cells) + BitOperations.PopCount((ulong)(cells >> 64));

    private static UInt128 Prefix(int cells) => cells >= 128 ? UInt128.MaxValue : (UInt128.One << cells) - 1;

    private static UInt128 Run(int first, int cells) => Prefix(cells) << first;
}
