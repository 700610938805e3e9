// The memory of one shard of the tree: cells of 64 bytes, addressed by number, in runs of a few cells.
//
//   cell   a pair of sibling hashes, or the path and the leaf hash of a key, or the head of a page
//   run    1 to 16 neighbouring cells: a bucket or a page. Freed runs are kept by length and handed out again
//
// Cells lie in segments that never move once full size, each cell in one cache line. The collector sees a few large
// arrays without references, so a tree of 10^8 keys costs it nothing.
//
// Invariants
//   C1  a run lies inside one segment
//   C2  cell 0 is the shard's root record and belongs to no run, so 0 is free to mean "none"
//
// Threading: one owner at a time.

using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Sixty-four bytes of tree.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Cell
{
    public const int Size = 64;

    /// <summary>Left sibling, or a path.</summary>
    public Bytes32 Left;

    /// <summary>Right sibling, or a leaf hash.</summary>
    public Bytes32 Right;
}

/// <summary>Neighbouring cells.</summary>
/// <param name="First">Number of the first cell.</param>
/// <param name="Cells">How many.</param>
internal readonly record struct CellRun(uint First, int Cells);

/// <summary>Cells of one shard.</summary>
internal sealed unsafe class TreeMemory
{
    /// <summary>The longest run.</summary>
    public const int MaxRun = 16;

    private const int SegmentBits = 10;
    private const uint SegmentCells = 1u << SegmentBits;
    private const uint FirstCells = 32;
    private const uint MaxCells = 1u << 27;

    private readonly List<byte[]> _owned = [];
    private readonly Stack<uint>?[] _free = new Stack<uint>?[MaxRun + 1];
    private nint[] _segments = [];
    private uint _room;      // cells that segments have
    private uint _next = 1;  // C2

    /// <summary>Bytes held, used or not.</summary>
    public long Bytes => (long)_room * Cell.Size;

    /// <summary>A cell in place. Do not keep the reference across <see cref="Take"/>.</summary>
    // SAFETY: cell numbers come from Take (or are 0) and segments live as long as this object.
    public ref Cell this[uint cell]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref Unsafe.Add(ref *(Cell*)_segments[(int)(cell >> SegmentBits)], cell & (SegmentCells - 1));
    }

    /// <summary>Asks the processor to bring the cells of a run into its cache.</summary>
    // SAFETY: a prefetch reads nothing that can be seen and does not fault.
    public void Warm(uint first, int cells)
    {
        if (Sse.IsSupported)
        {
            Cell* run = (Cell*)Unsafe.AsPointer(ref this[first]);
            for (int i = 0; i < cells; i++)
            {
                Sse.Prefetch0(run + i);
            }
        }
    }

    /// <summary>Makes room for the root record, zeroed.</summary>
    public void Open()
    {
        Grow(1);
        this[0] = default;
    }

    /// <summary>A run whose content is whatever it was.</summary>
    public uint Take(int cells)
    {
        if (_free[cells] is { Count: > 0 } free)
        {
            return free.Pop();
        }

        if ((_next & (SegmentCells - 1)) + (uint)cells > SegmentCells)                                     // C1
        {
            int left = (int)(SegmentCells - (_next & (SegmentCells - 1)));
            Give(new CellRun(_next, left));
            _next += (uint)left;
        }

        uint first = _next;
        _next += (uint)cells;
        Grow(_next);
        return first;
    }

    /// <summary>Gives a run back.</summary>
    public void Give(CellRun run) => (_free[run.Cells] ??= new Stack<uint>()).Push(run.First);

    private void Grow(uint cells)
    {
        if (cells <= _room)
        {
            return;
        }

        Invariant.Require(cells <= MaxCells);
        if (_room < SegmentCells)
        {
            // the first segment starts small and doubles, so that a small tree is small
            uint size = Math.Max(FirstCells, System.Numerics.BitOperations.RoundUpToPowerOf2(cells));
            nint grown = NewSegment(Math.Min(size, SegmentCells));
            if (_room > 0)
            {
                new ReadOnlySpan<Cell>((void*)_segments[0], (int)_room).CopyTo(new Span<Cell>((void*)grown, (int)_room));
                _owned.RemoveAt(0);
            }
            else
            {
                _segments = new nint[1];
            }

            _segments[0] = grown;
            _room = Math.Min(size, SegmentCells);
        }

        while (cells > _room)
        {
            int count = (int)(_room >> SegmentBits);
            if (count == _segments.Length)
            {
                Array.Resize(ref _segments, count * 2);
            }

            _segments[count] = NewSegment(SegmentCells);
            _room += SegmentCells;
        }
    }

    /// <summary>A pinned array and its first address that is a multiple of a cell.</summary>
    // SAFETY: the array is pinned for its life and held in _owned; one cell more than asked leaves room to align.
    private nint NewSegment(uint cells)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)(cells + 1) * Cell.Size, pinned: true);
        _owned.Add(bytes);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(bytes));
        return (address + Cell.Size - 1) & ~(nint)(Cell.Size - 1);
    }
}
