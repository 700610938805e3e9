// The constants of the virtual clock, measured here and now: each is one of the fastest of many tries (what else the machine does only
// adds; the very fastest are luck), with two threads of a WorkerPool where it takes two. They are properties of the machine at this moment, so they belong to one run and are never kept.
//
// Threading: the caller and one helper.

using System;
using System.Threading;
using ParallelVm.Engine;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>Measures what scheduling costs.</summary>
internal static class CostProbe
{
    private const int Tries = 201;
    private const int Operations = 20_000;
    private const int PatienceMs = 2_000;
    private const int Lines = 256;
    private const int LineWords = 16;               // two lines apart: neighbours are fetched in pairs
    private const int Turns = 24;

    private static readonly TimeProvider Time = TimeProvider.System;

    /// <summary>One reading of the clock, which is inside every measured transaction once.</summary>
    public static long ClockNs() => Typical(Tries, () =>
    {
        long start = Time.GetTimestamp();
        for (int i = 0; i < 100; i++)
        {
            Time.GetTimestamp();
        }

        return ElapsedNs(start) / 101;
    });

    /// <summary>Completing the chains of a batch on one thread, per chain: what the scheduler adds to running them.</summary>
    public static long CompleteNs(in BatchAccesses accesses)
    {
        ConflictGraph graph = new(ParallelEngine.ChainGasMax);
        ReadyShelves shelves = new();
        long[] tries = new long[9];
        for (int i = 0; i < tries.Length; i++)
        {
            graph.Build(in accesses);
            shelves.Begin(graph, 1);
            DrainSink sink = new(shelves);
            long start = Time.GetTimestamp();
            while (sink.TryPop(out int chain))
            {
                graph.Complete(chain, ref sink);
            }

            tries[i] = ElapsedNs(start) / Math.Max(1, graph.ChainCount);
        }

        Array.Sort(tries);
        return tries[tries.Length / 20];
    }

    /// <summary>Everything that needs no batch.</summary>
    /// <param name="completeNs">From <see cref="CompleteNs"/>.</param>
    /// <param name="pathNs">See <see cref="SchedulingCosts"/>, as the rest.</param>
    public static SchedulingCosts Measure(WorkerPool pool, long completeNs, long pathNs, long lineNs, int interferencePermille)
    {
        long spin = Typical(9, () =>
        {
            long start = Time.GetTimestamp();
            for (int i = 0; i < WaitingRoom.SpinsMax; i++)
            {
                Thread.SpinWait(WaitingRoom.SpinLength);
            }

            return ElapsedNs(start);
        });
        return new SchedulingCosts(
            Exchange(pool), completeNs, pathNs, Arrival(pool, isParked: false), Arrival(pool, isParked: true), spin, Enter(pool), lineNs, interferencePermille);
    }

    // Not by way of a TimeSpan, whose ticks are a tenth of a microsecond.
    internal static long ElapsedNs(long start) => ElapsedNs(start, Time.GetTimestamp());

    private static long ElapsedNs(long start, long end) => (long)((UInt128)(ulong)Math.Max(0, end - start) * 1_000_000_000 / (ulong)Time.TimestampFrequency);

    internal static long Typical(int tries, Func<long> measure, bool isFastest = false)
    {
        long[] values = new long[tries];
        for (int i = 0; i < tries; i++)
        {
            values[i] = measure();
        }

        Array.Sort(values);
        return isFastest ? values[0] : values[tries / 20];
    }

    /// <summary>Runs the bodies at the same time; false when the helper did not come in time.</summary>
    internal static bool TryTogether(WorkerPool pool, Action<int> body)
    {
        int inside = 0;
        bool together = true;
        pool.Run(2, worker =>
        {
            Interlocked.Increment(ref inside);
            long start = Time.GetTimestamp();
            while (Volatile.Read(ref inside) < 2)
            {
                if (Time.GetElapsedTime(start).TotalMilliseconds > PatienceMs)
                {
                    together = false;
                    return;
                }
            }

            body(worker);
        });
        return together;
    }

    // A word that two threads exchange in turns, as a shelf is filled and emptied: half of a turn.
    private static long Exchange(WorkerPool pool)
    {
        long shelf = 0;
        long[] values = new long[9];
        for (int i = 0; i < values.Length; i++)
        {
            long sum = 0;
            TryTogether(pool, _ =>
            {
                long start = Time.GetTimestamp();
                for (int turn = 0; turn < Operations; turn++)
                {
                    Interlocked.Exchange(ref shelf, turn);
                }

                Interlocked.Add(ref sum, ElapsedNs(start));
            });
            values[i] = sum / (2 * Operations);
        }

        Array.Sort(values);
        return values[values.Length / 20];
    }

