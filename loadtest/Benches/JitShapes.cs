// Functions whose shape is as bad for the .NET compiler as the admission caps allow: its cost per instruction is what bounds a background
// thread's work, because a compile cannot be interrupted.
//
//   straight       checked sums over many cells: a trap, and so a block of the .NET compiler, at each
//   divisions      checked products and all four divisions
//   wide           128-bit sums, differences, comparisons
//   masks          minimum, maximum, select, variable shifts: long expressions
//   diamonds       branches forward to random places, everything defined everywhere
//   switchStorm    chains of comparisons with constants, each to another block
//   loops          loops as deep as they may nest, one nest after another
//   backBranches   one loop and as many branches back to it as there are blocks
//   memory         loads and stores of all sizes, at random offsets
//   operations     slots, hashes, MULDIV: every instruction a call
//   exchange       swaps among all cells inside a loop: everything is live everywhere
//   calls          calls of a small function with its arguments laid out anew each time
//
// Every function is valid and ends; instructions count the initialisation of its cells.   Deterministic per seed.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Benches;

/// <summary>Draws functions of one shape.</summary>
internal sealed class JitShapes
{
    private const uint Zero = 0;                        // cells with a part to play: 0, 1, heap address, loop counters
    private const uint One = 1;
    private const uint Address = 2;
    private const uint Counter = 3;
    private const uint FirstFree = 16;

    private static readonly Opcode[] Sums = [Opcode.Add, Opcode.Sub, Opcode.Sadd, Opcode.Ssub, Opcode.Absd, Opcode.Wadd, Opcode.Xor];
    private static readonly Opcode[] Quotients = [Opcode.Mul, Opcode.Smul, Opcode.Div, Opcode.Mod, Opcode.Sdiv, Opcode.Smod, Opcode.Mulhi];
    private static readonly Opcode[] Masks = [Opcode.Min, Opcode.Max, Opcode.Shl, Opcode.Shr, Opcode.Sar, Opcode.Sel, Opcode.Slt, Opcode.Le];
    private static readonly Opcode[] WideOps = [Opcode.Dadd, Opcode.Dsub, Opcode.Dmul, Opcode.Dlt, Opcode.Deq];
    private static readonly Opcode[] Compares = [Opcode.Jeq, Opcode.Jne, Opcode.Jlt, Opcode.Jge, Opcode.Jslt, Opcode.Jsge];
    private static readonly Opcode[] Loads = [Opcode.Ld1, Opcode.Ld2, Opcode.Ld4, Opcode.Ld8, Opcode.St1, Opcode.St2, Opcode.St4, Opcode.St8];

    private readonly SeededRandom _random;
    private readonly List<ulong> _code = [];
    private readonly int _length;
    private readonly int _blocks;
    private readonly uint _cells;

    private JitShapes(ulong seed, int length, int blocks, uint cells)
    {
        _random = new SeededRandom(seed);
        _length = length;
        _blocks = blocks;
        _cells = cells;
    }

    /// <summary>Names of the shapes.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["straight", "divisions", "wide", "masks", "diamonds", "switchStorm", "loops", "backBranches", "memory", "operations", "exchange", "calls"];

    /// <summary>The modes of the slots that the programs have.</summary>
    public static AccessMode[] SlotModes { get; } = [AccessMode.Write];

    /// <summary>A program with one function of the shape, or with one more that it calls.</summary>
    /// <param name="instructions">Instructions of the function, at least 64.</param>
    /// <param name="blocks">Basic blocks it may have.</param>
    /// <param name="cells">Frame cells, at least 32, all of them live.</param>
    public static Container Draw(string shape, ulong seed, int instructions, int blocks, int cells)
    {
        JitShapes draw = new(seed, instructions, blocks, (uint)cells);
        draw.Body(shape);
        List<FunctionHeader> functions = [new FunctionHeader((byte)cells, 0, 0, (ushort)draw._code.Count)];
        if (shape == "calls")
        {
            functions.Add(new FunctionHeader(8, 8, 4, 3));
            draw._code.AddRange([Op(Opcode.Wadd, 0, 0, 4), Op(Opcode.Xor, 1, 1, 5), Op(Opcode.Ret)]);
        }

        return new Container
        {
            Code = [.. draw._code],
            Functions = [.. functions],
            Entries = [new ContainerEntry(1, 0, 4, SlotModes)],
        };
    }

