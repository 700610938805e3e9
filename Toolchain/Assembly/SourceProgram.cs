// A source text after parsing and before encoding: everything is where it will be in the container, but operands are
// still words and numbers. SourceParser makes it, Assembler turns it into bytes.
//
// Threading: built and read by one call.

using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

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

/// <summary>A switch table: labels or instruction indexes of one function, the default last.</summary>
internal sealed record SourceTable(int Line, SourceFunction? Function, SourceOperand[] Targets);

/// <summary>Where the slots of an entry or an import are collected.</summary>
internal sealed class SourceSlots
{
    public List<AccessMode> Modes { get; } = [];

    /// <summary>Names of owners, or their numbers: 0 for the program itself.</summary>
    public List<SourceOperand> Owners { get; } = [];
}

/// <summary>An entry of another program.</summary>
internal sealed class SourceImport
{
    public required int Line { get; init; }

    public required SourceOperand Program { get; init; }

    public required uint Selector { get; init; }

    public required int Arguments { get; init; }

    public required int Results { get; init; }

    public required bool IsView { get; init; }

    public SourceSlots Slots { get; } = new();
}

/// <summary>A place that calls an import.</summary>
internal sealed record SourceSite(int Line, SourceOperand Import, SourceOperand[] Slots);

internal sealed class SourceEntry
{
    public required int Line { get; init; }

    public required string Name { get; init; }

    public required uint Selector { get; init; }

    /// <summary>Function by name, or by number when the name is empty.</summary>
    public required SourceOperand Function { get; init; }

    public required int Pages { get; init; }

    public required bool IsView { get; init; }

    public SourceSlots Slots { get; } = new();
}

internal sealed class SourceProgram
{
    public ushort Fork { get; set; }

    public List<ulong> Constants { get; } = [];

    public List<byte> Data { get; } = [];

    public List<SourceFunction> Functions { get; } = [];

    public List<SourceEntry> Entries { get; } = [];

    public List<SourceTable> Tables { get; } = [];

    public List<ProgramId> Programs { get; } = [];

    public List<SourceImport> Imports { get; } = [];

    public List<SourceSite> Sites { get; } = [];

    public Dictionary<string, int> TableNames { get; } = [];

    public Dictionary<string, int> ProgramNames { get; } = [];

    public Dictionary<string, int> ImportNames { get; } = [];

    public Dictionary<string, int> SiteNames { get; } = [];

    /// <summary>Index in <see cref="Constants"/> of a named constant.</summary>
    public Dictionary<string, int> ConstantNames { get; } = [];

    /// <summary>Numbers by <c>.equ</c> and addresses by <c>.data</c>.</summary>
    public Dictionary<string, long> Values { get; } = [];

    public Dictionary<string, int> FunctionNames { get; } = [];

    public Dictionary<string, int> EntryNames { get; } = [];

    /// <summary>Slot index by "slot" and by "entry.slot"; -1 when entries give one name to different slots.</summary>
    public Dictionary<string, int> SlotNames { get; } = [];
}
