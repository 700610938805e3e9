// The slowest gas there is: of all blocks full of one opcode, on the worst operands found, the one that runs at the fewest
// Mgas/s, near the caches or far from them; each the least of runs that lie apart. What a block may hold is bounded by it: gas limit / floor is the longest that a block can take.
//
// Threading: the caller's thread.   Cost: the search once, then some milliseconds per opcode and measurement.

using System.Collections.Generic;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>Measures single-opcode blocks.</summary>
internal sealed class GasFloor
{
    private const ulong Seed = 1;
    private const int Runs = 9;

    private List<WorstCase>? _cases;
    private List<ReachProbe>? _reaches;

    /// <summary>Mgas/s of the slowest.</summary>
    public double Measure()
    {
        _cases ??= OpcodeSearch.All(Seed, static _ => { });
        _reaches ??= ReachProbe.All();
        double[] times = CalibrateJob.MeasureInTurn(_cases.ConvertAll(static worst => worst.Program), Runs);
        double floor = double.MaxValue;
        for (int i = 0; i < times.Length; i++)
        {
            floor = double.Min(floor, _cases[i].Program.Gas * 1_000 / times[i]);
        }

        foreach (ReachProbe reach in _reaches)
        {
            floor = double.Min(floor, reach.Gas * 1_000 / reach.Time(Runs));
        }

        return floor;
    }
}
