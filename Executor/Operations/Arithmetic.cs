// The arithmetic that is more than one machine instruction: fixed point, roots, 256-bit products. Pure functions, integers only;
// the interpreter and every later engine call the same ones.
//
// Each returns the trap it raises, TrapCode.None when there is none. Order of traps: zero divisor, quotient too large,
// remainder in exact mode.   Cost: noted where it is not constant.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Executor;

/// <summary>Integer arithmetic with stated rounding.</summary>
internal static class Arithmetic
{
    private static readonly ulong[] PowersOfTen = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

    /// <summary>10^k for the scales of MULSCALE.</summary>
    public static ulong PowerOfTen(int exponent) => PowersOfTen[exponent];

    /// <summary>b * c / d over the 128-bit product. Law: traps Overflow iff the high word of b * c is at least d, or rounding up leaves 64 bits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static TrapCode MulDiv(ulong b, ulong c, ulong d, int mode, out ulong result)
    {
        ulong high = Math.BigMul(b, c, out ulong low);
        return Divide(high, low, d, mode, out result);
    }

    /// <summary>b * c / 2^s over the 128-bit product, s in [0, 64]. Law: traps Overflow iff the floor, or rounding it up, leaves 64 bits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static TrapCode MulShift(ulong b, ulong c, int shift, int mode, out ulong result)
    {
        ulong high = Math.BigMul(b, c, out ulong low);
        UInt128 quotient = new UInt128(high, low) >> shift;
        UInt128 unit = UInt128.One << shift;
        result = (ulong)quotient;
        if (quotient > ulong.MaxValue)
        {
            return TrapCode.Overflow;
        }

        return Round(new UInt128(high, low) & (unit - 1), unit, mode, ref result);
    }

    /// <summary>b * 2^s / c, s in [0, 64]. Law: that of <see cref="MulDiv(ulong, ulong, ulong, int, out ulong)"/> with 2^s for a factor.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static TrapCode DivShift(ulong b, ulong c, int shift, int mode, out ulong result)
    {
        UInt128 dividend = (UInt128)b << shift;
        return Divide((ulong)(dividend >> 64), (ulong)dividend, c, mode, out result);
    }

    /// <summary>128 by 64 bits, rounded: the body of <see cref="MulDiv(ulong, ulong, ulong, int, out ulong)"/>, inlined into those that are called for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TrapCode Divide(ulong high, ulong low, ulong divisor, int mode, out ulong result)
    {
        result = 0;
        if (divisor == 0)
        {
            return TrapCode.DivideByZero;
        }

        if (high >= divisor)
        {
            return TrapCode.Overflow;
        }

        ulong remainder;
        if (high == 0)
        {
            (result, remainder) = Math.DivRem(low, divisor);
        }
        else if (X86Base.X64.IsSupported)
        {
#pragma warning disable SYSLIB5004 // the method may change its name, the instruction will not; the plain division below is held against it
            (result, remainder) = X86Base.X64.DivRem(low, high, divisor);       // the quotient fits, so it cannot fault
#pragma warning restore SYSLIB5004
        }
        else
        {
            result = PlainDivide(high, low, divisor, out remainder);
        }

        return remainder == 0 || mode == 0 ? TrapCode.None : Round(remainder, divisor, mode, ref result);
    }

