// The node's database keeps what it said it has, whatever the tail of its log looks like.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;

namespace ParallelVm.NodeHost.Tests;

public sealed class DiskMapTests
{
    [Theory, InlineData(1ul), InlineData(2ul)]
    public void Every_cut_of_the_log_holds_whole_batches_only(ulong seed)
    {
        using TestFolder folder = new();
        string file = Path.Combine(folder.Path, "db");
        SeededRandom random = new(seed);
        List<(long Length, SortedDictionary<string, string> State)> history = [(0, [])];
        SortedDictionary<string, string> state = [];
        using (DiskMap map = new(file))
        {
            for (int batch = 0; batch < 20; batch++)
            {
                List<(byte[], byte[]?)> operations = [];
                for (int i = random.Next(4); i >= 0; i--)
                {
                    byte[] key = [(byte)random.Next(6)];
                    byte[]? value = random.Chance(1, 4) ? null : new byte[random.Next(9)];
                    operations.Add((key, value));
                    if (value is null)
                    {
                        state.Remove(Convert.ToHexString(key));
                    }
                    else
                    {
                        state[Convert.ToHexString(key)] = Convert.ToHexString(value);
                    }
                }

                map.Write(operations);
                history.Add((new FileInfo(file).Length, new SortedDictionary<string, string>(state)));
            }
        }

        byte[] whole = File.ReadAllBytes(file);
        for (int length = 0; length <= whole.Length; length += 3)
        {
            File.WriteAllBytes(file, whole[..length]);
            using DiskMap map = new(file);
            SortedDictionary<string, string> expected = history.FindLast(entry => entry.Length <= length).State;
            SortedDictionary<string, string> found = [];
            map.List([], []).ForEach(pair => found.Add(Convert.ToHexString(pair.Key), Convert.ToHexString(pair.Value)));
            Assert.True(System.Linq.Enumerable.SequenceEqual(expected, found), $"seed {seed}: cut at {length}");
        }
    }

    [Fact]
    public void A_list_begins_at_its_start_within_its_prefix()
    {
        using TestFolder folder = new();
        using DiskMap map = new(Path.Combine(folder.Path, "db"));
        map.Write([([1, 1], [1]), ([1, 2], [2]), ([1, 3], []), ([2, 1], [4]), ([1, 2], null)]);
        Assert.Equal([[1, 1], [1, 3]], map.List([], [1]).ConvertAll(pair => pair.Key));
        Assert.Equal([[1, 3]], map.List([1, 2], [1]).ConvertAll(pair => pair.Key));
        Assert.Equal([[2, 1]], map.List([1, 4], []).ConvertAll(pair => pair.Key));
    }
}
