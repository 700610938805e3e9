// Steps 1 to 3 of the verifier for one function: words, control flow, definite assignment.
//
// Definite assignment is one forward pass. The set of defined cells at a target is the intersection over all branches to it;
// branches back go to a LOOP only, whose operand `live` says that exactly the cells [0, live) are defined there: the way in
// and every way back have to bring them. So nothing has to be iterated to a fixed point.
//
// Cost: O(instructions).   Threading: pure.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

internal static class FunctionCheck
{
    /// <summary>Checks one function and gathers what the checks of the whole program need.</summary>
    public static Refusal Run(Container container, ForkRules rules, int function, ReadOnlySpan<ulong> words, out FunctionFacts facts)
    {
        facts = new FunctionFacts();
        for (int at = 0; at < words.Length; at++)
        {
            Refusal refusal = CheckWord(container, rules, function, at, words[at], facts);
            if (refusal.IsRefused)
            {
                return refusal;
            }
        }

        Refusal flow = ControlFlow.Check(words, function);
        return flow.IsRefused ? flow : CheckCells(container, function, words);
    }

    private static Refusal CheckWord(Container container, ForkRules rules, int function, int at, ulong word, FunctionFacts facts)
    {
        if (!rules.Allows((byte)word) || OpcodeTable.Find((byte)word) is not OpcodeInfo info)
        {
            return Refuse(RefusalCode.UnknownOpcode, function, at, $"has opcode {(byte)word:x2}, which new code of fork {rules.Number} may not hold");
        }

        if ((word & ~info.UsedBits) != 0)
        {
            return Refuse(RefusalCode.ReservedBits, function, at, $"({info.Mnemonic}) has bits set that must be zero");
        }

        int cells = container.Functions[function].Cells;
        foreach (Operand operand in info.Operands)
        {
            uint value = operand.Read(word);
            if (!InRange(container, operand.Kind, value, cells))
            {
                return Refuse(RefusalCode.OperandOutOfRange, function, at, $"({info.Mnemonic}) has {value} as its {operand.Kind} operand, which is out of range");
            }

            if (operand.Kind == OperandKind.Function)
            {
                FunctionHeader callee = container.Functions[value];
                int window = (byte)(word >> 8);
                if (window + Math.Max(callee.Args, callee.Rets) > cells)
                {
                    return Refuse(RefusalCode.OperandOutOfRange, function, at, $"(CALL) passes cells beyond its {cells}");
                }

                facts.Calls.Add(((int)value, window));
            }
            else if (operand.Kind == OperandKind.CopySlot)
            {
                facts.Slots.Note((word >> 48) == 0 ? OperandKind.ReadSlot : OperandKind.WriteSlot, value);
            }
            else if (operand.IsSlot)
            {
                facts.Slots.Note(operand.Kind, value);
            }
        }

        return Refusal.None;
    }

    private static bool InRange(Container container, OperandKind kind, uint value, int cells) => kind switch
    {
        OperandKind.Dest or OperandKind.Source or OperandKind.Update => value < cells,
        OperandKind.DestPair or OperandKind.SourcePair => value % 2 == 0 && value + 2 <= cells,
        OperandKind.DestQuad or OperandKind.SourceQuad => value % 4 == 0 && value + 4 <= cells,
        OperandKind.Window or OperandKind.Live => value <= cells,
        OperandKind.Function => value < container.Functions.Length,
        OperandKind.Constant => value < container.Constants.Length,
        OperandKind.Shift => value < 64,
        OperandKind.Width => value is 8 or 16 or 32,
        OperandKind.Rounding => value <= 3,
        OperandKind.RootRounding or OperandKind.Direction => value <= 1,
        OperandKind.Scale => value is 2 or 4 or 6 or 8 or 9,
        OperandKind.WordOffset => value % 8 == 0 && value <= 4088,
        OperandKind.QuadOffset => value % 8 == 0 && value <= 4064,
        OperandKind.AccumulatorOffset => value == 0,
        OperandKind.RecordLength => value <= 4096,
        OperandKind.Context => value <= (uint)ContextId.SignerCount,
        OperandKind.Trap => value is 0 or (>= 2 and <= 16),
        OperandKind.ReadSlot or OperandKind.WriteSlot or OperandKind.AddSlot or OperandKind.AnySlot or OperandKind.CopySlot => value < Container.MaxSlots,
        OperandKind.Target or OperandKind.Unsigned or OperandKind.Signed => true,       // targets: ControlFlow.Check
        _ => false,
    };

