// The state after one block, read a record at a time while the chain goes on. What was read once is kept, so a record does not
// change between two questions; the snapshot lives as long as its block is the last accepted one or processing.
//
// It has no tree: what is executed on it learns receipts and the diff, not the next root.
//
// Threading: one thread.   Cost: each first question takes the chain's lock for one read.

using System;
using System.Collections.Generic;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>The chain has gone on: the state that was being read is gone. Whoever took the snapshot takes another.</summary>
public sealed class SnapshotGoneException(BlockId block) : Exception($"The state after block {block} is neither accepted nor processing any more.");

/// <summary>A state to run something on beside the chain.</summary>
public sealed class StateSnapshot : IStateView
{
    /// <summary>Bytes of records that are kept; beyond it they are read again.</summary>
    private const int MaxKeptBytes = 16 << 20;

    private readonly ChainService _chain;
    private readonly ulong _nowMs;
    private readonly Dictionary<StateKey, byte[]?> _read = [];
    private int _kept;

    internal StateSnapshot(ChainService chain, Block block, ulong nowMs)
    {
        _chain = chain;
        _nowMs = nowMs;
        Block = block;
    }

    /// <summary>The block whose state it is.</summary>
    public Block Block { get; }

    /// <inheritdoc/>
    public StateRoot Root => Block.Header.StateRoot;

    /// <summary>What a program may know of a block that is built on this state now.</summary>
    public BlockContext ContextOf(BlockPrograms programs)
    {
        BlockHeader header = new(Block.Id, Block.Header.Height.Next, Math.Max(Block.Header.TimestampMs + 1, _nowMs), 0, default, default);
        return _chain.Rules.ContextOf(header, programs);
    }

    /// <inheritdoc/>
    /// <exception cref="SnapshotGoneException">The block was rejected, or is not the last accepted one any more.</exception>
    public int Read(in StateKey key, Span<byte> target)
    {
        if (!_read.TryGetValue(key, out byte[]? value))
        {
            if (!_chain.TryReadAfter(Block.Id, key, target, out int length))
            {
                throw new SnapshotGoneException(Block.Id);
            }

            if (_kept < MaxKeptBytes)
            {
                _kept += 64 + Math.Max(0, length);
                _read.Add(key, length < 0 ? null : target[..length].ToArray());
            }

            return length;
        }

        value.CopyTo(target);
        return value?.Length ?? -1;
    }

    /// <summary>Itself: nothing that is executed on a snapshot has a state of its own.</summary>
    public IStateView Apply(StateDiff diff) => this;
}
