// Random programs that are valid by construction: straight code over every opcode that does not end a run, forward branches and
// switches, loops with counters and breaks, calls to later functions and to another program that may call back, slots in
// every mode. The verifier has to accept each of them.
//
// The generator tracks what the verifier tracks: the sets of defined cells and of felts among them. Cells 0..10 are counters
// and limits of loops and plain small numbers, 11 is an index into arrays of slots, 12..14 address memory, 15 is a length;
// all are set at a function's start and no random destination lies among them.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Oracle;

internal sealed class ProgramGenerator
{
    /// <summary>Cells that the entry writes to slot 0 by SST8, one after another, before its last instruction; the heap's hash follows.</summary>
    public const int Shown = 6;

    /// <summary>Cells of every function.</summary>
    public const int Cells = 48;

    private const int Pages = 2;
    private const int FirstFree = 16;
    private const uint Heap = (uint)SpecialValues.Heap;
    private const uint IndexCell = 11;
    private const uint LengthCell = 15;
    private const uint Signed = (uint)SpecialValues.Data + 40;          // a valid signature lies here
    private const uint CalleeSelector = 7;
    private const uint ViewSelector = 2;

    /// <summary>The program that a generated one calls.</summary>
    public static readonly ProgramId CalleeId = new(VmCase.Sequence(0xB0));

    /// <summary>Slots of a generated entry: 0, 1, 4 its own to write, 2 read, 3 its own to add to, 5 and 6 the callee's to write and add to.</summary>
    public static readonly AccessMode[] SlotModes =
        [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add, AccessMode.Write, AccessMode.Write, AccessMode.Add];

    private static readonly byte[] SlotOwners = [0, 0, 0, 0, 0, 1, 1];
    private static readonly AccessMode[] CalleeModes = [AccessMode.Write, AccessMode.Read, AccessMode.Add];

    // what a program's code may touch, by its own slots
    private sealed record SlotChoice(uint[] Readable, uint[] Writable, uint[] Addable, uint ReadArray, uint WriteArray);

    private static readonly SlotChoice MainSlots = new([0, 1, 2, 4], [0, 1, 4], [0, 1, 3, 4], 3, 2);
    private static readonly SlotChoice CalleeSlots = new([0, 1], [0], [0, 2], 2, 1);
    private static readonly Opcode[] Compares = [Opcode.Jeq, Opcode.Jne, Opcode.Jlt, Opcode.Jge, Opcode.Jslt, Opcode.Jsge];

    private static readonly byte[] ReadOnlyBytes = MakeData();

    private readonly SeededRandom _random;
    private readonly bool _isSmall;
    private readonly bool _isCallee;
    private readonly SlotChoice _slots;
    private readonly List<ulong> _code = [];
    private readonly List<ushort[]> _tables = [];
    private readonly FunctionHeader[] _functions;
    private int _function;
    private int _start;
    private int _budget;
    private int _loops;
    private int _live;                              // cells below it stay defined in the open loops
    private UInt128 _defined;
    private UInt128 _felts;

    private ProgramGenerator(SeededRandom random, bool isSmall, bool isCallee)
    {
        _random = random;
        _isSmall = isSmall;
        _isCallee = isCallee;
        _slots = isCallee ? CalleeSlots : MainSlots;
        _functions = new FunctionHeader[isSmall ? 1 + (random.Chance(1, 4) ? 1 : 0) : 1 + random.Next(4)];
    }

    /// <summary>A container whose first entry takes no arguments.</summary>
    /// <param name="random">Decides everything.</param>
    /// <param name="isSmall">Short code and nothing dear, so that every gas limit can be tried.</param>
    public static Container Make(SeededRandom random, bool isSmall = false) => new ProgramGenerator(random, isSmall, isCallee: false).Make();

    /// <summary>The program behind <see cref="CalleeId"/>.</summary>
    public static Container MakeCallee(SeededRandom random, bool isSmall = false) => new ProgramGenerator(random, isSmall, isCallee: true).Make();

