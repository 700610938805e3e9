// One batch of changes on one shard, in two passes.
//
//   1  down the pages, with the sorted changes split at each: buckets are merged, pages made and dissolved, kinds settled.
//      Every node that needs hashing is listed.
//   2  the lists, from the deepest up: see NodeLists.
//
// Hashes of single leaves are known before pass 1 and never wait for pass 2.
//
// Invariants
//   P1  a node is listed once, after the halves of its pair that pass 1 can know are written (N1)
//   P2  every cell of an existing run is noted in the undo log before it is written, by either pass
//   P3  runs freed here are not handed out again here, so listed nodes of a page that was dissolved write where nobody reads
//
// Cost: one hash per changed node; about one cache line read and noted per level.
// Recursion goes a frame per page, at most 84, and a frame per shared bit inside a bucket.
// Threading: one job; reused by the next.

using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;
using static ParallelVm.Faster.TreePage;

namespace ParallelVm.Faster;

/// <summary>The work of one job; its buffers are kept for the next.</summary>
internal sealed class ShardUpdate
{
    private const int WarmChanges = 256;

    private readonly NodeLists _nodes = new();
    private readonly Bytes32[] _leaves = new Bytes32[NodeLists.BatchNodes];
    private Cell[] _entries = new Cell[256];     // the changes, then what is being merged, as a stack
    private int _entryCount;
    private long _added;
    private bool _isWarm;

    private readonly List<CellRun> _freed = [];
    private ITreeHash _hash = null!;
    private Bytes32 _empty;
    private TreeMemory _memory = null!;
    private ShardUndo? _undo;

    /// <summary>What became of a subtree.</summary>
    private struct Outcome
    {
        public uint Slot;
        public NodeKind Kind;
        public bool Changed;

        /// <summary>Hash of an empty subtree or of a lone leaf; an inner node's comes in pass 2.</summary>
        public Bytes32 Hash;
    }

    /// <summary>Applies changes.</summary>
    /// <param name="changes">Strictly ascending, all in this shard.</param>
    /// <param name="undo">Takes the notes; null when nobody will want the state before.</param>
    /// <returns>False when nothing changed.</returns>
    public bool Apply(ITreeHash hash, Shard shard, ReadOnlySpan<PathChange> changes, ShardUndo? undo)
    {
        _hash = hash;
        _empty = hash.Empty;
        _memory = shard.Memory;
        _undo = undo;
        _entryCount = 0;
        _nodes.Open(hash, _memory);
        _added = 0;
        LoadChanges(changes);

        ref ShardRoot root = ref shard.Root;
        uint slot = root.Slot;
        Update(slot, Shard.Depth, 0, changes.Length, NodeLists.HalfOf(0, 0), out Outcome outcome);
        if (outcome.Changed)
        {
            Note(0);
            root = ref shard.Root;       // memory may have moved
            root.Slot = outcome.Slot;
            root.Kind = outcome.Kind;
            root.Keys += _added;
            root.Hash = outcome.Hash;
            _nodes.HashAll();
        }

        foreach (CellRun run in _freed)
        {
            if (undo is null)
            {
                _memory.Give(run);
            }
            else
            {
                undo.Freed.Add(run);
            }
        }

        _freed.Clear();
        return outcome.Changed;
    }

    /// <summary>Leaves of the changes; zero for a deletion.</summary>
    private void LoadChanges(ReadOnlySpan<PathChange> changes)
    {
        Reserve(changes.Length);
        for (int start = 0; start < changes.Length; start += _leaves.Length)
        {
            ReadOnlySpan<PathChange> batch = changes.Slice(start, Math.Min(_leaves.Length, changes.Length - start));
            Span<Bytes32> leaves = _leaves.AsSpan(0, batch.Length);
            _hash.Leaves(MemoryMarshal.Cast<PathChange, Bytes32>(batch), leaves);
            for (int i = 0; i < batch.Length; i++)
            {
                ref Cell entry = ref _entries[start + i];
                entry.Left = batch[i].Path.Value;
                entry.Right = batch[i].IsDelete ? default : leaves[i];
            }
        }

        _entryCount = changes.Length;
    }

    /// <summary>Applies entries [from, to) below a slot.</summary>
    /// <param name="depth">Number of bits that all paths below share.</param>
    /// <param name="half">Where the subtree's hash belongs.</param>
    private void Update(uint slot, int depth, int from, int to, uint half, out Outcome outcome)
    {
        if (IsPage(slot))
        {
            UpdatePage(FirstCell(slot), depth, from, to, half, out outcome);
            return;
        }

        outcome = default;
        int keys = BucketKeys(slot);
        uint bucket = FirstCell(slot);
        if (to - from == 1 && TryOverwrite(bucket, keys, _entries[from], out bool isOther))
        {
            if (isOther)
            {
                ListBucket(slot, depth, half, ref outcome);
            }

            return;
        }

        int merged = _entryCount;
        bool otherKeys = Merge(bucket, keys, from, to, out bool otherLeaves);
        int count = _entryCount - merged;
        if (!otherKeys && !otherLeaves)
        {
            _entryCount = merged;
            return;
        }

        if (!otherKeys)
        {
            Overwrite(bucket, merged, count);
        }
        else
        {
            if (keys > 0)
            {
                _freed.Add(new CellRun(bucket, keys));                                                     // P3
            }

            _added += count - keys;
            if (count > BucketMax)
            {
                _added -= count;   // they come in once more
                UpdatePage(NewPage(), depth, merged, _entryCount, half, out outcome);
                _entryCount = merged;
                return;
            }

            slot = NewBucket(merged, count);
        }

        ListBucket(slot, depth, half, ref outcome);
        _entryCount = merged;
    }

