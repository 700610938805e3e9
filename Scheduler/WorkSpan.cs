// How parallel a batch is, from its accesses alone: work is the sum of the costs, span is the longest chain of waits.
// No schedule on any number of workers finishes before max(work / workers, span), so the two are the ceiling that
// a measured speed-up is read against.
//
// Method: one forward pass. Per key it keeps when the last writer (or the group before the open one) is done, and the
// latest finish inside the open group of readers or adders. A transaction starts when its latest key lets it.
// This does not use the graph: graph and levels are each other's check.
//
// Cost: O(accesses), arrays from the shared pool.   Threading: pure.

using System;
using System.Buffers;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>Work, span and shape of a batch.</summary>
/// <param name="Work">Sum of all costs.</param>
/// <param name="Span">Cost of the most expensive chain of waits; the finish time on unlimited workers.</param>
/// <param name="Levels">Longest chain of waits counted in transactions (the span at unit cost), 0 for an empty batch.</param>
/// <param name="Width">The most transactions on one level: how many could run at once if all cost the same.</param>
public readonly record struct WorkSpan(ulong Work, ulong Span, int Levels, int Width)
{
    /// <summary>Work divided by span in thousandths: the speed-up that unlimited workers could reach. 1000 when there is nothing to do.</summary>
    public ulong CeilingPermille => Span == 0 ? 1000 : (ulong)((UInt128)Work * 1000 / Span);

    /// <summary>Measures a batch at its own costs.</summary>
    public static WorkSpan Measure(in BatchAccesses accesses) => Measure(in accesses, accesses.Costs);

    /// <summary>Measures a batch at other costs, such as measured ones.</summary>
    /// <param name="accesses">The batch; its own costs are not looked at.</param>
    /// <param name="costs">One per transaction.</param>
    public static WorkSpan Measure(in BatchAccesses accesses, ReadOnlySpan<uint> costs)
    {
        Invariant.Require(costs.Length == accesses.TxCount);
        KeyLevel[] rentedLevels = ArrayPool<KeyLevel>.Shared.Rent(Math.Max(1, accesses.KeyCount));
        int[] rentedWidths = ArrayPool<int>.Shared.Rent(accesses.TxCount + 1);
        Span<KeyLevel> levels = rentedLevels.AsSpan(0, accesses.KeyCount);
        Span<int> widths = rentedWidths.AsSpan(0, accesses.TxCount + 1);
        levels.Clear();
        widths.Clear();
        WorkSpan result = Measure(in accesses, costs, levels, widths);
        ArrayPool<int>.Shared.Return(rentedWidths);
        ArrayPool<KeyLevel>.Shared.Return(rentedLevels);
        return result;
    }

    private static WorkSpan Measure(in BatchAccesses accesses, ReadOnlySpan<uint> costs, Span<KeyLevel> keys, Span<int> widths)
    {
        ulong work = 0;
        ulong span = 0;
        int levelMax = 0;
        int widthMax = 0;
        for (int tx = 0; tx < costs.Length; tx++)
        {
            ulong start = 0;
            int level = 0;
            int end = accesses.Offsets[tx + 1];
            for (int access = accesses.Offsets[tx]; access < end; access++)
            {
                ref KeyLevel key = ref keys[accesses.Keys[access]];
                key.Turn(accesses.Modes[access]);
                start = Math.Max(start, key.Base);
                level = Math.Max(level, key.BaseLevel);
            }

            ulong finish = start + costs[tx];
            level++;
            for (int access = accesses.Offsets[tx]; access < end; access++)
            {
                ref KeyLevel key = ref keys[accesses.Keys[access]];
                key.Latest = Math.Max(key.Latest, finish);
                key.LatestLevel = Math.Max(key.LatestLevel, level);
            }

            work += costs[tx];
            span = Math.Max(span, finish);
            levelMax = Math.Max(levelMax, level);
            widthMax = Math.Max(widthMax, ++widths[level]);
        }

        return new WorkSpan(work, span, levelMax, widthMax);
    }

    // One key's place in time. Base: when everything before the open group is done; Latest: when the open group is.
    private struct KeyLevel
    {
        public ulong Base;
        public ulong Latest;
        public int BaseLevel;
        public int LatestLevel;
        private OpenGroup _open;

        public void Turn(AccessMode mode)
        {
            if (_open.BeginsWith(mode))
            {
                Base = Latest;
                BaseLevel = LatestLevel;
            }
        }
    }
}
