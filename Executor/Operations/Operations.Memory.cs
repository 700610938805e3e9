// Memory: an address is cell + immediate in 64 bits, and a cell beyond 2^32-1 is outside memory, so no address wraps.
// A bound is checked before alignment.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    public static TrapCode Ld1(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryLoad(machine, f, w, 1, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            f[A(w)] = bytes[0];
        }

        return trap;
    }

    public static TrapCode Ld2(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryLoad(machine, f, w, 2, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            f[A(w)] = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        }

        return trap;
    }

    public static TrapCode Ld4(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryLoad(machine, f, w, 4, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            f[A(w)] = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        }

        return trap;
    }

    public static TrapCode Ld8(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryLoad(machine, f, w, 8, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            f[A(w)] = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        }

        return trap;
    }

    public static TrapCode Ldq(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryLoad(machine, f, w, 32, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            Cells.SetQuad(f + A(w), bytes);
        }

        return trap;
    }

    public static TrapCode St1(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryStore(machine, f, w, 1, out Span<byte> bytes);
        if (trap == TrapCode.None)
        {
            bytes[0] = (byte)f[A(w)];
        }

        return trap;
    }

    public static TrapCode St2(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryStore(machine, f, w, 2, out Span<byte> bytes);
        if (trap == TrapCode.None)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)f[A(w)]);
        }

        return trap;
    }

    public static TrapCode St4(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryStore(machine, f, w, 4, out Span<byte> bytes);
        if (trap == TrapCode.None)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)f[A(w)]);
        }

        return trap;
    }

    public static TrapCode St8(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryStore(machine, f, w, 8, out Span<byte> bytes);
        if (trap == TrapCode.None)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, f[A(w)]);
        }

        return trap;
    }

    public static TrapCode Stq(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryStore(machine, f, w, 32, out Span<byte> bytes);
        if (trap == TrapCode.None)
        {
            Cells.GetQuad(f + A(w), bytes);
        }

        return trap;
    }

    public static TrapCode Mcpy(Machine machine, ulong* f, ulong w)
    {
        ulong length = f[C(w)];
        if (!machine.TryCharge(length, machine.Prices.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        MachineMemory memory = machine.Active.Memory;
        if (!memory.TryWrite(f[A(w)], length, out Span<byte> target) || !memory.TryRead(f[B(w)], length, out ReadOnlySpan<byte> source))
        {
            return TrapCode.MemoryBound;
        }

        source.CopyTo(target);
        return TrapCode.None;
    }

    public static TrapCode Mset(Machine machine, ulong* f, ulong w)
    {
        ulong length = f[C(w)];
        if (!machine.TryCharge(length, machine.Prices.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        if (!machine.Active.Memory.TryWrite(f[A(w)], length, out Span<byte> target))
        {
            return TrapCode.MemoryBound;
        }

        target.Fill((byte)f[B(w)]);
        return TrapCode.None;
    }

    public static TrapCode Mcmp(Machine machine, ulong* f, ulong w)
    {
        ulong length = f[D(w)];
        if (!machine.TryCharge(length, machine.Prices.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        MachineMemory memory = machine.Active.Memory;
        if (!memory.TryRead(f[B(w)], length, out ReadOnlySpan<byte> first) || !memory.TryRead(f[C(w)], length, out ReadOnlySpan<byte> second))
        {
            return TrapCode.MemoryBound;
        }

        f[A(w)] = (ulong)Math.Sign(first.SequenceCompareTo(second));
        return TrapCode.None;
    }

    public static TrapCode Mgrow(Machine machine, ulong* f, ulong w)
    {
        ulong pages = f[B(w)];
        if (!machine.Active.Memory.CanGrow(pages))
        {
            return TrapCode.Limit;
        }

        if (!machine.TryTake(pages * machine.Prices.Page))
        {
            return TrapCode.OutOfGas;
        }

        f[A(w)] = machine.Grow((int)pages);
        return TrapCode.None;
    }

    public static TrapCode Keccak(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryReadRun(machine, f[B(w)], f[C(w)], machine.Prices.KeccakWord, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            Cells.SetQuad(f + A(w), Keccak256.Hash(bytes));
        }

        return trap;
    }

    public static TrapCode Sha256(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryReadRun(machine, f[B(w)], f[C(w)], machine.Prices.Sha256Word, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            Cells.SetQuad(f + A(w), Primitives.Sha256.Hash(bytes));
        }

        return trap;
    }

    public static TrapCode Blake3(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryReadRun(machine, f[B(w)], f[C(w)], machine.Prices.Blake3Word, out ReadOnlySpan<byte> bytes);
        if (trap == TrapCode.None)
        {
            Cells.SetQuad(f + A(w), Primitives.Blake3.Hash(bytes));
        }

        return trap;
    }

    private static TrapCode TryLoad(Machine machine, ulong* f, ulong w, ulong size, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        ulong address = f[B(w)] + Imm(w);
        if (f[B(w)] > uint.MaxValue || !machine.Active.Memory.TryRead(address, size, out bytes))
        {
            return TrapCode.MemoryBound;
        }

        return (address & (Math.Min(size, 8) - 1)) == 0 ? TrapCode.None : TrapCode.Align;
    }

    private static TrapCode TryStore(Machine machine, ulong* f, ulong w, ulong size, out Span<byte> bytes)
    {
        bytes = default;
        ulong address = f[B(w)] + Imm(w);
        if (f[B(w)] > uint.MaxValue || !machine.Active.Memory.TryWrite(address, size, out bytes))
        {
            return TrapCode.MemoryBound;
        }

        return (address & (Math.Min(size, 8) - 1)) == 0 ? TrapCode.None : TrapCode.Align;
    }

    // charge for a length, then read it
    private static TrapCode TryReadRun(Machine machine, ulong address, ulong length, ulong price, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!machine.TryCharge(length, price))
        {
            return TrapCode.OutOfGas;
        }

        return machine.Active.Memory.TryRead(address, length, out bytes) ? TrapCode.None : TrapCode.MemoryBound;
    }
}
