// What a program may know of its transaction and block, and what it says: arguments, signers, events, return data.
//
// Arguments are the transaction's and belong to the called program; a program that it calls has its arguments in cells, and none here.

using System;
using System.Buffers.Binary;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    public static TrapCode Ctx(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = (ContextId)Imm(w) switch
        {
            ContextId.Height => machine.Context.Height.Value,
            ContextId.TimestampMs => machine.Context.TimestampMs,
            ContextId.BaseFee => machine.Context.BaseFee,
            ContextId.Fork => machine.Context.Fork,
            ContextId.SlotCount => (ulong)machine.Active.Entry.SlotModes.Length,
            ContextId.ArgumentLength => (ulong)machine.Arguments.Length,
            _ => (ulong)machine.Message.Signers.Length,
        };
        return TrapCode.None;
    }

    public static TrapCode Caller(Machine machine, ulong* f, ulong w)
    {
        Cells.SetQuad(f + A(w), machine.Active.Caller);
        return TrapCode.None;
    }

    public static TrapCode Self(Machine machine, ulong* f, ulong w)
    {
        Cells.SetQuad(f + A(w), machine.Active.Program.Value);
        return TrapCode.None;
    }

    public static TrapCode Chain(Machine machine, ulong* f, ulong w)
    {
        Cells.SetQuad(f + A(w), machine.Context.Chain.Value);
        return TrapCode.None;
    }

    public static TrapCode Signer(Machine machine, ulong* f, ulong w)
    {
        if (Imm(w) >= (uint)machine.Message.Signers.Length)
        {
            return TrapCode.BadArgument;
        }

        Cells.SetQuad(f + A(w), machine.Message.Signers[Imm(w)].Value);
        return TrapCode.None;
    }

    public static TrapCode Arg(Machine machine, ulong* f, ulong w)
    {
        if (!TrySlice(machine.Arguments, Imm(w), 8, out ReadOnlySpan<byte> word))
        {
            return TrapCode.BadArgument;
        }

        f[A(w)] = BinaryPrimitives.ReadUInt64LittleEndian(word);
        return TrapCode.None;
    }

    public static TrapCode Argq(Machine machine, ulong* f, ulong w)
    {
        if (!TrySlice(machine.Arguments, Imm(w), 32, out ReadOnlySpan<byte> quad))
        {
            return TrapCode.BadArgument;
        }

        Cells.SetQuad(f + A(w), quad);
        return TrapCode.None;
    }

    public static TrapCode Argcpy(Machine machine, ulong* f, ulong w)
    {
        ulong length = f[C(w)];
        if (!machine.TryCharge(length, machine.Prices.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        if (!TrySlice(machine.Arguments, f[B(w)], length, out ReadOnlySpan<byte> source))
        {
            return TrapCode.BadArgument;
        }

        if (!machine.Active.Memory.TryWrite(f[A(w)], length, out Span<byte> target))
        {
            return TrapCode.MemoryBound;
        }

        source.CopyTo(target);
        return TrapCode.None;
    }

    public static TrapCode Emit(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryReadRun(machine, f[A(w)], f[B(w)], machine.Prices.OutputWord, out ReadOnlySpan<byte> bytes);
        return trap != TrapCode.None ? trap : machine.Emit(Imm(w), bytes) ? TrapCode.None : TrapCode.Limit;
    }

    public static TrapCode Retd(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = TryReadRun(machine, f[A(w)], f[B(w)], machine.Prices.OutputWord, out ReadOnlySpan<byte> bytes);
        return trap != TrapCode.None ? trap : machine.Return(bytes) ? TrapCode.None : TrapCode.Limit;
    }

    private static bool TrySlice(ReadOnlySpan<byte> bytes, ulong offset, ulong length, out ReadOnlySpan<byte> slice)
    {
        bool inside = offset <= (ulong)bytes.Length && length <= (ulong)bytes.Length - offset;
        slice = inside ? bytes.Slice((int)offset, (int)length) : default;
        return inside;
    }
}