    private Container Make()
    {
        for (int i = 0; i < _functions.Length; i++)
        {
            int args = i == 0 ? (_isCallee ? 2 : 0) : _random.Next(4);
            int rets = i == 0 ? (_isCallee ? 2 : 0) : _random.Next(FirstFree);
            _functions[i] = new FunctionHeader((byte)Cells, (byte)args, (byte)rets, 0);
        }

        for (_function = 0; _function < _functions.Length; _function++)
        {
            _start = _code.Count;
            _budget = (_isSmall ? 4 : 12) + _random.Next(_isSmall ? 10 : 40);
            Prologue();
            Body(0);
            if (_function == 0)
            {
                Epilogue();
            }

            Emit(_function == 0 && !_isCallee && _random.Chance(3, 4) ? Opcode.Halt : Opcode.Ret);
            _functions[_function] = _functions[_function] with { Length = (ushort)(_code.Count - _start) };
        }

        return _isCallee ? Callee() : Main();
    }

    // the called entry, and now and then a view of its first record for the callee to call back; sometimes it is no view
    private Container Main()
    {
        bool hasView = _random.Chance(1, 4);
        ulong[] view = hasView ? [Words.Op(Opcode.Sld8, 0, 0, 8), Words.Op(Opcode.Ret)] : [];
        ContainerEntry called = new(1, 0, Pages, SlotModes) { SlotOwners = SlotOwners };
        ContainerEntry seen = new(ViewSelector, (ushort)_functions.Length, 0, [AccessMode.Read]) { IsView = _random.Chance(7, 8) };
        return new Container
        {
            Code = [.. _code, .. view],
            Constants = SpecialValues.Words,
            Data = ReadOnlyBytes,
            Tables = [.. _tables],
            Functions = hasView ? [.. _functions, new FunctionHeader(1, 0, 1, (ushort)view.Length)] : _functions,
            Programs = [CalleeId],
            Imports = [new ContainerImport(0, CalleeSelector + (_random.Chance(1, 20) ? 1u : 0), 2, 2, false, CalleeModes, [])],
            Sites = [new ContainerSite(0, [5, (ushort)Pick(_slots.Readable), 6]), new ContainerSite(0, [5, 5, 5])],
            Entries = hasView ? [called, seen] : [called],
        };
    }

    private Container Callee() => new()
    {
        Code = [.. _code],
        Constants = SpecialValues.Words,
        Data = ReadOnlyBytes,
        Tables = [.. _tables],
        Functions = _functions,
        Programs = [VmCase.Self],
        Imports = [new ContainerImport(0, ViewSelector, 0, 1, true, [AccessMode.Read], [])],
        Sites = [new ContainerSite(0, [(ushort)Pick(_slots.Readable)]), new ContainerSite(0, [0])],
        Entries = [new ContainerEntry(CalleeSelector, 0, Pages, CalleeModes)],
    };

    private static byte[] MakeData()
    {
        byte[] text = [.. "some bytes to read, hash and copy"u8];
        byte[] data = new byte[Signed - SpecialValues.Data + 128];
        text.CopyTo(data, 0);
        Bytes32 seed = VmCase.Sequence(3);
        Bytes32 message = VmCase.Sequence(4);
        Span<byte> signed = data.AsSpan((int)(Signed - SpecialValues.Data));
        Ed25519.PublicKeyOf(seed).Value.CopyTo(signed);
        Ed25519.Sign(seed, message.ToArray()).CopyTo(signed[32..]);
        message.CopyTo(signed[96..]);
        return data;
    }

    private void Prologue()
    {
        for (uint cell = 0; cell < FirstFree; cell++)
        {
            bool isArgument = cell < _functions[_function].Args;
            if (!isArgument)
            {
                Emit(Opcode.Ldi, cell, cell >= 12 && cell < LengthCell ? Heap + (64 * cell) : (uint)_random.Next(cell == IndexCell ? 3 : 96));
            }
        }

        _defined = Run(0, FirstFree);
        _felts = 0;
        if (_function == 0)
        {
            Emit(Opcode.Ldi, FirstFree, (uint)(_random.Chance(9, 10) ? 1 : _random.Next(Pages + 2)));
            Emit(Opcode.Mgrow, FirstFree, FirstFree);
            _defined |= Run(FirstFree, 1);
        }
    }

