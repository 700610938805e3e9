// Turns a text into a program container. One line is one label, directive or instruction; names may be used before they
// are defined. docs/assembly.md is the tour for newcomers; this is the reference.
//
//   ; comment                                     to the end of the line
//   .fork N                                       fork the code is written for, 0 when absent
//   .const [name] N                               next 64-bit word of the constant pool, for LDC
//   .equ name N                                   a number with a name
//   .data [name] part, part, ...                  read-only bytes; the name is the address of the first
//        text "ASCII"   hex "00ff"   u64 N   zeros N   align N
//   .func name cells N [args N] [rets N]          a function; what follows is its code
//   .cell name rN                                 a name for a cell (pair, quad) until the next .func
//   label:                                        a place in the function, for branches
//   mnemonic operand, operand, ...                operands in the order of the opcode table
//   .word N                                       an instruction as a raw 64-bit word
//   .table name target, target, ...               where a SWITCH of this function goes: labels or indexes, the default last
//   .entry name [func f] selector N [pages N] [view]   what can be called; f is the function of the same name when absent
//   .slot name Read|Write|Add [owner p]           next slot of the entry or import above; p owns the records behind it, else the program itself
//   .program name hex "id"                        another program
//   .import name program p selector N [args N] [rets N] [view]    an entry of it, as it is expected to be; its slots follow
//   .site name import slot, slot, ...             a way to call it: which slot of ours stands for each of its
//
//   operand   cell r0..r127 or its name | number or .equ or .data name | label or index | function | constant | slot | table | site
//             [cell + number] for two operands that are an address | a word of OperandWords (floor, timestamp_ms, ...)
//   slot      name when all entries agree on it, entry.name, or its number
//   number    decimal, 0x hexadecimal, '_' between digits, '-' in front where the field is signed
//
// Mnemonics and operands come from OpcodeTable: an opcode added there is known here. The assembler checks the text and
// that every value fits its field; what the code means is the verifier's matter, so a test can assemble what it must refuse.
//
// Invariants
//   T1  TryAssemble never throws; what it returns decodes as a container
//   T2  TryAssemble(Disassemble(c)) = c, byte for byte, for every container c that decodes
//
// Cost: O(characters), at most MaxSourceChars.   Threading: none shared.

using System;
using System.Collections.Generic;
using System.Numerics;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Text to container.</summary>
public static partial class Assembler
{
    /// <summary>The longest source text in characters.</summary>
    public const int MaxSourceChars = 1 << 23;

    /// <summary>Address of the first byte of <c>.data</c>.</summary>
    public const uint DataAddress = 0x1000;

    private const int MaxEntryPages = 0x7FFF;               // the field's 15 bits

    /// <summary>Assembles a program.</summary>
    /// <param name="source">The text.</param>
    /// <param name="container">Canonical container bytes, owned by the caller; empty after a refusal.</param>
    /// <param name="refusal">The first fault: "Line N: ...".</param>
    public static bool TryAssemble(string source, out byte[] container, out Refusal refusal)
    {
        container = [];
        if (source is null || source.Length > MaxSourceChars)
        {
            refusal = new Refusal(
                RefusalCode.AssemblyTooLarge, $"Line 1: the source has {source?.Length ?? 0} characters; a text of at most {MaxSourceChars} is needed.");
            return false;
        }

        return SourceParser.TryParse(source, DataAddress, out SourceProgram program, out refusal) && TryEncode(program, out container, out refusal);
    }

