// The run of one batch on a virtual clock: the engine's own run, its graph, chains, priorities, policy and every step of its workers,
// on one thread, with a clock per virtual worker. What is simulated is time alone; which chain runs when and where is decided by the
// code that decides it in the engine.
//
//   the worker whose clock is lowest takes its next step; the step's price goes onto its clock
//   a worker that waits has no clock; who rings wakes the one that has waited longest
//
// Priced are: running a transaction (its measured time, longer by Interference, and a line for each key that another worker touched
// last and one of the two wrote), completing a chain, laying a piece out and taking one, ringing, entering the run, and waking: by
// hand-off while the sleeper still spins, by the system later. All other steps are free.
//
// Deterministic: same batch, same constants, same figure.   Cost: a heap operation per step, a few steps per transaction.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>Measured constants, in nanoseconds.</summary>
/// <param name="TakeNs">Laying a piece out, taking one, or ringing.</param>
/// <param name="CompleteNs">Completing a chain, and taking the next of one's own.</param>
/// <param name="HandOffNs">From ringing for somebody who spins until that one goes on.</param>
/// <param name="WakeNs">The same for somebody who is parked.</param>
/// <param name="SpinNs">How long one spins before parking.</param>
/// <param name="EnterNs">From the start of a run until a helper is in it.</param>
/// <param name="LineNs">What an interlocked operation costs more when another core did the one before.</param>
/// <param name="InterferencePermille">How long a transaction takes while another core is busy, in thousandths of its time alone.</param>
internal sealed record SchedulingCosts(
    long TakeNs, long CompleteNs, long HandOffNs, long WakeNs, long SpinNs, long EnterNs, long LineNs, int InterferencePermille);

/// <summary>Simulates runs.</summary>
internal sealed class VirtualRun
{
    private readonly SchedulingCosts _costs;
    private readonly ConflictGraph _graph = new(ParallelEngine.ChainGasMax);
    private readonly Clockwork _clockwork;
    private readonly ParallelRun<Clockwork> _run;
    private readonly PriorityQueue<int, (long Time, int Worker)> _awake = new();
    private readonly Queue<(int Worker, long Since)> _asleep = new();

    public VirtualRun(SchedulingCosts costs)
    {
        _costs = costs;
        _clockwork = new Clockwork(costs);
        _run = new ParallelRun<Clockwork>(_graph, _clockwork);
    }

    /// <summary>Time from the start of a batch's run to its last completion.</summary>
    /// <param name="accesses">As the engine's scheduler sees the batch; its costs decide how chains are cut.</param>
    /// <param name="timesNs">How long each transaction takes alone on one core.</param>
    /// <param name="workers">How many there are; the policy decides how many take part.</param>
    public long MakespanNs(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int workers)
    {
        _graph.Build(in accesses);
        int used = WorkerPolicy.WorkersFor(_graph.Work, _graph.Span, workers);
        if (used == 1)
        {
            long sum = 0;
            foreach (uint time in timesNs)
            {
                sum += time;
            }

            return sum;                                                     // the plain loop
        }

        _clockwork.Begin(in accesses, timesNs);
        _run.Begin(used);
        _awake.Clear();
        _asleep.Clear();
        for (int worker = 0; worker < used; worker++)
        {
            _awake.Enqueue(worker, (worker == 0 ? 0 : _costs.EnterNs, worker));
        }

        long end = 0;
        while (_awake.TryDequeue(out int worker, out (long Time, int Worker) at))
        {
            end = Math.Max(end, Step(worker, at.Time));
        }

        Invariant.Require(_run.IsDone);
        return end;
    }

    // Returns when the worker completed a chain, 0 for any other step.
    private long Step(int worker, long now)
    {
        ParallelRun<Clockwork>.At step = _run.PlaceOf(worker);
        StepResult result = _run.Step(worker, mayBlock: false);
        if (result == StepResult.Asleep)
        {
            _asleep.Enqueue((worker, now));
            return 0;
        }

        if (result == StepResult.Over)
        {
            return 0;
        }

        now += step switch
        {
            ParallelRun<Clockwork>.At.Run => _clockwork.LastNs,
            ParallelRun<Clockwork>.At.Complete => _costs.CompleteNs,
            ParallelRun<Clockwork>.At.LayOut or ParallelRun<Clockwork>.At.Steal or ParallelRun<Clockwork>.At.TakeRow or ParallelRun<Clockwork>.At.Ring => _costs.TakeNs,
            _ => 0,
        };
        _awake.Enqueue(worker, (now, worker));
        if (step == ParallelRun<Clockwork>.At.Ring && _asleep.TryDequeue(out (int Worker, long Since) sleeper))
        {
            long arrival = now + (now - sleeper.Since < _costs.SpinNs ? _costs.HandOffNs : _costs.WakeNs);
            _awake.Enqueue(sleeper.Worker, (arrival, sleeper.Worker));
        }

        return step == ParallelRun<Clockwork>.At.Complete ? now : 0;
    }

    // Runs transactions by saying how long they take.
    private sealed class Clockwork(SchedulingCosts costs) : IRunTarget
    {
        private const int Nobody = -1;

        private int[] _offsets = [];
        private int[] _keys = [];
        private bool[] _writes = [];            // by access
        private uint[] _timesNs = [];
        private int[] _lastWorker = [];         // by key
        private bool[] _wasWritten = [];        // by key

        /// <summary>What the last transaction took.</summary>
        public long LastNs { get; private set; }

        public void Begin(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs)
        {
            _offsets = accesses.Offsets.ToArray();
            _keys = accesses.Keys.ToArray();
            _writes = Array.ConvertAll(accesses.Modes.ToArray(), mode => mode == AccessMode.Write);
            _timesNs = timesNs.ToArray();
            _lastWorker = new int[accesses.KeyCount];
            _wasWritten = new bool[accesses.KeyCount];
            Array.Fill(_lastWorker, Nobody);
        }

        public void RunOne(int worker, int tx)
        {
            long lines = 0;
            for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
            {
                int key = _keys[access];
                bool moves = _lastWorker[key] != Nobody && _lastWorker[key] != worker && (_writes[access] || _wasWritten[key]);
                lines += moves ? costs.LineNs : 0;
                _lastWorker[key] = worker;
                _wasWritten[key] = _writes[access];
            }

            LastNs = (_timesNs[tx] * (long)costs.InterferencePermille / 1_000) + lines;
        }

        public void Fold(int key)
        {
            // part of what completing a chain was measured with
        }
    }
}
