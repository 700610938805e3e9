// Step 3 of the verifier for one function: no cell is read that some path leaves undefined, none is used as a field element that
// some path leaves a plain word, and no instruction is unreachable.
//
// One forward pass over two sets of cells, defined and felt. At a target both are the intersection over all branches to it. Branches
// back go to a LOOP only, whose operands say that exactly the cells [0, live) are defined there and [first, end) of them are felts:
// the way in and every way back have to bring them. So nothing has to be iterated to a fixed point.
//
// Kinds: undefined < word < felt. A felt may be read as a word. What copies a cell copies its kind; a constant below p is a felt; arguments
// and results of calls are words.
//
// Cost: O(instructions + table targets).   Threading: pure.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

/// <summary>What is known of the cells at one place; felts are among the defined.</summary>
internal readonly record struct CellKinds(UInt128 Defined, UInt128 Felts)
{
    public static CellKinds operator &(CellKinds x, CellKinds y) => new(x.Defined & y.Defined, x.Felts & y.Felts);
}

internal static class CellCheck
{
    /// <summary>Checks one function whose words and control flow are good.</summary>
    public static Refusal Run(Container container, int function, ReadOnlySpan<ulong> words)
    {
        FunctionHeader header = container.Functions[function];
        CellKinds[] known = new CellKinds[words.Length];
        bool[] reached = new bool[words.Length];
        known[0] = new CellKinds(Run(0, header.Args), 0);
        reached[0] = true;
        for (int at = 0; at < words.Length; at++)
        {
            ulong word = words[at];
            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
            if (!reached[at])
            {
                return FunctionCheck.Refuse(RefusalCode.UnreachableCode, function, at, $"({info.Mnemonic}) is reached by no path");
            }

            Refusal refusal = CheckReads(Reads(container, header, info, word), known[at], function, at, info.Mnemonic);
            if (refusal.IsRefused)
            {
                return refusal;
            }

            CellKinds after = After(container, info, word, known[at]);
            switch (info.Flow)
            {
                case Flow.Branch or Flow.Jump when ControlFlow.TargetOf(word) <= at:
                    CellKinds needed = Reads(container, header, OpcodeTable.Get(Opcode.Loop), words[ControlFlow.TargetOf(word)]);
                    refusal = CheckReads(needed, after, function, at, "back to the loop");
                    break;
                case Flow.Branch or Flow.Jump:
                    Join(known, reached, ControlFlow.TargetOf(word), after);
                    break;
                case Flow.Switch:
                    foreach (ushort target in container.Tables[(int)(word >> 32)])
                    {
                        Join(known, reached, target, after);
                    }

                    break;
                default:
                    break;
            }

            if (refusal.IsRefused)
            {
                return refusal;
            }

            if (info.Flow is not (Flow.Jump or Flow.Switch or Flow.End))
            {
                Join(known, reached, at + 1, after);
            }
        }

        return Refusal.None;
    }

    /// <summary>The cells that an instruction reads, and those among them that have to be felts.</summary>
    public static CellKinds Reads(Container container, FunctionHeader header, OpcodeInfo info, ulong word)
    {
        UInt128 reads = info.Opcode == Opcode.Ret ? Run(0, header.Rets) : 0;
        UInt128 felts = 0;
        foreach (Operand operand in info.Operands)
        {
            int value = (int)operand.Read(word);
            switch (operand.Kind)
            {
                case OperandKind.Source or OperandKind.Update:
                    reads |= Run(value, 1);
                    break;
                case OperandKind.SourcePair:
                    reads |= Run(value, 2);
                    break;
                case OperandKind.SourceQuad:
                    reads |= Run(value, 4);
                    break;
                case OperandKind.SourceFelt:
                    felts |= Run(value, 1);
                    break;
                case OperandKind.SourceFeltQuad:
                    felts |= Run(value, 4);
                    break;
                case OperandKind.UpdateFelts:
                    felts |= Run(value, 8);
                    break;
                case OperandKind.Live:
                    reads |= Run(0, value);
                    felts |= LoopFelts(word);
                    break;
                case OperandKind.Window:
                    reads |= Run(value, WindowOf(container, word).Args);
                    break;
                default:
                    break;
            }
        }

        return new CellKinds(reads | felts, felts);
    }

