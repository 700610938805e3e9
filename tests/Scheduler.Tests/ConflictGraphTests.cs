// The laws of the conflict graph. The oracle is the definition, not the code: i must come before j iff they share a key
// in conflicting modes.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class ConflictGraphTests
{
    private const AccessMode R = AccessMode.Read;
    private const AccessMode W = AccessMode.Write;
    private const AccessMode A = AccessMode.Add;

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Every_order_the_graph_allows_keeps_conflicting_pairs_in_batch_order(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new(2_000);
        for (int round = 0; round < 400; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 48, 24);
            graph.Build(shape.View());
            int[] position = Drain(graph, random, out _);
            for (int j = 0; j < shape.TxCount; j++)
            {
                Assert.True(position[j] >= 0, $"seed {seed} round {round}: {j} was never handed out");
                for (int i = 0; i < j; i++)
                {
                    Assert.True(!shape.Conflicts(i, j) || position[i] < position[j], $"seed {seed} round {round}: {j} overtook {i}");
                }
            }
        }
    }

    // What the engine leaves out before it builds. Without any contended key the chains are cut by a loop of their own.
    [Theory, InlineData(5), InlineData(505)]
    public void Keys_that_nobody_conflicts_on_change_no_chain(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph whole = new(2_000);
        ConflictGraph rest = new(2_000);
        int free = 0;
        for (int round = 0; round < 600; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 1 + random.Next(200), round % 3 == 0 ? 10_000 : 60);
            BatchShape contended = shape.OfContendedKeys();
            free += contended.AccessCount == 0 ? 1 : 0;
            whole.Build(shape.View());
            rest.Build(contended.View());
            string at = $"seed {seed} round {round}";
            Assert.True(whole.ReadyChains.SequenceEqual(rest.ReadyChains), at);
            Assert.True((whole.ChainCount, whole.EdgeCount, whole.Work, whole.Span) == (rest.ChainCount, rest.EdgeCount, rest.Work, rest.Span), at);
            Assert.Equal(WorkSpan.Measure(shape.View()), WorkSpan.Measure(contended.View()));
            for (int chain = 0; chain < whole.ChainCount; chain++)
            {
                Assert.True(whole.TransactionsOf(chain).SequenceEqual(rest.TransactionsOf(chain)), at);
                Assert.True((whole.UrgencyOf(chain), whole.CostOf(chain)) == (rest.UrgencyOf(chain), rest.CostOf(chain)), at);
            }

            for (int tx = 0; tx < shape.TxCount; tx++)
            {
                Assert.True(whole.ChainOf(tx) == rest.ChainOf(tx) && whole.PendingOf(tx) == rest.PendingOf(tx), at);
            }
        }

        Assert.True(free > 20, $"seed {seed}: {free} batches without a contended key");
    }

    // The naive twin has an edge for every conflicting pair. Equal reachability means that the graph waits for exactly what it must.
    [Theory, InlineData(3), InlineData(2026)]
    public void Reachability_equals_the_quadratic_twin(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new(1);           // every chain is one transaction: what a chain delays is no part of the graph
        for (int round = 0; round < 150; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 32, 16);
            bool[,] expected = Closure(shape);
            graph.Build(shape.View());
            for (int held = 0; held < shape.TxCount; held++)
            {
                bool[] ran = DrainWithout(graph, shape, held);
                for (int tx = 0; tx < shape.TxCount; tx++)
                {
                    Assert.True(ran[tx] == !(tx == held || expected[held, tx]), $"seed {seed} round {round}: {tx} behind {held}, ran {ran[tx]}");
                }
            }
        }
    }

    [Theory, InlineData(5), InlineData(77)]
    public void In_degree_and_edges_stay_within_their_bounds(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new();
        for (int round = 0; round < 400; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 64, 16);
            graph.Build(shape.View());
            Assert.True(graph.EdgeCount <= shape.AccessCount + graph.GroupCount, $"seed {seed} round {round}: {graph.EdgeCount} edges");
            for (int tx = 0; tx < shape.TxCount; tx++)
            {
                Assert.True(graph.PendingOf(tx) <= shape.DeclaredBy(tx), $"seed {seed} round {round}: in-degree of {tx}");
            }
        }
    }

    [Theory, InlineData(11), InlineData(12)]
    public void Every_transaction_is_in_exactly_one_chain_and_handed_out_once(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new(1_500);
        for (int round = 0; round < 400; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 100, 40);
            graph.Build(shape.View());
            int[] seen = new int[shape.TxCount];
            for (int chain = 0; chain < graph.ChainCount; chain++)
            {
                int last = -1;
                foreach (int tx in graph.TransactionsOf(chain))
                {
                    seen[tx]++;
                    Assert.Equal(chain, graph.ChainOf(tx));
                    Assert.True(tx > last, $"seed {seed} round {round}: chain {chain} is not in batch order");
                    last = tx;
                }
            }

            Assert.All(seen, count => Assert.Equal(1, count));
            Drain(graph, random, out int handedOut);
            Assert.Equal(graph.ChainCount, handedOut);
        }
    }

    [Fact]
    public void Readers_do_not_wait_for_each_other()
    {
        ConflictGraph graph = Build(new BatchShape().Add(1, (0, W)).Add(1, (0, R)).Add(1, (0, R)).Add(1, (0, R)));
        Assert.Equal([0], Heads(graph, graph.ReadyChains));
        List<int> ready = [];
        Complete(graph, 0, ready, []);
        Assert.Equal([1, 2, 3], Heads(graph, ready.ToArray()));
    }

    [Fact]
    public void Adders_do_not_wait_for_each_other()
    {
        ConflictGraph graph = Build(new BatchShape().Add(1, (0, A)).Add(1, (0, A)).Add(1, (0, A)));
        Assert.Equal(3, graph.ReadyChains.ToArray().Sum(chain => graph.TransactionsOf(chain).Length));
        Assert.Equal(0, graph.EdgeCount);
    }

    [Fact]
    public void Writer_waits_for_every_reader_since_the_last_writer()
    {
        ConflictGraph graph = Build(
            new BatchShape().Add(1, (0, R), (1, W)).Add(1, (0, R), (2, W)).Add(1, (0, W)).Add(1, (1, R)).Add(1, (2, R)));
        List<int> ready = [];
        Complete(graph, 0, ready, []);
        Assert.DoesNotContain(graph.ChainOf(2), ready);
        Complete(graph, 1, ready, []);
        Assert.Contains(graph.ChainOf(2), ready);
    }

    [Fact]
    public void Reader_after_adders_waits_for_all_and_the_sum_is_folded_before_it_is_ready()
    {
        ConflictGraph graph = Build(new BatchShape().Add(1, (0, A), (1, W)).Add(1, (0, A), (2, W)).Add(1, (0, R)).Add(1, (1, R)).Add(1, (2, R)));
        OrderSink order = new([]);
        graph.Complete(graph.ChainOf(1), ref order);
        Assert.DoesNotContain("fold 0", order.Events);
        graph.Complete(graph.ChainOf(0), ref order);
        int fold = order.Events.IndexOf("fold 0");
        int read = order.Events.IndexOf($"ready {graph.ChainOf(2)}");
        Assert.True(fold >= 0 && read > fold, string.Join(", ", order.Events));
    }

    [Fact]
    public void Adders_after_readers_wait_for_every_reader()
    {
        BatchShape shape = new BatchShape().Add(1, (0, R)).Add(1, (0, R)).Add(1, (0, A)).Add(1, (0, A));
        ConflictGraph graph = Build(shape);
        int[] position = Drain(graph, new SeededRandom(4), out _);
        Assert.True(Math.Max(position[0], position[1]) < Math.Min(position[2], position[3]));
    }

    [Fact]
    public void Linear_chain_is_one_chain_and_is_cut_by_cost()
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 100; tx++)
        {
            shape.Add(10, (0, W));
        }

        Assert.Equal(1, Build(shape).ChainCount);
        ConflictGraph cut = new(250);
        cut.Build(shape.View());
        Assert.Equal(4, cut.ChainCount);
        for (int chain = 0; chain < cut.ChainCount; chain++)
        {
            Assert.InRange(cut.CostOf(chain), 1UL, 250UL);
        }
    }

    [Fact]
    public void Independent_transactions_are_grouped_by_16_to_64_and_cut_by_cost()
    {
        foreach ((int count, int expected) in new[] { (160, 10), (2_048, 64), (6_400, 100) })
        {
            BatchShape shape = new();
            for (int tx = 0; tx < count; tx++)
            {
                shape.Add(1, (tx, W));
            }

            Assert.Equal(expected, Build(shape).ChainCount);
        }

        BatchShape expensive = new();
        for (int tx = 0; tx < 40; tx++)
        {
            expensive.Add(30_000, (tx, W));
        }

        Assert.Equal(40, Build(expensive).ChainCount);
    }

    [Fact]
    public void Longest_tail_is_handed_out_first()
    {
        BatchShape shape = new();
        for (int tx = 0; tx < 64; tx++)
        {
            shape.Add(10, (1 + tx, W));
        }

        for (int tx = 0; tx < 64; tx++)
        {
            shape.Add(1_000, (0, W));
        }

        ConflictGraph graph = new(5_000);
        graph.Build(shape.View());
        ReadyShelves shelves = new();
        shelves.Begin(graph, 1);
        Assert.Equal(ReadyShelves.Urgencies - 1, shelves.UrgencyInRow(0));   // 64,000 is in the upper half of the span's power of two
        Assert.True(shelves.TryTakeFromRow(0));
        int first = shelves.Pop(0);
        Assert.Equal(64, graph.TransactionsOf(first)[0]);

        int last = graph.ChainOf(graph.TxCount - 1);                        // the end of the tail is hardly urgent any more
        Assert.True(graph.UrgencyOf(last) < graph.UrgencyOf(first));
    }

    [Fact]
    public void A_key_twice_in_one_transaction_is_a_broken_invariant()
    {
        BatchShape shape = new BatchShape().Add(1, (0, R), (0, W));
        Assert.Throws<InvariantException>(() => new ConflictGraph().Build(shape.View()));
    }

    [Fact]
    public void Completing_twice_is_a_broken_invariant()
    {
        ConflictGraph graph = Build(new BatchShape().Add(1, (0, R)).Add(1, (0, R)).Add(1, (0, W)));
        List<int> ready = [];
        Complete(graph, 0, ready, []);
        Assert.Throws<InvariantException>(() => Complete(graph, 0, ready, []));
    }

    [Fact]
    public void An_empty_batch_has_no_chains()
    {
        ConflictGraph graph = Build(new BatchShape());
        Assert.Equal(0, graph.ChainCount);
        Assert.True(graph.ReadyChains.IsEmpty);
        Assert.Equal(0UL, graph.Span);
    }

    // Shapes that make a naive graph quadratic: edges stay linear in the declared keys.
    [Fact]
    public void Adversarial_shapes_have_linear_edges()
    {
        BatchShape readersThenWriter = new();
        BatchShape comb = new();
        BatchShape hotWrites = new();
        BatchShape alternating = new();
        BatchShape wide = new();
        for (int tx = 0; tx < 10_000; tx++)
        {
            readersThenWriter.Add(1, (0, R));
            comb.Add(1, (0, tx % 2 == 0 ? R : W), (1 + tx, W));
            hotWrites.Add(1, (0, W));
            alternating.Add(1, (0, tx / 100 % 2 == 0 ? R : A));
        }

        readersThenWriter.Add(1, (0, W));
        for (int tx = 0; tx < 500; tx++)
        {
            wide.Add(1, Enumerable.Range(0, 64).Select(key => (key, (AccessMode)((tx + key) % 3))).ToArray());
        }

        foreach (BatchShape shape in new[] { readersThenWriter, comb, hotWrites, alternating, wide })
        {
            ConflictGraph graph = Build(shape);
            Assert.True(graph.EdgeCount <= shape.AccessCount + graph.GroupCount);
            Drain(graph, new SeededRandom(9), out int handedOut);
            Assert.Equal(graph.ChainCount, handedOut);
        }

        Assert.Equal(1, Build(readersThenWriter).EdgeCount);
    }

    [Fact]
    public void Build_and_completion_allocate_nothing_in_the_steady_state()
    {
        BatchShape shape = new();
        SeededRandom random = new(31);
        for (int tx = 0; tx < 2_000; tx++)
        {
            int key = random.Next(500);
            shape.Add(1_000, (key, R), (500 + key, W), (1_000 + random.Next(500), W), (1_500, A), (1_501 + random.Next(4), R));
        }

        BatchAccesses view = shape.View();
        ConflictGraph graph = new();
        int[] stack = new int[2_001];
        graph.Build(in view);
        DrainWithStack(graph, stack);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int missing = 0;
        for (int round = 0; round < 10; round++)
        {
            graph.Build(in view);
            missing += graph.ChainCount - DrainWithStack(graph, stack);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(0, missing);
        Assert.Equal(0, allocated);
    }

    private static ConflictGraph Build(BatchShape shape)
    {
        ConflictGraph graph = new();
        graph.Build(shape.View());
        return graph;
    }

    private static int[] Heads(ConflictGraph graph, ReadOnlySpan<int> chains)
    {
        int[] heads = new int[chains.Length];
        for (int i = 0; i < heads.Length; i++)
        {
            heads[i] = graph.TransactionsOf(chains[i])[0];
        }

        return heads;
    }

    private static void Complete(ConflictGraph graph, int tx, List<int> ready, List<int> folded)
    {
        CollectingSink sink = new(ready, folded);
        graph.Complete(graph.ChainOf(tx), ref sink);
    }

    // Any order: ready chains are taken at random.
    private static int[] Drain(ConflictGraph graph, SeededRandom random, out int handedOut)
    {
        int[] position = new int[graph.TxCount];
        Array.Fill(position, -1);
        List<int> ready = [.. graph.ReadyChains];
        CollectingSink sink = new(ready, []);
        handedOut = 0;
        int clock = 0;
        while (ready.Count > 0)
        {
            int pick = random.Next(ready.Count);
            int chain = ready[pick];
            ready[pick] = ready[^1];
            ready.RemoveAt(ready.Count - 1);
            foreach (int tx in graph.TransactionsOf(chain))
            {
                position[tx] = clock++;
            }

            graph.Complete(chain, ref sink);
            handedOut++;
        }

        return position;
    }

    // Everything that can run while one transaction never completes.
    private static bool[] DrainWithout(ConflictGraph graph, BatchShape shape, int held)
    {
        graph.Build(shape.View());
        bool[] ran = new bool[shape.TxCount];
        List<int> ready = [.. graph.ReadyChains];
        CollectingSink sink = new(ready, []);
        while (ready.Count > 0)
        {
            int chain = ready[^1];
            ready.RemoveAt(ready.Count - 1);
            int tx = Assert.Single(graph.TransactionsOf(chain).ToArray());
            if (tx != held)
            {
                ran[tx] = true;
                graph.Complete(chain, ref sink);
            }
        }

        return ran;
    }

    private static bool[,] Closure(BatchShape shape)
    {
        bool[,] reach = new bool[shape.TxCount, shape.TxCount];
        for (int i = shape.TxCount - 1; i >= 0; i--)
        {
            for (int j = i + 1; j < shape.TxCount; j++)
            {
                if (shape.Conflicts(i, j))
                {
                    reach[i, j] = true;
                    for (int k = j + 1; k < shape.TxCount; k++)
                    {
                        reach[i, k] |= reach[j, k];
                    }
                }
            }
        }

        return reach;
    }

    private static int DrainWithStack(ConflictGraph graph, int[] stack)
    {
        StackSink sink = new() { Stack = stack };
        foreach (int chain in graph.ReadyChains)
        {
            sink.Ready(chain);
        }

        int handedOut = 0;
        while (sink.Count > 0)
        {
            handedOut++;
            graph.Complete(stack[--sink.Count], ref sink);
        }

        return handedOut;
    }

    private readonly struct OrderSink(List<string> events) : ICompletionSink
    {
        public List<string> Events { get; } = events;

        public void AdderGroupFinished(int key) => Events.Add($"fold {key}");

        public void Ready(int chain) => Events.Add($"ready {chain}");
    }

    private struct StackSink : ICompletionSink
    {
        public int[] Stack;
        public int Count;

        public readonly void AdderGroupFinished(int key)
        {
        }

        public void Ready(int chain) => Stack[Count++] = chain;
    }
}
