// The clock of a load's chain: the date is virtual and moves only when the driver says so, which makes block ids a
// function of the seed; durations are real.

using System;
using System.Threading;

namespace ParallelVm.Loadtest.Drive;

/// <summary>A date that is set by hand, over real timestamps.</summary>
internal sealed class LoadClock : TimeProvider
{
    private long _nowMs;

    /// <summary>Sets the date, in milliseconds since 1970.</summary>
    public void Set(ulong nowMs) => Volatile.Write(ref _nowMs, (long)nowMs);

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Volatile.Read(ref _nowMs));
}
