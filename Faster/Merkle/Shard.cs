// One of the 64 subtrees at depth 6: the keys whose paths begin with the same six bits, in memory of their own.
//
// Jobs work on shards, never on parts of one, and a shard's content is a function of its keys alone. That is why the root
// is the same for any number of workers.
//
// Threading: one job at a time per shard; different shards at once.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Cell 0 of a shard.</summary>
[StructLayout(LayoutKind.Sequential, Size = Cell.Size)]
internal struct ShardRoot
{
    /// <summary>Hash of the subtree.</summary>
    public Bytes32 Hash;

    /// <summary>Keys in it.</summary>
    public long Keys;

    /// <summary>Reference of its page or bucket.</summary>
    public uint Slot;

    /// <summary>What it is.</summary>
    public NodeKind Kind;
}

/// <summary>A subtree at depth 6.</summary>
internal sealed class Shard
{
    /// <summary>Bits that all paths of a shard share.</summary>
    public const int Depth = 6;

    /// <summary>Number of shards.</summary>
    public const int Count = 1 << Depth;

    /// <summary>An empty shard.</summary>
    public Shard(Bytes32 emptyHash)
    {
        Memory.Open();
        Root.Hash = emptyHash;
    }

    /// <summary>Its cells.</summary>
    public TreeMemory Memory { get; } = new();

    /// <summary>An undo log that is not used any more, for the next update.</summary>
    public ShardUndo? SpareUndo { get; set; }

    /// <summary>Its root record in place.</summary>
    public ref ShardRoot Root => ref Unsafe.As<Cell, ShardRoot>(ref Memory[0]);

    /// <summary>The shard of a path.</summary>
    public static int Of(in StateKey path) => (int)(path.Value.W0 >> (64 - Depth));

    /// <summary>Finds a key.</summary>
    public bool TryFind(in Bytes32 path, out Bytes32 leaf)
    {
        uint slot = Root.Slot;
        for (int depth = Depth; TreePage.IsPage(slot); depth += TreePage.Levels)
        {
            slot = TreePage.HeadOf(Memory, TreePage.FirstCell(slot)).Slots[TreePage.SlotOf(path, depth)];
        }

        foreach (ref readonly Cell entry in Bucket(slot))
        {
            if (entry.Left == path)
            {
                leaf = entry.Right;
                return true;
            }
        }

        leaf = default;
        return false;
    }

    /// <summary>The keys of a bucket, ascending; nothing for slot 0.</summary>
    // SAFETY: a run lies inside one segment (C1).
    public ReadOnlySpan<Cell> Bucket(uint slot) =>
        MemoryMarshal.CreateReadOnlySpan(ref Memory[TreePage.FirstCell(slot)], TreePage.BucketKeys(slot));

    /// <summary>Calls back for every key below a slot, ascending.</summary>
    public void Visit(uint slot, Action<StateKey> visitor)
    {
        if (TreePage.IsPage(slot))
        {
            for (int s = 0; s < TreePage.SlotCount; s++)
            {
                Visit(TreePage.HeadOf(Memory, TreePage.FirstCell(slot)).Slots[s], visitor);
            }

            return;
        }

        foreach (ref readonly Cell entry in Bucket(slot))
        {
            visitor(new StateKey(entry.Left));
        }
    }
}
