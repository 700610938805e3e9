// Random programs that are valid by construction: straight code over every opcode that does not end a run, forward branches, loops
// with counters and breaks, calls to later functions, slots in every mode. The verifier has to accept each of them.
//
// The generator tracks what the verifier tracks: the set of defined cells. Cells 0..11 are counters and limits of the six
// loops that may nest, 12..15 address memory; both are set at a function's start and no random destination lies among them.

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
    private const uint Heap = 0x100_0000;
    private const uint LengthCell = 15;

    public static readonly AccessMode[] SlotModes = [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add, AccessMode.Write];

    private static readonly uint[] Readable = [0, 1, 2, 4];
    private static readonly uint[] Writable = [0, 1, 4];
    private static readonly uint[] Addable = [0, 1, 3, 4];
    private static readonly Opcode[] Compares = [Opcode.Jeq, Opcode.Jne, Opcode.Jlt, Opcode.Jge, Opcode.Jslt, Opcode.Jsge];

    private static readonly byte[] ReadOnlyBytes = [.. "some bytes to read, hash and copy"u8];

    private readonly SeededRandom _random;
    private readonly bool _isSmall;
    private readonly List<ulong> _code = [];
    private readonly FunctionHeader[] _functions;
    private int _function;
    private int _start;
    private int _budget;
    private int _loops;
    private int _live;                              // cells below it stay defined in the open loops
    private UInt128 _defined;

    private ProgramGenerator(SeededRandom random, bool isSmall)
    {
        _random = random;
        _isSmall = isSmall;
        _functions = new FunctionHeader[1 + random.Next(isSmall ? 2 : 4)];
    }

    /// <summary>A container with one entry.</summary>
    /// <param name="random">Decides everything.</param>
    /// <param name="isSmall">Short code and nothing dear, so that every gas limit can be tried.</param>
    public static Container Make(SeededRandom random, bool isSmall = false) => new ProgramGenerator(random, isSmall).Make();

    private Container Make()
    {
        for (int i = 0; i < _functions.Length; i++)
        {
            int args = i == 0 ? 0 : _random.Next(4);
            _functions[i] = new FunctionHeader((byte)Cells, (byte)args, (byte)_random.Next(FirstFree), 0);
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

            Emit(_function == 0 && _random.Chance(3, 4) ? Opcode.Halt : Opcode.Ret);
            _functions[_function] = _functions[_function] with { Length = (ushort)(_code.Count - _start) };
        }

        return new Container
        {
            Code = [.. _code],
            Constants = SpecialValues.Words,
            Data = ReadOnlyBytes,
            Functions = _functions,
            Entries = [new ContainerEntry(1, 0, Pages, SlotModes)],
        };
    }

    private void Prologue()
    {
        for (uint cell = 0; cell < FirstFree; cell++)
        {
            Emit(Opcode.Ldi, cell, cell >= 12 && cell < LengthCell ? Heap + (64 * cell) : (uint)_random.Next(96));
        }

        _defined = Run(0, FirstFree);
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
        UInt128 before = _defined;
        Body(depth + 1);
        if (_random.Chance(1, 2))
        {
            int jump = Here;
            Emit(Opcode.Jmp, 0);
            UInt128 afterThen = _defined;
            Patch(branch, Here);
            _defined = before;
            Body(depth + 1);
            Patch(jump, Here);
            _defined &= afterThen;
        }
        else
        {
            Patch(branch, Here);
            _defined &= before;
        }

        Emit(Opcode.Nop);                           // a target must exist even at the end of a function
    }

    private void Loop(int depth)
    {
        (uint counter, uint limit) = ((uint)(2 * _loops), (uint)(2 * _loops) + 1);
        Emit(Opcode.Ldi, counter, 0);
        Emit(Opcode.Ldi, limit, 1 + (uint)_random.Next(3));
        int outerLive = _live;
        int prefix = Math.Min(32, (int)UInt128.TrailingZeroCount(~_defined));   // a call needs room beside it
        _live = Math.Max(outerLive, FirstFree + _random.Next(prefix - FirstFree + 1));
        int header = Here;
        Emit(Opcode.Loop, (uint)_live);
        _defined &= Run(0, _live);
        _loops++;
        int breaks = _random.Chance(1, 3) ? Branch() : -1;
        UInt128 atBreak = _defined;
        Body(depth + 1);
        _loops--;
        _live = outerLive;
        Emit(Opcode.Addi, counter, counter, 1);
        Emit(Opcode.Jlt, counter, limit, (uint)(header - _start));
        if (breaks >= 0)
        {
            Patch(breaks, Here);
            _defined &= atBreak;
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
                Emit(Opcode.Halt);
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
            _defined |= Run((int)cell, 1);
            return;
        }

        OpcodeInfo info;
        do
        {
            info = OpcodeTable.All[_random.Next(OpcodeTable.All.Length)];
        }
        while (info.Flow != Flow.Next || info.Opcode == Opcode.Loop || !Judged.Knows(info.Opcode) || (_isSmall && info.Gas >= 100) || (IsFaulty(info) && _random.Chance(5, 6)));

        bool usesMemory = info.Traps.Contains("Memory", StringComparison.Ordinal);
        uint[] values = new uint[info.Operands.Length];
        for (int i = 0; i < values.Length; i++)
        {
            Operand operand = info.Operands[i];
            values[i] = usesMemory && operand.Kind == OperandKind.Source && _random.Chance(19, 20) ? MemoryCell(info, operand.Field)
                : usesMemory && operand.Kind == OperandKind.Unsigned && info.Opcode != Opcode.Emit ? 32 * (uint)_random.Next(4)
                : Value(operand.Kind);
        }

        Emit(info.Opcode, values);
        for (int i = 0; i < values.Length; i++)
        {
            _defined |= info.Operands[i].Kind switch
            {
                OperandKind.Dest => Run((int)values[i], 1),
                OperandKind.DestPair => Run((int)values[i], 2),
                OperandKind.DestQuad => Run((int)values[i], 4),
                _ => UInt128.Zero,
            };
        }
    }

    // traps on most random operands: drawn, but not at every turn
    private static bool IsFaulty(OpcodeInfo info) =>
        info.Opcode is Opcode.Sdel or Opcode.Snew or Opcode.Stale or Opcode.Mgrow or Opcode.Sadd or Opcode.Ssub or Opcode.Smul
        || info.Traps.Contains("Overflow", StringComparison.Ordinal) || info.Traps.Contains("DivideByZero", StringComparison.Ordinal);

    // memory operands hold heap addresses and a small length; a record offset and argument offset are small too
    private uint MemoryCell(OpcodeInfo info, OperandField field)
    {
        bool isAddress = info.Opcode switch
        {
            Opcode.Mcpy => field != OperandField.C,
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
        OperandKind.Source => Source(1),
        OperandKind.SourcePair => Source(2),
        OperandKind.SourceQuad => Source(4),
        OperandKind.Constant => (uint)_random.Next(SpecialValues.Words.Length),
        OperandKind.Shift => (uint)_random.Next(64),
        OperandKind.Width => 8u << _random.Next(3),
        OperandKind.Rounding => (uint)_random.Next(4),
        OperandKind.RootRounding or OperandKind.Direction => (uint)_random.Next(2),
        OperandKind.Scale => _random.Chance(1, 2) ? 2u : 9u,
        OperandKind.ReadSlot => Pick(Readable),
        OperandKind.WriteSlot or OperandKind.CopySlot => Pick(Writable),
        OperandKind.AddSlot => Pick(Addable),
        OperandKind.AnySlot => (uint)_random.Next(SlotModes.Length),
        OperandKind.WordOffset or OperandKind.QuadOffset => _random.Chance(1, 20) ? 4064u : 8 * (uint)_random.Next(8),
        OperandKind.RecordLength => (uint)_random.Next(100),
        OperandKind.Context => (uint)_random.Next((int)ContextId.SignerCount + 1),
        OperandKind.Unsigned => _random.Chance(1, 10) ? (uint)_random.NextU64() : (uint)_random.Next(2),
        OperandKind.Signed => (uint)_random.NextU64(),
        OperandKind.AccumulatorOffset => 0,
        _ => throw new InvalidOperationException($"No value for a {kind} operand."),
    };

    private uint Destination(int cells) => (uint)(FirstFree + (cells * _random.Next((Cells - FirstFree) / cells)));

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

    private void Emit(Opcode opcode, params uint[] values) => _code.Add(Words.Op(opcode, values));

    private void Patch(int branch, int target) => _code[branch] = (_code[branch] & uint.MaxValue) | ((ulong)(target - _start) << 32);

    private static UInt128 Run(int first, int cells) => ((UInt128.One << cells) - 1) << first;
}