    // what cells hold becomes visible in a record
    private void Epilogue()
    {
        for (uint i = 0; i < Shown; i++)
        {
            Emit(Opcode.Sst8, 0, 8 * i, Source(1));
        }

        if (!_isSmall)
        {
            Emit(Opcode.Blake3, FirstFree, 12, LengthCell);
            Emit(Opcode.Sstq, 0, 8 * Shown, FirstFree);
        }

        if (_isCallee)
        {
            Emit(Opcode.Mov, 0, Source(1));
            Emit(Opcode.Mov, 1, Source(1));
        }
    }

    private void Body(int depth)
    {
        for (int left = 1 + _random.Next(8); left > 0 && _budget > 0; left--)
        {
            _budget--;
            int kind = _random.Next(20);
            if (kind < 2 && depth < 4)
            {
                If(depth);
            }
            else if (kind < 4 && _loops < 3)
            {
                Loop(depth);
            }
            else if (kind == 4 && _function + 1 < _functions.Length)
            {
                Call();
            }
            else if (kind == 6 && depth < 3)
            {
                Switch(depth);
            }
            else if (kind == 7 && _function == 0 && _random.Chance(1, 2))
            {
                CallProgram();
            }
            else if (kind == 5 && _random.Chance(1, 3))
            {
                RareEnd();
            }
            else
            {
                Straight();
            }
        }
    }

    // if a (op) b goto after; then part; after:      sometimes with an else part
    private void If(int depth)
    {
        int branch = Branch();
        (UInt128 Defined, UInt128 Felts) before = (_defined, _felts);
        Body(depth + 1);
        if (_random.Chance(1, 2))
        {
            int jump = Here;
            Emit(Opcode.Jmp, 0);
            (UInt128 Defined, UInt128 Felts) afterThen = (_defined, _felts);
            Patch(branch, Here);
            (_defined, _felts) = before;
            Body(depth + 1);
            Patch(jump, Here);
            Meet(afterThen);
        }
        else
        {
            Patch(branch, Here);
            Meet(before);
        }

        Emit(Opcode.Nop);                           // a target must exist even at the end of a function
    }

    // switch a over arms that all meet behind it; some targets come twice
    private void Switch(int depth)
    {
        ushort[] table = new ushort[1 + _random.Next(5)];
        int arms = 1 + _random.Next(table.Length);
        Emit(Opcode.Switch, _random.Chance(3, 4) ? IndexCell : Source(1), (uint)_tables.Count);
        _tables.Add(table);
        (UInt128 Defined, UInt128 Felts) before = (_defined, _felts);
        (UInt128 Defined, UInt128 Felts) met = (UInt128.MaxValue, UInt128.MaxValue);
        List<int> jumps = [];
        for (int arm = 0; arm < arms; arm++)
        {
            for (int row = arm; row < table.Length; row += arms)
            {
                table[row] = (ushort)(Here - _start);
            }

            (_defined, _felts) = before;
            Emit(Opcode.Nop);
            Body(depth + 1);
            jumps.Add(Here);
            Emit(Opcode.Jmp, 0);
            met = (met.Defined & _defined, met.Felts & _felts);
        }

        jumps.ForEach(jump => Patch(jump, Here));
        (_defined, _felts) = met;
        Emit(Opcode.Nop);
    }

    private void Meet((UInt128 Defined, UInt128 Felts) other) => (_defined, _felts) = (_defined & other.Defined, _felts & other.Felts);

