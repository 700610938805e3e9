// Watches one transaction and adds up: what called what, what each instruction cost, which keys were read and written.
//
// The call tree merges activations of one function under one caller, so a loop of a thousand calls is one node with
// times = 1000. The gas of a node is what its own instructions cost; a block's charge is split over its instructions, each at
// its price, so blocks that end early leave a rest that no instruction owns (Unowned of the report).
//
// Threading: one run on one thread, then read.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Traces;

/// <summary>The activations of one function under one caller.</summary>
internal sealed class CallNode(ProgramId program, int function, uint? selector)
{
    /// <summary>Whose code.</summary>
    public ProgramId Program { get; } = program;

    /// <summary>Index of the function in its program.</summary>
    public int Function { get; } = function;

    /// <summary>The entry that began here, null for a call inside the program.</summary>
    public uint? Selector { get; } = selector;

    /// <summary>Activations.</summary>
    public long Times { get; set; }

    /// <summary>Instructions of the activations themselves.</summary>
    public long Instructions { get; set; }

    /// <summary>What they cost.</summary>
    public ulong OwnGas { get; set; }

    /// <summary>What was called from here, in the order of the first call.</summary>
    public List<CallNode> Children { get; } = [];

    /// <summary>Own gas and that of everything below.</summary>
    public ulong TotalGas
    {
        get
        {
            ulong sum = OwnGas;
            Children.ForEach(child => sum += child.TotalGas);
            return sum;
        }
    }
}

/// <summary>One instruction of the code.</summary>
internal readonly record struct CodePlace(ProgramId Program, int Function, int Instruction);

/// <summary>What the runs of one instruction cost together.</summary>
internal sealed record PlaceCost(ulong Word)
{
    /// <summary>Runs.</summary>
    public long Times { get; set; }

    /// <summary>Their gas.</summary>
    public ulong Gas { get; set; }
}

/// <summary>How often a key was used.</summary>
internal sealed record KeyUse
{
    /// <summary>Instructions that read the record.</summary>
    public long Reads { get; set; }

    /// <summary>Instructions that wrote, created or deleted it.</summary>
    public long Writes { get; set; }

    /// <summary>Instructions that added to it.</summary>
    public long Adds { get; set; }
}

/// <summary>The sink.</summary>
internal sealed class TransactionTrace : ITraceSink
{
    private readonly record struct Running(ProgramId Program, ushort[] Slots, int Height);

    private readonly List<CallNode> _open = [];                 // activations, the innermost last
    private readonly List<Running> _programs = [];              // programs, the innermost last
    private readonly List<ulong> _countedBefore = [];           // per depth: what was counted before its open step

    private ulong _elementOfArray;                              // of the open step; its cell may be written by it

    /// <summary>The called entry; null when nothing ran.</summary>
    public CallNode? Root { get; private set; }

    /// <summary>Every instruction that ran.</summary>
    public Dictionary<CodePlace, PlaceCost> Places { get; } = [];

    /// <summary>Use of the access list's keys, by index.</summary>
    public Dictionary<int, KeyUse> Keys { get; } = [];

    /// <summary>Gas of all instructions.</summary>
    public ulong Counted { get; private set; }

    /// <inheritdoc/>
    public void Enter(int depth, in ProgramId program, VerifiedProgram code, ProgramEntry entry, ReadOnlySpan<ushort> slots)
    {
        _programs.Add(new Running(program, slots.ToArray(), _open.Count));
        Open(program, entry.Function, entry.Selector);
        if (_countedBefore.Count <= depth)
        {
            _countedBefore.Add(0);
        }
    }

    /// <inheritdoc/>
    public void Before(in TraceStep step, ReadOnlySpan<ulong> cells)
    {
        _countedBefore[step.Depth] = Counted;
        _elementOfArray = (Opcode)(byte)step.Word is Opcode.Sldx or Opcode.Sstx ? cells[(byte)(step.Word >> 16)] : 0;
    }

    /// <inheritdoc/>
    public void After(in TraceStep step, ReadOnlySpan<ulong> cells, ulong gas, ushort code)
    {
        ulong inside = Counted - _countedBefore[step.Depth];    // of a program that this step called
        ulong own = step.Price + (step.Gas - gas) - inside;
        Counted += own;
        CodePlace place = new(_programs[^1].Program, step.Function, step.Instruction);
        if (!Places.TryGetValue(place, out PlaceCost? cost))
        {
            Places.Add(place, cost = new PlaceCost(step.Word));
        }

        cost.Times++;
        cost.Gas += own;
        _open[^1].Instructions++;
        _open[^1].OwnGas += own;
        if (code != 0)
        {
            return;
        }

        OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)step.Word);
        NoteKeys(info, step.Word);
        if (info.Opcode == Opcode.Call)
        {
            Open(_programs[^1].Program, (int)(step.Word >> 32), selector: null);
        }
        else if (info.Opcode == Opcode.Ret && _open.Count > _programs[^1].Height + 1)
        {
            _open.RemoveAt(_open.Count - 1);
        }
    }

    /// <inheritdoc/>
    public void Leave(ushort code)
    {
        _open.RemoveRange(_programs[^1].Height, _open.Count - _programs[^1].Height);
        _programs.RemoveAt(_programs.Count - 1);
    }

    /// <summary>An instruction as the assembler writes it, with numbers for names.</summary>
    public static string Show(ulong word)
    {
        OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
        StringBuilder text = new(info.Mnemonic.ToLowerInvariant());
        for (int i = 0; i < info.Operands.Length; i++)
        {
            text.Append(i == 0 ? " " : ", ").Append(info.Operands[i].IsCell ? "r" : "");
            text.Append(CultureInfo.InvariantCulture, $"{info.Operands[i].Read(word)}");
        }

        return text.ToString();
    }

    private void Open(ProgramId program, int function, uint? selector)
    {
        CallNode? node = _open.Count == 0
            ? null
            : _open[^1].Children.Find(child => child.Function == function && child.Program == program && child.Selector == selector);
        if (node is null)
        {
            node = new CallNode(program, function, selector);
            if (_open.Count == 0)
            {
                Root = node;
            }
            else
            {
                _open[^1].Children.Add(node);
            }
        }

        node.Times++;
        _open.Add(node);
    }

    private void NoteKeys(OpcodeInfo info, ulong word)
    {
        foreach (Operand operand in info.Operands)
        {
            if (!operand.IsSlot)
            {
                continue;
            }

            int access = _programs[^1].Slots[operand.Read(word) + _elementOfArray];
            if (!Keys.TryGetValue(access, out KeyUse? use))
            {
                Keys.Add(access, use = new KeyUse());
            }

            bool copiesIn = operand.Kind == OperandKind.CopySlot && word >> 48 != 0;
            use.Reads += operand.Kind is OperandKind.ReadSlot or OperandKind.ReadArray || (operand.Kind == OperandKind.CopySlot && !copiesIn) ? 1 : 0;
            use.Writes += operand.Kind is OperandKind.WriteSlot or OperandKind.WriteArray || copiesIn ? 1 : 0;
            use.Adds += operand.Kind == OperandKind.AddSlot ? 1 : 0;
        }
    }
}
