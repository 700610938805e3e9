// The newest blocks that were decoded or built, by the hash of their bytes: consensus gives the same bytes to parse, to verify, and again,
// and reading a block of a thousand transactions costs as much as a part of running it.
//
// A hit costs one SHA-256 of the bytes. Equal hash, equal bytes, equal block: nothing here can change an answer.
//
// Threading: any; one lock, for a few comparisons.   Memory: Kept blocks, each of at most the chain's largest.

using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A few decoded blocks.</summary>
internal sealed class DecodedMemory
{
    /// <summary>As many as consensus has undecided at once.</summary>
    private const int Kept = 10;

    private readonly Lock _gate = new();
    private readonly Block?[] _blocks = new Block?[Kept];
    private int _next;

    /// <summary>Finds a block.</summary>
    public bool TryFind(BlockId id, [NotNullWhen(true)] out Block? block)
    {
        lock (_gate)
        {
            foreach (Block? kept in _blocks)
            {
                if (kept is not null && kept.Id == id)
                {
                    block = kept;
                    return true;
                }
            }
        }

        block = null;
        return false;
    }

    /// <summary>Remembers a block in place of the oldest.</summary>
    public void Add(Block block)
    {
        lock (_gate)
        {
            _blocks[_next] = block;
            _next = (_next + 1) % Kept;
        }
    }
}
