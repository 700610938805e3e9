// The explanation of a span against the definition over all pairs: a start is the latest finish of an earlier transaction
// that conflicts, and taking a key away means that it conflicts with nothing.

using System;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class ConflictAnalysisTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(611)]
    public void Every_part_of_the_analysis_is_what_the_definition_says(int seed)
    {
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 200; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 40, 16);
            ConflictAnalysis analysis = ConflictAnalysis.Of(shape.View(), keyMax: 16, sliceMax: 1 + random.Next(20));
            string where = $"seed {seed} round {round}";
            ulong[] starts = Starts(shape, key => true);
            ulong span = SpanOf(shape, starts);
            Assert.True(starts.AsSpan().SequenceEqual(analysis.Starts), where);
            Assert.True(span == analysis.Shape.Span, where);
            CheckPath(shape, analysis, span, where);
            CheckBusy(shape, analysis, starts, where);
            CheckKeys(shape, analysis, span, where);
        }
    }

    [Fact]
    public void A_hot_key_beside_a_cold_one_is_named_with_what_it_saves()
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 10; tx++)
        {
            shape.Add(10, (0, AccessMode.Write), (1 + tx, AccessMode.Write));
        }

        shape.Add(5, (3, AccessMode.Read));
        ConflictAnalysis analysis = ConflictAnalysis.Of(shape.View(), keyMax: 2, sliceMax: 10);
        Assert.Equal(10, analysis.CriticalPath.Length);
        Assert.Equal(new KeyHeat(0, OnPath: 90, Alone: 100, Saves: 85, Reads: 0, Writes: 10, Adds: 0), analysis.HottestKeys[0]);
        Assert.Equal(new KeyHeat(3, OnPath: 0, Alone: 15, Saves: 0, Reads: 1, Writes: 1, Adds: 0), analysis.HottestKeys[1]);
        Assert.Equal(2, analysis.HottestKeys.Length);
        Assert.Equal([10UL, 10, 10, 15, 10, 10, 10, 10, 10, 10], analysis.Busy.ToArray());
    }

    [Fact]
    public void An_empty_batch_has_nothing_to_explain()
    {
        ConflictAnalysis analysis = ConflictAnalysis.Of(new BatchShape().View());
        Assert.Equal((0, 0, 0), (analysis.CriticalPath.Length, analysis.HottestKeys.Length, analysis.Busy.Length));
    }

    private static void CheckPath(BatchShape shape, ConflictAnalysis analysis, ulong span, string where)
    {
        ReadOnlySpan<PathStep> path = analysis.CriticalPath;
        ulong at = 0;
        for (int i = 0; i < path.Length; i++)
        {
            Assert.True(path[i].Start == at && path[i].Cost == shape.CostOf(path[i].Tx), where);             // A1
            Assert.True((path[i].Key == -1) == (i == 0), where);
            if (i > 0)
            {
                (int from, int to) = (path[i - 1].Tx, path[i].Tx);
                AccessMode? earlier = shape.ModeOf(from, path[i].Key);
                Assert.True(from < to && earlier is not null && shape.ModeOf(to, path[i].Key) == path[i].Mode, where);
                Assert.True(AccessModes.Conflicts(earlier.Value, path[i].Mode), where);                      // A2
            }

            at += path[i].Cost;
        }

        Assert.True(at == span, where);
    }

    private static void CheckBusy(BatchShape shape, ConflictAnalysis analysis, ulong[] starts, string where)
    {
        for (int slice = 0; slice < analysis.Busy.Length; slice++)
        {
            ulong from = (ulong)slice * analysis.SliceLength;
            ulong to = from + analysis.SliceLength;
            ulong expected = 0;
            for (int tx = 0; tx < shape.TxCount; tx++)
            {
                ulong begin = Math.Max(from, starts[tx]);
                ulong end = Math.Min(to, starts[tx] + shape.CostOf(tx));
                expected += end > begin ? end - begin : 0;
            }

            Assert.True(expected == analysis.Busy[slice], $"{where} slice {slice}");
        }

        ulong busy = 0;
        foreach (ulong slice in analysis.Busy)
        {
            busy += slice;
        }

        Assert.True(busy == analysis.Shape.Work, where);                                                     // A4
    }

    private static void CheckKeys(BatchShape shape, ConflictAnalysis analysis, ulong span, string where)
    {
        ulong onPath = 0;
        Assert.True(analysis.HottestKeys.Length == shape.KeyCount, where);
        foreach (KeyHeat heat in analysis.HottestKeys)
        {
            onPath += heat.OnPath;
            Assert.True(heat.Alone == SpanOf(shape, Starts(shape, key => key == heat.Key), heat.Key), $"{where} key {heat.Key}");
            Assert.True(heat.Saves == span - SpanOf(shape, Starts(shape, key => key != heat.Key)), $"{where} key {heat.Key}");
            Assert.True(heat.Writes == Enumerable.Range(0, shape.TxCount).Count(tx => shape.Touches(tx, heat.Key, AccessMode.Write)), where);
        }

        ulong last = analysis.CriticalPath.IsEmpty ? 0 : analysis.CriticalPath[^1].Cost;
        Assert.True(onPath + last == span, where);                                                           // A3
    }

    private static ulong[] Starts(BatchShape shape, Predicate<int> counts)
    {
        ulong[] starts = new ulong[shape.TxCount];
        for (int j = 0; j < starts.Length; j++)
        {
            for (int i = 0; i < j; i++)
            {
                for (int key = 0; key < shape.KeyCount; key++)
                {
                    if (counts(key) && shape.ModeOf(i, key) is { } first && shape.ModeOf(j, key) is { } second && AccessModes.Conflicts(first, second))
                    {
                        starts[j] = Math.Max(starts[j], starts[i] + shape.CostOf(i));
                    }
                }
            }
        }

        return starts;
    }

    // The span, or the latest end of those that touch one key.
    private static ulong SpanOf(BatchShape shape, ulong[] starts, int? key = null)
    {
        ulong span = 0;
        for (int tx = 0; tx < starts.Length; tx++)
        {
            if (key is null || shape.ModeOf(tx, key.Value) is not null)
            {
                span = Math.Max(span, starts[tx] + shape.CostOf(tx));
            }
        }

        return span;
    }
}
