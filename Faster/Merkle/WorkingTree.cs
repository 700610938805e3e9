// The memory under all trees of one base, the tree that it holds at the moment, and the ways to the others.
//
//   base <- B5 <- B6 (position)       memory = base + B5 + B6; B5 and B6 keep what they overwrote
//             \- B6'                  moving to B6' swaps B6's notes back and B6''s notes in
//
// Why the newest and not the base is in place: the tip is what nearly every update starts from, and then nothing is copied
// but the 64-byte cells that it writes, once, into the undo log. A persistent tree pays for every node it touches
// with memory and a collector; an overlay read through a base pays a look-up per node.
//
// Invariants
//   W1  Position stands on Base; swapping its undo logs back, newest first, gives the base
//   W2  a tree whose chain of parents does not reach Base is dead; what only it used is handed out again
//   W3  after an exception in an update the memory holds no tree, and everything else here throws
//
// A dropped tree (a rejected block that nobody refers to any more) is noticed at the next update or change of base by its weak
// reference. When that happens decides about cell numbers, never about hashes.
//
// Cost: an update writes 68 bytes of undo log per written cell; a move swaps them.
// Threading: one caller at a time; shards in parallel within an update.

using System;
using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The undo logs of one update, by shard; null where nothing changed.</summary>
internal sealed class TreeUndo
{
    public readonly ShardUndo?[] Shards = new ShardUndo?[Shard.Count];
}

/// <summary>One memory, many trees.</summary>
internal sealed class WorkingTree
{
    private const int InlineChanges = 64;     // a batch as small as this is not worth a wake-up

    private readonly ITreeHash _hash;
    private readonly RunJobs? _jobs;
    private readonly Shard[] _shards = new Shard[Shard.Count];
    private readonly ConcurrentBag<ShardUpdate> _idle = [];
    private readonly List<(WeakReference<MerkleTree> Tree, List<CellRun>?[] Taken)> _others = [];
    private readonly Stack<MerkleTree> _path = new();
    private MerkleTree _position;
    private bool _torn;

    public WorkingTree(ITreeHash hash, RunJobs? jobs)
    {
        _hash = hash;
        _jobs = jobs;
        for (int i = 0; i < _shards.Length; i++)
        {
            _shards[i] = new Shard(hash.Empty);
        }

        Base = new MerkleTree(this, null, null, hash.Empty, 0);
        _position = Base;
    }

    /// <summary>The tree that all others stand on.</summary>
    public MerkleTree Base { get; private set; }

    /// <summary>Bytes of all shards.</summary>
    public long MemoryBytes
    {
        get
        {
            long bytes = 0;
            foreach (Shard shard in _shards)
            {
                bytes += shard.Memory.Bytes;
            }

            return bytes;
        }
    }

    /// <summary>The profile.</summary>
    public ITreeHash Hash => _hash;

    /// <summary>A shard, as it is at the position.</summary>
    public Shard ShardAt(int index) => _shards[index];

    /// <summary>The levels above the shards, as they are at the position.</summary>
    public TreeTop TopNow() => new(_shards, _hash);

    /// <summary>Fills the empty base.</summary>
    public void Build(ReadOnlyMemory<PathChange> changes)
    {
        BulkSort sort = new(changes);
        _torn = true;
        Run(Shard.Count, i =>
        {
            PathChange[] buffer = ArrayPool<PathChange>.Shared.Rent(sort.CountOf(i));
            Memory<PathChange> part = buffer.AsMemory(0, sort.CountOf(i));
            sort.Sorted(i, part.Span);
            RequireAscending(part.Span);
            Apply(i, part, null);
            ArrayPool<PathChange>.Shared.Return(buffer);
        });
        _torn = false;
        _idle.Clear();      // buffers as large as the state
        Base = new MerkleTree(this, null, null, TopNow().Hash, Keys());
        _position = Base;
    }

    /// <summary>See <see cref="MerkleTree.Update"/>.</summary>
    public MerkleTree Update(MerkleTree parent, ReadOnlyMemory<PathChange> changes)
    {
        RequireAscending(changes.Span);
        MoveTo(parent);
        DropCollected();
        (int Shard, int Start, int End)[] parts = Split(changes.Span);
        TreeUndo undo = new();
        _torn = true;                                                                                       // W3
        Action<int> job = i => undo.Shards[parts[i].Shard] = Apply(parts[i].Shard, changes[parts[i].Start..parts[i].End], TakeUndo(parts[i].Shard));
        if (changes.Length <= InlineChanges)
        {
            InPlace(parts.Length, job);
        }
        else
        {
            Run(parts.Length, job);
        }

        _torn = false;
        if (Array.TrueForAll(undo.Shards, static shard => shard is null))
        {
            return parent;                                                                                  // M3
        }

        MerkleTree tree = new(this, parent, undo, TopNow().Hash, Keys());
        _others.Add((new WeakReference<MerkleTree>(tree), Array.ConvertAll(undo.Shards, static shard => shard?.Taken)));
        _position = tree;
        return tree;
    }

