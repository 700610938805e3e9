// The run of one batch on a virtual clock: the engine's own run, its graph, chains, priorities, policy and every step of its workers,
// on one thread, with a clock per virtual worker. What is simulated is time alone; which chain runs when and where is decided by the
// code that decides it in the engine.
//
//   the worker whose clock is lowest takes its next step; the step's price goes onto its clock
//   a worker that waits has no clock; who rings wakes the one that has waited longest
//
// Priced are: running a transaction (its measured time and what the parallel way adds to it, both longer by Interference; the lines of each record that
// another worker touched last, and one of the two wrote; one line for its outcome when it runs outside its share), completing a chain, laying a
// piece out and taking one, ringing, entering and leaving the run, and waking: by hand-off while the sleeper still spins, by the system later. All other steps are free.
//
// A record was last touched by whoever loaded it, which is the worker in whose share of the batch it is declared first (RangeLoop). Before everything the
// engine's own gate says whether there is a run at all.
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
/// <param name="PathNs">What the parallel way on one worker takes more than the plain loop, for each transaction, without completing chains.</param>
/// <param name="HandOffNs">From ringing for somebody who spins until that one goes on.</param>
/// <param name="WakeNs">The same for somebody who is parked.</param>
/// <param name="SpinNs">How long one spins before parking.</param>
/// <param name="EnterNs">From the start of a run until a helper is in it.</param>
/// <param name="LineNs">What a line costs more when another core wrote it last.</param>
/// <param name="InterferencePermille">How long half of a block takes while another core runs the other half, in thousandths of its time alone; they share nothing.</param>
internal sealed record SchedulingCosts(
    long TakeNs, long CompleteNs, long PathNs, long HandOffNs, long WakeNs, long SpinNs, long EnterNs, long LineNs, int InterferencePermille);

/// <summary>Simulates runs.</summary>
internal sealed class VirtualRun
{
    private readonly SchedulingCosts _costs;
    private const ulong Salt = 1;
    private const int RecordLines = 2;              // the object, and its bytes

    private readonly ConflictGraph _graph = new(ParallelEngine.ChainGasMax);
    private readonly ParallelGate _gate = new(ParallelEngine.Limits, Salt);
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
        int used = 1;
        if (workers > 1 && MayGain(in accesses, workers))
        {
            _graph.Build(in accesses);
            used = WorkerPolicy.WorkersFor(_graph.Work, _graph.Span, workers);
        }

        if (used == 1)
        {
            long sum = 0;
            foreach (uint time in timesNs)
            {
                sum += time;
            }

            return sum;                                                     // the plain loop
        }

        _clockwork.Begin(in accesses, timesNs, used);
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
        return end + _costs.HandOffNs;                                      // until the caller sees that the last helper is out
    }

    // As the engine asks: of the keys that somebody may wait for.
    private bool MayGain(in BatchAccesses accesses, int workers)
    {
        AccessMode?[] first = new AccessMode?[accesses.KeyCount];
        bool[] isContended = new bool[accesses.KeyCount];
        for (int i = 0; i < accesses.Keys.Length; i++)
        {
            ref AccessMode? before = ref first[accesses.Keys[i]];
            isContended[accesses.Keys[i]] |= before is { } mode && AccessModes.Conflicts(mode, accesses.Modes[i]);
            before ??= accesses.Modes[i];
        }

        List<int> offsets = [0];
        List<int> keys = [];
        List<AccessMode> modes = [];
        for (int tx = 0; tx < accesses.TxCount; tx++)
        {
            for (int i = accesses.Offsets[tx]; i < accesses.Offsets[tx + 1]; i++)
            {
                if (isContended[accesses.Keys[i]])
                {
                    keys.Add(accesses.Keys[i]);
                    modes.Add(accesses.Modes[i]);
                }
            }

            offsets.Add(keys.Count);
        }

        return _gate.MayGain(new BatchAccesses(offsets.ToArray(), keys.ToArray(), modes.ToArray(), accesses.Costs, accesses.KeyCount), workers);
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
        private AccessMode[] _modes = [];
        private uint[] _timesNs = [];
        private int[] _lastWorker = [];         // by key
        private bool[] _wasWritten = [];        // by key
        private int _workers;

        /// <summary>What the last transaction took.</summary>
        public long LastNs { get; private set; }

        public void Begin(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int workers)
        {
            _workers = workers;
            _offsets = accesses.Offsets.ToArray();
            _keys = accesses.Keys.ToArray();
            _modes = accesses.Modes.ToArray();
            _timesNs = timesNs.ToArray();
            _lastWorker = new int[accesses.KeyCount];
            _wasWritten = new bool[accesses.KeyCount];
            Array.Fill(_lastWorker, Nobody);
            Array.Fill(_wasWritten, true);
            for (int tx = 0; tx < timesNs.Length; tx++)
            {
                for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
                {
                    ref int loader = ref _lastWorker[_keys[access]];
                    loader = loader == Nobody ? OwnerOf(tx) : loader;
                }
            }
        }

        public void RunOne(int worker, int tx)
        {
            long lines = OwnerOf(tx) == worker ? 0 : 1;
            for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
            {
                if (_modes[access] == AccessMode.Add)
                {
                    continue;                   // into a shard of the worker's own
                }

                int key = _keys[access];
                bool writes = _modes[access] == AccessMode.Write;
                lines += _lastWorker[key] != worker && (writes || _wasWritten[key]) ? RecordLines : 0;
                _lastWorker[key] = worker;
                _wasWritten[key] = writes;
            }

            LastNs = ((_timesNs[tx] + costs.PathNs) * costs.InterferencePermille / 1_000) + (lines * costs.LineNs);
        }

        private int OwnerOf(int tx) => (int)((long)tx * _workers / _timesNs.Length);

        public void Expect(int next, int afterNext)
        {
            // nothing to fetch
        }

        public void Fold(int key)
        {
            // part of what completing a chain was measured with
        }
    }
}