    private void Loop(int depth)
    {
        (uint counter, uint limit) = ((uint)(2 * _loops), (uint)(2 * _loops) + 1);
        Emit(Opcode.Ldi, counter, 0);
        Emit(Opcode.Ldi, limit, 1 + (uint)_random.Next(3));
        int outerLive = _live;
        int prefix = Math.Min(32, (int)UInt128.TrailingZeroCount(~_defined));   // a call needs room beside it
        _live = Math.Max(outerLive, FirstFree + _random.Next(prefix - FirstFree + 1));
        int felts = _random.Chance(1, 3) ? Math.Min(2, _live - FirstFree) : 0;
        ReduceRun(FirstFree, felts);
        int header = Here;
        Emit(Opcode.Loop, (uint)_live, felts == 0 ? 0u : FirstFree, felts == 0 ? 0u : (uint)(FirstFree + felts));
        _defined &= Run(0, _live);
        _felts = Run(FirstFree, felts);
        _loops++;
        int breaks = _random.Chance(1, 3) ? Branch() : -1;
        (UInt128 Defined, UInt128 Felts) atBreak = (_defined, _felts);
        Body(depth + 1);
        _loops--;
        _live = outerLive;
        ReduceRun(FirstFree, felts);
        Emit(Opcode.Addi, counter, counter, 1);
        Emit(Opcode.Jlt, counter, limit, (uint)(header - _start));
        if (breaks >= 0)
        {
            Patch(breaks, Here);
            Meet(atBreak);
        }

        Emit(Opcode.Nop);
    }

    private void Call()
    {
        int callee = _function + 1 + _random.Next(_functions.Length - _function - 1);
        FunctionHeader header = _functions[callee];
        int first = Math.Max(FirstFree, _live);
        int last = Cells - Math.Max(header.Args, header.Rets);
        int window = first + _random.Next(last - first + 1);
        for (int i = 0; i < header.Args; i++)
        {
            Emit(Opcode.Mov, (uint)(window + i), Source(1));
        }

        Emit(Opcode.Call, (uint)callee, (uint)window);
        _defined = (_defined & Run(0, window)) | Run(window, header.Rets);
        _felts &= Run(0, window);
    }

    // the callee's entry from the main program, the main program's view from the callee
    private void CallProgram()
    {
        int args = _isCallee ? 0 : 2;
        int rets = _isCallee ? 1 : 2;
        int first = Math.Max(FirstFree, _live);
        int window = first + _random.Next(Cells - 2 - first + 1);
        for (int i = 0; i < args; i++)
        {
            Emit(Opcode.Mov, (uint)(window + i), Source(1));
        }

        Emit(Opcode.Xcall, _random.Chance(4, 5) ? 0u : 1u, (uint)window);
        _defined = (_defined & Run(0, window)) | Run(window, rets);
        _felts &= Run(0, window);
    }

    private void ReduceRun(int first, int count)
    {
        for (int cell = first; cell < first + count; cell++)
        {
            Emit(Opcode.Fred, (uint)cell, (uint)cell);
            _felts |= Run(cell, 1);
        }
    }

    // an end in the middle, jumped over unless rarely
    private void RareEnd()
    {
        int branch = Here;
        Emit(Opcode.Jne, LengthCell, _random.Chance(1, 9) ? LengthCell : 12, 0);
        switch (_random.Next(3))
        {
            case 0:
                Emit(Opcode.Abort, Source(1));
                break;
            case 1:
                Emit(Opcode.Trap, 2 + (uint)_random.Next(15));
                break;
            default:
                Emit(_isCallee ? Opcode.Ret : Opcode.Halt);
                break;
        }

        Patch(branch, Here);
        Emit(Opcode.Nop);
    }

