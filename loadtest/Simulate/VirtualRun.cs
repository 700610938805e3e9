// The run of one batch on a virtual clock: the scheduler's own graph, chains, priorities and policy, with virtual workers in place
// of threads and a sum in place of running. What is simulated is time alone: which chain runs when and where is decided by the code
// that decides it in the engine.
//
//   events    (time, worker) "its chain is done"; the earliest first, equal ones by worker
//   an event  the graph completes the chain; what became ready goes to the worker; it shares, or goes on, or waits
//
// What costs virtual time: the transactions themselves, each slower by Interference while two cores are busy; completing a chain;
// taking a piece; waking who waits, by hand-off while it still spins, by the system later; and the cache line of
// each key that another worker wrote last.
//
// Deterministic: same batch, same constants, same figure.   Cost: O(accesses) and a heap operation per chain.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>Measured constants, in nanoseconds.</summary>
/// <param name="TakeNs">Taking a piece that lies in the queue, or putting one there.</param>
/// <param name="CompleteNs">Completing a chain, and taking the next of one's own.</param>
/// <param name="HandOffNs">From giving a piece to somebody who spins until that one has it.</param>
/// <param name="WakeNs">The same for somebody who is parked.</param>
/// <param name="SpinNs">How long one spins before parking.</param>
/// <param name="EnterNs">From the start of a run until a helper is in it.</param>
/// <param name="LineNs">What an interlocked operation costs more when another core did the one before.</param>
/// <param name="InterferencePermille">How long a transaction takes while another core is busy, in thousandths of its time alone.</param>
internal sealed record SchedulingCosts(
    long TakeNs, long CompleteNs, long HandOffNs, long WakeNs, long SpinNs, long EnterNs, long LineNs, int InterferencePermille);

/// <summary>Simulates runs.</summary>
internal sealed class VirtualRun(SchedulingCosts costs)
{
    private const int Nobody = -1;

    private readonly ConflictGraph _graph = new(ParallelEngine.ChainGasMax);
    private readonly PriorityQueue<(int Worker, int Chain), (long Time, int Worker)> _events = new();
    private readonly Queue<(int Start, int Count)> _pieces = new();
    private readonly Queue<(int Worker, long Since)> _waiting = new();
    private ReadyStack[] _stacks = [];
    private int[] _log = [];
    private int _logUsed;
    private int[] _lastWorker = [];
    private bool[] _wasWritten = [];

    /// <summary>Time from the start of a batch's run to its end.</summary>
    /// <param name="accesses">As the engine's scheduler sees the batch; its costs decide how chains are cut.</param>
    /// <param name="timesNs">How long each transaction takes alone on one core.</param>
    /// <param name="workers">How many there are; the policy decides how many take part.</param>
    public long MakespanNs(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int workers)
    {
        _graph.Build(in accesses);
        int used = WorkerPolicy.IsTooSmall(accesses.TxCount) ? 1 : WorkerPolicy.WorkersFor(_graph.Work, _graph.Span, workers);
        if (used == 1)
        {
            long sum = 0;
            foreach (uint time in timesNs)
            {
                sum += time;
            }

            return sum;                                                     // the plain loop
        }

        Begin(in accesses, used);
        int left = accesses.TxCount;
        long end = 0;
        for (int worker = 0; worker < used; worker++)
        {
            _events.Enqueue((worker, Nobody), (worker == 0 ? 0 : costs.EnterNs, worker));
        }

        while (_events.TryDequeue(out (int Worker, int Chain) done, out (long Time, int Worker) at))
        {
            if (done.Chain == Nobody)
            {
                Continue(in accesses, timesNs, done.Worker, at.Time);       // it enters
                continue;
            }

            Sink sink = new(_stacks, done.Worker);
            _graph.Complete(done.Chain, ref sink);
            left -= _graph.TransactionsOf(done.Chain).Length;
            long now = at.Time + costs.CompleteNs;
            end = Math.Max(end, now);
            Share(in accesses, timesNs, done.Worker, now);
            Continue(in accesses, timesNs, done.Worker, now);
        }

        Invariant.Require(left == 0);
        return end;
    }

    private void Begin(in BatchAccesses accesses, int workers)
    {
        int chains = _graph.ChainCount;
        _stacks = new ReadyStack[workers];
        for (int worker = 0; worker < workers; worker++)
        {
            _stacks[worker] = new ReadyStack(new int[chains]);
        }

        _log = new int[chains * 2];
        _lastWorker = new int[accesses.KeyCount];
        _wasWritten = new bool[accesses.KeyCount];
        Array.Fill(_lastWorker, Nobody);
        _pieces.Clear();
        _waiting.Clear();
        _logUsed = 0;
        ReadOnlySpan<int> ready = _graph.ReadyChains;
        int length = WorkerPolicy.PieceLength(ready.Length, workers);
        for (int i = 0; i < ready.Length; i += length)
        {
            Log(ready.Slice(i, Math.Min(length, ready.Length - i)));
        }
    }

    // A worker at a moment: its own newest chain, or a piece, or it waits.
    private void Continue(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int worker, long now)
    {
        ref ReadyStack stack = ref _stacks[worker];
        if (stack.Count == 0)
        {
            if (!_pieces.TryDequeue(out (int Start, int Count) piece))
            {
                _waiting.Enqueue((worker, now));
                return;
            }

            now += costs.TakeNs;
            stack.PushPiece(_log.AsSpan(piece.Start, piece.Count));
        }

        int chain = stack.Pop();
        _events.Enqueue((worker, chain), (now + TimeOf(in accesses, timesNs, worker, chain), worker));
    }

    private void Share(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int worker, long now)
    {
        ref ReadyStack stack = ref _stacks[worker];
        int count = WorkerPolicy.ShareCount(stack.Count);
        if (_waiting.Count == 0 || count == 0 || _logUsed + count > _log.Length)
        {
            return;
        }

        Log(stack.Oldest(count));
        stack.DropOldest(count);
        (int hungry, long since) = _waiting.Dequeue();
        Continue(in accesses, timesNs, hungry, now + (now - since < costs.SpinNs ? costs.HandOffNs : costs.WakeNs));
    }

    private void Log(ReadOnlySpan<int> chains)
    {
        chains.CopyTo(_log.AsSpan(_logUsed));
        _pieces.Enqueue((_logUsed, chains.Length));
        _logUsed += chains.Length;
    }

    private long TimeOf(in BatchAccesses accesses, ReadOnlySpan<uint> timesNs, int worker, int chain)
    {
        long alone = 0;
        long lines = 0;
        foreach (int tx in _graph.TransactionsOf(chain))
        {
            alone += timesNs[tx];
            for (int access = accesses.Offsets[tx]; access < accesses.Offsets[tx + 1]; access++)
            {
                int key = accesses.Keys[access];
                bool writes = accesses.Modes[access] == AccessMode.Write;
                bool moves = _lastWorker[key] != Nobody && _lastWorker[key] != worker && (writes || _wasWritten[key]);
                lines += moves ? costs.LineNs : 0;
                _lastWorker[key] = worker;
                _wasWritten[key] = writes;
            }
        }

        return (alone * costs.InterferencePermille / 1_000) + lines;
    }

    private readonly ref struct Sink(ReadyStack[] stacks, int worker) : ICompletionSink
    {
        public void AdderGroupFinished(int key)
        {
            // folding a key's shards is part of what CompleteNs was measured with
        }

        public void Ready(int chain) => stacks[worker].Push(chain);
    }
}
