// May this touch happen? A scope is what a running transaction is held to: its access list seen through its
// slot table. Slot s of the called entry names access slotTable[s]; two slots may name the same access.

using System;

namespace ParallelVm.AccessLists;

/// <summary>A transaction's access list seen through its slot table.</summary>
public readonly ref struct Scope
{
    private readonly ReadOnlySpan<Access> _accesses;
    private readonly ReadOnlySpan<ushort> _slots;

    /// <summary>A scope over a list and a slot table; every slot names an access of the list.</summary>
    public Scope(ReadOnlySpan<Access> accesses, ReadOnlySpan<ushort> slots)
    {
        _accesses = accesses;
        _slots = slots;
    }

    /// <summary>Slots that the transaction bound.</summary>
    public int SlotCount => _slots.Length;

    /// <summary>The access that a slot names; the slot is in [0, SlotCount).</summary>
    public int AccessOf(int slot) => _slots[slot];

    /// <summary>
    /// True when <paramref name="slot"/> may be used in mode <paramref name="used"/> by the program at index
    /// <paramref name="program"/> of the transaction's program table: the declared mode covers it, and
    /// only the owner writes or adds (anyone reads).
    /// </summary>
    public bool Allows(int slot, AccessMode used, byte program)
    {
        if ((uint)slot >= (uint)_slots.Length)
        {
            return false;
        }

        ref readonly Access access = ref _accesses[_slots[slot]];
        return AccessModes.Covers(access.Mode, used) && (used == AccessMode.Read || access.ProgramIndex == program);
    }
}
