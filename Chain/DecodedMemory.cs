// The newest blocks that were decoded or built, by the hash of their bytes: consensus gives the same bytes to parse, to verify, and again,
// and reading a block of a thousand transactions costs as much as a part of running it.
//
// A hit costs one SHA-256 of the bytes. Equal hash, equal bytes, equal block: nothing here can change an answer.
//
// Bounds: BlocksMax blocks of BytesMax bytes together, the newest always; the oldest goes first. A batch of ancestors is parsed whole and then verified one by one
// from its oldest, so fewer than a batch would be none at all.
//
// Threading: any; one lock, for a few comparisons.

using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A few decoded blocks.</summary>
internal sealed class DecodedMemory
{
    /// <summary>Most blocks.</summary>
    public const int BlocksMax = 64;

    /// <summary>Most bytes of blocks: ten of the longest, fifty of a thousand transfers.</summary>
    public const long BytesMax = 16L << 20;

    private readonly Lock _gate = new();
    private readonly List<Block> _blocks = new(BlocksMax + 1);      // oldest first
    private long _bytes;

    /// <summary>Finds a block.</summary>
    public bool TryFind(BlockId id, [NotNullWhen(true)] out Block? block)
    {
        lock (_gate)
        {
            block = _blocks.Find(kept => kept.Id == id);
            return block is not null;
        }
    }

    /// <summary>Remembers a block.</summary>
    public void Add(Block block)
    {
        lock (_gate)
        {
            if (_blocks.Exists(kept => kept.Id == block.Id))
            {
                return;
            }

            _blocks.Add(block);
            _bytes += block.Bytes.Length;
            int surplus = 0;
            while (_blocks.Count - surplus > BlocksMax || (_bytes > BytesMax && _blocks.Count - surplus > 1))
            {
                _bytes -= _blocks[surplus++].Bytes.Length;
            }

            _blocks.RemoveRange(0, surplus);
        }
    }

    /// <summary>Forgets those at or below a height: they are decided.</summary>
    public void Forget(Height height)
    {
        lock (_gate)
        {
            foreach (Block block in _blocks)
            {
                _bytes -= block.Header.Height.CompareTo(height) <= 0 ? block.Bytes.Length : 0;
            }

            _blocks.RemoveAll(block => block.Header.Height.CompareTo(height) <= 0);
        }
    }

    /// <summary>Adds those above a height to a list.</summary>
    public void ListAbove(Height height, List<Block> target)
    {
        lock (_gate)
        {
            foreach (Block block in _blocks)
            {
                if (block.Header.Height.CompareTo(height) > 0)
                {
                    target.Add(block);
                }
            }
        }
    }
}
