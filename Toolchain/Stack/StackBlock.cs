// Where the values of the stack are while a block is lowered. At every leader the value at height h is in cell h, its home. Inside a
// block PUSH, POP, DUP and SWAP move no value: they only change where each position's value is to be found (a cell or a constant).
// Values go home at the block's end, and a cell that is about to be overwritten hands what others still need to a spare cell.
//
//   cells [0, MaxHeight) homes | [MaxHeight, HashCell) spare | HashCell..HashCell+3 what KECCAK leaves
//
// Invariant  B1  each position below the height is found: its cell holds its value, or it is a constant
//
// Deterministic: the lowest position and the lowest spare cell go first.   Cost: O(height) per instruction and per move.

using System;
using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Toolchain.Stack;

internal sealed class StackBlock(List<ulong> words, Func<ulong, uint> constants)
{
    /// <summary>The most values on the stack.</summary>
    public const int MaxHeight = 112;

    /// <summary>The quad for a hash.</summary>
    public const int HashCell = 124;

    private readonly record struct Place(int Cell, ulong Constant)
    {
        public bool IsConstant => Cell < 0;
    }

    private readonly Place[] _places = new Place[MaxHeight + 16];
    private readonly int[] _uses = new int[Container.MaxCells];             // positions that are found in a cell

    /// <summary>Values on the stack.</summary>
    public int Height { get; private set; }

    /// <summary>One more than the highest cell that was written.</summary>
    public int Cells { get; private set; }

    /// <summary>Begins a block: every value is at home.</summary>
    public void Begin(int height)
    {
        Array.Clear(_uses);
        Height = height;
        for (int i = 0; i < height; i++)
        {
            _places[i] = new Place(i, 0);
            _uses[i] = 1;
        }
    }

    public void Push(ulong constant) => _places[Height++] = new Place(-1, constant);

    /// <summary>Pushes what lies in a cell.</summary>
    public void PushCell(int cell)
    {
        _places[Height++] = new Place(cell, 0);
        _uses[cell]++;
    }

    public void Pop() => Release(_places[--Height]);

    public void Dup(int depth)
    {
        Place place = _places[Height - depth];
        _places[Height++] = place;
        if (!place.IsConstant)
        {
            _uses[place.Cell]++;
        }
    }

    public void Swap(int depth) =>
        (_places[Height - 1], _places[Height - 1 - depth]) = (_places[Height - 1 - depth], _places[Height - 1]);

    /// <summary>The cells of the topmost values, the deepest first; constants get their homes.</summary>
    public void Operands(Span<uint> cells)
    {
        for (int round = 0; round < 2; round++)                             // a constant's home may have cost another value its place
        {
            for (int i = 0; i < cells.Length; i++)
            {
                cells[i] = CellOf(cells.Length - i);
            }
        }
    }

    private uint CellOf(int depth)
    {
        int position = Height - depth;
        if (_places[position].IsConstant)
        {
            ulong constant = _places[position].Constant;
            Free(position, Height);
            if (_places[position].IsConstant)
            {
                Load(position, constant);
                _places[position] = new Place(position, 0);
                _uses[position]++;
            }
        }

        return (uint)_places[position].Cell;
    }

    /// <summary>Pops operands and gives the home of the result, free to be written, as the new top. Operand cells stay readable by the
    /// instruction that writes it.</summary>
    /// <param name="cells">Gets the operands' cells, the deepest first.</param>
    public uint Result(Span<uint> cells)
    {
        int home = Height - cells.Length;
        Operands(cells);
        Free(home, home);
        Operands(cells);
        for (int i = 0; i < cells.Length; i++)
        {
            Pop();
        }

        PushCell(home);
        return (uint)home;
    }

    /// <summary>Makes a cell free to be written: positions below a limit that are found there get a spare cell.</summary>
    public void Free(int cell, int limit)
    {
        int needed = 0;
        for (int i = 0; i < limit; i++)
        {
            needed += _places[i].Cell == cell ? 1 : 0;
        }

        if (needed == 0)
        {
            return;
        }

        int spare = Spare();
        if (spare < 0)
        {
            GoHome();                                                       // then nobody else is found there
            return;
        }

        Emit(Opcode.Mov, (uint)spare, (uint)cell);
        for (int i = 0; i < limit; i++)
        {
            if (_places[i].Cell == cell)
            {
                _places[i] = new Place(spare, 0);
                _uses[cell]--;
                _uses[spare]++;
            }
        }
    }

    /// <summary>Moves every value to its home: all moves at once, as if.</summary>
    public void GoHome()
    {
        while (true)
        {
            int blocked = -1;
            bool moved = false;
            for (int i = 0; i < Height; i++)
            {
                if (_places[i].Cell == i)
                {
                    continue;
                }

                if (_uses[i] > 0)
                {
                    blocked = blocked < 0 ? i : blocked;
                    continue;
                }

                Place place = _places[i];
                if (place.IsConstant)
                {
                    Load(i, place.Constant);
                }
                else
                {
                    Emit(Opcode.Mov, (uint)i, (uint)place.Cell);
                    _uses[place.Cell]--;
                }

                _places[i] = new Place(i, 0);
                _uses[i]++;
                moved = true;
            }

            if (blocked < 0)
            {
                return;
            }

            if (!moved)
            {
                BreakCycle(blocked);
            }
        }
    }

    public void Emit(Opcode opcode, params ReadOnlySpan<uint> values)
    {
        OpcodeInfo info = OpcodeTable.Get(opcode);
        ulong word = (byte)opcode;
        for (int i = 0; i < values.Length; i++)
        {
            word = info.Operands[i].Write(word, values[i]);
            int width = info.Operands[i].Kind == OperandKind.DestQuad ? 4 : 1;
            Cells = info.Operands[i].IsCell ? Math.Max(Cells, (int)values[i] + width) : Cells;
        }

        words.Add(word);
    }

    // Only cycles are left: the home of the lowest is exchanged with where its value is, and one more position is at home.
    private void BreakCycle(int position)
    {
        int other = _places[position].Cell;
        Emit(Opcode.Swp, (uint)position, (uint)other);
        (_uses[position], _uses[other]) = (_uses[other], _uses[position]);
        for (int i = 0; i < Height; i++)
        {
            int cell = _places[i].Cell;
            _places[i] = cell == position ? new Place(other, 0) : cell == other ? new Place(position, 0) : _places[i];
        }
    }

    private int Spare()
    {
        for (int cell = MaxHeight; cell < HashCell; cell++)
        {
            if (_uses[cell] == 0)
            {
                return cell;
            }
        }

        return -1;
    }

    private void Load(int cell, ulong constant)
    {
        if (constant <= uint.MaxValue)
        {
            Emit(Opcode.Ldi, (uint)cell, (uint)constant);
        }
        else
        {
            Emit(Opcode.Ldc, (uint)cell, constants(constant));
        }
    }

    private void Release(Place place)
    {
        if (!place.IsConstant)
        {
            _uses[place.Cell]--;
        }
    }
}
