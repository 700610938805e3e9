// One worker or all of them, by what the last batches took. Whether a second worker is worth its place is not a matter of the batch alone: while the node checks the
// signatures of what comes next, or somebody else has the machine, there is no core for it, and a batch that waits for a helper without a core takes longer than the
// plain loop does. Nobody can tell that from a batch; but the clock can.
//
//   settled   batches run one way; the median of the last few says what a unit of gas takes
//   look      three batches in a row the other way; if their median is better by a twentieth, that becomes the way
//   when      after 16 batches, after a look that changed nothing twice as many, at most 128; after 16 when what is settled takes a third more than it did
//
// So a wrong choice costs until the next look, and looking costs three batches of 128. Batches that are over before a thread wakes say nothing.
// Without a clock that moves there is never a look: all workers.
//
// No result depends on it.   Threading: one caller at a time.   Cost: a sort of five numbers per batch.

using System;

namespace ParallelVm.Engine;

/// <summary>Chooses how many workers a host's batches get.</summary>
public sealed class WorkerTrial
{
    /// <summary>Batches between two looks, at first.</summary>
    public const int LookAfterMin = 16;

    /// <summary>Batches between two looks, at most.</summary>
    public const int LookAfterMax = 128;

    /// <summary>Batches of a look.</summary>
    public const int LookBatches = 3;

    private const int RecentBatches = 5;
    private const long TellingNs = 100_000;
    private const ulong Scale = 1 << 20;

    private readonly ulong[] _recent = new ulong[RecentBatches];
    private readonly ulong[] _look = new ulong[LookBatches];
    private readonly ulong[] _sorted = new ulong[RecentBatches];
    private int _nextRecent;
    private int _recentCount;
    private int _lookCount;
    private int _lookAfter = LookAfterMin;
    private int _sinceLook;
    private ulong _settled;
    private bool _isAlone;
    private bool _isLooking;

    /// <summary>Workers for the next batch.</summary>
    /// <param name="atMost">How many there are, at least 1.</param>
    /// <returns>1 or <paramref name="atMost"/>.</returns>
    public int Choose(int atMost) => _isAlone != _isLooking ? 1 : atMost;

    /// <summary>Says what the batch took that was last chosen for.</summary>
    /// <param name="gas">What it used.</param>
    /// <param name="ns">From its first pass to its root.</param>
    public void Report(ulong gas, long ns)
    {
        if (ns < TellingNs || gas == 0)
        {
            return;
        }

        ulong rate = (ulong)UInt128.Min(ulong.MaxValue, (UInt128)(ulong)ns * Scale / gas);
        if (_isLooking)
        {
            _look[_lookCount++] = rate;
            if (_lookCount == LookBatches)
            {
                EndLook();
            }

            return;
        }

        _recent[_nextRecent] = rate;
        _nextRecent = (_nextRecent + 1) % RecentBatches;
        _recentCount = Math.Min(_recentCount + 1, RecentBatches);
        _sinceLook++;
        bool isWorse = _settled != 0 && (UInt128)Median(_recent) * 3 > (UInt128)_settled * 4;
        if (_recentCount == RecentBatches && (_sinceLook >= _lookAfter || (isWorse && _sinceLook >= LookAfterMin)))
        {
            _lookAfter = isWorse ? LookAfterMin : _lookAfter;
            _isLooking = true;
            _lookCount = 0;
        }
    }

    private void EndLook()
    {
        ulong present = Median(_recent);
        ulong other = Median(_look);
        bool isBetter = (UInt128)other * 20 < (UInt128)present * 19;
        if (isBetter)
        {
            _isAlone = !_isAlone;
            _recentCount = 0;
            _lookAfter = LookAfterMin;
        }
        else
        {
            _lookAfter = Math.Min(2 * _lookAfter, LookAfterMax);
        }

        _settled = isBetter ? other : present;
        _sinceLook = 0;
        _isLooking = false;
    }

    private ulong Median(ReadOnlySpan<ulong> rates)
    {
        Span<ulong> sorted = _sorted.AsSpan(0, rates.Length);
        rates.CopyTo(sorted);
        sorted.Sort();
        return sorted[rates.Length / 2];
    }
}
