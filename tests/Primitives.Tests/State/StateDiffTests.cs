// Laws of the diff: what is no diff is refused when it is made, and what was made is found again.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives.State;

namespace ParallelVm.Primitives.Tests.State;

public class StateDiffTests
{
    [Fact]
    public void An_empty_diff_holds_nothing()
    {
        Assert.Equal(0, StateDiff.Empty.Entries.Length);
        Assert.Equal(-1, StateDiff.Empty.IndexOf(KeyOf(0)));
    }

    // The wrap of offset + length through zero is the case that a check of the sum alone lets pass.
    [Theory]
    [InlineData(-1, 1)]
    [InlineData(-1, 2)]
    [InlineData(-4, 8)]
    [InlineData(-4096, 4096)]
    [InlineData(-1, 0)]
    [InlineData(int.MinValue, 0)]
    [InlineData(int.MinValue, 4096)]
    [InlineData(int.MaxValue, 4096)]
    [InlineData(int.MaxValue, 0)]
    [InlineData(0, 9)]
    [InlineData(1, 8)]
    [InlineData(8, 1)]
    [InlineData(9, 0)]
    public void A_value_outside_the_buffer_is_no_diff(int offset, int length)
    {
        DiffEntry[] entries = [Entry(KeyOf(1), offset, length)];
        InvariantException broken = Assert.Throws<InvariantException>(() => StateDiff.FromSorted(entries, new byte[8]));
        Assert.Contains(nameof(DiffEntry.Offset), broken.Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(4097), InlineData(int.MaxValue), InlineData(-2), InlineData(int.MinValue)]
    public void A_value_that_is_too_long_or_a_length_below_a_tombstone_is_no_diff(int length)
    {
        DiffEntry[] entries = [Entry(KeyOf(1), 0, length)];
        InvariantException broken = Assert.Throws<InvariantException>(() => StateDiff.FromSorted(entries, new byte[8192]));
        Assert.Contains(nameof(StateLimits.MaxRecordBytes), broken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_place_and_length_agrees_with_the_plain_bounds()
    {
        byte[] values = [10, 11, 12, 13, 14];
        for (int offset = -7; offset <= 7; offset++)
        {
            for (int length = 0; length <= 7; length++)
            {
                DiffEntry[] entries = [Entry(KeyOf(1), offset, length)];
                if (offset >= 0 && (long)offset + length <= values.Length)
                {
                    StateDiff diff = StateDiff.FromSorted(entries, values);
                    Assert.Equal(values[offset..(offset + length)], diff.ValueOf(diff.Entries[0]).ToArray());
                }
                else
                {
                    Assert.Throws<InvariantException>(() => StateDiff.FromSorted(entries, values));
                }
            }
        }
    }

    [Theory, InlineData(0), InlineData(77), InlineData(int.MinValue), InlineData(int.MaxValue)]
    public void A_tombstone_has_no_value_wherever_it_points(int offset)
    {
        StateDiff diff = StateDiff.FromSorted([Entry(KeyOf(1), offset, -1)], [1, 2, 3]);
        Assert.True(diff.Entries[0].IsTombstone);
        Assert.True(diff.ValueOf(diff.Entries[0]).IsEmpty);
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Two_entries_out_of_order_or_alike_are_no_diff_wherever_they_stand(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 60; round++)
        {
            DiffEntry[] entries = Draw(random, 2 + random.Next(30));
            int left = random.Next(entries.Length - 1);
            string context = $"seed {seed} round {round}: entry {left} of {entries.Length}";
            DiffEntry[] swapped = [.. entries];
            (swapped[left], swapped[left + 1]) = (swapped[left + 1], swapped[left]);
            Assert.True(IsRefused(swapped), context + " swapped");
            DiffEntry[] repeated = [.. entries];
            repeated[left + 1] = repeated[left];
            Assert.True(IsRefused(repeated), context + " repeated");
            Assert.False(IsRefused(entries), context + " as drawn");
        }
    }

    // The oracle looks at every entry.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Binary_search_is_linear_search(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 70; round++)
        {
            DiffEntry[] entries = Draw(random, round < 35 ? round : random.Next(400));
            StateDiff diff = StateDiff.FromSorted(entries, []);
            for (int i = 0; i < entries.Length; i++)
            {
                // the key itself, and its neighbours on both sides, which are mostly absent
                Bytes32 value = entries[i].Key.Value;
                Compare(diff, new StateKey(value), $"seed {seed} round {round} entry {i}");
                Compare(diff, new StateKey(value with { W3 = value.W3 + 1 }), $"seed {seed} round {round} after {i}");
                Compare(diff, new StateKey(value with { W3 = value.W3 - 1 }), $"seed {seed} round {round} before {i}");
            }

            Compare(diff, new StateKey(Bytes32.Zero), $"seed {seed} round {round} zero");
            Bytes32 last = new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);
            Compare(diff, new StateKey(last), $"seed {seed} round {round} last");
        }
    }

    private static void Compare(StateDiff diff, StateKey key, string context)
    {
        int expected = -1;
        ReadOnlySpan<DiffEntry> entries = diff.Entries;
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i].Key == key)
            {
                expected = i;
            }
        }

        Assert.True(expected == diff.IndexOf(key), $"{context}: {diff.IndexOf(key)} instead of {expected}");
    }

    private static bool IsRefused(DiffEntry[] entries)
    {
        try
        {
            StateDiff.FromSorted(entries, []);
            return false;
        }
        catch (InvariantException)
        {
            return true;
        }
    }

    /// <summary>Sorted tombstones; half of the keys differ from their neighbour in the last word only.</summary>
    private static DiffEntry[] Draw(SeededRandom random, int count)
    {
        SortedSet<Bytes32> keys = [];
        while (keys.Count < count)
        {
            ulong word = random.NextU64();
            keys.Add(random.Chance(1, 2) ? new Bytes32(5, 5, 5, word & 0xFFF) : new Bytes32(word, 0, word, 1));
        }

        List<DiffEntry> entries = [];
        foreach (Bytes32 key in keys)
        {
            entries.Add(Entry(new StateKey(key), 0, -1));
        }

        return [.. entries];
    }

    private static StateKey KeyOf(ulong first) => new(new Bytes32(first, 2, 3, 4));

    private static DiffEntry Entry(StateKey key, int offset, int length) =>
        new(key, ProgramId.Native, new LocalKey(key.Value), offset, length);
}
