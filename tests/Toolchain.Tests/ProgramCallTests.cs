// Bind: what a transaction carries says the same as the slots.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class ProgramCallTests
{
    [Theory, InlineData(3UL), InlineData(44UL)]
    public void Bound_accesses_are_canonical_and_cover_every_slot_with_the_weakest_mode(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 500; round++)
        {
            SlotBinding[] slots = new SlotBinding[random.Next(12)];
            for (int i = 0; i < slots.Length; i++)
            {
                slots[i] = new SlotBinding(new LocalKey(new Bytes32((ulong)random.Next(5), 0, 0, 0)), (AccessMode)random.Next(3));
            }

            new ProgramCall(1, [], slots).Bind(out Access[] accesses, out byte[] slotTable);
            Assert.Equal(slots.Length, slotTable.Length);
            Assert.True(AccessList.TryCreate(accesses, 1, out _, out Refusal refusal), refusal.ToString());
            for (int a = 0; a < accesses.Length; a++)
            {
                bool isUsed = false;
                AccessMode weakest = default;
                for (int slot = 0; slot < slots.Length; slot++)
                {
                    if (slotTable[slot] != a)
                    {
                        continue;
                    }

                    Assert.Equal(slots[slot].Key, accesses[a].Key);
                    weakest = isUsed ? AccessModes.Join(weakest, slots[slot].Mode) : slots[slot].Mode;
                    isUsed = true;
                }

                Assert.True(isUsed, $"seed {seed} round {round}: access {a} is nobody's");
                Assert.Equal(weakest, accesses[a].Mode);
            }
        }
    }

    [Fact]
    public void Slot_table_of_bytes_holds_256_keys_and_the_wide_one_holds_more()
    {
        SlotBinding[] slots = new SlotBinding[300];
        for (int i = 0; i < slots.Length; i++)
        {
            slots[i] = new SlotBinding(new LocalKey(new Bytes32((ulong)(299 - i), 0, 0, 0)), AccessMode.Write);
        }

        ProgramCall wide = new(1, [], slots);
        Assert.Throws<InvalidOperationException>(() => wide.Bind(out _, out _));
        wide.BindWide(out Access[] accesses, out ushort[] slotTable);
        Assert.Equal(300, accesses.Length);
        Assert.Equal(299, slotTable[0]);
        new ProgramCall(1, [], slots[..256]).Bind(out accesses, out byte[] narrow);
        Assert.Equal(256, accesses.Length);
        Assert.Equal(255, narrow[0]);
    }

    [Fact]
    public void Pool_and_balance_records_decode_to_what_was_encoded()
    {
        PoolRecord pool = new(new Bytes32(1, 2, 3, 4), new Bytes32(5, 6, 7, 8), 9, ulong.MaxValue, 10, 30);
        byte[] bytes = pool.Encode();
        Assert.Equal(PoolRecord.Size, bytes.Length);
        Assert.True(PoolRecord.TryDecode(bytes, out PoolRecord decoded));
        Assert.Equal(pool, decoded);
        Assert.False(PoolRecord.TryDecode(bytes.AsSpan(0, 96), out _));
        bytes[96]++;
        Assert.False(PoolRecord.TryDecode(bytes, out _));

        Assert.Equal(UInt128.MaxValue - 5, BalanceRecord.Decode(BalanceRecord.Encode(UInt128.MaxValue - 5)));
        Assert.Equal((UInt128)0x0201, BalanceRecord.Decode([1, 2]));
        Assert.Equal((UInt128)0, BalanceRecord.Decode([]));
    }
}
