// Hands, shelves and the row against plain lists on one thread, and under threads that steal all the time.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class ReadyShelvesTests
{
    private const int Workers = 3;

    // The twin keeps a list for each urgency, the newest first, and a list for the shelf. Of the rows it knows that a third of the batch is in each, and that
    // a worker takes from the first that is left, its own first.
    [Theory, InlineData(1), InlineData(2)]
    public void Hands_are_stacks_by_urgency_of_which_half_or_all_but_at_most_a_piece_is_laid_out(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ReadyShelves shelves = new();
        for (int round = 0; round < 200; round++)
        {
            ConflictGraph graph = Independent(random, 1 + random.Next(120));
            shelves.Begin(graph, Workers);
            Queue<int>[] rows = [.. Enumerable.Range(0, Workers).Select(share => new Queue<int>(graph.ReadyChains.ToArray()
                .Where(chain => graph.TransactionsOf(chain)[0] >= graph.TxCount * share / Workers && graph.TransactionsOf(chain)[0] < graph.TxCount * (share + 1) / Workers)
                .OrderByDescending(graph.UrgencyOf)))];
            Assert.Equal(graph.ReadyChains.Length, rows.Sum(row => row.Count));
            List<int>[] hands = [[], [], []];
            List<int>[] laidOut = [[], [], []];
            for (int step = 0; step < 400; step++)
            {
                string where = $"seed {seed} round {round} step {step}";
                int worker = random.Next(Workers);
                int other = random.Next(Workers);
                List<int> hand = hands[worker];
                Queue<int> row = rows.Skip(worker).Concat(rows.Take(worker)).FirstOrDefault(row => row.Count > 0) ?? [];
                int urgency = Top(graph, hand);
                Assert.True(shelves.CountOf(worker) == hand.Count && shelves.UrgencyInHand(worker) == urgency, where);
                Assert.True(shelves.NextOf(worker) == (hand.Count == 0 ? -1 : graph.TransactionsOf(hand.First(chain => graph.UrgencyOf(chain) == urgency))[0]), where);
                Assert.True(shelves.UrgencyOnShelf(other) == Top(graph, laidOut[other]) && shelves.UrgencyInRow(worker) == Top(graph, row), where);
                switch (random.Next(4))
                {
                    case 0:
                        int before = shelves.CountOf(worker);
                        Assert.True(shelves.TryTakeFromRow(worker) == (row.Count > 0), where);
                        hand.InsertRange(0, Enumerable.Range(0, shelves.CountOf(worker) - before).Select(_ => row.Dequeue()).ToArray());
                        break;
                    case 1 when hand.Count > 0:
                        int newest = hand.First(chain => graph.UrgencyOf(chain) == urgency);
                        Assert.True(shelves.Pop(worker) == newest, where);
                        hand.Remove(newest);
                        if (random.Chance(1, 2))
                        {
                            shelves.Push(worker, newest);
                            hand.Insert(0, newest);
                        }

                        break;
                    case 2 when hand.Count > 0 && laidOut[worker].Count == 0:
                        int[] stack = [.. hand.Where(chain => graph.UrgencyOf(chain) == urgency)];
                        bool all = random.Chance(1, 2);
                        laidOut[worker] = [.. stack[..Math.Clamp(all ? stack.Length : stack.Length / 2, 1, WorkerPolicy.PieceMax)]];
                        hand.RemoveAll(laidOut[worker].Contains);
                        shelves.LayOut(worker, all);
                        break;
                    case 3 when Top(graph, laidOut[other]) > urgency || laidOut[other].Count == 0:
                        Assert.True(shelves.TryTake(worker, other) == (laidOut[other].Count > 0), where);
                        hand.InsertRange(0, laidOut[other]);
                        laidOut[other] = [];
                        break;
                }
            }
        }
    }

    // Each worker pushes its own chains, pops, lays out, and takes from others; every chain ends with exactly one of them.
    [Theory, InlineData(1), InlineData(2)]
    public void Under_threads_every_chain_is_given_out_once(int seed)
    {
        const int workers = 4;
        const int count = 20_000;
        ReadyShelves shelves = new();
        for (int round = 0; round < 5; round++)
        {
            ConflictGraph graph = Independent(new SeededRandom((ulong)round), count);
            shelves.Begin(graph, workers);
            int[] given = new int[count];
            int left = count;
            Thread[] threads = new Thread[workers];
            for (int t = 0; t < workers; t++)
            {
                int worker = t;
                SeededRandom random = new((ulong)((seed * 100) + (round * 10) + worker));
                threads[t] = new Thread(() =>
                {
                    while (Volatile.Read(ref left) > 0)
                    {
                        if (shelves.CountOf(worker) == 0)
                        {
                            int from = WorkerPolicy.ChooseNeighbour(shelves, worker, workers);
                            _ = random.Chance(1, 8) ? shelves.TryTakeFromRow(worker) : shelves.TryTake(worker, from < 0 ? worker : from);
                        }
                        else if (shelves.UrgencyOnShelf(worker) < 0 && random.Chance(1, 2))
                        {
                            shelves.LayOut(worker, all: random.Chance(1, 4));
                        }
                        else
                        {
                            Interlocked.Increment(ref given[shelves.Pop(worker)]);
                            Interlocked.Decrement(ref left);
                        }
                    }
                });
                threads[t].Start();
            }

            foreach (Thread thread in threads)
            {
                thread.Join();
            }

            Assert.True(given.All(times => times == 1), $"seed {seed} round {round}");
        }
    }

    // Each transaction a chain of its own, because the cut is 1.
    private static ConflictGraph Independent(SeededRandom random, int count)
    {
        BatchShape shape = new();
        for (int tx = 0; tx < count; tx++)
        {
            shape.Add((uint)(1 + random.Next(16)), (tx, AccessMode.Write));
        }

        ConflictGraph graph = new(1);
        graph.Build(shape.View());
        Assert.Equal(count, graph.ChainCount);
        return graph;
    }

    private static int Top(ConflictGraph graph, IEnumerable<int> chains) => chains.Select(graph.UrgencyOf).DefaultIfEmpty(-1).Max();
}
