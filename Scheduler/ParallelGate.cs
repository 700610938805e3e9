// Whether a batch is worth a conflict graph, from what is known before there is one. Where there is nothing to gain, the plain
// loop runs at once and the graph is never built.
//
//   too little work     it is done before a thread has woken up
//   too many keys       the graph would cost more than all workers but one can take off the run: many keys, and hardly anything done with them
//   serial              a sample from all over the batch is a chain: payers apart, what one hot key makes of a batch
//
// The sample is every n-th transaction from a place that outsiders do not know, measured as if it were the batch. Two of its
// transactions that conflict do so in the batch, so a sample that is a chain stands for a chain; transactions that conflict with their neighbours
// only look free in it, and then the graph decides. A sample of neighbours would be wrong: whole senders in turn would look serial.
//
// What is decided here says where transactions run, never what comes out of them.
//
// Cost: one look at each cost; at most SampleMax transactions' accesses twice.   Threading: one caller at a time.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>Keeps batches that gain nothing away from the graph.</summary>
/// <param name="limits">What things cost, in the unit of the batch's costs.</param>
/// <param name="salt">Where samples begin.</param>
public sealed class ParallelGate(GateLimits limits, ulong salt)
{
    private const int SampleShare = 16;
    private const int SampleMin = 32;
    private const int SampleMax = 256;
    private const ulong SerialPermille = 1_150;

    private readonly SeededRandom _random = new(salt);
    private KeyTime[] _keys = [];           // all untouched between calls

    /// <summary>False when the plain loop is at least as good, as far as can be told.</summary>
    public bool MayGain(in BatchAccesses accesses, int workers)
    {
        ulong work = 0;
        foreach (uint cost in accesses.Costs)
        {
            work += cost;
        }

        ulong graph = ((ulong)accesses.TxCount * limits.GraphPerTransaction) + ((ulong)accesses.Keys.Length * limits.GraphPerAccess);
        ulong gain = work - (work / (ulong)workers);
        return accesses.TxCount > 1 && work >= limits.Wake && gain > graph && !IsSampleSerial(in accesses);
    }

    private bool IsSampleSerial(in BatchAccesses accesses)
    {
        int wanted = Math.Clamp(accesses.TxCount / SampleShare, SampleMin, SampleMax);
        int step = accesses.TxCount / wanted;
        if (step < 2)
        {
            return false;                   // the graph of so few is no dearer than a sample
        }

        if (_keys.Length < accesses.KeyCount)
        {
            _keys = new KeyTime[Math.Max(accesses.KeyCount, _keys.Length * 2)];
        }

        int first = _random.Next(step);
        ulong work = 0;
        ulong span = 0;
        for (int tx = first; tx < accesses.TxCount; tx += step)
        {
            ulong start = 0;
            for (int access = accesses.Offsets[tx]; access < accesses.Offsets[tx + 1]; access++)
            {
                start = Math.Max(start, _keys[accesses.Keys[access]].Turn(accesses.Modes[access]));
            }

            ulong finish = start + accesses.Costs[tx];
            for (int access = accesses.Offsets[tx]; access < accesses.Offsets[tx + 1]; access++)
            {
                ref KeyTime key = ref _keys[accesses.Keys[access]];
                key.Latest = Math.Max(key.Latest, finish);
            }

            work += accesses.Costs[tx];
            span = Math.Max(span, finish);
        }

        for (int tx = first; tx < accesses.TxCount; tx += step)
        {
            for (int access = accesses.Offsets[tx]; access < accesses.Offsets[tx + 1]; access++)
            {
                _keys[accesses.Keys[access]] = default;
            }
        }

        return work * 1_000 < span * SerialPermille;
    }

    // As in WorkSpan. Base: everything before the open group; Latest: the open group so far.
    private struct KeyTime
    {
        public ulong Latest;
        private ulong _base;
        private OpenGroup _open;

        public ulong Turn(AccessMode mode)
        {
            if (_open.BeginsWith(mode))
            {
                _base = Latest;
            }

            return _base;
        }
    }
}

/// <summary>What decides whether there is something to gain; `bench scheduler` measures each (rows `limit.*`).</summary>
/// <param name="Wake">Work that is done before a parked thread has woken up.</param>
/// <param name="GraphPerTransaction">Building and draining the graph, for each transaction.</param>
/// <param name="GraphPerAccess">The same for each declared key.</param>
public readonly record struct GateLimits(ulong Wake, ulong GraphPerTransaction, ulong GraphPerAccess);
