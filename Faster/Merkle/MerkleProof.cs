// What convinces somebody who knows only a state root: that a key has this value, or that it has none.
//
//   siblings  hashes beside the path, from the top down
//   end       the key's own leaf (inclusion); nothing, or the leaf of another key on the same path (exclusion)
//
// Why an exclusion holds: in the canonical shape a subtree with one key is that key's leaf, so if the place where
// the path ends is empty or is another key's leaf, no third key can stand there.
//
// Encoding: u16 sibling count | bitmap of the non-empty ones | those | u8 end (0 empty, 1 own leaf, 2 other leaf)
//           | for 2: path 32, value hash 32.
// The verifier never throws, whatever the bytes: it bounds the depth at 256, refuses trailing bytes and shapes that are
// not canonical, and gets the kind of the end by computing it, never by being told.
//
// Cost: one hash per level, about log2(keys).   Threading: immutable.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Proofs of single keys against a state root.</summary>
public static class MerkleProof
{
    private const int MaxDepth = 256;

    private enum End : byte
    {
        Empty = 0,
        OwnLeaf = 1,
        OtherLeaf = 2,
    }

    /// <summary>Proves what the tree holds at a path.</summary>
    /// <param name="valueHashOf">Gives the value hash of a key that the tree holds: asked at most once, for the other leaf.</param>
    /// <returns>The encoded proof, of inclusion or of exclusion.</returns>
    public static byte[] Prove(MerkleTree tree, in StateKey path, Func<StateKey, Bytes32> valueHashOf)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(valueHashOf);
        List<Bytes32> siblings = [];
        MerkleNode? node = tree.Top;
        while (node is MerkleInner inner)
        {
            bool right = path.Value.Bit(siblings.Count);
            siblings.Add((right ? inner.Left : inner.Right)?.Hash ?? StateHashing.Empty);
            node = right ? inner.Right : inner.Left;
        }

        CanonicalWriter writer = new();
        writer.WriteU16((ushort)siblings.Count);
        Span<byte> bitmap = writer.Reserve((siblings.Count + 7) / 8);
        bitmap.Clear();
        for (int i = 0; i < siblings.Count; i++)
        {
            bitmap[i / 8] |= (byte)(siblings[i] == StateHashing.Empty ? 0 : 0x80 >> (i % 8));
        }

        foreach (Bytes32 sibling in siblings)
        {
            if (sibling != StateHashing.Empty)
            {
                writer.WriteBytes32(sibling);
            }
        }

        if (node is not MerkleLeaf leaf)
        {
            writer.WriteU8((byte)End.Empty);
        }
        else if (leaf.Path == path)
        {
            writer.WriteU8((byte)End.OwnLeaf);
        }
        else
        {
            writer.WriteU8((byte)End.OtherLeaf);
            writer.WriteBytes32(leaf.Path.Value);
            writer.WriteBytes32(valueHashOf(leaf.Path));
        }

        return writer.ToArray();
    }

    /// <summary>Checks that under <paramref name="root"/> the key has exactly this value.</summary>
    public static bool VerifyPresent(StateHashing hashing, StateRoot root, in StateKey path, ReadOnlySpan<byte> value, ReadOnlySpan<byte> proof)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        return value.Length <= StateLimits.MaxRecordBytes
            && Verify(hashing, root, path, hashing.Leaf(path, hashing.ValueHash(value)), proof);
    }

    /// <summary>Checks that under <paramref name="root"/> there is no such key.</summary>
    public static bool VerifyAbsent(StateHashing hashing, StateRoot root, in StateKey path, ReadOnlySpan<byte> proof)
    {
        ArgumentNullException.ThrowIfNull(hashing);
        return Verify(hashing, root, path, StateHashing.Empty, proof);
    }

    private static bool Verify(StateHashing hashing, StateRoot root, in StateKey path, in Bytes32 ownLeaf, ReadOnlySpan<byte> proof)
    {
        CanonicalReader reader = new(proof);
        int depth = reader.ReadU16();
        if (depth > MaxDepth)
        {
            return false;
        }

        ReadOnlySpan<byte> bitmap = reader.ReadBytes((depth + 7) / 8);
        if (!reader.Ok || (depth % 8 != 0 && (bitmap[^1] & (0xFF >> (depth % 8))) != 0))
        {
            return false;   // bits behind the last level: not canonical
        }

        Span<Bytes32> siblings = stackalloc Bytes32[MaxDepth];
        for (int i = 0; i < depth; i++)
        {
            bool present = (bitmap[i / 8] & (0x80 >> (i % 8))) != 0;
            siblings[i] = present ? reader.ReadBytes32() : StateHashing.Empty;
            if (present && siblings[i] == StateHashing.Empty)
            {
                return false;
            }
        }

        if (!TryReadEnd(hashing, ref reader, path, ownLeaf, depth, out Bytes32 hash) || !reader.TryEnd(out _))
        {
            return false;
        }

        // M1: a leaf stands beside something; a place left empty stands beside an inner node, which its hash cannot show,
        // but the root can: no canonical tree has that hash otherwise.
        if (depth > 0 && siblings[depth - 1] == StateHashing.Empty)
        {
            return false;
        }

        for (int i = depth - 1; i >= 0; i--)
        {
            hash = path.Value.Bit(i) ? hashing.Node(siblings[i], hash) : hashing.Node(hash, siblings[i]);
        }

        return hashing.Root(hash) == root;
    }

    /// <summary>The hash at the end of the path; false when the end does not answer the question asked.</summary>
    private static bool TryReadEnd(
        StateHashing hashing, ref CanonicalReader reader, in StateKey path, in Bytes32 ownLeaf, int depth, out Bytes32 hash)
    {
        bool asksPresent = ownLeaf != StateHashing.Empty;
        hash = StateHashing.Empty;
        switch ((End)reader.ReadU8())
        {
            case End.Empty:
                return reader.Ok && !asksPresent;
            case End.OwnLeaf:
                hash = ownLeaf;
                return reader.Ok && asksPresent;
            case End.OtherLeaf:
                StateKey other = new(reader.ReadBytes32());
                hash = hashing.Leaf(other, reader.ReadBytes32());
                return reader.Ok && !asksPresent && other != path && SharesBits(other, path, depth);
            default:
                return false;
        }
    }

    private static bool SharesBits(in StateKey a, in StateKey b, int bits)
    {
        for (int i = 0; i < bits; i++)
        {
            if (a.Value.Bit(i) != b.Value.Bit(i))
            {
                return false;
            }
        }

        return true;
    }
}
