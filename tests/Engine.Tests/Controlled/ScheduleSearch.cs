// Every schedule of a tiny batch: three transactions, two keys, two workers or more, the engine's own run on one thread. The search walks the tree of
// "who steps next", by replaying the choices from the start, and does not walk on from a place where everything that
// decides the future is as it was somewhere else; so it is finite, and what it has seen is all there is at this grain of steps.
//
// A shape is a number in [0, 4096): for each transaction and key one of nothing, Read, Write, Add, two bits each. A schedule is a
// string of bits, the worker of each step. Together they replay what was found: Replay(shape, cut, schedule).
//
// Judged at each transaction: whoever comes before it in the batch and conflicts has run; no add to a key that it reads or writes is
// still unfolded; it runs once. Judged at each end: everything ran, nobody sleeps.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine.Tests.Controlled;

internal sealed class ScheduleSearch
{
    public const int Shapes = 1 << (2 * TxCount * KeyCount);

    private const int TxCount = 3;
    private const int KeyCount = 2;
    private const int StepsMax = 256;

    private readonly int _workers;
    private readonly ConflictGraph _graph;
    private readonly Judge _judge = new();
    private readonly ParallelRun<Judge> _run;
    private readonly HashSet<UInt128> _seen = [];
    private readonly List<byte> _path = [];
    private readonly int[] _offsets = new int[TxCount + 1];
    private readonly int[] _keys = new int[TxCount * KeyCount];
    private readonly AccessMode[] _modes = new AccessMode[TxCount * KeyCount];
    private readonly uint[] _costs = [1, 1, 1];
    private UInt128 _hash;

    /// <param name="chainCostMax">1: every transaction is a chain of its own; 3: chains are as long as they can be.</param>
    /// <param name="workers">How many of them; the state space grows fast.</param>
    public ScheduleSearch(ulong chainCostMax, int workers = 2)
    {
        _workers = workers;
        _graph = new ConflictGraph(chainCostMax);
        _run = new ParallelRun<Judge>(_graph, _judge);
    }

    /// <summary>A shape whose graph is used instead of the batch's own: a defect to be found. Null for none.</summary>
    public int? GraphShape { get; init; }

    /// <summary>Different states seen.</summary>
    public long States { get; private set; }

    /// <summary>Schedules followed to their end.</summary>
    public long Ends { get; private set; }

    /// <summary>Walks all schedules of a shape.</summary>
    /// <exception cref="InvariantException">One is bad; <see cref="Found"/> names it.</exception>
    public void Search(int shape)
    {
        SetShape(shape);
        _seen.Clear();
        _path.Clear();
        Walk();
    }

    /// <summary>The schedule that the search was at.</summary>
    public string Found => string.Concat(_path);

    /// <summary>Follows one schedule, as <see cref="Found"/> names it.</summary>
    public void Replay(int shape, string schedule)
    {
        SetShape(shape);
        Start();
        foreach (char worker in schedule)
        {
            _ = _run.Step(worker - '0', mayBlock: false);
        }
    }

    private void Walk()
    {
        bool canMove = false;
        bool sleeps = false;
        for (byte worker = 0; worker < _workers; worker++)
        {
            Start();
            foreach (byte step in _path)
            {
                _ = _run.Step(step, mayBlock: false);
            }

            _path.Add(worker);
            StepResult result = _run.Step(worker, mayBlock: false);
            sleeps |= result == StepResult.Asleep;
            if (result == StepResult.Moved)
            {
                canMove = true;
                Invariant.Require(_path.Count < StepsMax);
                if (_seen.Add(Fingerprint()))
                {
                    States++;
                    Walk();
                }
            }

            _path.RemoveAt(_path.Count - 1);
        }

        if (!canMove)
        {
            Ends++;
            Invariant.Require(_judge.HasRunAll && _run.IsDone);
            Invariant.Require(!sleeps);                                 // all is done, and somebody waits for ever
        }
    }

    private void Start()
    {
        if (GraphShape is int wrong)
        {
            int[] offsets = [.. _offsets];
            (int[] keys, AccessMode[] modes) = ([.. _keys], [.. _modes]);
            SetShape(wrong);
            Build();
            offsets.CopyTo(_offsets, 0);
            keys.CopyTo(_keys, 0);
            modes.CopyTo(_modes, 0);
        }
        else
        {
            Build();
        }

        _judge.Begin(_offsets, _keys, _modes);
        _run.Begin(_workers);
    }

    private void Build() =>
        _graph.Build(new BatchAccesses(_offsets, _keys.AsSpan(0, _offsets[TxCount]), _modes.AsSpan(0, _offsets[TxCount]), _costs, KeyCount));

    private void SetShape(int shape)
    {
        int position = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            for (int key = 0; key < KeyCount; key++)
            {
                int use = (shape >> (2 * ((tx * KeyCount) + key))) & 3;
                if (use != 0)
                {
                    _keys[position] = key;
                    _modes[position++] = use switch { 1 => AccessMode.Read, 2 => AccessMode.Write, _ => AccessMode.Add };
                }
            }

            _offsets[tx + 1] = position;
        }
    }

    private UInt128 Fingerprint()
    {
        _hash = 0x6C62272E07BB0142;
        _run.Describe(Mix);
        _judge.Describe(Mix);
        return _hash;
    }

    private void Mix(int part) => _hash = ((_hash ^ (uint)part) * new UInt128(0x9E3779B97F4A7C15, 0xF39CC0605CEDC835)) + 1;

    // Runs nothing, and says whether it might have been run now.
    private sealed class Judge : IRunTarget
    {
        private readonly int[] _unfolded = new int[KeyCount];
        private int[] _offsets = [];
        private int[] _keys = [];
        private AccessMode[] _modes = [];
        private int _ran;

        public bool HasRunAll => _ran == (1 << TxCount) - 1;

        public void Begin(int[] offsets, int[] keys, AccessMode[] modes)
        {
            (_offsets, _keys, _modes, _ran) = (offsets, keys, modes, 0);
            Array.Clear(_unfolded);
        }

        public void RunOne(int worker, int tx)
        {
            Invariant.Require((_ran & (1 << tx)) == 0);                 // once
            for (int earlier = 0; earlier < tx; earlier++)
            {
                Invariant.Require((_ran & (1 << earlier)) != 0 || !Conflict(earlier, tx));
            }

            for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
            {
                bool adds = _modes[access] == AccessMode.Add;
                Invariant.Require(adds || _unfolded[_keys[access]] == 0);
                _unfolded[_keys[access]] += adds ? 1 : 0;
            }

            _ran |= 1 << tx;
        }

        public void Expect(int next, int afterNext)
        {
            // nothing to fetch
        }

        public void Fold(int key) => _unfolded[key] = 0;

        public void Describe(Action<int> part)
        {
            part(_ran);
            foreach (int unfolded in _unfolded)
            {
                part(unfolded);
            }
        }

        private bool Conflict(int first, int second)
        {
            for (int i = _offsets[first]; i < _offsets[first + 1]; i++)
            {
                for (int j = _offsets[second]; j < _offsets[second + 1]; j++)
                {
                    if (_keys[i] == _keys[j] && AccessModes.Conflicts(_modes[i], _modes[j]))
                    {
                        return true;
                    }
                }
            }

            return false;
        }
    }
}
