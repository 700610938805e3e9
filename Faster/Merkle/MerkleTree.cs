// The state tree: a binary sparse Merkle tree over 256-bit paths, in the canonical shape that StateHashing defines.
//
//   no key -> empty (32 zero bytes)      one key -> its leaf hash, at the shallowest place
//   more   -> node(left, right), split by the next bit of the path; one side may be empty, but never beside a leaf
//
// A tree is a value: Update gives another one, and any number of them can stand on the same base, like the processing
// blocks that they belong to. There is one memory below them (WorkingTree), which holds one of them at a time and the
// differences to the others; asking a tree something moves the memory to it first. A chain that grows at its tip
// never moves back, and a sibling costs what differs.
//
// Invariants
//   M1  an inner node has at least two keys below it: never {empty, empty}, {empty, leaf}
//   M2  the hash is a function of the key set alone: not of the order or the batches in which keys came, nor of workers
//   M3  an update that changes nothing returns the same object
//   M4  a tree is used only while it stands on the base, see BecomeBase
//
// Cost: about log2(keys / changes) + 2 node hashes per changed key; 70 to 95 bytes of memory per key.
// Threading: one caller at a time for all trees of a base; Update hands its work to up to 64 jobs.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>A change to one path: a new value hash, or zero to delete.</summary>
/// <param name="Path">Path of the key.</param>
/// <param name="ValueHash">Hash of the value; the leaf commits to it and to the path. Zero deletes.</param>
public readonly record struct PathChange(StateKey Path, Bytes32 ValueHash)
{
    /// <summary>The key is removed.</summary>
    public bool IsDelete => ValueHash == default;
}

/// <summary>Calls <paramref name="job"/> for 0 .. <paramref name="count"/> - 1, each once, in any order, on any threads, and returns
/// when all have returned.</summary>
public delegate void RunJobs(int count, Action<int> job);

/// <summary>A set of keys with their leaf hashes.</summary>
public sealed class MerkleTree
{
    internal MerkleTree(WorkingTree working, MerkleTree? parent, TreeUndo? undo, Bytes32 hash, long count)
    {
        Working = working;
        Parent = parent;
        Undo = undo;
        Generation = parent is null ? 0 : parent.Generation + 1;
        Hash = hash;
        Count = count;
    }

    /// <summary>Number of keys.</summary>
    public long Count { get; }

    /// <summary>Hash of the whole tree. The state root is <see cref="StateHashing.Root"/> of it.</summary>
    public Bytes32 Hash { get; }

    /// <summary>Bytes of memory under this tree and all others of its base, undo logs not counted.</summary>
    public long MemoryBytes => Working.MemoryBytes;

    /// <summary>The memory that it shares with its relatives.</summary>
    internal WorkingTree Working { get; }

    /// <summary>The tree that this one was made from; null for the base.</summary>
    internal MerkleTree? Parent { get; private set; }

    /// <summary>The way between parent and this; null for the base.</summary>
    internal TreeUndo? Undo { get; private set; }

    /// <summary>Updates since the first tree.</summary>
    internal long Generation { get; }

    /// <summary>The tree without keys, on memory of its own.</summary>
    /// <param name="hash">The hash profile.</param>
    /// <param name="jobs">Runs the jobs of an update; null runs them one after the other on the caller.</param>
    public static MerkleTree Create(ITreeHash hash, RunJobs? jobs = null)
    {
        ArgumentNullException.ThrowIfNull(hash);
        return new WorkingTree(hash, jobs).Base;
    }

    /// <summary>The tree of these keys.</summary>
    /// <param name="changes">In any order, no path twice, no deletions.</param>
    /// <param name="jobs">As in <see cref="Create"/>.</param>
    /// <param name="hash">The hash profile.</param>
    /// <exception cref="InvariantException">A path occurs twice.</exception>
    public static MerkleTree Build(ITreeHash hash, ReadOnlyMemory<PathChange> changes, RunJobs? jobs = null)
    {
        ArgumentNullException.ThrowIfNull(hash);
        WorkingTree working = new(hash, jobs);
        working.Build(changes);
        return working.Base;
    }

    /// <summary>The tree after a batch of changes.</summary>
    /// <param name="changes">Strictly ascending by path. Deleting a key that is absent changes nothing.</param>
    /// <exception cref="InvariantException">A path occurs twice or out of order, or this tree no longer stands on the base.</exception>
    public MerkleTree Update(ReadOnlyMemory<PathChange> changes) => Working.Update(this, changes);

    /// <summary>Makes this tree the base: what it was made from and what stands beside it is dead, what stands on it lives on.</summary>
    /// <exception cref="InvariantException">Its parent is not the base.</exception>
    public void BecomeBase() => Working.Rebase(this);

    /// <summary>The leaf hash of a key.</summary>
    /// <returns>False when the tree has no such key.</returns>
    public bool TryFind(in StateKey path, out Bytes32 leaf)
    {
        Working.MoveTo(this);
        return Working.ShardAt(Shard.Of(path)).TryFind(path.Value, out leaf);
    }

    /// <summary>Calls back for every path, ascending. The callback does not touch any tree of this base.</summary>
    internal void Visit(Action<StateKey> visitor)
    {
        Working.MoveTo(this);
        for (int i = 0; i < Shard.Count; i++)
        {
            Shard shard = Working.ShardAt(i);
            shard.Visit(shard.Root.Slot, visitor);
        }
    }

    /// <summary>Forgets what was before.</summary>
    internal void CutOff()
    {
        Parent = null;
        Undo = null;
    }
}
