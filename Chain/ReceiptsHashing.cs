// The receipts root: one hash that commits to the receipts of a block in order, and lets one of them be shown without the rest.
//
//   leaf i   = keyed(leaf key, receipt encoding)
//   level    = pairs hashed left to right with keyed(node key, left | right); an odd last one moves up as it is
//   root     = keyed(root key, count u64 | top)            top of no receipts: 32 zero bytes
//
// The three keys differ, so a leaf never passes for a node; the count in the root tells lists of different length apart
// where a lone node moved up.
//
// Threading: one thread (a reused buffer).   Cost: O(receipt bytes).

using System;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>The hash functions of the receipts root, keyed by the chain id.</summary>
public sealed class ReceiptsHashing
{
    private readonly Bytes32 _leafKey;
    private readonly Bytes32 _nodeKey;
    private readonly Bytes32 _rootKey;
    private readonly CanonicalWriter _writer = new(1024);

    /// <summary>Derives the keys.</summary>
    public ReceiptsHashing(ChainId chain)
    {
        byte[] material = chain.Value.ToArray();
        _leafKey = Blake3.DeriveKey("ParallelVm 2026-11 v1 receipts leaf", material);
        _nodeKey = Blake3.DeriveKey("ParallelVm 2026-11 v1 receipts node", material);
        _rootKey = Blake3.DeriveKey("ParallelVm 2026-11 v1 receipts root", material);
    }

    /// <summary>The root over receipts in block order.</summary>
    public Bytes32 Root(ReadOnlySpan<Receipt> receipts)
    {
        Bytes32[] level = new Bytes32[receipts.Length];
        for (int i = 0; i < level.Length; i++)
        {
            _writer.Clear();
            receipts[i].Encode(_writer);
            level[i] = Blake3.Keyed(_leafKey, _writer.Written);
        }

        Span<byte> buffer = stackalloc byte[2 * Bytes32.Size];
        int count = level.Length;
        while (count > 1)
        {
            int parents = 0;
            for (int i = 0; i + 1 < count; i += 2)
            {
                level[i].CopyTo(buffer);
                level[i + 1].CopyTo(buffer[Bytes32.Size..]);
                level[parents++] = Blake3.Keyed(_nodeKey, buffer);
            }

            if ((count & 1) != 0)
            {
                level[parents++] = level[count - 1];
            }

            count = parents;
        }

        _writer.Clear();
        _writer.WriteU64((ulong)receipts.Length);
        _writer.WriteBytes32(level.Length == 0 ? Bytes32.Zero : level[0]);
        return Blake3.Keyed(_rootKey, _writer.Written);
    }
}
