// What is measured before anything is simulated, all in this run, taking turns:
//
//   the blocks by the plain loop, and by two workers        what the simulation is compared with
//   the plain loop, each transaction timed; and timed in groups of sixteen, whose level counts: a reading of the clock is as long as a short transaction
//   two halves of a block beside each other, and each alone                how much two busy cores slow each other, without any scheduling and sharing nothing
//   the parallel way on one thread                          what it adds to a transaction
//   lines that two threads write in turns                   what sharing costs
//
// Of each the fastest of the rounds counts, block by block: whatever else the machine does only adds. The times of a block's transactions come
// from one round, the one with the least sum, never from different rounds. Where a virtual machine's two cores are may change from second to second: they may be
// threads of one core, or so far apart that a line takes twenty times as long. So only rounds count that found the cores as near as the nearest did.
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
/// <param name="Distance">How near the two cores were.</param>
internal sealed record Reality(BatchRecord[] Records, long SerialNs, long ParallelNs, SchedulingCosts Costs, long ClockNs, CoreDistance Distance)
{
    private const int WarmRounds = 2;
    private const int TimedTogether = 16;
    private const int NearNs = 10;                      // a difference that is none

    /// <summary>Measures.</summary>
    public static Reality Measure(List<SimulatedBlock> blocks, int rounds)
    {
        long clock = CostProbe.ClockNs();
        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 2, jit: JitMode.Off);
        using ParallelEngine other = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off);
        using WorkerPool pool = new(2);
        OneWorker alone = new();
        List<Round> all = [];
        for (int round = -WarmRounds; round < rounds; round++)
        {
            long before = CostProbe.Line(pool, chased: true);
            BlockTimes[] times = [.. blocks.Select(block => TimesOf(block, engine, other, pool, alone, clock))];
            if (round >= 0)
            {
                all.Add(new Round(Math.Max(before, CostProbe.Line(pool, chased: true)), CostProbe.Line(pool, chased: false), times));
            }
        }

        long nearest = all.Min(round => round.DistanceNs);
        Round[] near = [.. all.Where(round => round.DistanceNs <= (nearest * 2) + NearNs)];
        BlockTimes[] fastest = [.. Enumerable.Range(0, blocks.Count).Select(i => BlockTimes.Fastest(near.Select(round => round.Blocks[i])))];
        long serial = fastest.Sum(block => block.SerialNs);
        long transactions = fastest.Sum(block => (long)block.Record.TimesNs.Length);
        int interference = (int)Math.Clamp(fastest.Sum(block => block.HalvesBesideNs) * 1_000 / Math.Max(1, fastest.Sum(block => block.HalvesAloneNs)), 1_000, 10_000);
        long complete = CostProbe.CompleteNs(Widest(fastest.Select(block => block.Record)).Accesses);
        long path = Math.Max(0, fastest.Sum(block => block.OnOneNs - block.SerialNs - (complete * block.Chains)) / Math.Max(1, transactions));
        SchedulingCosts costs = CostProbe.Measure(pool, complete, path, near.Sum(round => round.LineNs) / near.Length, interference);
        CoreDistance distance = new(rounds, near.Length, nearest, all.Max(round => round.DistanceNs));
        return new Reality([.. fastest.Select(block => block.Record)], serial, fastest.Sum(block => block.ParallelNs), costs, clock, distance);
    }

    private static BlockTimes TimesOf(SimulatedBlock block, ParallelEngine engine, ParallelEngine other, WorkerPool pool, OneWorker alone, long clock)
    {
        Run(engine, block, workers: 1);                                     // so that each of the next finds the caches alike
        long serial = Run(engine, block, workers: 1).Stages.RunNs;
        Run(engine, block, workers: 2);
        long parallel = Run(engine, block, workers: 2).Stages.RunNs;
        engine.Driver = alone;
        engine.AlwaysParallel = true;
        Run(engine, block, workers: 2);
        BatchTrace onOne = Run(engine, block, workers: 2);
        engine.AlwaysParallel = false;
        engine.Driver = null;
        BatchRecord record = Timed(engine, block, clock);
        (long besides, long apart) = Halves(pool, engine, other, block);
        return new BlockTimes(record, serial, parallel, onOne.Stages.RunNs, onOne.Chains, besides, apart);
    }

    private static BatchTrace Run(ParallelEngine engine, SimulatedBlock block, int workers, Range? part = null) =>
        engine.Execute(block.Batch.AsSpan(part ?? ..), block.Context, block.State, block.Rules, workers).Trace;

    // A transaction's share of its group is its share of the group's transactions timed one by one.
    private static BatchRecord Timed(ParallelEngine engine, SimulatedBlock block, long clock)
    {
        engine.RecordsTransactions = true;
        Run(engine, block, workers: 1);
        BatchRecord single = engine.Recorded!;
        engine.MeasuredTogether = TimedTogether;
        Run(engine, block, workers: 1);
        uint[] times = [.. single.TimesNs.Select(time => (uint)Math.Max(1, time - clock))];
        uint[] groups = engine.Recorded!.TimesNs;
        engine.MeasuredTogether = 1;
        engine.RecordsTransactions = false;
        for (int first = 0; first < times.Length; first += TimedTogether)
        {
            int end = Math.Min(times.Length, first + TimedTogether);
            double level = Math.Max(1, groups[end - 1] - clock) / times[first..end].Sum(time => (double)time);
            for (int tx = first; tx < end; tx++)
            {
                times[tx] = (uint)Math.Max(1, Math.Round(times[tx] * level));
            }
        }

        return single with { TimesNs = times };
    }

    // Run stages of the two halves by the plain loop, added up: beside each other, and one after the other. Each half is run once more before that counts.
    private static (long BesideNs, long AloneNs) Halves(WorkerPool pool, ParallelEngine first, ParallelEngine second, SimulatedBlock block)
    {
        int half = block.Batch.Length / 2;
        long sum = 0;
        bool together = CostProbe.TryTogether(pool, worker =>
        {
            RunHalf(worker);                                                // warms, beside the other's
            Interlocked.Add(ref sum, RunHalf(worker));
        });
        RunHalf(0);
        long alone = RunHalf(0);
        RunHalf(1);
        alone += RunHalf(1);
        return (together ? sum : long.MaxValue / 1_000_000, alone);         // not together: this round says nothing

        long RunHalf(int worker) => worker == 0 ? Run(first, block, 1, ..half).Stages.RunNs : Run(second, block, 1, half..).Stages.RunNs;
    }

    private static BatchRecord Widest(IEnumerable<BatchRecord> records) => records.MaxBy(record => record.TimesNs.Length)!;

    private sealed record Round(long DistanceNs, long LineNs, BlockTimes[] Blocks);

    private sealed record BlockTimes(BatchRecord Record, long SerialNs, long ParallelNs, long OnOneNs, int Chains, long HalvesBesideNs, long HalvesAloneNs)
    {
        public static BlockTimes Fastest(IEnumerable<BlockTimes> rounds)
        {
            BlockTimes[] all = [.. rounds];
            return new BlockTimes(
                all.MinBy(one => one.Record.TimesNs.Sum(time => (long)time))!.Record, all.Min(one => one.SerialNs), all.Min(one => one.ParallelNs),
                all.Min(one => one.OnOneNs), all[0].Chains, all.Min(one => one.HalvesBesideNs), all.Min(one => one.HalvesAloneNs));
        }
    }

    // The parallel way with its first worker alone.
    private sealed class OneWorker : IRunDriver
    {
        public void Drive<TTarget>(ParallelRun<TTarget> run, int workers)
            where TTarget : IRunTarget
        {
            while (run.Step(0, mayBlock: false) == StepResult.Moved)
            {
                // until it is over
            }
        }

        public int Choose(int count) => 0;
    }
}

/// <summary>What a line cost between the two cores, one at a time, in rounds of the measured run.</summary>
/// <param name="Rounds">All.</param>
/// <param name="Near">Those that counted.</param>
/// <param name="LeastNs">In the nearest of them.</param>
/// <param name="MostNs">In the farthest.</param>
internal sealed record CoreDistance(int Rounds, int Near, long LeastNs, long MostNs);
