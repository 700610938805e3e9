// The field of p = 2^64 - 2^32 + 1 elements, on machine words: what the VM's field instructions and Poseidon2 compute in.
//
// With e = 2^32 - 1:   2^64 = e (mod p)   and   2^96 = -1 (mod p),   so a product hh * 2^96 + hl * 2^64 + lo is lo - hh + hl * e:
// one subtraction, one small multiplication, one addition, each repaired by e when it wraps.
//
// Invariant: arguments and results are canonical, [0, p). Multiply, Reduce and Inverse take any word; the others give a word that
// means nothing for one that is not canonical, the same on every machine, and never throw.
// Cost: a few instructions each; Inverse 63 squarings and 9 products.
// Threading: pure.   Source: the prime is p = phi^2 - phi + 1 with phi = 2^32.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

/// <summary>Arithmetic modulo 2^64 - 2^32 + 1 on canonical words.</summary>
public static class Goldilocks
{
    /// <summary>The prime p = 2^64 - 2^32 + 1.</summary>
    public const ulong Modulus = 0xFFFFFFFF_00000001;

    /// <summary>2^64 modulo p.</summary>
    internal const ulong Epsilon = 0xFFFFFFFF;

    /// <summary>Any word as an element: <paramref name="value"/> modulo p.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Reduce(ulong value) => value >= Modulus ? value - Modulus : value;

    /// <summary>a + b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Add(ulong a, ulong b) => Subtract(a, Modulus - b);

    /// <summary>a - b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Subtract(ulong a, ulong b)
    {
        // + p after a borrow is - e modulo 2^64
        return a - b - EpsilonIf(a < b);
    }

    /// <summary>-a.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Negate(ulong a) => a == 0 ? 0 : Modulus - a;

    /// <summary>a * b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Multiply(ulong a, ulong b) => Reduce(MultiplyLoose(a, b));

    /// <summary>1 / a; 0 for 0, which has none: who must refuse that looks before.</summary>
    public static ulong Inverse(ulong a)
    {
        // a^(p - 2), and p - 2 in binary is 31 ones, a zero, 32 ones
        ulong ones2 = Multiply(Multiply(a, a), a);
        ulong ones3 = Multiply(Multiply(ones2, ones2), a);
        ulong ones6 = Multiply(Squared(ones3, 3), ones3);
        ulong ones12 = Multiply(Squared(ones6, 6), ones6);
        ulong ones24 = Multiply(Squared(ones12, 12), ones12);
        ulong ones30 = Multiply(Squared(ones24, 6), ones6);
        ulong ones31 = Multiply(Multiply(ones30, ones30), a);
        ulong ones32 = Multiply(Multiply(ones31, ones31), a);
        return Multiply(Squared(ones31, 33), ones32);
    }

    /// <summary>a * b as some word equal to it modulo p, from any words: what a chain of products passes on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong MultiplyLoose(ulong a, ulong b)
    {
        // two products side by side: one that gives both halves gives the low one through memory
        ulong high = Bmi2.X64.IsSupported ? Bmi2.X64.MultiplyNoFlags(a, b) : Math.BigMul(a, b, out _);
        return ReduceLoose(high, a * b);
    }

    /// <summary>high * 2^64 + low as some word equal to it modulo p.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong ReduceLoose(ulong high, ulong low)
    {
        // a borrow leaves at least 2^64 - 2^32 + 1, so - e cannot borrow again
        ulong top = high >> 32;
        ulong difference = low - top;
        difference -= EpsilonIf(low < top);

        return AddLoose(difference, (high & Epsilon) * Epsilon);
    }

    /// <summary>a + b as some word equal to it modulo p.</summary>
    /// <param name="a">Any word.</param>
    /// <param name="b">At most p, so that after a carry + e cannot carry again.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong AddLoose(ulong a, ulong b)
    {
        ulong sum = a + b;
        return sum + EpsilonIf(sum < b);
    }

    // a mask and no branch: which way it goes is as random as the values
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong EpsilonIf(bool condition) => (uint)-Unsafe.BitCast<bool, byte>(condition);

    private static ulong Squared(ulong value, int times)
    {
        for (; times > 0; times--)
        {
            value = MultiplyLoose(value, value);
        }

        return value;
    }
}