    private void Body(string shape)
    {
        Emit(Opcode.Ldi, Zero, 0);
        Emit(Opcode.Ldi, One, 1);
        Emit(Opcode.Mgrow, Address, One);
        for (uint cell = Counter; cell < _cells; cell++)
        {
            if (cell < FirstFree)
            {
                Emit(Opcode.Ldi, cell, 3);
            }
            else if (cell == FirstFree)
            {
                Emit(Opcode.Sld8, cell, 0, 0);              // a number that no compiler knows
            }
            else
            {
                Emit(Opcode.Addi, cell, cell - 1, (uint)_random.Next(1_000));
            }
        }

        switch (shape)
        {
            case "straight":
                Fill(() => Emit(Pick(Sums), Cell(), Cell(), Cell()));
                break;
            case "divisions":
                Fill(() => Emit(Pick(Quotients), Cell(), Cell(), Cell()));
                break;
            case "masks":
                Fill(Mask);
                break;
            case "wide":
                Fill(() => Emit(Pick(WideOps), Pair(), Pair(), Pair()));
                break;
            case "diamonds":
                Diamonds();
                break;
            case "switchStorm":
                SwitchStorm();
                break;
            case "loops":
                Loops();
                break;
            case "backBranches":
                BackBranches();
                break;
            case "memory":
                Fill(() => Emit(Pick(Loads), Cell(), Address, 8 * (uint)_random.Next(500)));
                break;
            case "operations":
                Fill(Operation);
                break;
            case "exchange":
                Emit(Opcode.Loop, _cells, 0, 0);
                int head = _code.Count - 1;
                Fill(() => Emit(Opcode.Swp, Cell(), Cell()), 3);
                Emit(Opcode.Subi, Counter, Counter, 1);
                Emit(Opcode.Jnz, Counter, (uint)head);
                break;
            default:
                Fill(Call, 12);
                break;
        }

        for (uint cell = FirstFree; cell < _cells - 1; cell++)
        {
            Emit(Opcode.Xor, _cells - 1, _cells - 1, cell);         // no cell is for nothing
        }

        Emit(Opcode.Sst8, 0, 0, _cells - 1);
        Emit(Opcode.Halt);
    }

    // until the function has its length, but for what has still to come
    private void Fill(Action one, int left = 0)
    {
        while (_code.Count < _length - left - End)
        {
            one();
        }
    }

    private void Mask()
    {
        Opcode opcode = Pick(Masks);
        if (opcode == Opcode.Sel)
        {
            Emit(opcode, Cell(), Cell(), Cell(), Cell());
        }
        else
        {
            Emit(opcode, Cell(), Cell(), Cell());
        }
    }

    private void Simple() => Emit(_random.Next(2) == 0 ? Opcode.Wadd : Opcode.Xor, Cell(), Cell(), Cell());

    // branch to one of the next blocks; what it skips is straight
    private void Diamonds()
    {
        List<int> open = [];
        int straight = Math.Max(1, (_length - _code.Count) / Math.Max(1, _blocks - 4));
        for (int blocks = 1; _code.Count < _length - End - 1 && blocks + 2 < _blocks; blocks += 2)
        {
            for (int i = open.Count - 1; i >= 0; i--)
            {
                if (_random.Next(3) == 0)
                {
                    Patch(open[i]);
                    open.RemoveAt(i);
                }
            }

            for (int i = 0; i < straight && _code.Count < _length - End - 1; i++)
            {
                Simple();
            }

            open.Add(_code.Count);
            Emit(Pick(Compares), Cell(), Cell(), 0);
        }

        Fill(Simple);
        open.ForEach(Patch);
    }

    private void SwitchStorm()
    {
        while (_code.Count < _length - End - 38 && Leaders() + 18 < _blocks)
        {
            List<int> cases = [];
            for (int i = 0; i < 8; i++)
            {
                cases.Add(_code.Count);
                Emit(Opcode.Jeq, Cell(), Cell(), 0);
            }

            List<int> ends = [];
            foreach (int one in cases)
            {
                Simple();
                ends.Add(_code.Count);
                Emit(Opcode.Jmp, 0);
                Patch(one);
            }

            Simple();
            ends.ForEach(Patch);
        }

        Fill(Simple);
    }

