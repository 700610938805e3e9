// Why a batch takes as long as it does: the critical path with the key on every edge, how many transactions run at each
// moment, and which keys make the span. WorkSpan says how long; this says because of whom.
//
//   path     t4 --key 7--> t9 --key 7--> t30 --key 2--> t31      each starts at the moment the one before it ends
//   busy     [ 12 12 9 3 1 1 1 ... ]                              running time per slice of the span, on endless workers
//   keys     on path 412, alone 410, saves 380                    see KeyHeat
//
// Invariants
//   A1  the costs along the path add up to the span; its first transaction waits for nobody
//   A2  two neighbours of the path declare the key between them, in modes that conflict
//   A3  OnPath over all keys, and the cost of the path's last transaction, add up to the span
//   A4  the slices add up to the work
//
// Method: WorkSpan's forward pass, with who set each time beside the time. A key that is not on the path saves nothing
// when it is taken away, because the path stays; so what a key saves is measured for path keys only, one pass each.
//
// Cost: O(accesses x (2 + keys measured)); allocates its results. For reports and RPC, not for the way of a block.
// Threading: pure; the result is immutable.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>One transaction of the critical path.</summary>
/// <param name="Tx">Its place in the batch.</param>
/// <param name="Start">When it starts on endless workers; the sum of the costs before it on the path.</param>
/// <param name="Cost">Its cost.</param>
/// <param name="Key">Dense key that it waits for the step before it with; -1 for the first.</param>
/// <param name="Mode">How it declares that key.</param>
public readonly record struct PathStep(int Tx, ulong Start, uint Cost, int Key, AccessMode Mode);

/// <summary>What one key does to the span.</summary>
/// <param name="Key">Dense key.</param>
/// <param name="OnPath">Cost of the path's transactions that were waited for with this key: its part of the span (A3).</param>
/// <param name="Alone">The span if this were the only key: its own chain of waits.</param>
/// <param name="Saves">By how much the span shrinks without this key; 0 when it was not measured.</param>
/// <param name="Reads">Transactions that read it.</param>
/// <param name="Writes">Transactions that write it.</param>
/// <param name="Adds">Transactions that add to it.</param>
public readonly record struct KeyHeat(int Key, ulong OnPath, ulong Alone, ulong Saves, int Reads, int Writes, int Adds);

/// <summary>The explained shape of a batch.</summary>
public sealed class ConflictAnalysis
{
    private const int None = -1;

    private readonly PathStep[] _path;
    private readonly KeyHeat[] _keys;
    private readonly ulong[] _busy;
    private readonly ulong[] _starts;

    private ConflictAnalysis(WorkSpan shape, PathStep[] path, KeyHeat[] keys, ulong[] busy, ulong sliceLength, ulong[] starts)
    {
        Shape = shape;
        _path = path;
        _keys = keys;
        _busy = busy;
        SliceLength = sliceLength;
        _starts = starts;
    }

    /// <summary>Work, span, levels and width.</summary>
    public WorkSpan Shape { get; }

    /// <summary>The most expensive chain of waits, in the order of time (A1, A2). Of several, the one whose last transaction is first in the batch.</summary>
    public ReadOnlySpan<PathStep> CriticalPath => _path;

    /// <summary>The hottest keys: those on the path by their part of it, then the others by their own chain; equal ones by key.</summary>
    public ReadOnlySpan<KeyHeat> HottestKeys => _keys;

    /// <summary>Running time in each slice of the span (A4); divided by <see cref="SliceLength"/> it is how many run at once.</summary>
    public ReadOnlySpan<ulong> Busy => _busy;

    /// <summary>Length of a slice; the last one may reach beyond the span. At least 1.</summary>
    public ulong SliceLength { get; }

    /// <summary>When each transaction starts on endless workers.</summary>
    public ReadOnlySpan<ulong> Starts => _starts;

    /// <summary>Analyses a batch at its own costs.</summary>
    /// <param name="accesses">The batch.</param>
    /// <param name="keyMax">Most keys reported, and most that are measured without; at least 0.</param>
    /// <param name="sliceMax">Most slices of time, at least 1.</param>
    public static ConflictAnalysis Of(in BatchAccesses accesses, int keyMax = 16, int sliceMax = 64)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(keyMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(sliceMax, 1);
        KeyClock[] clocks = new KeyClock[accesses.KeyCount];
        ulong[] starts = new ulong[accesses.TxCount];
        Wait[] waits = new Wait[accesses.TxCount];
        ulong span = Forward(in accesses, None, clocks, starts, waits);
        WorkSpan shape = WorkSpan.Measure(in accesses);
        Invariant.Require(shape.Span == span);
        PathStep[] path = PathOf(in accesses, span, starts, waits);
        ulong sliceLength = Math.Max(1, (span + (ulong)sliceMax - 1) / (ulong)sliceMax);
        ulong[] busy = BusyOf(in accesses, span, sliceLength, starts);
        KeyHeat[] keys = KeysOf(in accesses, span, path, keyMax, clocks);
        return new ConflictAnalysis(shape, path, keys, busy, sliceLength, starts);
    }