    /// <summary>What is known after an instruction.</summary>
    public static CellKinds After(Container container, OpcodeInfo info, ulong word, CellKinds known)
    {
        UInt128 defined = known.Defined;
        UInt128 words = 0;                                                  // cells that become plain words
        UInt128 felts = 0;                                                  // cells that become felts
        foreach (Operand operand in info.Operands)
        {
            int value = (int)operand.Read(word);
            switch (operand.Kind)
            {
                case OperandKind.Dest or OperandKind.Update:
                    words |= Run(value, 1);
                    break;
                case OperandKind.DestPair:
                    words |= Run(value, 2);
                    break;
                case OperandKind.DestQuad:
                    words |= Run(value, 4);
                    break;
                case OperandKind.DestFelt:
                    felts |= Run(value, 1);
                    break;
                case OperandKind.DestFeltQuad:
                    felts |= Run(value, 4);
                    break;
                case OperandKind.Live:
                    return new CellKinds(Run(0, value), LoopFelts(word));
                case OperandKind.Window:
                    UInt128 below = Run(0, value);
                    return new CellKinds((defined & below) | Run(value, WindowOf(container, word).Rets), known.Felts & below);
                default:
                    break;
            }
        }

        UInt128 copied = CopiedFelts(container, info.Opcode, word, known.Felts);
        return new CellKinds(defined | words | felts, (known.Felts & ~words) | felts | copied);
    }

    /// <summary>Arguments and results of the callee that a CALL or an XCALL names.</summary>
    public static (int Args, int Rets) WindowOf(Container container, ulong word)
    {
        if ((Opcode)(byte)word == Opcode.Call)
        {
            FunctionHeader callee = container.Functions[(int)(word >> 32)];
            return (callee.Args, callee.Rets);
        }

        ContainerImport import = container.Imports[container.Sites[(int)(word >> 32)].Import];
        return (import.Args, import.Rets);
    }

    private static UInt128 CopiedFelts(Container container, Opcode opcode, ulong word, UInt128 felts)
    {
        int a = (byte)(word >> 8);
        int b = (byte)(word >> 16);
        return opcode switch
        {
            Opcode.Ldi => Run(a, 1),
            Opcode.Ldc when container.Constants[(int)(word >> 32)] < Goldilocks.Modulus => Run(a, 1),
            Opcode.Mov => Moved(felts, b, a, 1),
            Opcode.Mov2 => Moved(felts, b, a, 2),
            Opcode.Mov4 => Moved(felts, b, a, 4),
            Opcode.Swp => Moved(felts, b, a, 1) | Moved(felts, a, b, 1),
            Opcode.Sel => Moved(felts, b, a, 1) & Moved(felts, (byte)(word >> 24), a, 1),
            _ => 0,
        };
    }

    private static UInt128 Moved(UInt128 felts, int from, int to, int cells) => ((felts >> from) & Run(0, cells)) << to;

    private static UInt128 LoopFelts(ulong word)
    {
        int first = (byte)(word >> 16);
        return Run(first, (byte)(word >> 24) - first);
    }

    private static Refusal CheckReads(CellKinds needed, CellKinds known, int function, int at, string what)
    {
        UInt128 missing = needed.Defined & ~known.Defined;
        if (missing != 0)
        {
            return FunctionCheck.Refuse(
                RefusalCode.UndefinedCell, function, at, $"({what}) needs cell {(int)UInt128.TrailingZeroCount(missing)}, which some path leaves undefined");
        }

        UInt128 plain = needed.Felts & ~known.Felts;
        return plain == 0
            ? Refusal.None
            : FunctionCheck.Refuse(
                RefusalCode.WrongKind, function, at, $"({what}) needs a field element in cell {(int)UInt128.TrailingZeroCount(plain)}, which some path leaves a plain word");
    }

    private static void Join(CellKinds[] known, bool[] reached, int target, CellKinds kinds)
    {
        known[target] = reached[target] ? known[target] & kinds : kinds;
        reached[target] = true;
    }

    /// <summary>The cells [first, first + cells), at most 128.</summary>
    public static UInt128 Run(int first, int cells) => (cells >= 128 ? UInt128.MaxValue : (UInt128.One << cells) - 1) << first;
}
