// A source text after parsing and before encoding: everything is where it will be in the container, but operands are
// still words and numbers. SourceParser makes it, Assembler turns it into bytes.
//
// Threading: built and read by one call.

using System.Collections.Generic;
using ParallelVm.AccessLists;

namespace ParallelVm.Toolchain;

/// <summary>An operand as written: a word, or a number (then <paramref name="Word"/> is empty).</summary>
internal readonly record struct SourceOperand(string Word, long Number)
{
    public bool IsWord => Word.Length != 0;

    public string Shown => IsWord ? $"'{Token.Printable(Word)}'" : Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>One instruction as written; the mnemonic ".word" carries the whole word in <paramref name="Raw"/>.</summary>
internal readonly record struct SourceInstruction(int Line, string Mnemonic, SourceOperand[] Operands, ulong Raw);

internal sealed class SourceFunction
{
    public required int Line { get; init; }

    public required string Name { get; init; }

    public required int Cells { get; init; }

    public required int Arguments { get; init; }

    public required int Results { get; init; }

    public List<SourceInstruction> Instructions { get; } = [];

    /// <summary>Label -> index of the instruction after it.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>Names of cells by <c>.cell</c>.</summary>
    public Dictionary<string, int> Cell { get; } = [];
}

internal sealed class SourceEntry
{
    public required int Line { get; init; }

    public required string Name { get; init; }

    public required uint Selector { get; init; }

    /// <summary>Function by name, or by number when the name is empty.</summary>
    public required SourceOperand Function { get; init; }

    public required int Pages { get; init; }

    public List<AccessMode> SlotModes { get; } = [];
}

internal sealed class SourceProgram
{
    public ushort Fork { get; set; }

    public List<ulong> Constants { get; } = [];

    public List<byte> Data { get; } = [];

    public List<SourceFunction> Functions { get; } = [];

    public List<SourceEntry> Entries { get; } = [];

    /// <summary>Index in <see cref="Constants"/> of a named constant.</summary>
    public Dictionary<string, int> ConstantNames { get; } = [];

    /// <summary>Numbers by <c>.equ</c> and addresses by <c>.data</c>.</summary>
    public Dictionary<string, long> Values { get; } = [];

    public Dictionary<string, int> FunctionNames { get; } = [];

    public Dictionary<string, int> EntryNames { get; } = [];

    /// <summary>Slot index by "slot" and by "entry.slot"; -1 when entries give one name to different slots.</summary>
    public Dictionary<string, int> SlotNames { get; } = [];
}
