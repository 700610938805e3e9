// What a receipt of UndeclaredAccess is about: it holds a slot and a mode; this says which record that is.
//
// Threading: pure.

using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>An access that a transaction lacked.</summary>
/// <param name="Slot">Slot of the called entry; for the system program the place of the record among those that its arguments name.</param>
/// <param name="Key">The record's local key; null when the transaction binds nothing to the slot.</param>
/// <param name="Program">Owner that the transaction says; the called program for a slot that it does not bind.</param>
/// <param name="Needed">The mode that was needed.</param>
/// <param name="Declared">The mode that the transaction declares; null when the record is not in its access list.</param>
public readonly record struct UndeclaredAccess(int Slot, LocalKey? Key, ProgramId Program, AccessMode Needed, AccessMode? Declared)
{
    /// <summary>What a transaction lacked.</summary>
    /// <returns>Null when it ended otherwise.</returns>
    public static UndeclaredAccess? Of(Transaction transaction, in Outcome outcome)
    {
        System.ArgumentNullException.ThrowIfNull(transaction);
        if (outcome.Code != (ushort)TrapCode.UndeclaredAccess || outcome.MissingSlot < 0)
        {
            return null;
        }

        ProgramId called = transaction.Programs[0];
        if (called != ProgramId.System && outcome.MissingSlot < transaction.SlotTable.Length)
        {
            Access bound = transaction.Accesses[transaction.SlotTable[outcome.MissingSlot]];
            return new UndeclaredAccess(outcome.MissingSlot, bound.Key, transaction.Programs[bound.ProgramIndex], outcome.MissingMode, bound.Mode);
        }

        BoundSlot[] named = called == ProgramId.System ? SystemKeys.Of(transaction.Payer, transaction.Selector, transaction.Arguments.Span) : [];
        if (outcome.MissingSlot >= named.Length)
        {
            return new UndeclaredAccess(outcome.MissingSlot, null, called, outcome.MissingMode, null);
        }

        LocalKey key = named[outcome.MissingSlot].Key;
        int declared = transaction.Accesses.IndexOf(0, key);
        return new UndeclaredAccess(outcome.MissingSlot, key, called, outcome.MissingMode, declared < 0 ? null : transaction.Accesses[declared].Mode);
    }
}
