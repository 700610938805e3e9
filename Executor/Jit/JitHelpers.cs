// What compiled code calls beside Operations, with operands in registers instead of the frame. NoInlining: the .NET compiler's time goes
// into what it inlines.
//
// Threading: the machine's.

using System;
using System.Runtime.CompilerServices;

namespace ParallelVm.Executor.Jit;

internal static class JitHelpers
{
    /// <summary>Revert code of an ABORT, shifted left by 32 or'ed with the place.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong AbortStatus(ulong value, int place) =>
        (Math.Min(Math.Min(value, ushort.MaxValue) + (ulong)TrapCode.UserBase, ushort.MaxValue) << 32) | (uint)place;

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
