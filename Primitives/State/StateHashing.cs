// The consensus encoding of state: how records become paths, leaves, nodes and the root.
//
//   path  = keyed(K_path,  owner program 32 | local key 32)          = StateKey
//   value = keyed(K_value, u32 length | value)
//   leaf  = keyed(K_leaf,  path 32 | value hash 32)
//   node  = keyed(K_node,  left 32 | right 32)
//   root  = keyed(K_root,  u8 format | tree root 32)                   format 1
//
// Every key K is derived from a literal and the chain id, so no hash of one purpose or chain passes for another.
//
// The tree over a set of leaves is a pure function of the set (bits of the path, most significant bit of byte 0 first):
//   T1  no leaf: 32 zero bytes          T2  one leaf: that leaf itself, at the shallowest place
//   T3  more: node(tree of those with bit 0 here, tree of those with bit 1 here)
// so {empty, empty} and {empty, leaf} never occur below a node, while {empty, node} does (shared prefixes).
//
// Cost: path, leaf, node one compression each. Threading: immutable.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives.State;

/// <summary>The hash functions of one chain's state.</summary>
public sealed class StateHashing
{
    /// <summary>The tree with no leaf.</summary>
    public static readonly Bytes32 Empty = Bytes32.Zero;

    /// <summary>The encoding above; the first byte under the root's hash.</summary>
    public const byte Format = 1;

    private const string Context = "ParallelVm 2026-11 v1 state ";

    private readonly Bytes32 _pathKey;
    private readonly Bytes32 _valueKey;
    private readonly Bytes32 _leafKey;
    private readonly Bytes32 _nodeKey;
    private readonly Bytes32 _rootKey;

    /// <summary>Derives the five keys of <paramref name="chain"/>.</summary>
    public StateHashing(ChainId chain)
    {
        Chain = chain;
        Span<byte> material = stackalloc byte[Bytes32.Size];
        chain.Value.CopyTo(material);
        _pathKey = Blake3.DeriveKey(Context + "path", material);
        _valueKey = Blake3.DeriveKey(Context + "value", material);
        _leafKey = Blake3.DeriveKey(Context + "leaf", material);
        _nodeKey = Blake3.DeriveKey(Context + "node", material);
        _rootKey = Blake3.DeriveKey(Context + "root", material);
    }

    /// <summary>The chain whose state this hashes.</summary>
    public ChainId Chain { get; }

    /// <summary>Where the record (<paramref name="program"/>, <paramref name="key"/>) lives.</summary>
    public StateKey KeyOf(in ProgramId program, in LocalKey key) => new(Blake3.KeyedPair(_pathKey, program.Value, key.Value));

    /// <summary>The hash of a record's value. An empty value is a value; absence has no hash.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is longer than <see cref="StateLimits.MaxRecordBytes"/>.</exception>
    public Bytes32 ValueHash(ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, StateLimits.MaxRecordBytes, nameof(value));
        return value.Length <= 60 ? ShortValueHash(value) : LongValueHash(value);
    }

    /// <summary>Many value hashes at once.</summary>
    /// <param name="messages">What <see cref="ValueHash"/> hashes, u32 length | value, for values of one length, one behind the other.</param>
    /// <param name="messageBytes">4 more than the values' length, at most 1024.</param>
    /// <param name="hashes">Filled from the first to the last.</param>
    public void ValueHashes(ReadOnlySpan<byte> messages, int messageBytes, Span<Bytes32> hashes) =>
        Blake3.KeyedMany(_valueKey, messages, messageBytes, hashes);

    /// <summary>Many paths at once: pairs of (program, local key), one path each.</summary>
    public void Keys(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> paths) => Blake3.KeyedPairs(_pathKey, pairs, paths);

    /// <summary>The leaf of a record.</summary>
    public Bytes32 Leaf(in StateKey path, in Bytes32 valueHash) => Blake3.KeyedPair(_leafKey, path.Value, valueHash);

    /// <summary>The node over two subtrees.</summary>
    public Bytes32 Node(in Bytes32 left, in Bytes32 right) => Blake3.KeyedPair(_nodeKey, left, right);

    /// <summary>Many leaves at once: pairs of (path, value hash), one leaf each.</summary>
    public void Leaves(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> leaves) => Blake3.KeyedPairs(_leafKey, pairs, leaves);

    /// <summary>Many nodes at once: pairs of (left, right), one node each.</summary>
    public void Nodes(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> nodes) => Blake3.KeyedPairs(_nodeKey, pairs, nodes);

    /// <summary>The state root that headers carry, over the root of the tree.</summary>
    public StateRoot Root(in Bytes32 treeRoot)
    {
        Span<byte> message = stackalloc byte[1 + Bytes32.Size];
        message[0] = Format;
        treeRoot.CopyTo(message[1..]);
        return new StateRoot(Blake3.Keyed(_rootKey, message));
    }

    /// <summary>The root of the tree from its definition: the oracle of every faster way to keep it.</summary>
    /// <param name="sorted">The leaves, strictly ascending by path.</param>
    /// <exception cref="InvariantException">The leaves are not strictly ascending.</exception>
    /// <remarks>O(leaves) hashes for random paths; recursion as deep as the longest prefix two paths share, at most 256.</remarks>
    public Bytes32 TreeOf(ReadOnlySpan<(StateKey Path, Bytes32 Leaf)> sorted)
    {
        for (int i = 1; i < sorted.Length; i++)
        {
            Invariant.Require(sorted[i - 1].Path.CompareTo(sorted[i].Path) < 0);
        }

        return Subtree(sorted, 0);
    }

    private Bytes32 Subtree(ReadOnlySpan<(StateKey Path, Bytes32 Leaf)> sorted, int depth)
    {
        if (sorted.IsEmpty)
        {
            return Empty;                                   // T1
        }

        if (sorted.Length == 1)
        {
            return sorted[0].Leaf;                          // T2
        }

        int split = FirstWithBit(sorted, depth);
        Bytes32 left = Subtree(sorted[..split], depth + 1);
        Bytes32 right = Subtree(sorted[split..], depth + 1);
        return Node(left, right);                           // T3
    }

    /// <summary>Index of the first path whose bit is one; paths that share the bits above are sorted by this bit.</summary>
    private static int FirstWithBit(ReadOnlySpan<(StateKey Path, Bytes32 Leaf)> sorted, int bit)
    {
        int low = 0;
        int high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (sorted[middle].Path.Value.Bit(bit))
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    [SkipLocalsInit]
    private Bytes32 ShortValueHash(ReadOnlySpan<byte> value)
    {
        Span<byte> message = stackalloc byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)value.Length);
        value.CopyTo(message[4..]);
        return Blake3.Keyed(_valueKey, message[..(4 + value.Length)]);
    }

    [SkipLocalsInit]
    private Bytes32 LongValueHash(ReadOnlySpan<byte> value)
    {
        Span<byte> message = stackalloc byte[4 + StateLimits.MaxRecordBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)value.Length);
        value.CopyTo(message[4..]);
        return Blake3.Keyed(_valueKey, message[..(4 + value.Length)]);
    }
}