    private static bool TryEncode(SourceProgram program, out byte[] container, out Refusal refusal)
    {
        container = [];
        if (program.Functions.Count == 0)
        {
            return Refuse(RefusalCode.AssemblySyntax, 1, "the source has no .func", out refusal);
        }

        List<ulong> code = [];
        FunctionHeader[] functions = new FunctionHeader[program.Functions.Count];
        for (int i = 0; i < functions.Length; i++)
        {
            SourceFunction function = program.Functions[i];
            if (function.Instructions.Count == 0)
            {
                return Refuse(RefusalCode.AssemblySyntax, function.Line, $"the function '{function.Name}' has no instructions", out refusal);
            }

            foreach (SourceInstruction instruction in function.Instructions)
            {
                if (!TryEncode(program, function, instruction, out ulong word, out refusal))
                {
                    return false;
                }

                code.Add(word);
            }

            if (code.Count > Container.MaxInstructions)
            {
                return Refuse(RefusalCode.AssemblyTooLarge, function.Line, $"there are more than {Container.MaxInstructions} instructions", out refusal);
            }

            functions[i] = new FunctionHeader((byte)function.Cells, (byte)function.Arguments, (byte)function.Results, (ushort)function.Instructions.Count);
        }

        if (!TryEncodeEntries(program, out ContainerEntry[] entries, out refusal))
        {
            return false;
        }

        if (!TryEncodeLinks(program, out Container links, out refusal))
        {
            return false;
        }

        byte[] bytes = new Container
        {
            Fork = program.Fork,
            Constants = [.. program.Constants],
            Data = [.. program.Data],
            Functions = functions,
            Code = [.. code],
            Entries = entries,
            Tables = links.Tables,
            Programs = links.Programs,
            Imports = links.Imports,
            Sites = links.Sites,
        }.Encode();
        if (!Container.TryDecode(bytes, out _, out Refusal shape))                // T1: the last word on shape is the decoder's
        {
            return Refuse(RefusalCode.AssemblyTooLarge, 1, $"the program makes no container ({shape.Sentence.TrimEnd('.')})", out refusal);
        }

        container = bytes;
        return true;
    }

    // The container wants entries by ascending selector; an author writes them in any order.
    private static bool TryEncodeEntries(SourceProgram program, out ContainerEntry[] entries, out Refusal refusal)
    {
        refusal = Refusal.None;
        entries = new ContainerEntry[program.Entries.Count];
        List<SourceEntry> sorted = [.. program.Entries];
        sorted.Sort(static (x, y) => x.Selector.CompareTo(y.Selector));
        for (int i = 0; i < entries.Length; i++)
        {
            SourceEntry entry = sorted[i];
            if (i > 0 && sorted[i - 1].Selector == entry.Selector)
            {
                return Refuse(
                    RefusalCode.AssemblyDuplicateName, Math.Max(entry.Line, sorted[i - 1].Line), $"the selector {entry.Selector} is used by two entries", out refusal);
            }

            long function = entry.Function.Number;
            if (entry.Function.IsWord)
            {
                if (!program.FunctionNames.TryGetValue(entry.Function.Word, out int index))
                {
                    return Refuse(RefusalCode.AssemblyUnknownName, entry.Line, $"no function is called {entry.Function.Shown}", out refusal);
                }

                function = index;
            }

            if (function is < 0 or > ushort.MaxValue)
            {
                return Refuse(RefusalCode.AssemblyRange, entry.Line, $"the function {function} is outside 0 to {ushort.MaxValue}", out refusal);
            }

            if (!TryOwners(program, entry.Line, entry.Slots, out byte[] owners, out refusal))
            {
                return false;
            }

            if (entry.Pages > MaxEntryPages)
            {
                return Refuse(RefusalCode.AssemblyRange, entry.Line, $"an entry has at most {MaxEntryPages} pages, not {entry.Pages}", out refusal);
            }

            entries[i] = new ContainerEntry(entry.Selector, (ushort)function, (ushort)entry.Pages, [.. entry.Slots.Modes])
            {
                SlotOwners = owners,
                IsView = entry.IsView,
            };
        }

        return true;
    }

    private static bool TryEncode(SourceProgram program, SourceFunction function, SourceInstruction instruction, out ulong word, out Refusal refusal)
    {
        refusal = Refusal.None;
        word = instruction.Raw;
        if (instruction.Mnemonic == ".word")
        {
            return true;
        }

        if (!TryFindOpcode(instruction.Mnemonic, out OpcodeInfo? info, out OpcodeAlias? alias))
        {
            return Refuse(
                RefusalCode.AssemblyUnknownName, instruction.Line, $"no instruction is called '{Token.Printable(instruction.Mnemonic)}'", out refusal);
        }

        int expected = info!.Operands.Length - (alias is null ? 0 : 1);
        bool isShort = instruction.Operands.Length < expected && info.Operands[instruction.Operands.Length].IsOptional;
        if (instruction.Operands.Length != expected && !isShort)
        {
            return Refuse(
                RefusalCode.AssemblyOperand,
                instruction.Line,
                $"'{Token.Printable(instruction.Mnemonic)}' takes {expected} operands, not {instruction.Operands.Length}",
                out refusal);
        }

        word = (byte)info.Opcode;
        int next = 0;
        for (int i = 0; i < info.Operands.Length; i++)
        {
            Operand operand = info.Operands[i];
            uint value = alias?.FixedValue ?? 0;
            if (alias?.FixedOperand != i && next < instruction.Operands.Length)
            {
                SourceOperand written = instruction.Operands[next++];
                (RefusalCode code, string complaint) = Resolve(program, function, operand, written, out value);
                if (code != RefusalCode.None)
                {
                    return Refuse(
                        code, instruction.Line, $"operand {next} of '{Token.Printable(instruction.Mnemonic)}': {complaint}", out refusal);
                }
            }

            word = operand.Write(word, value);
        }

        return true;
    }

