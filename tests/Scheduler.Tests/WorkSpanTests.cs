// Work and span against the longest path over the conflict definition, and the graph's own levels against both.

using System;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class WorkSpanTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(404)]
    public void Work_and_span_are_the_sum_and_the_longest_path_of_the_definition(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new();
        for (int round = 0; round < 300; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 48, 20);
            WorkSpan expected = Oracle(shape);
            WorkSpan measured = WorkSpan.Measure(shape.View());
            graph.Build(shape.View());
            Assert.True(expected == measured, $"seed {seed} round {round}: expected {expected}, measured {measured}");
            Assert.True(expected.Work == graph.Work && expected.Span == graph.Span, $"seed {seed} round {round}: graph says {graph.Work} / {graph.Span}");
        }
    }

    [Fact]
    public void Span_at_unit_cost_counts_waits()
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 10; tx++)
        {
            shape.Add(1, (0, AccessMode.Write), (1 + tx, AccessMode.Write));
        }

        Assert.Equal(new WorkSpan(10, 10, 10, 1), WorkSpan.Measure(shape.View()));
        BatchShape adders = new();
        for (int tx = 0; tx < 10; tx++)
        {
            adders.Add(1, (0, AccessMode.Add), (1 + tx, AccessMode.Write));
        }

        adders.Add(1, (0, AccessMode.Read));
        Assert.Equal(new WorkSpan(11, 2, 2, 10), WorkSpan.Measure(adders.View()));
        Assert.Equal(5_500UL, WorkSpan.Measure(adders.View()).CeilingPermille);
    }

    [Fact]
    public void Measured_costs_replace_the_estimates()
    {
        BatchShape shape = new BatchShape().Add(1, (0, AccessMode.Write)).Add(1, (0, AccessMode.Read)).Add(1, (1, AccessMode.Read));
        Assert.Equal(new WorkSpan(600, 300, 2, 2), WorkSpan.Measure(shape.View(), [100, 200, 300]));
    }

    [Fact]
    public void Serial_order_is_batch_order()
    {
        RecordingStep step = new() { Order = new int[5] };
        SerialOrder.Run(5, ref step);
        Assert.Equal([0, 1, 2, 3, 4], step.Order);
    }

    private static WorkSpan Oracle(BatchShape shape)
    {
        ulong[] finish = new ulong[shape.TxCount];
        int[] level = new int[shape.TxCount];
        ulong work = 0;
        for (int j = 0; j < shape.TxCount; j++)
        {
            for (int i = 0; i < j; i++)
            {
                if (shape.Conflicts(i, j))
                {
                    finish[j] = Math.Max(finish[j], finish[i]);
                    level[j] = Math.Max(level[j], level[i]);
                }
            }

            finish[j] += shape.CostOf(j);
            level[j]++;
            work += shape.CostOf(j);
        }

        int width = level.GroupBy(value => value).Select(wave => wave.Count()).DefaultIfEmpty(0).Max();
        return new WorkSpan(work, finish.DefaultIfEmpty(0UL).Max(), level.DefaultIfEmpty(0).Max(), width);
    }

    private struct RecordingStep : ITransactionStep
    {
        public int[] Order;
        private int _count;

        public void Run(int txIndex) => Order[_count++] = txIndex;
    }
}