    private static Refusal CheckCells(Container container, int function, ReadOnlySpan<ulong> words)
    {
        FunctionHeader header = container.Functions[function];
        UInt128[] defined = new UInt128[words.Length];
        bool[] reached = new bool[words.Length];
        defined[0] = Prefix(header.Args);
        reached[0] = true;
        for (int at = 0; at < words.Length; at++)
        {
            ulong word = words[at];
            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
            if (!reached[at])
            {
                return Refuse(RefusalCode.UnreachableCode, function, at, $"({info.Mnemonic}) is reached by no path");
            }

            UInt128 state = defined[at];
            UInt128 missing = Reads(container, header, info, word) & ~state;
            if (missing != 0)
            {
                return Refuse(RefusalCode.UndefinedCell, function, at, $"({info.Mnemonic}) needs cell {(int)UInt128.TrailingZeroCount(missing)}, which some path leaves undefined");
            }

            state = After(container, info, word, state);
            if (info.Flow is Flow.Branch or Flow.Jump)
            {
                int target = ControlFlow.TargetOf(word);
                if (target <= at)
                {
                    UInt128 live = Prefix((byte)(words[target] >> 8)) & ~state;
                    if (live != 0)
                    {
                        return Refuse(RefusalCode.UndefinedCell, function, at, $"goes back to a loop that needs cell {(int)UInt128.TrailingZeroCount(live)}, which is undefined here");
                    }
                }
                else
                {
                    Join(defined, reached, target, state);
                }
            }

            if (info.Flow is not (Flow.Jump or Flow.End))
            {
                Join(defined, reached, at + 1, state);
            }
        }

        return Refusal.None;
    }

    private static void Join(UInt128[] defined, bool[] reached, int target, UInt128 state)
    {
        defined[target] = reached[target] ? defined[target] & state : state;
        reached[target] = true;
    }

    private static UInt128 Reads(Container container, FunctionHeader header, OpcodeInfo info, ulong word)
    {
        UInt128 reads = info.Opcode == Opcode.Ret ? Prefix(header.Rets) : 0;
        foreach (Operand operand in info.Operands)
        {
            int value = (int)operand.Read(word);
            reads |= operand.Kind switch
            {
                OperandKind.Source or OperandKind.Update => Run(value, 1),
                OperandKind.SourcePair => Run(value, 2),
                OperandKind.SourceQuad => Run(value, 4),
                OperandKind.Live => Prefix(value),
                OperandKind.Window => Run(value, container.Functions[(int)(word >> 32)].Args),
                _ => 0,
            };
        }

        return reads;
    }

    private static UInt128 After(Container container, OpcodeInfo info, ulong word, UInt128 state)
    {
        foreach (Operand operand in info.Operands)
        {
            int value = (int)operand.Read(word);
            state = operand.Kind switch
            {
                OperandKind.Dest => state | Run(value, 1),
                OperandKind.DestPair => state | Run(value, 2),
                OperandKind.DestQuad => state | Run(value, 4),
                OperandKind.Live => Prefix(value),
                OperandKind.Window => (state & Prefix(value)) | Run(value, container.Functions[(int)(word >> 32)].Rets),
                _ => state,
            };
        }

        return state;
    }

    private static UInt128 Prefix(int cells) => cells >= 128 ? UInt128.MaxValue : (UInt128.One << cells) - 1;

    private static UInt128 Run(int first, int cells) => Prefix(cells) << first;

    private static Refusal Refuse(RefusalCode code, int function, int at, string what) =>
        new(code, $"Instruction {at} of function {function} {what}.");
}