    /// <summary>The common case: one change, a new value for a key of the bucket.</summary>
    /// <returns>False when it is not that.</returns>
    private bool TryOverwrite(uint bucket, int keys, in Cell change, out bool isOther)
    {
        isOther = false;
        if (change.Right == default)
        {
            return false;
        }

        for (uint i = 0; i < keys; i++)
        {
            ref Cell key = ref _memory[bucket + i];
            if (key.Left == change.Left)
            {
                isOther = key.Right != change.Right;
                if (isOther)
                {
                    Note(bucket + i);
                    key.Right = change.Right;
                }

                return true;
            }
        }

        return false;
    }

    /// <summary>Merges a bucket with entries [from, to) onto the stack.</summary>
    /// <returns>True when keys came or went.</returns>
    private bool Merge(uint bucket, int keys, int from, int to, out bool otherLeaves)
    {
        Reserve(keys + to - from);
        int next = 0;
        bool otherKeys = false;
        otherLeaves = false;
        for (int i = from; i < to; i++)
        {
            ref Cell change = ref _entries[i];
            bool isDelete = change.Right == default;
            int order = -1;
            while (next < keys && (order = _memory[bucket + (uint)next].Left.CompareTo(change.Left)) < 0)
            {
                _entries[_entryCount++] = _memory[bucket + (uint)next++];
            }

            if (next < keys && order == 0)
            {
                otherKeys |= isDelete;
                otherLeaves |= _memory[bucket + (uint)next++].Right != change.Right;
            }
            else
            {
                otherKeys |= !isDelete;
            }

            if (!isDelete)
            {
                _entries[_entryCount++] = change;
            }
        }

        while (next < keys)
        {
            _entries[_entryCount++] = _memory[bucket + (uint)next++];
        }

        return otherKeys;
    }

    [SkipLocalsInit]
    private void UpdatePage(uint page, int depth, int from, int to, uint half, out Outcome outcome)
    {
        outcome = default;

        bool warms = !_isWarm && to - from <= WarmChanges;
        if (warms)
        {
            Warm(page, depth, _entries.AsSpan(from, to - from));
            _isWarm = true;
        }

        // A copy: the page may move in memory while the subtrees below it grow.
        PageHead head = HeadOf(_memory, page);
        long before = _added;
        uint dirty = 0;     // by slot, then by node of the level above, ...
        uint noted = 0;     // by pair
        for (int i = from; i < to;)
        {
            int s = SlotOf(_entries[i].Left, depth);
            int end = i + 1;
            while (end < to && SlotOf(_entries[end].Left, depth) == s)
            {
                end++;
            }

            int node = FirstSlotNode + s;
            Update(head.Slots[s], depth + Levels, i, end, NodeLists.HalfOf(PairCell(page, node >> 1), node & 1), out Outcome below);
            i = end;
            if (below.Changed)
            {
                dirty |= 1u << s;
                head.Slots[s] = below.Slot;
                SetNode(page, ref head, node, below.Kind, below.Hash, ref noted);
            }
        }

        _isWarm &= !warms;
        if (dirty == 0)
        {
            return;
        }

        head.Keys = (uint)(head.Keys + (_added - before));
        if (head.Keys <= PageMin)
        {
            Dissolve(page, head, depth, half, out outcome);
            return;
        }

        // Level by level up: a pair with a dirty half makes the node above it dirty.
        for (int level = Levels - 1; level >= 0; level--)
        {
            uint above = 0;
            for (int place = 0; place < 1 << level; place++)
            {
                if ((dirty >> (2 * place) & 3) == 0)
                {
                    continue;
                }

                above |= 1u << place;
                int pair = (1 << level) - 1 + place;
                uint cell = PairCell(page, pair);
                NodeKind left = head.KindOf(2 * pair);
                NodeKind kind = Join(left, head.KindOf((2 * pair) + 1));
                Bytes32 hash = kind switch
                {
                    NodeKind.Leaf => left == NodeKind.Leaf ? _memory[cell].Left : _memory[cell].Right,
                    NodeKind.Empty => _empty,
                    _ => default,
                };
                uint target = pair == 0 ? half : NodeLists.HalfOf(PairCell(page, (pair - 1) >> 1), (pair - 1) & 1);
                if (kind == NodeKind.Inner)
                {
                    _nodes.Add(depth + level, cell, target);
                }

                if (pair > 0)
                {
                    SetNode(page, ref head, pair - 1, kind, hash, ref noted);
                }
                else
                {
                    outcome.Kind = kind;
                    outcome.Hash = hash;
                }
            }

            dirty = above;
        }

        Note(page);
        HeadOf(_memory, page) = head;
        outcome.Slot = PageSlot(page);
        outcome.Changed = true;
    }

