// A program for replays of recorded access lists: it does the least real work a given shape of accesses can mean. Each
// Write slot's first word is loaded, incremented modulo 2^64 and stored; to each Add slot's accumulator 1 is added. Records
// that are missing come to be. Slots are numbered writes first, then adds.
//
// Up to 512 slots, which a verifier allows only with raised limits.   Cost: O(slots) to assemble.   Threading: none shared.

using System;
using System.Globalization;
using System.Text;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Programs that touch a given number of records.</summary>
public static class TouchProgram
{
    /// <summary>Selector of the only entry.</summary>
    public const uint Selector = 1;

    /// <summary>The container for a shape.</summary>
    /// <param name="writes">Slots that are loaded, incremented and stored, at least 0.</param>
    /// <param name="adds">Slots that are added to, at least 0.</param>
    /// <param name="reads">Slots that are only loaded, at least 0; at most 512 slots together.</param>
    public static byte[] Assemble(int writes, int adds, int reads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(writes);
        ArgumentOutOfRangeException.ThrowIfNegative(adds);
        ArgumentOutOfRangeException.ThrowIfNegative(reads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)writes + adds + reads, Container.MaxSlots, nameof(adds));
        StringBuilder source = new();
        source.Append(CultureInfo.InvariantCulture, $".entry touch selector {Selector}\n");
        for (int slot = 0; slot < writes + adds + reads; slot++)
        {
            string mode = slot < writes ? "Write" : slot < writes + adds ? "Add" : "Read";
            source.Append(CultureInfo.InvariantCulture, $".slot s{slot} {mode}\n");
        }

        source.Append(".func touch cells 4\n.cell value r0\n.cell one r2\n.cell one_high r3\n    ldi one, 1\n    ldi one_high, 0\n");
        for (int slot = 0; slot < writes; slot++)
        {
            source.Append(CultureInfo.InvariantCulture, $"    sld8 value, s{slot}, 0\n    wadd value, value, one\n    sst8 s{slot}, 0, value\n");
        }

        for (int slot = writes; slot < writes + adds; slot++)
        {
            source.Append(CultureInfo.InvariantCulture, $"    sacc s{slot}, 0, one\n");
        }

        for (int slot = writes + adds; slot < writes + adds + reads; slot++)
        {
            source.Append(CultureInfo.InvariantCulture, $"    sld8 value, s{slot}, 0\n");
        }

        source.Append("    halt\n");
        bool assembled = Assembler.TryAssemble(source.ToString(), out byte[] container, out Refusal refusal);
        return assembled ? container : throw new InvariantException($"A touch program does not assemble: {refusal}");
    }

    /// <summary>A call that binds one record to each slot.</summary>
    public static ProgramCall Call(ReadOnlySpan<LocalKey> writes, ReadOnlySpan<LocalKey> adds, ReadOnlySpan<LocalKey> reads = default)
    {
        SlotBinding[] slots = new SlotBinding[writes.Length + adds.Length + reads.Length];
        int added = writes.Length + adds.Length;
        for (int i = 0; i < slots.Length; i++)
        {
            slots[i] = i < writes.Length ? new SlotBinding(writes[i], AccessMode.Write)
                : i < added ? new SlotBinding(adds[i - writes.Length], AccessMode.Add)
                : new SlotBinding(reads[i - added], AccessMode.Read);
        }

        return new ProgramCall(Selector, [], slots);
    }
}