    /// <summary>Brings the memory to a tree.</summary>
    public void MoveTo(MerkleTree tree)
    {
        Invariant.Require(!_torn);                                                                          // W3
        if (ReferenceEquals(tree, _position))
        {
            return;
        }

        Invariant.Require(StandsOnBase(tree));                                                              // M4
        _path.Clear();
        while (!ReferenceEquals(_position, tree))
        {
            if (_position.Generation >= tree.Generation)
            {
                Swap(_position);
                _position = _position.Parent!;
            }
            else
            {
                _path.Push(tree);
                tree = tree.Parent!;
            }
        }

        while (_path.TryPop(out MerkleTree? next))
        {
            Swap(next);
            _position = next;
        }
    }

    /// <summary>See <see cref="MerkleTree.BecomeBase"/>.</summary>
    public void Rebase(MerkleTree tree)
    {
        if (ReferenceEquals(tree, Base))
        {
            return;
        }

        Invariant.Require(ReferenceEquals(tree.Parent, Base));
        if (!StandsOn(_position, tree))
        {
            MoveTo(tree);
        }

        for (int i = 0; i < _shards.Length; i++)
        {
            if (tree.Undo!.Shards[i] is not { } undo)
            {
                continue;
            }

            foreach (CellRun run in undo.Freed)
            {
                _shards[i].Memory.Give(run);                                                                // U2
            }
        }

        TreeUndo final = tree.Undo!;
        Base = tree;
        tree.CutOff();
        _ = _others.RemoveAll(other =>
        {
            bool lives = other.Tree.TryGetTarget(out MerkleTree? target) && StandsOnBase(target);
            if (!lives)
            {
                Release(other.Taken);                                                                       // W2
            }

            return !lives || ReferenceEquals(target, tree);
        });
        for (int i = 0; i < _shards.Length; i++)
        {
            final.Shards[i]?.Clear();
            _shards[i].SpareUndo ??= final.Shards[i];
        }
    }

    private void DropCollected() => _ = _others.RemoveAll(other =>
    {
        bool collected = !other.Tree.TryGetTarget(out _);
        if (collected)
        {
            Release(other.Taken);
        }

        return collected;
    });

    private void Release(List<CellRun>?[] taken)
    {
        for (int i = 0; i < taken.Length; i++)
        {
            foreach (CellRun run in taken[i] ?? [])
            {
                _shards[i].Memory.Give(run);
            }
        }
    }

    private bool StandsOnBase(MerkleTree tree) => StandsOn(tree, Base);

    private static bool StandsOn(MerkleTree? tree, MerkleTree below)
    {
        while (tree is not null && !ReferenceEquals(tree, below))
        {
            tree = tree.Parent;
        }

        return tree is not null;
    }

    private void Swap(MerkleTree tree)
    {
        for (int i = 0; i < _shards.Length; i++)
        {
            tree.Undo!.Shards[i]?.Swap(_shards[i].Memory);
        }
    }

    private ShardUndo? Apply(int shard, ReadOnlyMemory<PathChange> changes, ShardUndo? undo)
    {
        if (!_idle.TryTake(out ShardUpdate? update))
        {
            update = new ShardUpdate();
        }

        bool changed = update.Apply(_hash, _shards[shard], changes.Span, undo);
        _idle.Add(update);
        if (!changed)
        {
            _shards[shard].SpareUndo = undo;
        }

        return changed ? undo : null;
    }

    private ShardUndo TakeUndo(int shard)
    {
        ShardUndo undo = _shards[shard].SpareUndo ?? new ShardUndo();
        _shards[shard].SpareUndo = null;
        return undo;
    }

    private void Run(int count, Action<int> job)
    {
        if (_jobs is null)
        {
            InPlace(count, job);
        }
        else
        {
            _jobs(count, job);
        }
    }

    private static void InPlace(int count, Action<int> job)
    {
        for (int i = 0; i < count; i++)
        {
            job(i);
        }
    }

    private long Keys()
    {
        long keys = 0;
        foreach (Shard shard in _shards)
        {
            keys += shard.Root.Keys;
        }

        return keys;
    }

    private static (int Shard, int Start, int End)[] Split(ReadOnlySpan<PathChange> changes)
    {
        List<(int, int, int)> parts = [];
        for (int start = 0; start < changes.Length;)
        {
            int shard = Shard.Of(changes[start].Path);
            int end = start + 1;
            while (end < changes.Length && Shard.Of(changes[end].Path) == shard)
            {
                end++;
            }

            parts.Add((shard, start, end));
            start = end;
        }

        return [.. parts];
    }

    private static void RequireAscending(ReadOnlySpan<PathChange> changes)
    {
        for (int i = 1; i < changes.Length; i++)
        {
            Invariant.Require(changes[i - 1].Path.CompareTo(changes[i].Path) < 0);
        }
    }
}
