// What is measured before anything is simulated: the blocks by the plain loop, by two workers, and by the plain loop with each transaction
// timed; and two plain loops side by side, which says how much two busy cores slow each other without any scheduling.
//
// Rounds take turns, and of each the fastest counts, block by block: whatever else the machine does only adds. The times of a
// block's transactions come from one round, the one with the least sum, never from different rounds.
//
// Threading: the caller's thread and one helper.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using ParallelVm.Engine;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>The measured run.</summary>
/// <param name="Records">By block: accesses, cost estimates, and times with the clock's own taken off.</param>
/// <param name="SerialNs">Run stage of all blocks by the plain loop.</param>
/// <param name="ParallelNs">By two workers.</param>
internal sealed record Reality(BatchRecord[] Records, long SerialNs, long ParallelNs, SchedulingCosts Costs, long ClockNs)
{
    private const int WarmRounds = 2;

    /// <summary>Measures.</summary>
    public static Reality Measure(List<SimulatedBlock> blocks, int rounds)
    {
        long clock = CostProbe.ClockNs();
        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 2, jit: JitMode.Off);
        using ParallelEngine other = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        using WorkerPool pool = new(2);
        long[][] serial = Table(blocks.Count, rounds);
        long[][] parallel = Table(blocks.Count, rounds);
        (long Sum, BatchRecord Record)[][] timed = [.. blocks.Select(_ => new (long, BatchRecord)[rounds])];
        long[][] both = Table(blocks.Count, rounds);
        for (int round = -WarmRounds; round < rounds; round++)
        {
            for (int i = 0; i < blocks.Count; i++)
            {
                RunNs(engine, blocks[i], workers: 1);                       // so that each of the next finds the caches alike
                long one = RunNs(engine, blocks[i], workers: 1);
                long two = RunNs(engine, blocks[i], workers: 2);
                RunNs(engine, blocks[i], workers: 1);
                engine.RecordsTransactions = true;
                RunNs(engine, blocks[i], workers: 1);
                engine.RecordsTransactions = false;
                BatchRecord record = Without(clock, engine.Recorded!);
                long beside = SideBySide(pool, engine, other, blocks[i]);
                if (round >= 0)
                {
                    both[i][round] = beside;
                    serial[i][round] = one;
                    parallel[i][round] = two;
                    timed[i][round] = (record.TimesNs.Sum(time => (long)time), record);
                }
            }
        }

        BatchRecord[] records = [.. timed.Select(tries => tries.MinBy(one => one.Sum).Record)];
        long alone = serial.Sum(tries => tries.Min());
        int interference = (int)Math.Clamp(both.Sum(tries => tries.Min()) * 1_000 / Math.Max(1, 2 * alone), 1_000, 10_000);
        SchedulingCosts costs = CostProbe.Measure(CostProbe.CompleteNs(Widest(records).Accesses), interference);
        return new Reality(records, alone, parallel.Sum(tries => tries.Min()), costs, clock);
    }

    private static long RunNs(ParallelEngine engine, SimulatedBlock block, int workers) =>
        engine.Execute(block.Batch, block.Context, block.State, block.Rules, workers).Trace.Stages.RunNs;

    // Run stages of both, added up; each runs the block by the plain loop, once more before that counts.
    private static long SideBySide(WorkerPool pool, ParallelEngine first, ParallelEngine second, SimulatedBlock block)
    {
        long sum = 0;
        bool together = CostProbe.TryTogether(pool, worker =>
        {
            ParallelEngine engine = worker == 0 ? first : second;
            RunNs(engine, block, workers: 1);                               // warms, beside the other's
            Interlocked.Add(ref sum, RunNs(engine, block, workers: 1));
        });
        return together ? sum : long.MaxValue / 1_000_000;                  // this round says nothing
    }

    private static BatchRecord Widest(BatchRecord[] records) => records.MaxBy(record => record.TimesNs.Length)!;

    private static BatchRecord Without(long clockNs, BatchRecord record) =>
        record with { TimesNs = Array.ConvertAll(record.TimesNs, time => (uint)Math.Max(1, time - clockNs)) };

    private static long[][] Table(int rows, int columns) => [.. Enumerable.Range(0, rows).Select(_ => new long[columns])];
}