    private void Straight()
    {
        if (_random.Chance(1, 4))
        {
            uint cell = Destination(1);
            Emit(Opcode.Ldc, cell, (uint)_random.Next(SpecialValues.Words.Length));
            Write(OperandKind.Dest, cell);
            return;
        }

        OpcodeInfo info;
        do
        {
            info = OpcodeTable.All[_random.Next(OpcodeTable.All.Length)];
        }
        while (info.Flow != Flow.Next || info.Opcode is Opcode.Loop or Opcode.Xcall || (_isSmall && info.Gas >= 100) || (IsFaulty(info) && _random.Chance(5, 6)));

        bool usesMemory = info.Traps.Contains("Memory", StringComparison.Ordinal);
        uint[] values = new uint[info.Operands.Length];
        for (int i = 0; i < values.Length; i++)
        {
            Operand operand = info.Operands[i];
            values[i] = usesMemory && operand.Kind == OperandKind.Source && _random.Chance(19, 20) ? MemoryCell(info, operand.Field)
                : usesMemory && operand.Kind == OperandKind.Unsigned && info.Opcode != Opcode.Emit ? 32 * (uint)_random.Next(4)
                : operand.Kind == OperandKind.Source && operand.Field == OperandField.B && IsOnArray(info) && _random.Chance(9, 10) ? IndexCell
                : Value(operand.Kind);
        }

        if (info.Opcode == Opcode.Edver && _random.Chance(1, 2))
        {
            values[1] = Destination(1);
            Emit(Opcode.Ldi, values[1], Signed);
            Write(OperandKind.Dest, values[1]);
        }

        Emit(info.Opcode, values);
        for (int i = 0; i < values.Length; i++)
        {
            Write(info.Operands[i].Kind, values[i]);
        }
    }

    private void Write(OperandKind kind, uint cell)
    {
        int count = kind switch
        {
            OperandKind.Dest or OperandKind.DestFelt or OperandKind.Update => 1,
            OperandKind.DestPair => 2,
            OperandKind.DestQuad or OperandKind.DestFeltQuad => 4,
            OperandKind.UpdateFelts => 8,
            _ => 0,
        };
        UInt128 run = Run((int)cell, count);
        bool areFelts = kind is OperandKind.DestFelt or OperandKind.DestFeltQuad or OperandKind.UpdateFelts;
        _defined |= run;
        _felts = areFelts ? _felts | run : _felts & ~run;
    }

    private static bool IsOnArray(OpcodeInfo info) => info.Opcode is Opcode.Sldx or Opcode.Sstx;

    // traps on most random operands: drawn, but not at every turn
    private static bool IsFaulty(OpcodeInfo info) =>
        info.Opcode is Opcode.Sdel or Opcode.Snew or Opcode.Stale or Opcode.Mgrow or Opcode.Edver or Opcode.Sadd or Opcode.Ssub or Opcode.Smul
        || info.Traps.Contains("Overflow", StringComparison.Ordinal) || info.Traps.Contains("DivideByZero", StringComparison.Ordinal);

    // memory operands hold heap addresses and a small length; a record offset and argument offset are small too
    private uint MemoryCell(OpcodeInfo info, OperandField field)
    {
        bool isAddress = info.Opcode switch
        {
            Opcode.Mcpy => field != OperandField.C,
            Opcode.Mcmp => field != OperandField.D,
            Opcode.Mset or Opcode.Scpy or Opcode.Argcpy or Opcode.Emit or Opcode.Retd => field == OperandField.A,
            _ => field == OperandField.B,
        };
        bool isCell = field == OperandField.A && info.Opcode is >= Opcode.St1 and <= Opcode.St8;
        return isCell ? Source(1) : isAddress ? 12 + (uint)_random.Next(3) : LengthCell;
    }

