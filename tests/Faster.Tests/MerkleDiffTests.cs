// The store's way from a diff to a root, against the twin that hashes one value at a time.

using System.Collections.Generic;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleDiffTests
{
    [Theory, InlineData(1), InlineData(2)]
    public void Values_hashed_in_groups_and_by_jobs_are_those_hashed_alone(ulong seed)
    {
        SeededRandom random = new(seed);
        int[] lengths = [0, 1, 8, 16, 60, 61, 300, 1020, 1021, StateLimits.MaxRecordBytes];
        foreach (int count in new[] { 0, 1, 255, 256, 257, 1_000 })
        {
            List<(int, byte[]?)> changes = [];
            for (int i = 0; i < count; i++)
            {
                byte[] value = new byte[random.Chance(1, 2) ? 16 : lengths[random.Next(lengths.Length)]];
                random.Fill(value);
                changes.Add((i, random.Chance(1, 10) ? null : value));
            }

            StateDiff diff = World.DiffOf([.. changes]);
            foreach (RunJobs? jobs in new[] { null, MerkleWorld.On(3) })
            {
                PathChange[] hashed = new PathChange[count];
                DiffHasher.Hash(World.Hashing, diff, hashed, jobs);
                for (int i = 0; i < count; i++)
                {
                    DiffEntry entry = diff.Entries[i];
                    PathChange alone = new(entry.Key, entry.IsTombstone ? default : World.Hashing.ValueHash(diff.ValueOf(entry)));
                    Assert.True(alone == hashed[i], $"seed {seed}: {entry.Length} bytes at {i} of {count}");
                }
            }
        }
    }

    [Fact]
    public void Paths_hashed_together_are_those_hashed_alone()
    {
        SeededRandom random = new(9);
        for (int count = 0; count < 40; count++)
        {
            Bytes32[] pairs = new Bytes32[2 * count];
            for (int i = 0; i < pairs.Length; i++)
            {
                pairs[i] = new Bytes32(random.NextU64(), 1, 2, 3);
            }

            Bytes32[] paths = new Bytes32[count];
            World.Hashing.Keys(pairs, paths);
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(World.Hashing.KeyOf(new ProgramId(pairs[2 * i]), new LocalKey(pairs[(2 * i) + 1])).Value, paths[i]);
            }
        }
    }
}
