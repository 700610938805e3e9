// State by slot. Reads go to the record; every write opens it through the journal first, so that a failure can take it back (N1).
// A slot that is declared Add is only added to, and its record stays untouched here (N2).

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    public static TrapCode Sld8(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = ReadWord(machine.Active.Records[Low(w)], High(w));
        return TrapCode.None;
    }

    public static TrapCode Sldq(Machine machine, ulong* f, ulong w)
    {
        Record record = machine.Active.Records[Low(w)];
        ulong* cell = f + A(w);
        ReadOnlySpan<byte> value = record.Value;
        if (High(w) + 32 <= value.Length)
        {
            Cells.SetQuad(cell, value[High(w)..]);
            return TrapCode.None;
        }

        for (int i = 0; i < 4; i++)
        {
            cell[i] = ReadWord(record, High(w) + (8 * i));
        }

        return TrapCode.None;
    }

    public static TrapCode Sst8(Machine machine, ulong* f, ulong w)
    {
        if (!TryOpen(machine, Low(w), High(w) + 8, out Span<byte> value))
        {
            return TrapCode.OutOfGas;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(value[High(w)..], f[A(w)]);
        return TrapCode.None;
    }

    public static TrapCode Sstq(Machine machine, ulong* f, ulong w)
    {
        if (!TryOpen(machine, Low(w), High(w) + 32, out Span<byte> value))
        {
            return TrapCode.OutOfGas;
        }

        Cells.GetQuad(f + A(w), value[High(w)..]);
        return TrapCode.None;
    }

    public static TrapCode Sldx(Machine machine, ulong* f, ulong w)
    {
        if (f[B(w)] >= (ulong)C(w))
        {
            return TrapCode.SlotBound;
        }

        f[A(w)] = ReadWord(machine.Active.Records[Low(w) + (int)f[B(w)]], High(w));
        return TrapCode.None;
    }

    public static TrapCode Sstx(Machine machine, ulong* f, ulong w)
    {
        if (f[B(w)] >= (ulong)C(w))
        {
            return TrapCode.SlotBound;
        }

        if (!TryOpen(machine, Low(w) + (int)f[B(w)], High(w) + 8, out Span<byte> value))
        {
            return TrapCode.OutOfGas;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(value[High(w)..], f[A(w)]);
        return TrapCode.None;
    }

    public static TrapCode Sacc(Machine machine, ulong* f, ulong w)
    {
        int access = machine.Active.Slots[Low(w)];
        UInt128 amount = Cells.Pair(f + B(w));
        if (machine.Message.Accesses[access].Mode == AccessMode.Add)
        {
            machine.Journal.Add(access, amount);                            // N2
            return TrapCode.None;
        }

        if (!TryOpen(machine, Low(w), 16, out _))                           // a declared Add has paid for the record, a Write has not
        {
            return TrapCode.OutOfGas;
        }

        machine.Active.Records[Low(w)].Accumulate(amount);
        return TrapCode.None;
    }

    public static TrapCode Snew(Machine machine, ulong* f, ulong w)
    {
        if (machine.Active.Records[Low(w)].Exists)
        {
            return TrapCode.Schema;
        }

        return TryOpen(machine, Low(w), High(w), out _) ? TrapCode.None : TrapCode.OutOfGas;
    }

    public static TrapCode Sdel(Machine machine, ulong* f, ulong w)
    {
        Record record = machine.Active.Records[Low(w)];
        if (!record.Exists)
        {
            return TrapCode.Schema;
        }

        machine.Journal.Touch(machine.Active.Slots[Low(w)], record);
        record.Remove();
        return TrapCode.None;
    }

    public static TrapCode Sexist(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = machine.Active.Records[Low(w)].Exists ? 1UL : 0;
        return TrapCode.None;
    }

    public static TrapCode Slen(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = (ulong)machine.Active.Records[Low(w)].Length;
        return TrapCode.None;
    }

    public static TrapCode Scpy(Machine machine, ulong* f, ulong w)
    {
        (ulong address, ulong offset, ulong length) = (f[A(w)], f[B(w)], f[C(w)]);
        if (!machine.TryCharge(length, machine.Prices.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        if (offset > 4096 || length > 4096 - offset)
        {
            return TrapCode.SlotBound;
        }

        if (High(w) != 0)
        {
            if (!machine.Active.Memory.TryRead(address, length, out ReadOnlySpan<byte> source))
            {
                return TrapCode.MemoryBound;
            }

            if (!TryOpen(machine, Low(w), (int)(offset + length), out Span<byte> record))
            {
                return TrapCode.OutOfGas;
            }

            source.CopyTo(record[(int)offset..]);
            return TrapCode.None;
        }

        if (!machine.Active.Memory.TryWrite(address, length, out Span<byte> target))
        {
            return TrapCode.MemoryBound;
        }

        ReadOnlySpan<byte> value = machine.Active.Records[Low(w)].Value;
        value = value[Math.Min((int)offset, value.Length)..];
        value = value[..Math.Min(value.Length, (int)length)];
        value.CopyTo(target);
        target[value.Length..].Clear();
        return TrapCode.None;
    }

    public static TrapCode Skey(Machine machine, ulong* f, ulong w)
    {
        Cells.SetQuad(f + A(w), machine.Message.Accesses[machine.Active.Slots[Low(w)]].Key.Value);
        return TrapCode.None;
    }

    public static TrapCode Sown(Machine machine, ulong* f, ulong w)
    {
        byte owner = machine.Message.Accesses[machine.Active.Slots[Low(w)]].ProgramIndex;
        Cells.SetQuad(f + A(w), machine.Message.Programs[owner].Value);
        return TrapCode.None;
    }

    /// <summary>The 8 bytes of a record at an offset, little-endian; bytes beyond its length are zero.</summary>
    public static ulong ReadWord(Record record, int offset)
    {
        ReadOnlySpan<byte> value = record.Value;
        return offset + 8 <= value.Length ? BinaryPrimitives.ReadUInt64LittleEndian(value[offset..]) : ReadTail(value, offset);
    }

    private static ulong ReadTail(ReadOnlySpan<byte> value, int offset)
    {
        Span<byte> padded = stackalloc byte[8];
        padded.Clear();
        value[Math.Min(offset, value.Length)..].CopyTo(padded);
        return BinaryPrimitives.ReadUInt64LittleEndian(padded);
    }

    // The record of a slot, writable, existing and at least that long; false when the gas does not cover what is new.
    private static bool TryOpen(Machine machine, int slot, int length, out Span<byte> value)
    {
        Record record = machine.Active.Records[slot];
        GasPrices prices = machine.Prices;
        ulong charge = (record.Exists ? 0 : prices.NewRecord) + ((ulong)Math.Max(0, length - record.Length) * prices.NewByte);
        if (!machine.TryTake(charge))
        {
            value = default;
            return false;
        }

        machine.Journal.Touch(machine.Active.Slots[slot], record);          // N1
        value = record.Grow(length);
        return true;
    }
}
