// The arithmetic that is more than one machine instruction: fixed point, roots, 256-bit products. Pure functions, integers only;
// the interpreter and every later engine call the same ones.
//
// Each returns the trap it raises, TrapCode.None when there is none. Order of traps: zero divisor, quotient too large,
// remainder in exact mode.   Cost: noted where it is not constant.

using System;
using System.Runtime.CompilerServices;

namespace ParallelVm.Executor;

/// <summary>Integer arithmetic with stated rounding.</summary>
internal static class Arithmetic
{
    private static readonly ulong[] PowersOfTen = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

    /// <summary>10^k for the scales of MULSCALE.</summary>
    public static ulong PowerOfTen(int exponent) => PowersOfTen[exponent];

    /// <summary>b * c / d over the 128-bit product. Law: traps Overflow iff the high word of b * c is at least d, or rounding up leaves 64 bits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static TrapCode MulDiv(ulong b, ulong c, ulong d, int mode, out ulong result)
    {
        result = 0;
        if (d == 0)
        {
            return TrapCode.DivideByZero;
        }

        ulong high = Math.BigMul(b, c, out ulong low);
        if (high >= d)
        {
            return TrapCode.Overflow;
        }

        ulong remainder;
        if (high == 0)
        {
            (result, remainder) = Math.DivRem(low, d);
        }
        else
        {
            UInt128 product = new(high, low);
            result = (ulong)(product / d);
            remainder = unchecked(low - (result * d));
        }

        bool up = RoundsUp(remainder, d, result, mode, out TrapCode trap);
        if (up && ++result == 0)
        {
            return TrapCode.Overflow;
        }

        return trap;
    }

    /// <summary>b * c / d over the 256-bit product. Cost: 128 steps of shift and subtract.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
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

        for (int i = 0; i < 128; i++)
        {
            bool carry = (remainder >> 127) != 0;
            remainder = unchecked((remainder << 1) | (low >> 127));
            low <<= 1;
            result <<= 1;
            if (carry || remainder >= d)
            {
                remainder = unchecked(remainder - d);
                result |= 1;
            }
        }

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
    [MethodImpl(MethodImplOptions.NoInlining)]
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
    [MethodImpl(MethodImplOptions.NoInlining)]
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