    private static bool TryFindOpcode(string mnemonic, out OpcodeInfo? info, out OpcodeAlias? alias)
    {
        string capitals = mnemonic.Length <= 16 ? mnemonic.ToUpperInvariant() : "";
        alias = null;
        foreach (OpcodeAlias known in OpcodeTable.Aliases)
        {
            alias = known.Mnemonic == capitals ? known : alias;
        }

        info = null;
        return alias is null ? OpcodeTable.TryFind(capitals, out info) : (info = OpcodeTable.Get(alias.Opcode)) is not null;
    }

    private static (RefusalCode Code, string Complaint) Resolve(
        SourceProgram program, SourceFunction function, Operand operand, SourceOperand written, out uint value)
    {
        value = 0;
        long number = written.Number;
        if (operand.IsCell)
        {
            if (!SourceParser.TryCell(written.Word, out int cell) && !function.Cell.TryGetValue(written.Word, out cell))
            {
                return written.IsWord
                    ? (RefusalCode.AssemblyUnknownName, $"no cell is called {written.Shown}")
                    : (RefusalCode.AssemblyOperand, $"a cell is needed, not the number {number}");
            }

            number = cell;
        }
        else if (written.IsWord && !TryName(program, function, operand, written.Word, out number, out string complaint))
        {
            bool isAmbiguous = operand.IsSlot && program.SlotNames.ContainsKey(written.Word);
            return (isAmbiguous ? RefusalCode.AssemblyDuplicateName : RefusalCode.AssemblyUnknownName, complaint);
        }

        long high = (long)(operand.Mask >> BitOperations.TrailingZeroCount(operand.Mask));
        long low = 0;
        if (operand.Kind == OperandKind.Signed)
        {
            low = -(high / 2) - 1;
            high /= 2;
        }

        if (number < low || number > high)
        {
            return (RefusalCode.AssemblyRange, $"{number} is outside {low} to {high}");
        }

        value = unchecked((uint)number);
        return (RefusalCode.None, "");
    }

    private static bool TryName(SourceProgram program, SourceFunction function, Operand operand, string name, out long number, out string complaint)
    {
        string shown = Token.Printable(name);
        int index;
        switch (operand.Kind)
        {
            case OperandKind.Target:
                complaint = $"no label of the function '{function.Name}' is called '{shown}'";
                bool isLabel = function.Labels.TryGetValue(name, out index);
                number = index;
                return isLabel;
            case OperandKind.Function:
                complaint = $"no function is called '{shown}'";
                bool isFunction = program.FunctionNames.TryGetValue(name, out index);
                number = index;
                return isFunction;
            case OperandKind.Constant:
                complaint = $"no constant is called '{shown}'";
                bool isConstant = program.ConstantNames.TryGetValue(name, out index);
                number = index;
                return isConstant;
            case OperandKind.Table:
                complaint = $"no table is called '{shown}'";
                bool isTable = program.TableNames.TryGetValue(name, out index);
                number = index;
                return isTable;
            case OperandKind.CallSite:
                complaint = $"no site is called '{shown}'";
                bool isSite = program.SiteNames.TryGetValue(name, out index);
                number = index;
                return isSite;
            case OperandKind when operand.IsSlot:
                bool isSlot = program.SlotNames.TryGetValue(name, out index);
                complaint = isSlot
                    ? $"entries give the slot name '{shown}' to different slots, so write entry.{shown}"
                    : $"no slot is called '{shown}'";
                number = index;
                return isSlot && index >= 0;
            default:
                complaint = $"no value is called '{shown}'";
                return OperandWords.TryValue(operand.Kind, name, out number) || program.Values.TryGetValue(name, out number);
        }
    }

    private static bool Refuse(RefusalCode code, int line, string sentence, out Refusal refusal)
    {
        refusal = new Refusal(code, $"Line {line}: {sentence}.");
        return false;
    }
}
