// How much a transaction will probably cost, in gas: what its entry used lately, at most its limit. It decides how work
// is cut and ordered, never what comes out of it.
//
// Threading: the engine's thread.

using System;
using ParallelVm.Executor;

namespace ParallelVm.Engine;

internal sealed class CostModel
{
    private const int Places = 256;
    private const int Weight = 8;               // a new sample counts one eighth
    private const ulong UnknownExecutionGas = 500;

    private readonly ulong[] _average = new ulong[Places];      // two entries that share a place only blur the estimate

    public uint Estimate(Message message)
    {
        ulong average = _average[PlaceOf(message)];
        ulong expected = average != 0 ? average : message.IntrinsicGas + UnknownExecutionGas;
        return (uint)Math.Clamp(Math.Min(expected, message.GasLimit), 1, uint.MaxValue);
    }

    public void Learn(Message message, ulong gasUsed)
    {
        ref ulong average = ref _average[PlaceOf(message)];
        average = average == 0 ? gasUsed : average - (average / Weight) + (gasUsed / Weight);
    }

    private static int PlaceOf(Message message) =>
        (int)((message.Program.CodeHash.W0 + ((ulong)message.EntryIndex * 0x9E3779B97F4A7C15)) >> 56);
}
