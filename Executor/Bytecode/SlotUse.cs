// Which slots a function can touch, and how: four bit sets over the 512 slots that a container allows.
// Joined up the call graph, compared with each entry's declared modes.
//
// Threading: owned by one verification.   Cost: a join is 32 word operations.

using System.Numerics;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

internal sealed class SlotUse
{
    private const int Words = Container.MaxSlots / 64;

    // rows: read, write, add, named only
    private readonly ulong[] _bits = new ulong[4 * Words];

    /// <summary>Notes a use; the slot is below <see cref="Container.MaxSlots"/>.</summary>
    public void Note(OperandKind kind, uint slot)
    {
        int row = kind switch { OperandKind.ReadSlot => 0, OperandKind.WriteSlot => 1, OperandKind.AddSlot => 2, _ => 3 };
        _bits[(row * Words) + (int)(slot >> 6)] |= 1UL << (int)(slot & 63);
    }

    /// <summary>Takes over the uses of a callee.</summary>
    public void Join(SlotUse callee)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            _bits[i] |= callee._bits[i];
        }
    }

    /// <summary>Refuses a slot that the entry lacks, or a use that its declared mode does not cover.</summary>
    public Refusal CheckAgainst(ContainerEntry entry)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            for (ulong bits = _bits[i]; bits != 0; bits &= bits - 1)
            {
                int slot = ((i % Words) * 64) + BitOperations.TrailingZeroCount(bits);
                if (slot >= entry.SlotModes.Length)
                {
                    return new Refusal(
                        RefusalCode.SlotNotAllowed, $"Entry {entry.Selector:x8} can reach slot {slot} but has {entry.SlotModes.Length} slots.");
                }

                int row = i / Words;
                if (row < 3 && !AccessModes.Covers(entry.SlotModes[slot], (AccessMode)row))
                {
                    return new Refusal(
                        RefusalCode.SlotNotAllowed,
                        $"Entry {entry.Selector:x8} can use slot {slot} in mode {(AccessMode)row} but declares {entry.SlotModes[slot]}.");
                }
            }
        }

        return Refusal.None;
    }
}
