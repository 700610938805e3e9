// The seam between the chain and the disk. The order of events of one accepted block:
//
//   view = parent.Apply(diff)        verify: root known, nothing durable
//   store.Persist(record, view)      returns after the record is fsynced; others may read and apply meanwhile
//   store.Accept(record, view)       the diff reaches the accepted state; persists what was not
//
// After a restart the store may hold records newer than its checkpoint; the chain executes them again:
//
//   while (store.TryNextReplay(out record)) { execute on store.Accepted; compare the root; store.Replayed(record, view); }

using System;
using System.Diagnostics.CodeAnalysis;

namespace ParallelVm.Primitives.State;

/// <summary>A block as the store keeps it: identity, commitment, and bytes that only the chain understands.</summary>
/// <param name="Height">Distance from genesis.</param>
/// <param name="ParentId">Id of the block below; zero for genesis.</param>
/// <param name="BlockId">Id of this block.</param>
/// <param name="StateRoot">Root after this block.</param>
/// <param name="Payload">The block's canonical bytes. Not copied: the caller does not change them.</param>
public readonly record struct BlockRecord(
    Height Height, BlockId ParentId, BlockId BlockId, StateRoot StateRoot, ReadOnlyMemory<byte> Payload);

/// <summary>Where accepted state and blocks live. One caller thread at a time, but for <see cref="Persist"/>.</summary>
/// <remarks>Local failures (I/O, corruption) are exceptions of type <see cref="StateStoreException"/>; after one the
/// store refuses further writes. They are never turned into a verdict on a block.</remarks>
public interface IStateStore : IDisposable
{
    /// <summary>Height, id and root of the newest block whose effects are in <see cref="Accepted"/>; null in a fresh store.</summary>
    BlockRecord? LastAccepted { get; }

    /// <summary>The state after <see cref="LastAccepted"/> (empty state in a fresh store).</summary>
    IStateView Accepted { get; }

    /// <summary>The next durable block that is not in <see cref="Accepted"/> yet, after a restart.</summary>
    bool TryNextReplay([NotNullWhen(true)] out BlockRecord? record);

    /// <summary>Hands back the result of executing the record of <see cref="TryNextReplay"/> again.</summary>
    /// <param name="record">That record.</param>
    /// <param name="view">Made by <c>Accepted.Apply</c>; its root equals the record's.</param>
    /// <exception cref="StateStoreException">The root differs: the disk or the code is not what it was.</exception>
    void Replayed(in BlockRecord record, IStateView view);

    /// <summary>
    /// Somebody will read these records of <see cref="Accepted"/> soon: those that lie on a disk are brought near. From any thread, beside anything that
    /// happens to the store, before and after its end; nothing is found out by it, and nothing depends on it.
    /// </summary>
    /// <returns>How many were fetched from a disk; 0 also when another thread is at it.</returns>
    int Touch(ReadOnlySpan<StateKey> keys) => 0;

    /// <summary>Makes a block durable that will be accepted next: the part of accepting that waits for the disk. Nothing but the disk knows
    /// of it before it is accepted; a store that is opened in between has it to replay.</summary>
    /// <remarks>Another thread may read blocks, and read and apply views, while this works; it may not accept, replay, step back, write a
    /// checkpoint or dispose.</remarks>
    /// <param name="record">As for <see cref="Accept"/>, which must follow with the same before any other block is persisted.</param>
    /// <param name="view">As for <see cref="Accept"/>.</param>
    void Persist(in BlockRecord record, IStateView view);

    /// <summary>Makes a block final: durable when this returns, if it was not persisted before, and part of <see cref="Accepted"/>.</summary>
    /// <param name="record">Height = last + 1 (or 0 in a fresh store), parent = last id.</param>
    /// <param name="view">Made by <c>Apply</c> on <see cref="Accepted"/> or on the view that was accepted last; its root equals
    /// the record's. Views on top of it stay valid; its siblings and what stands on them are dead afterwards.</param>
    void Accept(in BlockRecord record, IStateView view);

    /// <summary>A durable block by height, if the store still keeps it.</summary>
    bool TryReadBlock(Height height, [NotNullWhen(true)] out BlockRecord? record);

    /// <summary>The height of a durable block, if the store still keeps it. Does not walk the blocks.</summary>
    bool TryFindBlock(BlockId id, out Height height);

    /// <summary>Takes the store back to an older accepted block and forgets the later ones, durably: for a consensus engine that is
    /// behind. Every view is dead afterwards but <see cref="Accepted"/>. Nothing may be left to replay.</summary>
    /// <exception cref="StateStoreException">The history does not reach the height (713), or is damaged (714): nothing has changed.</exception>
    void StepBack(Height height);

    /// <summary>Writes a checkpoint of the accepted state now, and verifies it.</summary>
    void Checkpoint();
}

/// <summary>The machine failed, not the input: I/O error, full disk, corruption, a folder of another chain.</summary>
public sealed class StateStoreException : Exception
{
    /// <summary>Wraps a refusal of the 7xx group.</summary>
    public StateStoreException(Refusal refusal, Exception? inner = null)
        : base(refusal.ToString(), inner)
    {
        Refusal = refusal;
    }

    /// <summary>Code and sentence.</summary>
    public Refusal Refusal { get; }
}