    private uint Value(OperandKind kind) => kind switch
    {
        OperandKind.Dest => Destination(1),
        OperandKind.DestPair => Destination(2),
        OperandKind.DestQuad => Destination(4),
        OperandKind.Update => _defined >> FirstFree == 0 ? 14 : FreeDefined(),
        OperandKind.DestFelt => Destination(1),
        OperandKind.DestFeltQuad => Destination(4),
        OperandKind.SourceFelt => Felts(1, 1),
        OperandKind.SourceFeltQuad => Felts(4, 4),
        OperandKind.UpdateFelts => Felts(8, 4),
        OperandKind.WideShift => (uint)_random.Next(65),
        OperandKind.ReadArray or OperandKind.WriteArray => 0,
        OperandKind.ArrayLength => 1 + (uint)_random.Next((int)_slots.WriteArray),
        OperandKind.Source => Source(1),
        OperandKind.SourcePair => Source(2),
        OperandKind.SourceQuad => Source(4),
        OperandKind.Constant => (uint)_random.Next(SpecialValues.Words.Length),
        OperandKind.Shift => (uint)_random.Next(64),
        OperandKind.Width => 8u << _random.Next(3),
        OperandKind.Rounding => (uint)_random.Next(4),
        OperandKind.RootRounding or OperandKind.Direction => (uint)_random.Next(2),
        OperandKind.Scale => _random.Chance(1, 2) ? 2u : 9u,
        OperandKind.ReadSlot => Pick(_slots.Readable),
        OperandKind.WriteSlot or OperandKind.CopySlot => Pick(_slots.Writable),
        OperandKind.AddSlot => Pick(_slots.Addable),
        OperandKind.AnySlot => Pick(_slots.Readable),
        OperandKind.WordOffset or OperandKind.QuadOffset => _random.Chance(1, 20) ? 4064u : 8 * (uint)_random.Next(8),
        OperandKind.RecordLength => (uint)_random.Next(100),
        OperandKind.Context => (uint)_random.Next((int)ContextId.SignerCount + 1),
        OperandKind.Unsigned => _random.Chance(1, 10) ? (uint)_random.NextU64() : (uint)_random.Next(2),
        OperandKind.Signed => (uint)_random.NextU64(),
        OperandKind.AccumulatorOffset => 0,
        _ => throw new InvalidOperationException($"No value for a {kind} operand."),
    };

    private uint Destination(int cells) => (uint)(FirstFree + (cells * _random.Next((Cells - FirstFree) / cells)));

    // a run of felts: one that there is, or else one that is made by reducing what is defined
    private uint Felts(int cells, int alignment)
    {
        for (int tries = 0; tries < 6; tries++)
        {
            int first = alignment * _random.Next((Cells - cells) / alignment + 1);
            if ((_felts & Run(first, cells)) == Run(first, cells))
            {
                return (uint)first;
            }
        }

        int made = FirstFree + (alignment * _random.Next((Cells - FirstFree - cells) / alignment + 1));
        for (int cell = made; cell < made + cells; cell++)
        {
            Emit(Opcode.Fred, (uint)cell, Source(1));
            Write(OperandKind.DestFelt, (uint)cell);
        }

        return (uint)made;
    }

    private uint FreeDefined()
    {
        uint cell;
        do
        {
            cell = Destination(1);
        }
        while ((_defined & Run((int)cell, 1)) == 0);
        return cell;
    }

    // cells 0..15 are always defined, so this ends
    private uint Source(int cells)
    {
        while (true)
        {
            int first = cells * _random.Next(Cells / cells);
            UInt128 run = Run(first, cells);
            if ((_defined & run) == run)
            {
                return (uint)first;
            }
        }
    }

    private int Branch()
    {
        int at = Here;
        if (_random.Chance(1, 3))
        {
            Emit(_random.Chance(1, 2) ? Opcode.Jz : Opcode.Jnz, Source(1), 0);
        }
        else
        {
            Emit(Compares[_random.Next(Compares.Length)], Source(1), Source(1), 0);
        }

        return at;
    }

    private int Here => _code.Count;

    private uint Pick(uint[] from) => from[_random.Next(from.Length)];

    private void Emit(Opcode opcode, params ReadOnlySpan<uint> values) => _code.Add(Words.Op(opcode, values));

    private void Patch(int branch, int target) => _code[branch] = (_code[branch] & uint.MaxValue) | ((ulong)(target - _start) << 32);

    private static UInt128 Run(int first, int cells) => ((UInt128.One << cells) - 1) << first;
}