    /// <summary>Asks the processor for the cache lines that the changes below a page will need, all changes a page at a time: the
    /// way of one change is a chain of misses, but the ways of many run side by side.</summary>
    [SkipLocalsInit]
    private void Warm(uint page, int depth, ReadOnlySpan<Cell> changes)
    {
        Span<uint> pages = stackalloc uint[WarmChanges];
        pages = pages[..changes.Length];
        pages.Fill(page);
        for (bool goesOn = true; goesOn; depth += Levels)
        {
            goesOn = false;
            for (int i = 0; i < pages.Length; i++)
            {
                if (pages[i] == 0)
                {
                    continue;
                }

                int s = SlotOf(changes[i].Left, depth);
                uint slot = HeadOf(_memory, pages[i]).Slots[s];
                for (int node = FirstSlotNode + s; node >= 0; node = (node >> 1) - 1)
                {
                    _memory.Warm(PairCell(pages[i], node >> 1), 1);
                }

                bool isPage = IsPage(slot);
                _memory.Warm(FirstCell(slot), isPage ? 1 : BucketKeys(slot));
                pages[i] = isPage ? FirstCell(slot) : 0;
                goesOn |= isPage;
            }
        }
    }

    /// <summary>Notes the pair of a node and writes what is known of the node.</summary>
    private void SetNode(uint page, ref PageHead head, int node, NodeKind kind, in Bytes32 hash, ref uint noted)
    {
        uint cell = PairCell(page, node >> 1);
        if ((noted & (1u << (node >> 1))) == 0)
        {
            noted |= 1u << (node >> 1);
            Note(cell);                                                                                     // P2
        }

        head.SetKind(node, kind);
        if (kind != NodeKind.Inner)
        {
            Half(ref _memory[cell], node & 1) = hash;
        }
    }

    /// <summary>A page with few keys becomes a bucket. What is below it are buckets: a page would have had more keys.</summary>
    private void Dissolve(uint page, in PageHead head, int depth, uint half, out Outcome outcome)
    {
        int merged = _entryCount;
        Reserve((int)head.Keys);
        for (int s = 0; s < SlotCount; s++)
        {
            uint slot = head.Slots[s];
            Invariant.Require(!IsPage(slot));
            int keys = BucketKeys(slot);
            for (uint k = 0; k < keys; k++)
            {
                _entries[_entryCount++] = _memory[FirstCell(slot) + k];
            }

            if (keys > 0)
            {
                _freed.Add(new CellRun(FirstCell(slot), keys));
            }
        }

        _freed.Add(new CellRun(page, Cells));
        int count = _entryCount - merged;
        Invariant.Require(count == head.Keys);
        outcome = default;
        ListBucket(NewBucket(merged, count), depth, half, ref outcome);
        _entryCount = merged;
    }

    /// <summary>Lists the nodes above the keys of a bucket.</summary>
    private void ListBucket(uint slot, int depth, uint half, ref Outcome outcome)
    {
        int keys = BucketKeys(slot);
        outcome.Slot = slot;
        outcome.Changed = true;
        outcome.Kind = keys switch { 0 => NodeKind.Empty, 1 => NodeKind.Leaf, _ => NodeKind.Inner };
        if (keys < 2)
        {
            outcome.Hash = keys == 0 ? _empty : _memory[FirstCell(slot)].Right;
            return;
        }

        _nodes.AddAbove(MemoryMarshal.CreateReadOnlySpan(ref _memory[FirstCell(slot)], keys), depth, half);
    }

    private void Overwrite(uint bucket, int from, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ref Cell cell = ref _memory[bucket + (uint)i];
            if (cell.Right != _entries[from + i].Right)
            {
                Note(bucket + (uint)i);
                cell.Right = _entries[from + i].Right;
            }
        }
    }

    private uint NewBucket(int from, int count)
    {
        if (count == 0)
        {
            return 0;
        }

        uint first = Take(count);
        for (int i = 0; i < count; i++)
        {
            _memory[first + (uint)i] = _entries[from + i];
        }

        return BucketSlot(first, count);
    }

    private uint NewPage()
    {
        uint page = Take(Cells);
        HeadOf(_memory, page) = default;
        for (int pair = 0; pair < PairCount; pair++)
        {
            _memory[PairCell(page, pair)] = new Cell { Left = _empty, Right = _empty };
        }

        return page;
    }

    private uint Take(int cells)
    {
        uint first = _memory.Take(cells);
        _undo?.Taken.Add(new CellRun(first, cells));
        return first;
    }

    private void Note(uint cell) => _undo?.Note(cell, _memory[cell]);

    private void Reserve(int more)
    {
        if (_entryCount + more > _entries.Length)
        {
            Array.Resize(ref _entries, Math.Max(_entryCount + more, _entries.Length * 2));
        }
    }
}
