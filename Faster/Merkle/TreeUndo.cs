// What one update did to one shard, so that it can be taken back and done again.
//
// Before the update writes a cell it notes the cell's number and content here. Swapping the notes with the memory takes
// the update back; swapping again does it again. Runs that the update took or freed stay reserved until it is certain
// which of the two will never be needed.
//
// Invariants
//   U1  a cell is noted at most once per update, so the order of swaps does not matter
//   U2  a freed run is handed out again only when the update is final; a taken one only when it is dropped
//
// Cost: 68 bytes per written cell; a swap moves them once.   Threading: one owner at a time.

using System;
using System.Collections.Generic;

namespace ParallelVm.Faster;

/// <summary>The undo log of one shard.</summary>
internal sealed class ShardUndo
{
    private const int ChunkCells = 256;
    private const int KeptChunks = 64;

    private readonly List<(uint[] Numbers, Cell[] Cells)> _chunks = [];
    private int _count;

    /// <summary>Runs that only the state after the update uses.</summary>
    public List<CellRun> Taken { get; } = [];

    /// <summary>Runs that only the state before the update uses.</summary>
    public List<CellRun> Freed { get; } = [];

    /// <summary>Notes a cell that is about to be written.</summary>
    public void Note(uint number, in Cell cell)
    {
        int at = _count & (ChunkCells - 1);
        if (at == 0 && _count / ChunkCells == _chunks.Count)
        {
            _chunks.Add((new uint[ChunkCells], GC.AllocateUninitializedArray<Cell>(ChunkCells)));
        }

        (uint[] numbers, Cell[] cells) = _chunks[_count / ChunkCells];
        numbers[at] = number;
        cells[at] = cell;
        _count++;
    }

    /// <summary>Takes the update back, or does it again.</summary>
    public void Swap(TreeMemory memory)
    {
        for (int i = 0; i < _count; i++)
        {
            (uint[] numbers, Cell[] cells) = _chunks[i / ChunkCells];
            int at = i & (ChunkCells - 1);
            ref Cell place = ref memory[numbers[at]];
            (place, cells[at]) = (cells[at], place);
        }
    }

    /// <summary>Empties the log for another update; keeps some of its memory.</summary>
    public void Clear()
    {
        Taken.Clear();
        Freed.Clear();
        _count = 0;
        if (_chunks.Count > KeptChunks)
        {
            _chunks.RemoveRange(KeptChunks, _chunks.Count - KeptChunks);
        }
    }
}