    private void Loops()
    {
        while (_code.Count < _length - End - 38 && Leaders() + 13 < _blocks)
        {
            int depth = VerifierLimits.MaxLoopDepth;
            int[] heads = new int[depth];
            for (int i = 0; i < depth; i++)
            {
                Emit(Opcode.Ldi, Counter + (uint)i, 2);
                heads[i] = _code.Count;
                Emit(Opcode.Loop, _cells, 0, 0);
                Simple();
            }

            for (int i = depth - 1; i >= 0; i--)
            {
                Simple();
                Emit(Opcode.Subi, Counter + (uint)i, Counter + (uint)i, 1);
                Emit(Opcode.Jnz, Counter + (uint)i, (uint)heads[i]);
            }
        }

        Fill(Simple);
    }

    private void BackBranches()
    {
        int head = _code.Count;
        Emit(Opcode.Loop, _cells, 0, 0);
        Emit(Opcode.Subi, Counter, Counter, 1);
        int straight = Math.Max(1, (_length - _code.Count) / Math.Max(1, _blocks - 4));
        while (_code.Count < _length - straight - End - 2 && Leaders() + 3 < _blocks)
        {
            for (int i = 0; i < straight; i++)
            {
                Simple();
            }

            Emit(Opcode.Jlt, One, Counter, (uint)head);
        }

        Fill(Simple);
    }

    private void Operation()
    {
        switch (_random.Next(6))
        {
            case 0:
                Emit(Opcode.MulDiv, Cell(), Cell(), Cell(), One, (uint)_random.Next(3));
                break;
            case 1:
                Emit(Opcode.Sld8, Cell(), 0, 8 * (uint)_random.Next(8));
                break;
            case 2:
                Emit(Opcode.Sst8, 0, 8 * (uint)_random.Next(8), Cell());
                break;
            case 3:
                Emit(Opcode.Blake3, Quad(), Address, One);
                break;
            case 4:
                Emit(Opcode.Sqrt, Cell(), Cell(), 0);
                break;
            default:
                Emit(Opcode.Ddiv, Pair(), Pair(), Zero);            // by the pair (0, 1)
                break;
        }
    }

    private void Call()
    {
        uint window = _cells - 8;
        for (uint i = 0; i < 8; i++)
        {
            Emit(Opcode.Mov, window + i, Cell() % (window - FirstFree) + FirstFree);
        }

        Emit(Opcode.Call, 1, window);
        for (uint i = 4; i < 8; i++)
        {
            Emit(Opcode.Mov, window + i, FirstFree);
        }
    }

    private int Leaders()
    {
        bool[] leaders = new bool[_code.Count + 1];
        for (int at = 0; at < _code.Count; at++)
        {
            if (OpcodeTable.Get((Opcode)(byte)_code[at]).Flow is Flow.Branch or Flow.Jump)
            {
                leaders[at + 1] = true;
                leaders[(int)(_code[at] >> 32)] = true;
            }
        }

        return Array.FindAll(leaders, leader => leader).Length + 1;
    }

    private int End => (int)(_cells - FirstFree) + 1;       // instructions after the shape

    private uint Cell() => FirstFree + (uint)_random.Next((int)(_cells - FirstFree));

    private uint Pair() => Cell() & ~1u;

    private uint Quad() => Cell() & ~3u;

    private Opcode Pick(Opcode[] from) => from[_random.Next(from.Length)];

    private void Patch(int branch) => _code[branch] = (_code[branch] & uint.MaxValue) | ((ulong)_code.Count << 32);

    private void Emit(Opcode opcode, params ReadOnlySpan<uint> values) => _code.Add(Op(opcode, values));

    private static ulong Op(Opcode opcode, params ReadOnlySpan<uint> values)
    {
        OpcodeInfo info = OpcodeTable.Get(opcode);
        Invariant.Require(info.Operands.Length == values.Length);
        ulong word = (byte)opcode;
        for (int i = 0; i < values.Length; i++)
        {
            word = info.Operands[i].Write(word, values[i]);
        }

        return word;
    }
}
