// The nodes of one update that wait to be hashed, by depth: "hash this pair, write the result into that half".
//
// A depth's nodes do not need each other, so from the deepest up each list is hashed in batches. Keys of a bucket have no
// stored nodes above them; their pairs are laid out here, in scratch cells.
//
//   half:  bit 31 scratch | cell | side
//
// Invariants
//   N1  a node is listed once, after the halves of its pair that are known without hashing are written
//   N2  nothing is written here but halves of listed nodes' parents, and scratch
//
// Cost: one hash per node; a cache line read and one written.
// Recursion goes a frame per bit that keys of a bucket share.   Threading: one job; reused by the next.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;
using static ParallelVm.Faster.TreePage;

namespace ParallelVm.Faster;

/// <summary>What the second pass of an update hashes.</summary>
internal sealed class NodeLists
{
    /// <summary>Nodes hashed at once.</summary>
    public const int BatchNodes = 128;

    private const uint InScratch = 1u << 31;

    private readonly Bytes32[] _pairs = new Bytes32[2 * BatchNodes];
    private readonly Bytes32[] _hashes = new Bytes32[BatchNodes];
    private readonly List[] _levels = new List[256];
    private Cell[] _scratch = new Cell[256];
    private uint _scratchCount;
    private int _deepest = -1;
    private ITreeHash _hash = null!;
    private TreeMemory _memory = null!;
    private Bytes32 _empty;

    /// <summary>Nodes of one depth: where the pair is, where the result goes.</summary>
    private struct List
    {
        public (uint Pair, uint Half)[]? Nodes;
        public int Count;
    }

    /// <summary>Names a half.</summary>
    public static uint HalfOf(uint cell, int side) => (cell & InScratch) | ((cell & ~InScratch) << 1) | (uint)side;

    /// <summary>Begins an update of a shard.</summary>
    public void Open(ITreeHash hash, TreeMemory memory)
    {
        _hash = hash;
        _empty = hash.Empty;
        _memory = memory;
        _scratchCount = 0;
        _deepest = -1;
    }

    /// <summary>Lists a node.</summary>
    /// <param name="depth">Bits that all paths below it share.</param>
    /// <param name="pair">The cell of its two children.</param>
    /// <param name="half">Where its hash belongs.</param>
    public void Add(int depth, uint pair, uint half)
    {
        ref List list = ref _levels[depth];
        (uint, uint)[] nodes = list.Nodes ??= new (uint, uint)[64];
        if (list.Count == nodes.Length)
        {
            Array.Resize(ref list.Nodes, nodes.Length * 2);
            nodes = list.Nodes;
        }

        nodes[list.Count++] = (pair, half);
        _deepest = Math.Max(_deepest, depth);
    }

    /// <summary>Lists the nodes above two or more sorted keys that share <paramref name="depth"/> bits.</summary>
    public void AddAbove(ReadOnlySpan<Cell> keys, int depth, uint half)
    {
        int split = 0;
        while (split < keys.Length && !keys[split].Left.Bit(depth))
        {
            split++;
        }

        uint pair = NewScratch();
        AddSide(keys[..split], depth + 1, pair, 0);
        AddSide(keys[split..], depth + 1, pair, 1);
        Add(depth, InScratch | pair, half);
    }

    /// <summary>Hashes what is listed, deepest first.</summary>
    public void HashAll()
    {
        for (int depth = _deepest; depth >= 0; depth--)
        {
            ref List list = ref _levels[depth];
            for (int start = 0; start < list.Count; start += BatchNodes)
            {
                HashBatch(list.Nodes.AsSpan(start, Math.Min(BatchNodes, list.Count - start)));
            }

            list.Count = 0;
        }
    }

    private void AddSide(ReadOnlySpan<Cell> keys, int depth, uint pair, int side)
    {
        if (keys.Length >= 2)
        {
            AddAbove(keys, depth, HalfOf(InScratch | pair, side));
        }
        else
        {
            Half(ref _scratch[pair], side) = keys.IsEmpty ? _empty : keys[0].Right;
        }
    }

    private void HashBatch(ReadOnlySpan<(uint Pair, uint Half)> nodes)
    {
        Span<Cell> pairs = MemoryMarshal.Cast<Bytes32, Cell>(_pairs.AsSpan(0, 2 * nodes.Length));
        Span<Bytes32> hashes = _hashes.AsSpan(0, nodes.Length);
        for (int i = 0; i < nodes.Length; i++)
        {
            pairs[i] = CellAt(nodes[i].Pair);
        }

        _hash.Nodes(_pairs.AsSpan(0, 2 * nodes.Length), hashes);
        for (int i = 0; i < nodes.Length; i++)
        {
            uint half = nodes[i].Half;
            Half(ref CellAt((half & InScratch) | ((half & ~InScratch) >> 1)), (int)(half & 1)) = hashes[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Cell CellAt(uint cell) => ref (cell & InScratch) != 0 ? ref _scratch[cell & ~InScratch] : ref _memory[cell];

    private uint NewScratch()
    {
        if (_scratchCount == _scratch.Length)
        {
            Array.Resize(ref _scratch, _scratch.Length * 2);
        }

        return _scratchCount++;
    }
}
