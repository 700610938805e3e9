// The three modes: the conflict table, what covers what, and that joining is the least cover.


namespace ParallelVm.AccessLists.Tests;

public sealed class AccessModeTests
{
    private static readonly AccessMode[] All = [AccessMode.Read, AccessMode.Write, AccessMode.Add];

    [Theory]
    [InlineData(AccessMode.Read, AccessMode.Read, false)]
    [InlineData(AccessMode.Read, AccessMode.Write, true)]
    [InlineData(AccessMode.Read, AccessMode.Add, true)]
    [InlineData(AccessMode.Write, AccessMode.Write, true)]
    [InlineData(AccessMode.Write, AccessMode.Add, true)]
    [InlineData(AccessMode.Add, AccessMode.Add, false)]
    public void Conflict_table_is_symmetric_and_as_written(AccessMode first, AccessMode second, bool conflicts)
    {
        Assert.Equal(conflicts, AccessModes.Conflicts(first, second));
        Assert.Equal(conflicts, AccessModes.Conflicts(second, first));
    }

    [Fact]
    public void Write_covers_everything_and_the_others_only_themselves()
    {
        foreach (AccessMode declared in All)
        {
            foreach (AccessMode used in All)
            {
                Assert.Equal(declared == AccessMode.Write || declared == used, AccessModes.Covers(declared, used));
            }
        }
    }

    [Fact]
    public void Join_is_the_least_mode_that_covers_both()
    {
        foreach (AccessMode first in All)
        {
            foreach (AccessMode second in All)
            {
                AccessMode joined = AccessModes.Join(first, second);
                Assert.True(AccessModes.Covers(joined, first) && AccessModes.Covers(joined, second));
                Assert.Equal(joined, AccessModes.Join(second, first));
                foreach (AccessMode other in All)
                {
                    if (AccessModes.Covers(other, first) && AccessModes.Covers(other, second))
                    {
                        Assert.True(AccessModes.Covers(other, joined));
                    }
                }
            }
        }
    }

    // A mode that covers another conflicts with everything the other conflicts with: declaring more never races.
    [Fact]
    public void A_covering_mode_keeps_every_conflict()
    {
        foreach (AccessMode declared in All)
        {
            foreach (AccessMode used in All)
            {
                foreach (AccessMode other in All)
                {
                    if (AccessModes.Covers(declared, used) && AccessModes.Conflicts(used, other))
                    {
                        Assert.True(AccessModes.Conflicts(declared, other));
                    }
                }
            }
        }
    }

    [Fact]
    public void Only_three_bytes_are_modes()
    {
        for (int value = 0; value < 256; value++)
        {
            Assert.Equal(value < 3, AccessModes.IsDefined((byte)value));
        }
    }
}
