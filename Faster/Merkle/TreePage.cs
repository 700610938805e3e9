// The layout of a page: three levels of the tree in 512 bytes, eight cache lines.
//
//   cell 0       head: eight slots (u32), number of keys below (u32), kinds of the 14 nodes (2 bits each)
//   cells 1..7   pairs 0..6 in heap order: the two children of one node side by side, ready to be hashed
//
//                pair 0                     node h is half h of the pairs: pair h / 2, side h % 2
//            node 0    node 1               the children of node h are pair h + 1
//            pair 1    pair 2               node 6 + s is slot s
//           2    3    4    5
//          p3   p4   p5   p6
//         6 7  8 9 10 11 12 13
//
// A slot is empty, a bucket (its keys as sorted cells of path and leaf hash), or a page three levels further down.
// A half holds the hash of its node: that of nothing, of the one leaf below it, or of the pair below it. The hash of a lone
// leaf thus stands in every half from its slot up to its place, and the canonical shape needs no restructuring:
// the kind of a node is a function of the kinds of its two children.
//
// Slot:  0 nothing | bit 31 page, else bucket of 1 + bits 27..30 keys | bits 0..26 first cell
//
// Threading: none of its own.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>What a subtree is.</summary>
internal enum NodeKind : byte
{
    /// <summary>No key.</summary>
    Empty = 0,

    /// <summary>One key: the subtree is its leaf.</summary>
    Leaf = 1,

    /// <summary>Two keys or more.</summary>
    Inner = 2,
}

/// <summary>The head of a page.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PageHead
{
    /// <summary>References of the eight subtrees below.</summary>
    public SlotArray Slots;

    /// <summary>Keys below.</summary>
    public uint Keys;

    private uint _kinds;

    /// <summary>Kind of node <paramref name="node"/>, [0, 14).</summary>
    public readonly NodeKind KindOf(int node) => (NodeKind)((_kinds >> (2 * node)) & 3);

    /// <summary>Sets a kind.</summary>
    public void SetKind(int node, NodeKind kind) => _kinds = (_kinds & ~(3u << (2 * node))) | ((uint)kind << (2 * node));

    /// <summary>Slots in place.</summary>
    [InlineArray(TreePage.SlotCount)]
    internal struct SlotArray
    {
        private uint _first;
    }
}

/// <summary>Numbers and bits of pages and slots.</summary>
internal static class TreePage
{
    /// <summary>Levels of the tree in one page.</summary>
    public const int Levels = 3;

    /// <summary>Subtrees below a page.</summary>
    public const int SlotCount = 1 << Levels;

    /// <summary>Pairs in a page.</summary>
    public const int PairCount = SlotCount - 1;

    /// <summary>The node of slot 0.</summary>
    public const int FirstSlotNode = SlotCount - 2;

    /// <summary>Head and pairs.</summary>
    public const int Cells = 1 + PairCount;

    /// <summary>The most keys of a bucket.</summary>
    public const int BucketMax = 12;

    /// <summary>A page with so few keys becomes a bucket. Below <see cref="BucketMax"/>, so that a key that comes and goes does not
    /// build and take down a page each time.</summary>
    public const int PageMin = BucketMax / 2;

    private const uint PageBit = 1u << 31;
    private const uint CellMask = (1u << 27) - 1;

    public static uint PageSlot(uint firstCell) => PageBit | firstCell;

    public static uint BucketSlot(uint firstCell, int keys) => ((uint)(keys - 1) << 27) | firstCell;

    public static bool IsPage(uint slot) => (slot & PageBit) != 0;

    /// <summary>First cell of a page or bucket.</summary>
    public static uint FirstCell(uint slot) => slot & CellMask;

    /// <summary>Keys of a bucket; 0 for nothing.</summary>
    public static int BucketKeys(uint slot) => slot == 0 ? 0 : 1 + (int)((slot >> 27) & 15);

    /// <summary>The cell of a pair.</summary>
    public static uint PairCell(uint page, int pair) => page + 1 + (uint)pair;

    /// <summary>The head in place.</summary>
    public static ref PageHead HeadOf(TreeMemory memory, uint page) => ref Unsafe.As<Cell, PageHead>(ref memory[page]);

    /// <summary>A half of a pair.</summary>
    public static ref Bytes32 Half(ref Cell pair, int side) => ref side == 0 ? ref pair.Left : ref pair.Right;

    /// <summary>The slot of a path in a page at <paramref name="depth"/>: three bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SlotOf(in Bytes32 path, int depth)
    {
        int shift = depth & 63;
        int word = depth >> 6;
        ulong bits = WordOf(path, word) << shift;
        if (shift > 64 - Levels && word < 3)
        {
            bits |= WordOf(path, word + 1) >> (64 - shift);
        }

        return (int)(bits >> (64 - Levels));
    }

    /// <summary>The kind of a node with these children.</summary>
    public static NodeKind Join(NodeKind left, NodeKind right) =>
        left == NodeKind.Inner || right == NodeKind.Inner || (left == NodeKind.Leaf && right == NodeKind.Leaf) ? NodeKind.Inner
        : left == NodeKind.Leaf || right == NodeKind.Leaf ? NodeKind.Leaf
        : NodeKind.Empty;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong WordOf(in Bytes32 value, int word) => word switch { 0 => value.W0, 1 => value.W1, 2 => value.W2, _ => value.W3 };
}
