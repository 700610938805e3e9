// Shows a container as text that assembles to the same bytes. Names are not in a container, so functions are f0, f1, ...,
// constants c0, ..., tables t0, programs p0, imports i0, sites x0, labels L<instruction>, entries e<selector>; slots are numbers. An instruction word that no opcode
// explains in full (unknown byte, bits outside its fields) is shown as .word, so every container that decodes can be shown.
//
// Invariant T2 of Assembler.cs.   Cost: O(bytes).   Threading: none shared.

using System;
using System.Globalization;
using System.Text;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Container to text.</summary>
public static class Disassembler
{
    private const int DataBytesPerLine = 32;

    /// <summary>Shows a container.</summary>
    /// <returns>False when the bytes do not decode as a container; the refusal is the decoder's sentence.</returns>
    public static bool TryDisassemble(ReadOnlySpan<byte> container, out string text, out Refusal refusal)
    {
        text = "";
        if (!Container.TryDecode(container, out Container program, out Refusal shape))
        {
            refusal = new Refusal(RefusalCode.NotDisassemblable, shape.Sentence);
            return false;
        }

        refusal = Refusal.None;
        text = Show(program);
        return true;
    }

    /// <summary>Shows a container that our own side made.</summary>
    /// <exception cref="ArgumentException">The bytes do not decode as a container.</exception>
    public static string Disassemble(ReadOnlySpan<byte> container)
    {
        return TryDisassemble(container, out string text, out Refusal refusal) ? text : throw new ArgumentException(refusal.ToString(), nameof(container));
    }

    private static string Show(Container program)
    {
        StringBuilder text = new();
        CultureInfo invariant = CultureInfo.InvariantCulture;
        text.Append(invariant, $".fork {program.Fork}\n");
        for (int i = 0; i < program.Constants.Length; i++)
        {
            text.Append(invariant, $".const c{i} 0x{program.Constants[i]:x}\n");
        }

        for (int i = 0; i < program.Data.Length; i += DataBytesPerLine)
        {
            ReadOnlySpan<byte> line = program.Data.AsSpan(i, Math.Min(DataBytesPerLine, program.Data.Length - i));
            text.Append(invariant, $".data hex \"{Convert.ToHexStringLower(line)}\"\n");
        }

        for (int i = 0; i < program.Programs.Length; i++)
        {
            text.Append(invariant, $".program p{i} hex \"{program.Programs[i]}\"\n");
        }

        for (int i = 0; i < program.Imports.Length; i++)
        {
            ContainerImport import = program.Imports[i];
            text.Append(invariant, $".import i{i} program {import.Program} selector {import.Selector} args {import.Args} rets {import.Rets}{View(import.IsView)}\n");
            ShowSlots(import.SlotModes, import.SlotOwners, text);
        }

        for (int i = 0; i < program.Sites.Length; i++)
        {
            text.Append(invariant, $".site x{i} {program.Sites[i].Import} {string.Join(", ", program.Sites[i].Slots)}\n");
        }

        for (int i = 0; i < program.Tables.Length; i++)
        {
            text.Append(invariant, $".table t{i} {string.Join(", ", program.Tables[i])}\n");
        }

        int start = 0;
        for (int i = 0; i < program.Functions.Length; i++)
        {
            FunctionHeader header = program.Functions[i];
            text.Append(invariant, $"\n.func f{i} cells {header.Cells} args {header.Args} rets {header.Rets}\n");
            ShowCode(program, program.Code.AsSpan(start, header.Length), text);
            start += header.Length;
        }

        foreach (ContainerEntry entry in program.Entries)
        {
            text.Append(invariant, $"\n.entry e{entry.Selector} func {entry.Function} selector {entry.Selector} pages {entry.MaxPages}{View(entry.IsView)}\n");
            ShowSlots(entry.SlotModes, entry.SlotOwners, text);
        }

        return text.ToString();
    }

    private static string View(bool isView) => isView ? " view" : "";

    private static void ShowSlots(AccessMode[] modes, byte[] owners, StringBuilder text)
    {
        for (int slot = 0; slot < modes.Length; slot++)
        {
            string owner = owners.Length == 0 || owners[slot] == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" owner {owners[slot]}");
            text.Append(CultureInfo.InvariantCulture, $".slot s{slot} {ModeName(modes[slot])}{owner}\n");
        }
    }

    private static void ShowCode(Container program, ReadOnlySpan<ulong> code, StringBuilder text)
    {
        bool[] isTarget = new bool[code.Length];
        foreach (ulong word in code)
        {
            if (!TryExplain(word, out OpcodeInfo? info))
            {
                continue;
            }

            foreach (Operand operand in info!.Operands)
            {
                uint value = operand.Read(word);
                ReadOnlySpan<ushort> targets = operand.Kind switch
                {
                    OperandKind.Target when value < (uint)code.Length => [(ushort)value],
                    OperandKind.Table when value < (uint)program.Tables.Length => program.Tables[value],
                    _ => default,
                };
                foreach (ushort target in targets)
                {
                    if (target < code.Length)
                    {
                        isTarget[target] = true;
                    }
                }
            }
        }

        for (int i = 0; i < code.Length; i++)
        {
            if (isTarget[i])
            {
                text.Append(CultureInfo.InvariantCulture, $"L{i}:\n");
            }

            ShowInstruction(program, code[i], code.Length, text);
        }
    }

    private static void ShowInstruction(Container program, ulong word, int length, StringBuilder text)
    {
        if (!TryExplain(word, out OpcodeInfo? info))
        {
            text.Append(CultureInfo.InvariantCulture, $"    .word 0x{word:x16}\n");
            return;
        }

        string separator = " ";
        text.Append("    ").Append(info!.Mnemonic.ToLowerInvariant());
        ReadOnlySpan<Operand> operands = info.Operands;
        while (operands.Length > 0 && operands[^1].IsOptional && operands[^1].Read(word) == 0)
        {
            operands = operands[..^1];
        }

        foreach (Operand operand in operands)
        {
            text.Append(separator).Append(ShowOperand(program, operand, operand.Read(word), length));
            separator = ", ";
        }

        text.Append('\n');
    }

    private static string ShowOperand(Container program, Operand operand, uint value, int length)
    {
        ReadOnlySpan<string> words = OperandWords.Of(operand.Kind);
        if (value < (uint)words.Length)
        {
            return words[(int)value];
        }

        string number = operand.Kind == OperandKind.Signed
            ? ((int)value).ToString(CultureInfo.InvariantCulture)
            : value.ToString(CultureInfo.InvariantCulture);
        bool isNamed = operand.Kind switch
        {
            OperandKind.Target => value < (uint)length,
            OperandKind.Function => value < (uint)program.Functions.Length,
            OperandKind.Constant => value < (uint)program.Constants.Length,
            OperandKind.Table => value < (uint)program.Tables.Length,
            OperandKind.CallSite => value < (uint)program.Sites.Length,
            _ => operand.IsCell,
        };
        string prefix = operand.Kind switch { OperandKind.Target => "L", OperandKind.Function => "f", OperandKind.Constant => "c", OperandKind.Table => "t", OperandKind.CallSite => "x", _ => "r" };
        return isNamed ? prefix + number : number;
    }

    // All bits that are set belong to the opcode or one of its operands; operands never overlap.
    private static bool TryExplain(ulong word, out OpcodeInfo? info)
    {
        info = OpcodeTable.Find((byte)word);
        return info is not null && (word & ~info.UsedBits) == 0;
    }

    private static string ModeName(AccessMode mode) => mode switch { AccessMode.Read => "Read", AccessMode.Write => "Write", _ => "Add" };
}
