// How long a transaction will probably take, in gas of 2.5 ns: what its entry used lately beyond the intrinsic gas, and what the run does
// around every transaction. Intrinsic gas is left out because it pays for bytes, signatures and records, which
// cost their time elsewhere. It decides how work is cut and ordered, never what comes out of it.
//
// A batch counts as its mean: samples are sums, so the estimate after it is the same for any number of workers.
//
// Threading: workers sum under their own numbers; the engine's thread learns, and nobody estimates meanwhile.

using System;
using ParallelVm.Executor;

namespace ParallelVm.Engine;

internal sealed class CostModel
{
    private const int Places = 256;
    private const int Weight = 4;               // a new batch counts one fourth
    private const ulong UnknownGas = 750;
    private const ulong EngineGas = 10;         // 25 ns: between `bench scheduler` limit.engine (one key) and five keys

    private readonly ulong[] _average = new ulong[Places];      // two entries that share a place only blur the estimate

    public uint Estimate(Message message)
    {
        ulong average = _average[PlaceOf(message)];
        return (uint)Math.Min(average != 0 ? average : UnknownGas, uint.MaxValue);
    }

    /// <summary>Takes the samples of all workers and clears them.</summary>
    public void Learn(ReadOnlySpan<Samples> workers)
    {
        for (int place = 0; place < Places; place++)
        {
            ulong sum = 0;
            ulong count = 0;
            foreach (Samples samples in workers)
            {
                samples.Take(place, ref sum, ref count);
            }

            if (count != 0)
            {
                ref ulong average = ref _average[place];
                average = average == 0 ? sum / count : average - (average / Weight) + (sum / count / Weight);
            }
        }
    }

    private static int PlaceOf(Message message) =>
        (int)((message.Program.CodeHash.W0 + ((ulong)message.EntryIndex * 0x9E3779B97F4A7C15)) >> 56);

    /// <summary>Gas that one worker saw used, by place.</summary>
    public sealed class Samples
    {
        private readonly ulong[] _sum = new ulong[Places];
        private readonly uint[] _count = new uint[Places];

        public void Add(Message message, ulong gasUsed)
        {
            int place = PlaceOf(message);
            _sum[place] += gasUsed - message.IntrinsicGas + EngineGas;      // at most 2^40 each: 2^23 transactions fit
            _count[place]++;
        }

        public void Take(int place, ref ulong sum, ref ulong count)
        {
            sum += _sum[place];
            count += _count[place];
            _sum[place] = 0;
            _count[place] = 0;
        }
    }
}
