// One thread that plays all workers of the engine, from a seed: every hand-off between workers is a draw, so a bad interleaving is one
// number. Two ways to draw. Random: any worker that is not over, step by step. Priorities (after PCT, Burckhardt et al., ASPLOS 2010): each worker
// has a priority, the highest that can move moves, and at a few drawn steps the mover drops to the bottom; that finds orders
// in which one worker stands still for a very long time, which coin flips do not.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests.Controlled;

internal sealed class SeededDriver : IRunDriver
{
    private const int PriorityChanges = 3;
    private const int StepsExpected = 400;

    private readonly SeededRandom _random;
    private readonly bool _hasPriorities;
    private int[] _priorities = [];

    public SeededDriver(ulong seed, bool hasPriorities)
    {
        _random = new SeededRandom(seed);
        _hasPriorities = hasPriorities;
    }

    /// <summary>Steps taken so far.</summary>
    public long Steps { get; private set; }

    public int Choose(int count) => _random.Next(count);

    public void Drive<TTarget>(ParallelRun<TTarget> run, int workers)
        where TTarget : IRunTarget
    {
        bool[] isOver = new bool[workers];
        bool[] isAsleep = new bool[workers];
        int left = workers;
        Prepare(workers);
        int change = _random.Next(StepsExpected);
        for (int step = 0; left > 0; step++)
        {
            int worker = _hasPriorities ? Highest(isOver, isAsleep) : Any(isOver, isAsleep, left);
            Invariant.Require(worker >= 0);                                 // else all who are left sleep, and nobody will wake them
            StepResult result = run.Step(worker, mayBlock: false);
            Steps++;
            if (result == StepResult.Asleep)
            {
                isAsleep[worker] = true;
                continue;
            }

            if (result == StepResult.Over)
            {
                isOver[worker] = true;
                left--;
                continue;
            }

            Array.Clear(isAsleep);                                          // what moved may have written what they wait for
            if (step >= change)
            {
                _priorities[worker] = -step - 1;
                change = step + 1 + _random.Next(StepsExpected / PriorityChanges);
            }
        }
    }

    private void Prepare(int workers)
    {
        _priorities = new int[workers];
        for (int worker = 0; worker < workers; worker++)
        {
            int place = _random.Next(worker + 1);
            _priorities[worker] = _priorities[place];
            _priorities[place] = worker;
        }
    }

    private int Highest(bool[] isOver, bool[] isAsleep)
    {
        int best = -1;
        for (int worker = 0; worker < isOver.Length; worker++)
        {
            if (!isOver[worker] && !isAsleep[worker] && (best < 0 || _priorities[worker] > _priorities[best]))
            {
                best = worker;
            }
        }

        return best;
    }

    private int Any(bool[] isOver, bool[] isAsleep, int left)
    {
        int skip = _random.Next(left);
        int found = -1;
        for (int i = 0, seen = 0; i < isOver.Length; i++)
        {
            if (!isOver[i] && !isAsleep[i])
            {
                found = i;
                if (seen++ == skip)
                {
                    break;
                }
            }
        }

        return found;
    }
}