    // Returns the span. With starts and waits of length 0 nothing but the span is kept; the key `ignored` conflicts with nothing.
    private static ulong Forward(in BatchAccesses accesses, int ignored, Span<KeyClock> clocks, Span<ulong> starts, Span<Wait> waits)
    {
        clocks.Fill(new KeyClock { BaseTx = None, LatestTx = None });
        ulong span = 0;
        for (int tx = 0; tx < accesses.TxCount; tx++)
        {
            int end = accesses.Offsets[tx + 1];
            ulong start = 0;
            Wait wait = new(None, None);
            for (int access = accesses.Offsets[tx]; access < end; access++)
            {
                int key = accesses.Keys[access];
                ref KeyClock clock = ref clocks[key];
                clock.Turn(accesses.Modes[access]);
                if (key != ignored && clock.BaseTx != None && (clock.Base > start || wait.Access == None))
                {
                    start = clock.Base;
                    wait = new Wait(clock.BaseTx, access);
                }
            }

            ulong finish = start + accesses.Costs[tx];
            for (int access = accesses.Offsets[tx]; access < end; access++)
            {
                clocks[accesses.Keys[access]].Reach(finish, tx);
            }

            span = Math.Max(span, finish);
            if (starts.Length != 0)
            {
                starts[tx] = start;
                waits[tx] = wait;
            }
        }

        return span;
    }

    private static PathStep[] PathOf(in BatchAccesses accesses, ulong span, ReadOnlySpan<ulong> starts, ReadOnlySpan<Wait> waits)
    {
        int last = None;
        for (int tx = 0; tx < starts.Length && last == None; tx++)
        {
            last = starts[tx] + accesses.Costs[tx] == span ? tx : None;
        }

        int length = 0;
        for (int tx = last; tx != None; tx = waits[tx].Tx)
        {
            length++;
        }

        PathStep[] path = new PathStep[length];
        for (int tx = last; tx != None; tx = waits[tx].Tx)
        {
            int access = waits[tx].Access;
            path[--length] = new PathStep(
                tx, starts[tx], accesses.Costs[tx], access == None ? None : accesses.Keys[access], access == None ? default : accesses.Modes[access]);
        }

        return path;
    }

    private static ulong[] BusyOf(in BatchAccesses accesses, ulong span, ulong sliceLength, ReadOnlySpan<ulong> starts)
    {
        ulong[] busy = new ulong[(span + sliceLength - 1) / sliceLength];
        for (int tx = 0; tx < starts.Length; tx++)
        {
            ulong at = starts[tx];
            ulong finish = at + accesses.Costs[tx];
            while (at < finish)
            {
                ulong sliceEnd = Math.Min(finish, ((at / sliceLength) + 1) * sliceLength);
                busy[at / sliceLength] += sliceEnd - at;
                at = sliceEnd;
            }
        }

        return busy;
    }

    private static KeyHeat[] KeysOf(in BatchAccesses accesses, ulong span, PathStep[] path, int keyMax, Span<KeyClock> clocks)
    {
        KeyHeat[] heats = new KeyHeat[accesses.KeyCount];
        for (int key = 0; key < heats.Length; key++)
        {
            heats[key] = new KeyHeat(key, 0, 0, 0, 0, 0, 0);
        }

        MeasureAlone(in accesses, heats, clocks);
        bool[] isOnPath = new bool[heats.Length];           // a transaction that costs nothing puts its key there, too
        for (int step = 1; step < path.Length; step++)
        {
            isOnPath[path[step].Key] = true;
            ref KeyHeat heat = ref heats[path[step].Key];
            heat = heat with { OnPath = heat.OnPath + path[step - 1].Cost };        // A3
        }

        Array.Sort(heats, static (a, b) =>
            a.OnPath != b.OnPath ? b.OnPath.CompareTo(a.OnPath)
            : a.Alone != b.Alone ? b.Alone.CompareTo(a.Alone)
            : a.Key.CompareTo(b.Key));
        KeyHeat[] hottest = heats[..Math.Min(keyMax, heats.Length)];
        for (int i = 0; i < hottest.Length; i++)
        {
            if (isOnPath[hottest[i].Key])
            {
                ulong without = Forward(in accesses, hottest[i].Key, clocks, default, default);
                hottest[i] = hottest[i] with { Saves = span - without };
            }
        }

        return hottest;
    }

    // Each key's own chain, all keys in one pass: what its clock shows when nothing else makes anybody wait.
    private static void MeasureAlone(in BatchAccesses accesses, Span<KeyHeat> heats, Span<KeyClock> clocks)
    {
        clocks.Fill(new KeyClock { BaseTx = None, LatestTx = None });
        for (int tx = 0; tx < accesses.TxCount; tx++)
        {
            for (int access = accesses.Offsets[tx]; access < accesses.Offsets[tx + 1]; access++)
            {
                AccessMode mode = accesses.Modes[access];
                ref KeyClock clock = ref clocks[accesses.Keys[access]];
                ref KeyHeat heat = ref heats[accesses.Keys[access]];
                clock.Turn(mode);
                clock.Reach(clock.Base + accesses.Costs[tx], tx);
                heat = mode switch
                {
                    AccessMode.Read => heat with { Alone = clock.Latest, Reads = heat.Reads + 1 },
                    AccessMode.Write => heat with { Alone = clock.Latest, Writes = heat.Writes + 1 },
                    _ => heat with { Alone = clock.Latest, Adds = heat.Adds + 1 },
                };
            }
        }
    }

    // Whom a transaction waits for longest, and with which of its accesses.
    private readonly record struct Wait(int Tx, int Access);

    // WorkSpan's clock of one key, and who set it. Base: everything before the open group; Latest: the open group so far.
    private struct KeyClock
    {
        public ulong Base;
        public int BaseTx;
        public ulong Latest;
        public int LatestTx;
        private OpenGroup _open;

        public void Turn(AccessMode mode)
        {
            if (_open.BeginsWith(mode))
            {
                Base = Latest;
                BaseTx = LatestTx;
            }
        }

        public void Reach(ulong finish, int tx)
        {
            if (LatestTx == None || finish > Latest)
            {
                Latest = finish;
                LatestTx = tx;
            }
        }
    }
}
