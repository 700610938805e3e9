// Many trees on one memory: each answers as if it were alone, until its base moves away from under it.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleSiblingTests
{
    private static readonly ITreeHash Hash = MerkleWorld.Hash;

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4)]
    public void Trees_on_one_base_do_not_see_each_other(ulong seed)
    {
        SeededRandom random = new(seed);
        StateKey[] pool = MerkleWorld.Pool(random, 200);
        MerkleTree root = MerkleTree.Create(Hash);
        List<(MerkleTree Tree, PlainTree Twin)> live = [(root, new PlainTree(Hash))];
        List<MerkleTree> dead = [];
        for (int step = 0; step < 160; step++)
        {
            string context = $"seed {seed} step {step}";
            (MerkleTree tree, PlainTree twin) = live[random.Next(live.Count)];
            switch (random.Next(8))
            {
                case < 5:
                    PathChange[] changes = MerkleWorld.Changes(random, pool, random.Next(60), 3);
                    PlainTree changed = twin.Copy();
                    changed.Apply(changes);
                    MerkleTree made = tree.Update(changes);
                    Assert.True(changed.Root == made.Hash, context);
                    if (!ReferenceEquals(made, tree))
                    {
                        live.Add((made, changed));
                    }

                    break;
                case 5:
                    MerkleAudit.Check(tree, twin, context);
                    break;
                case 6 when tree.Parent is not null && ReferenceEquals(tree.Parent, root):
                    tree.BecomeBase();
                    root = tree;
                    for (int i = live.Count - 1; i >= 0; i--)
                    {
                        if (!StandsOn(live[i].Tree, root))
                        {
                            dead.Add(live[i].Tree);
                            live.RemoveAt(i);
                        }
                    }

                    break;
                default:
                    foreach (MerkleTree gone in dead)
                    {
                        Assert.Throws<InvariantException>(() => gone.TryFind(pool[0], out _));
                        Assert.Throws<InvariantException>(() => gone.Update(new[] { new PathChange(pool[0], MerkleWorld.ValueOf(9)) }));
                        Assert.Throws<InvariantException>(gone.BecomeBase);
                    }

                    break;
            }
        }

        foreach ((MerkleTree tree, PlainTree twin) in live)
        {
            MerkleAudit.Check(tree, twin, $"seed {seed} at the end");
        }
    }

    [Fact]
    public void Memory_is_flat_for_a_constant_key_set_with_siblings_that_are_rejected_or_forgotten()
    {
        SeededRandom random = new(12);
        StateKey[] pool = MerkleWorld.Pool(random, 1_000);
        MerkleTree tree = MerkleTree.Create(Hash).Update(MerkleWorld.Changes(random, pool, 4_000, 0));
        tree.BecomeBase();
        long bytes = 0;
        for (int round = 0; round < 300; round++)
        {
            _ = tree.Update(MerkleWorld.Changes(random, pool, 200, 5));                     // rejected when its sibling is accepted
            MerkleTree next = tree.Update(MerkleWorld.Changes(random, pool, 200, 5));
            _ = next.Update(MerkleWorld.Changes(random, pool, 200, 5));                     // forgotten: nobody refers to it
            next.BecomeBase();
            tree = next;
            if (round == 100)
            {
                Collect();
                bytes = tree.MemoryBytes;
            }
        }

        Assert.True(tree.MemoryBytes <= bytes + (bytes / 4), $"{bytes} bytes after 100 rounds, {tree.MemoryBytes} after 300");
    }

    [Fact]
    public void Tree_whose_update_failed_is_never_used_again()
    {
        FailingHash hash = new();
        SeededRandom random = new(3);
        StateKey[] pool = MerkleWorld.Pool(random, 50);
        MerkleTree tree = MerkleTree.Create(hash).Update(MerkleWorld.Changes(random, pool, 50, 0));
        hash.Fails = true;
        Assert.Throws<InvalidOperationException>(() => tree.Update(MerkleWorld.Changes(random, pool, 50, 0)));
        hash.Fails = false;
        Assert.Throws<InvariantException>(() => tree.TryFind(pool[0], out _));
        Assert.Throws<InvariantException>(() => tree.Update(MerkleWorld.Changes(random, pool, 5, 0)));
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private static bool StandsOn(MerkleTree? tree, MerkleTree below)
    {
        while (tree is not null && !ReferenceEquals(tree, below))
        {
            tree = tree.Parent;
        }

        return tree is not null;
    }

    private sealed class FailingHash : ITreeHash
    {
        public bool Fails { get; set; }

        public byte Version => 200;

        public Bytes32 Empty => default;

        public void Leaves(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> leaves) => Hash.Leaves(pairs, leaves);

        public void Nodes(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> nodes)
        {
            if (Fails)
            {
                throw new InvalidOperationException("as asked");
            }

            Hash.Nodes(pairs, nodes);
        }

        private static ITreeHash Hash => MerkleWorld.Hash;
    }
}