    /// <summary>From ringing until the other thread goes on: spinning for it, or parked.</summary>
    public static long Arrival(WorkerPool pool, bool isParked)
    {
        Bell bell = new();
        long[] values = new long[Tries];
        int arrived = 0;
        long rung = 0;
        TryTogether(pool, worker =>
        {
            for (int i = 0; i < Tries; i++)
            {
                if (worker == 0)
                {
                    long calm = Time.GetTimestamp();
                    while (ElapsedNs(calm) < (isParked ? 150_000 : 3_000))
                    {
                        // the other thread is waiting again by now
                    }

                    rung = Time.GetTimestamp();
                    bell.Ring();
                    while (Volatile.Read(ref arrived) <= i)
                    {
                        // until it says that it has it
                    }
                }
                else
                {
                    bell.Wait(spins: !isParked);
                    values[i] = ElapsedNs(rung);
                    Volatile.Write(ref arrived, i + 1);
                }
            }
        });
        Array.Sort(values);
        return isParked ? values[Tries / 20] : values[0];                   // a spinning thread is on a core or it is not: the fastest is one that was
    }

    // From Run until the helper is inside, when the pool has just been used, as it is by the stages before a batch's run.
    private static long Enter(WorkerPool pool) => Typical(Tries, () =>
    {
        long calm = Time.GetTimestamp();
        while (ElapsedNs(calm) < 100_000)
        {
            // what the engine does between its stages
        }

        long entered = 0;
        long start = Time.GetTimestamp();
        pool.Run(2, worker =>
        {
            if (worker == 1)
            {
                Volatile.Write(ref entered, Time.GetTimestamp());
                return;
            }

            while (Volatile.Read(ref entered) == 0 && ElapsedNs(start) < PatienceMs * 1_000_000L)
            {
                // the helper is on its way
            }
        });
        return entered == 0 ? long.MaxValue : ElapsedNs(start, entered);
    }, isFastest: true);

    /// <summary>What a line costs more that another core wrote last: two threads write the same lines in turns, each then once more alone.</summary>
    /// <param name="chased">Each line is found by the one before it, so that one is on its way at a time: the distance. Else as many as the core asks for.</param>
    public static long Line(WorkerPool pool, bool chased)
    {
        long[] lines = new long[Lines * LineWords];
        for (int line = 0; line < Lines; line++)
        {
            lines[line * LineWords] = NextOf(line);
        }

        long[] theirs = new long[2 * Turns];
        long[] own = new long[2 * Turns];
        int turn = 0;
        TryTogether(pool, me =>
        {
            for (int i = me; i < 2 * Turns; i += 2)
            {
                while (Volatile.Read(ref turn) != i)
                {
                    // the other one writes
                }

                long start = Time.GetTimestamp();
                WriteAll(lines, chased);
                long between = Time.GetTimestamp();
                WriteAll(lines, chased);
                (theirs[i], own[i]) = (ElapsedNs(start, between), ElapsedNs(between));
                Volatile.Write(ref turn, i + 1);
            }
        });
        Array.Sort(theirs);
        Array.Sort(own);
        return Math.Max(0, (theirs[Turns] - own[Turns]) / Lines);
    }

    private static void WriteAll(long[] lines, bool chased)
    {
        int line = 0;
        for (int i = 0; i < Lines; i++)
        {
            lines[(line * LineWords) + 1]++;
            line = chased ? (int)lines[line * LineWords] : NextOf(line);
        }
    }

    // All lines in an order that no prefetcher guesses.
    private static int NextOf(int line) => ((line * 5) + 77) % Lines;

    private readonly struct DrainSink(ReadyShelves shelves) : ICompletionSink
    {
        public void AdderGroupFinished(int key)
        {
            // nothing was added
        }

        public void Ready(int chain) => shelves.Push(0, chain);

        public bool TryPop(out int chain)
        {
            bool hasOne = shelves.CountOf(0) > 0 || shelves.TryTakeFromRow(0);
            chain = hasOne ? shelves.Pop(0) : 0;
            return hasOne;
        }
    }
}
