// Which slots a function can touch, and how: four bit sets over the 512 slots that a container allows, and one over call sites.
// Joined up the call graph, compared with each entry's declared slots.
//
// A program writes and adds to its own records only; a slot whose records belong to another program can be read, named, and handed
// to that program by a call site. So no call can widen what its caller was given.
//
// Threading: owned by one verification.   Cost: a join is 36 word operations; an entry's check at most 2048 slots and 4096 mapped ones.

using System.Numerics;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

internal sealed class SlotUse
{
    private const int Words = Container.MaxSlots / 64;
    private const int SiteRow = 4 * Words;

    // rows: read, write, add, named only; then sites
    private readonly ulong[] _bits = new ulong[SiteRow + (Container.MaxSites / 64)];

    /// <summary>Notes a use; the slot is below <see cref="Container.MaxSlots"/>.</summary>
    public void Note(OperandKind kind, uint slot)
    {
        int row = kind switch
        {
            OperandKind.ReadSlot or OperandKind.ReadArray => 0,
            OperandKind.WriteSlot or OperandKind.WriteArray => 1,
            OperandKind.AddSlot => 2,
            _ => 3,
        };
        _bits[(row * Words) + (int)(slot >> 6)] |= 1UL << (int)(slot & 63);
    }

    /// <summary>Notes a call site.</summary>
    public void NoteSite(uint site) => _bits[SiteRow + (int)(site >> 6)] |= 1UL << (int)(site & 63);

    /// <summary>Takes over the uses of a callee.</summary>
    public void Join(SlotUse callee)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            _bits[i] |= callee._bits[i];
        }
    }

    /// <summary>Refuses a slot that the entry lacks, or a use that its declared mode or owner does not cover.</summary>
    public Refusal CheckAgainst(Container container, ContainerEntry entry)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            for (ulong bits = _bits[i]; bits != 0; bits &= bits - 1)
            {
                int bit = BitOperations.TrailingZeroCount(bits);
                Refusal refusal = i < SiteRow
                    ? CheckSlot(entry, ((i % Words) * 64) + bit, i / Words)
                    : CheckSite(container, entry, ((i - SiteRow) * 64) + bit);
                if (refusal.IsRefused)
                {
                    return refusal;
                }
            }
        }

        return Refusal.None;
    }

    private static Refusal CheckSlot(ContainerEntry entry, int slot, int row)
    {
        if (slot >= entry.SlotModes.Length)
        {
            return new Refusal(
                RefusalCode.SlotNotAllowed, $"Entry {entry.Selector:x8} can reach slot {slot} but has {entry.SlotModes.Length} slots.");
        }

        bool isOwn = row is 0 or 3 || OwnerOf(entry.SlotOwners, slot) == 0;
        return isOwn && (row == 3 || AccessModes.Covers(entry.SlotModes[slot], (AccessMode)row))
            ? Refusal.None
            : new Refusal(
                RefusalCode.SlotNotAllowed,
                $"Entry {entry.Selector:x8} can use slot {slot} in mode {(AccessMode)row} but declares {entry.SlotModes[slot]} of owner {OwnerOf(entry.SlotOwners, slot)}.");
    }

    private static Refusal CheckSite(Container container, ContainerEntry entry, int index)
    {
        ContainerSite site = container.Sites[index];
        ContainerImport import = container.Imports[site.Import];
        for (int i = 0; i < site.Slots.Length; i++)
        {
            int slot = site.Slots[i];
            AccessMode needed = import.SlotModes[i];
            int owner = OwnerOf(import.SlotOwners, i);
            bool isCovered = slot < entry.SlotModes.Length
                && AccessModes.Covers(entry.SlotModes[slot], needed)
                && (needed == AccessMode.Read || OwnerOf(entry.SlotOwners, slot) == (owner == 0 ? import.Program + 1 : owner));
            if (!isCovered)
            {
                return new Refusal(
                    RefusalCode.SlotNotAllowed,
                    $"Site {index} hands slot {slot} of entry {entry.Selector:x8} over in mode {needed}, which the entry's mode or owner does not cover.");
            }
        }

        return Refusal.None;
    }

    private static int OwnerOf(byte[] owners, int slot) => owners.Length == 0 ? 0 : owners[slot];
}
