// Arithmetic on frame cells. The laws are Arithmetic's; here operands are only fetched and results stored, and nothing is stored at a trap.
//
// Optimized from the first call: a contract's first transactions count too.

using System;
using System.Runtime.CompilerServices;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode MulDiv(Machine machine, ulong* f, ulong w)
    {
        ulong high = Math.BigMul(f[B(w)], f[C(w)], out ulong low);
        return Store(f + A(w), Arithmetic.Divide(high, low, f[D(w)], M(w), out ulong result), result);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode MulScale(Machine machine, ulong* f, ulong w)
    {
        ulong high = Math.BigMul(f[B(w)], f[C(w)], out ulong low);
        return Store(f + A(w), Arithmetic.Divide(high, low, Arithmetic.PowerOfTen(D(w)), M(w), out ulong result), result);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Sqrt(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = Arithmetic.Sqrt(f[B(w)], M(w) == 1);
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Mulsh(Machine machine, ulong* f, ulong w) =>
        Store(f + A(w), Arithmetic.MulShift(f[B(w)], f[C(w)], D(w), M(w), out ulong result), result);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Divsh(Machine machine, ulong* f, ulong w) =>
        Store(f + A(w), Arithmetic.DivShift(f[B(w)], f[C(w)], D(w), M(w), out ulong result), result);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Dmuld(Machine machine, ulong* f, ulong w)
    {
        if (!Arithmetic.TryMul(Cells.Pair(f + B(w)), Cells.Pair(f + C(w)), out UInt128 product))
        {
            return TrapCode.Overflow;
        }

        Cells.SetPair(f + A(w), product);
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Ddiv(Machine machine, ulong* f, ulong w)
    {
        UInt128 divisor = Cells.Pair(f + C(w));
        if (divisor == 0)
        {
            return TrapCode.DivideByZero;
        }

        Cells.SetPair(f + A(w), Cells.Pair(f + B(w)) / divisor);
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode DmulDiv(Machine machine, ulong* f, ulong w)
    {
        TrapCode trap = Arithmetic.MulDiv(Cells.Pair(f + B(w)), Cells.Pair(f + C(w)), Cells.Pair(f + D(w)), M(w), out UInt128 result);
        if (trap == TrapCode.None)
        {
            Cells.SetPair(f + A(w), result);
        }

        return trap;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Dsqrt(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = Arithmetic.Sqrt(Cells.Pair(f + B(w)));
        return TrapCode.None;
    }

    private static TrapCode Store(ulong* cell, TrapCode trap, ulong result)
    {
        if (trap == TrapCode.None)
        {
            *cell = result;
        }

        return trap;
    }
}
