// May this touch happen? The whole table: declared mode x used mode x who asks, through a slot table with aliases.

using ParallelVm.Primitives;

namespace ParallelVm.AccessLists.Tests;

public sealed class ScopeTests
{
    private static readonly AccessMode[] All = [AccessMode.Read, AccessMode.Write, AccessMode.Add];

    [Fact]
    public void A_touch_is_allowed_iff_the_mode_covers_it_and_only_the_owner_changes_anything()
    {
        foreach (AccessMode declared in All)
        {
            foreach (AccessMode used in All)
            {
                foreach (byte owner in new byte[] { 0, 1 })
                {
                    Access[] accesses = [new(owner, default, declared)];
                    Scope scope = new(accesses, [0]);
                    bool covers = declared == AccessMode.Write || declared == used;
                    bool mayChange = used == AccessMode.Read || owner == 0;
                    Assert.True(scope.Allows(0, used, 0) == (covers && mayChange), $"declared {declared}, used {used}, owner {owner}");
                }
            }
        }
    }

    [Fact]
    public void Two_slots_may_name_one_access()
    {
        Access[] accesses = [new(0, default, AccessMode.Read), new(0, new LocalKey(new Bytes32(0, 0, 0, 1)), AccessMode.Write)];
        Scope scope = new(accesses, [1, 1, 0]);
        Assert.Equal(3, scope.SlotCount);
        Assert.Equal(scope.AccessOf(0), scope.AccessOf(1));
        Assert.True(scope.Allows(0, AccessMode.Write, 0) && scope.Allows(1, AccessMode.Write, 0));
        Assert.False(scope.Allows(2, AccessMode.Write, 0));
    }

    [Fact]
    public void A_slot_outside_the_table_is_not_allowed_anything()
    {
        Access[] accesses = [new(0, default, AccessMode.Write)];
        Scope scope = new(accesses, [0]);
        foreach (AccessMode used in All)
        {
            Assert.False(scope.Allows(1, used, 0));
            Assert.False(scope.Allows(-1, used, 0));
            Assert.False(scope.Allows(int.MaxValue, used, 0));
        }
    }
}
