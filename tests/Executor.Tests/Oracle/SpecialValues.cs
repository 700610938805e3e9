// Operands at which arithmetic and bounds go wrong: around powers of two and ten, the Goldilocks prime, roots of 2^64,
// signed limits, and the edges of mapped memory.

using System.Collections.Generic;

namespace ParallelVm.Executor.Oracle;

internal static class SpecialValues
{
    /// <summary>Where DATA starts.</summary>
    public const ulong Data = 0x1000;

    /// <summary>Where the heap starts.</summary>
    public const ulong Heap = 0x100_0000;

    /// <summary>The Goldilocks prime 2^64 - 2^32 + 1.</summary>
    public const ulong P = 0xFFFF_FFFF_0000_0001;

    /// <summary>Sixty-four words, the plainest first.</summary>
    public static readonly ulong[] Words =
    [
        0, 1, 2, ulong.MaxValue, 1UL << 63, (1UL << 63) - 1, 1UL << 32, uint.MaxValue, P, P - 1, 10, 64, Heap, Data, 3, 7,
        63, 65, 31, 32, 33, 100, 127, 128, 255, 256, 10_000, 65_535, 65_536, 1_000_000, 100_000_000, 1_000_000_000,
        (1UL << 31) - 1, 1UL << 31, (1UL << 31) + 1, (1UL << 32) + 1, (1UL << 48) - 1, 1UL << 48, (1UL << 62) - 1, 1UL << 62,
        (1UL << 63) + 1, (1UL << 62) + 1, ulong.MaxValue - 1, P + 1, P - 2, 0xFFFF_FFFE_0000_0001, 0xFFFF_FFFE_0000_0000, 0xFFFF_FFFF_0000_0000,
        1_000_000_000_000_000_000, 10_000_000_000_000_000_000, 0xAAAA_AAAA_AAAA_AAAA, 0x5555_5555_5555_5555, 0x0123_4567_89AB_CDEF, 0xB504_F333, 0xB504_F334, 1UL << 20,
        Heap - 1, Heap + 8, Heap + 4064, Heap + 4088, Heap + 4096, Data + 8, Data + 33, (1UL << 20) + 1,
    ];

    /// <summary>Sixty-four 128-bit numbers as low and high words.</summary>
    public static readonly (ulong Low, ulong High)[] Pairs = MakePairs();

    private static (ulong Low, ulong High)[] MakePairs()
    {
        List<(ulong, ulong)> pairs = [];
        for (int high = 0; high < 8; high++)
        {
            for (int low = 0; low < 8; low++)
            {
                pairs.Add((Words[low], Words[high]));
            }
        }

        return [.. pairs];
    }
}