    /// <summary>128 by 64 bits where the machine has no instruction for it; high &lt; divisor.</summary>
    internal static ulong PlainDivide(ulong high, ulong low, ulong divisor, out ulong remainder)
    {
        ulong quotient = (ulong)(new UInt128(high, low) / divisor);
        remainder = unchecked(low - (quotient * divisor));
        return quotient;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TrapCode Round(UInt128 remainder, UInt128 divisor, int mode, ref ulong result)
    {
        bool up = RoundsUp(remainder, divisor, result, mode, out TrapCode trap);
        return up && ++result == 0 ? TrapCode.Overflow : trap;
    }

    /// <summary>b * c / d over the 256-bit product. Cost: at most four 128-bit divisions' worth.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static TrapCode MulDiv(UInt128 b, UInt128 c, UInt128 d, int mode, out UInt128 result)
    {
        result = 0;
        if (d == 0)
        {
            return TrapCode.DivideByZero;
        }

        UInt128 remainder = BigMul(b, c, out UInt128 low);
        if (remainder >= d)
        {
            return TrapCode.Overflow;
        }

        result = Divide(remainder, low, d, out remainder);
        bool up = RoundsUp(remainder, d, (ulong)result, mode, out TrapCode trap);
        if (up && ++result == 0)
        {
            return TrapCode.Overflow;
        }

        return trap;
    }

    /// <summary>The product of two pairs; false when it leaves 128 bits.</summary>
    public static bool TryMul(UInt128 b, UInt128 c, out UInt128 product) => BigMul(b, c, out product) == 0;

    /// <summary>floor or ceiling of the square root. Law: s^2 &lt;= n &lt; (s+1)^2 for the floor.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static ulong Sqrt(ulong n, bool ceiling)
    {
        if (n == 0)
        {
            return 0;
        }

        ulong root = (ulong)SqrtFloor(n);
        return ceiling && root * root != n ? root + 1 : root;
    }

    /// <summary>floor of the square root of a pair.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static ulong Sqrt(UInt128 n) => (ulong)SqrtFloor(n);

    // Newton from above: the start is a power of two not below the root, so the sequence falls until it is there.
    private static UInt128 SqrtFloor(UInt128 n)
    {
        if (n == 0)
        {
            return 0;
        }

        int bits = 128 - (int)UInt128.LeadingZeroCount(n);
        UInt128 guess = UInt128.One << ((bits + 1) / 2);
        while (true)
        {
            UInt128 next = (guess + (n / guess)) >> 1;
            if (next >= guess)
            {
                return guess;
            }

            guess = next;
        }
    }

    private static bool RoundsUp(UInt128 remainder, UInt128 divisor, ulong quotient, int mode, out TrapCode trap)
    {
        trap = TrapCode.None;
        if (remainder == 0 || mode == 0)
        {
            return false;
        }

        switch (mode)
        {
            case 1:
                return true;
            case 2:
                UInt128 rest = divisor - remainder;
                return remainder > rest || (remainder == rest && (quotient & 1) != 0);
            default:
                trap = TrapCode.Range;
                return false;
        }
    }

    // Schoolbook division of 256 by 128 bits in two digits of 64 bits, the divisor normalised; high < divisor, so the quotient fits.
    private static UInt128 Divide(UInt128 high, UInt128 low, UInt128 divisor, out UInt128 remainder)
    {
        if (high == 0)
        {
            (UInt128 quotient, remainder) = UInt128.DivRem(low, divisor);
            return quotient;
        }

        int shift = (int)UInt128.LeadingZeroCount(divisor);
        UInt128 v = divisor << shift;
        UInt128 top = shift == 0 ? high : (high << shift) | (low >> (128 - shift));
        UInt128 rest = low << shift;
        UInt128 q1 = Digit(top, v, (ulong)(rest >> 64));
        top = unchecked((top << 64) + (rest >> 64) - (q1 * v));
        UInt128 q0 = Digit(top, v, (ulong)rest);
        remainder = unchecked((top << 64) + (ulong)rest - (q0 * v)) >> shift;
        return (q1 << 64) + q0;
    }

    // The digit floor((top * 2^64 + next) / v): an estimate from v's high half, at most two too large, then corrected.
    private static UInt128 Digit(UInt128 top, UInt128 v, ulong next)
    {
        UInt128 high = v >> 64;
        UInt128 low = (ulong)v;
        UInt128 digit = top / high;
        UInt128 rest = top - (digit * high);
        while ((digit >> 64) != 0 || digit * low > ((rest << 64) | next))
        {
            digit--;
            rest += high;
            if ((rest >> 64) != 0)
            {
                break;
            }
        }

        return digit;
    }

    private static UInt128 BigMul(UInt128 b, UInt128 c, out UInt128 low)
    {
        ulong b0 = (ulong)b;
        ulong b1 = (ulong)(b >> 64);
        ulong c0 = (ulong)c;
        ulong c1 = (ulong)(c >> 64);
        UInt128 p00 = Math.BigMul(b0, c0);
        UInt128 p01 = Math.BigMul(b0, c1);
        UInt128 p10 = Math.BigMul(b1, c0);
        UInt128 p11 = Math.BigMul(b1, c1);
        UInt128 middle = (p00 >> 64) + (ulong)p01 + (ulong)p10;
        low = (middle << 64) | (ulong)p00;
        return p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64);
    }
}
