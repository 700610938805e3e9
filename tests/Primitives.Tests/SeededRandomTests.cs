// The generator's sequence is part of every recorded seed, so it is pinned.

namespace ParallelVm.Primitives.Tests;

public class SeededRandomTests
{
    // Made by a second implementation, in Python, from the published definitions.
    [Fact]
    public void The_sequence_of_a_seed_never_changes()
    {
        Pin(0, [0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c, 0xbba5ad4a1f842e59], 0x106cc086a735b699);
        Pin(1, [0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514, 0x642e1c7bc266a3a7, 0xb27a48e29a233673], 0x889789125cf45a03);
        Pin(20260, [0xee3b3a9165ec0093, 0xc973a056796dc854, 0x82dec79a0c90265b, 0x700521da6638fede, 0xe895de4f799ac494], 0x2d98ee97af043949);
        SeededRandom random = new(42);
        foreach (int expected in new[] { 8, 37, 68, 92, 99, 76, 71, 85, 76, 58, 68, 29 })
        {
            Assert.Equal(expected, random.Next(100));
        }
    }

    private static void Pin(ulong seed, ulong[] sequence, ulong fork3)
    {
        SeededRandom random = new(seed);
        foreach (ulong expected in sequence)
        {
            Assert.Equal(expected, random.NextU64());
        }

        Assert.Equal(fork3, random.Fork(3).NextU64());
    }
}
