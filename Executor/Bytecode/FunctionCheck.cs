// Steps 1 and 2 of the verifier for one function: every word by itself, then control flow.
//
// Cost: O(instructions).   Threading: pure.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

internal static class FunctionCheck
{
    /// <summary>Checks one function and gathers what the checks of the whole program need.</summary>
    /// <param name="container">The program.</param>
    /// <param name="rules">The fork that the code is deployed in.</param>
    /// <param name="function">Index of the function.</param>
    /// <param name="words">Its instructions.</param>
    /// <param name="tables">Per switch table: a SWITCH has named it.</param>
    /// <param name="facts">What the function uses.</param>
    public static Refusal Run(Container container, ForkRules rules, int function, ReadOnlySpan<ulong> words, bool[] tables, out FunctionFacts facts)
    {
        facts = new FunctionFacts();
        for (int at = 0; at < words.Length; at++)
        {
            Refusal refusal = CheckWord(container, rules, function, at, words[at], tables, facts);
            if (refusal.IsRefused)
            {
                return refusal;
            }
        }

        Refusal flow = ControlFlow.Check(container, words, function, facts);
        return flow.IsRefused ? flow : CellCheck.Run(container, function, words);
    }

    private static Refusal CheckWord(
        Container container, ForkRules rules, int function, int at, ulong word, bool[] tables, FunctionFacts facts)
    {
        if (!rules.Allows((byte)word) || OpcodeTable.Find((byte)word) is not OpcodeInfo info)
        {
            return Refuse(RefusalCode.UnknownOpcode, function, at, $"has opcode {(byte)word:x2}, which new code of fork {rules.Number} may not hold");
        }

        if ((word & ~info.UsedBits) != 0)
        {
            return Refuse(RefusalCode.ReservedBits, function, at, $"({info.Mnemonic}) has bits set that must be zero");
        }

        facts.MayHalt |= info.Opcode == Opcode.Halt;
        int cells = container.Functions[function].Cells;
        foreach (Operand operand in info.Operands)
        {
            uint value = operand.Read(word);
            if (!InRange(container, operand.Kind, value, cells, word))
            {
                return Refuse(RefusalCode.OperandOutOfRange, function, at, $"({info.Mnemonic}) has {value} as its {operand.Kind} operand, which is out of range");
            }

            switch (operand.Kind)
            {
                case OperandKind.Function:
                    facts.Calls.Add(((int)value, (byte)(word >> 8)));
                    break;
                case OperandKind.CallSite:
                    facts.Slots.NoteSite(value);
                    break;
                case OperandKind.Table when tables[value]:
                    return Refuse(RefusalCode.BadTable, function, at, $"(SWITCH) names table {value}, which another one names already");
                case OperandKind.Table:
                    tables[value] = true;
                    break;
                case OperandKind.CopySlot:
                    facts.Slots.Note((word >> 48) == 0 ? OperandKind.ReadSlot : OperandKind.WriteSlot, value);
                    break;
                case OperandKind.ReadArray:
                case OperandKind.WriteArray:
                    for (uint i = 0; i < (byte)(word >> 24); i++)
                    {
                        facts.Slots.Note(operand.Kind, value + i);
                    }

                    break;
                default:
                    if (operand.IsSlot)
                    {
                        facts.Slots.Note(operand.Kind, value);
                    }

                    break;
            }
        }

        return Refusal.None;
    }

    /// <summary>Is an operand's value one that its kind has?</summary>
    /// <param name="container">The program.</param>
    /// <param name="kind">Kind of the operand.</param>
    /// <param name="value">Its bits.</param>
    /// <param name="cells">Cells of the function.</param>
    /// <param name="word">The whole instruction, for operands that bound each other.</param>
    internal static bool InRange(Container container, OperandKind kind, uint value, int cells, ulong word) => kind switch
    {
        OperandKind.Dest or OperandKind.Source or OperandKind.Update or OperandKind.DestFelt or OperandKind.SourceFelt => value < cells,
        OperandKind.DestPair or OperandKind.SourcePair => value % 2 == 0 && value + 2 <= cells,
        OperandKind.DestQuad or OperandKind.SourceQuad or OperandKind.DestFeltQuad or OperandKind.SourceFeltQuad => value % 4 == 0 && value + 4 <= cells,
        OperandKind.UpdateFelts => value % 4 == 0 && value + 8 <= cells,
        OperandKind.Window => value + WindowCells(container, word) <= cells,
        OperandKind.Live => value <= cells,
        OperandKind.FeltFirst => value == 0 || value < (byte)(word >> 24),
        OperandKind.FeltEnd => value <= (byte)(word >> 8),
        OperandKind.Function => value < container.Functions.Length,
        OperandKind.Table => value < container.Tables.Length,
        OperandKind.CallSite => value < container.Sites.Length,
        OperandKind.Constant => value < container.Constants.Length,
        OperandKind.Shift => value < 64,
        OperandKind.WideShift => value <= 64,
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
        OperandKind.ArrayLength => value is >= 1 and <= VerifierLimits.MaxArraySlots,
        OperandKind.ReadArray or OperandKind.WriteArray => value + (byte)(word >> 24) <= Container.MaxSlots,
        OperandKind.ReadSlot or OperandKind.WriteSlot or OperandKind.AddSlot or OperandKind.AnySlot or OperandKind.CopySlot => value < Container.MaxSlots,
        OperandKind.Target or OperandKind.Unsigned or OperandKind.Signed => true,       // targets: ControlFlow.Check
        _ => false,
    };

    // the callee or site comes before the window in text order, so it is in range here
    private static int WindowCells(Container container, ulong word)
    {
        (int args, int rets) = CellCheck.WindowOf(container, word);
        return Math.Max(args, rets);
    }

    internal static Refusal Refuse(RefusalCode code, int function, int at, string what) =>
        new(code, $"Instruction {at} of function {function} {what}.");
}
