// What compiled code calls beside Operations, with operands in registers instead of the frame. NoInlining: the .NET compiler's time goes
// into what it inlines.
//
// Threading: the machine's.

using System;
using System.Runtime.CompilerServices;

namespace ParallelVm.Executor.Jit;

internal static class JitHelpers
{
    /// <summary>Ends a compiled function and with it the run.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Stop(Machine machine, ulong gas, int code, int place)
    {
        machine.Gas = gas;
        machine.Place = place;
        return code;
    }

    /// <summary>Revert code of an ABORT.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int AbortCode(ulong value) =>
        (int)Math.Min(Math.Min(value, ushort.MaxValue) + (ulong)TrapCode.UserBase, ushort.MaxValue);

    /// <summary>SLD8: the immediate holds slot and offset.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong SlotWord(Machine machine, uint imm) => Operations.ReadWord(machine.Active.Records[(ushort)imm], (int)(imm >> 16));

    /// <summary>SEXIST.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong SlotExists(Machine machine, uint imm) => machine.Active.Records[(ushort)imm].Exists ? 1UL : 0;

    /// <summary>SLEN.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong SlotLength(Machine machine, uint imm) => (ulong)machine.Active.Records[(ushort)imm].Length;

    /// <summary>MULHI where the processor has no instruction that .NET names.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong MultiplyHigh(ulong b, ulong c) => Math.BigMul(b, c, out _);
}
