// A call of a reference program, said the way an author thinks of it: entry, arguments, and for each slot the
// record it names and the mode it needs. Bind turns the slots into what a transaction carries: the canonical access
// list (sorted, no key twice, modes joined) and the slot table that leads from a slot back to its access.
//
//   slots        0: alice Write   1: alice Add   2: pool Write
//   accesses     0: alice Write   1: pool Write            (sorted by key; Write covers Add)
//   slot table   [0, 0, 1]
//
// Threading: immutable after construction.   Cost: Bind sorts, O(n log n) in the number of slots.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>The record that a slot names, under the called program, and the mode that its entry needs.</summary>
/// <param name="Key">Key below the called program.</param>
/// <param name="Mode">Mode that the entry declares for the slot.</param>
public readonly record struct SlotBinding(LocalKey Key, AccessMode Mode);

/// <summary>One call of a program, without its sender, fees and signatures.</summary>
/// <remarks>The arrays are owned by the call; nobody writes to them after construction.</remarks>
/// <param name="Selector">Entry of the program.</param>
/// <param name="Arguments">Arguments in the entry's layout.</param>
/// <param name="Slots">Slot by slot, in the entry's order.</param>
public sealed record ProgramCall(uint Selector, byte[] Arguments, SlotBinding[] Slots)
{
    /// <summary>Makes the access list and the slot table of a transaction, in the one-byte form of the wire.</summary>
    /// <param name="accesses">Canonical: ascending, no key twice, all under program index 0.</param>
    /// <param name="slotTable">Slot -> index into <paramref name="accesses"/>.</param>
    /// <exception cref="InvalidOperationException">More than 256 distinct keys; take <see cref="BindWide"/>.</exception>
    public void Bind(out Access[] accesses, out byte[] slotTable)
    {
        BindWide(out accesses, out ushort[] wide);
        if (accesses.Length > byte.MaxValue + 1)
        {
            throw new InvalidOperationException($"{accesses.Length} distinct keys do not fit a slot table of bytes.");
        }

        slotTable = new byte[wide.Length];
        for (int slot = 0; slot < wide.Length; slot++)
        {
            slotTable[slot] = (byte)wide[slot];
        }
    }

    /// <summary>As <see cref="Bind"/>, with the wide slot table that a message holds; for replays of up to 512 slots.</summary>
    public void BindWide(out Access[] accesses, out ushort[] slotTable)
    {
        Access[] declared = new Access[Slots.Length];
        for (int slot = 0; slot < declared.Length; slot++)
        {
            declared[slot] = new Access(0, Slots[slot].Key, Slots[slot].Mode);
        }

        accesses = AccessList.Normalise(declared);
        slotTable = new ushort[declared.Length];
        for (int slot = 0; slot < declared.Length; slot++)
        {
            slotTable[slot] = (ushort)Array.BinarySearch(accesses, declared[slot]);     // by key: the mode does not take part
        }
    }
}
