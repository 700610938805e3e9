// Eight field elements at once, one per lane of 512-bit vectors, for work that is the same on many points: decoding them, adding
// them up. Ten limbs each, of 26 and 25 bits in turn, so that one instruction multiplies a limb of all eight:
//
//   value = L0 + L1*2^26 + L2*2^51 + L3*2^77 + ... + L9*2^230
//
// Two limbs in a row make one 51-bit limb of Field, so the scalar form is also the packed form in memory, and Field is the oracle.
//
// Bounds
//   tight   even limbs below 2^26 + 2^16, odd ones half of that: what products, Reduce and Load give
//   loose   even limbs below 2^27.6, odd ones half: the sum of two tight, the difference of two tight (2p is added first)
//   Multiply takes a loose right operand, and a left one with even limbs below 2^28.4.
//
// Only where Avx512F is there (IsSupported); callers have a path over Field. Constant time except for what gives a mask to branch on.
// Source of the limb form: Bernstein, "Curve25519" (2006), section 4; the bounds are worked out here.

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

/// <summary>Eight elements mod 2^255 - 19.</summary>
internal partial struct FieldVector
{
    /// <summary>Elements side by side.</summary>
    public const int Lanes = 8;

    // 2p in limbs: never below the tight limb it is the minuend for.
    private const ulong TwoPZero = (1UL << 27) - 38;
    private const ulong TwoPEven = (1UL << 27) - 2;
    private const ulong TwoPOdd = (1UL << 26) - 2;
    private const ulong EvenMask = (1UL << 26) - 1;

    public Vector512<ulong> L0;
    public Vector512<ulong> L1;
    public Vector512<ulong> L2;
    public Vector512<ulong> L3;
    public Vector512<ulong> L4;
    public Vector512<ulong> L5;
    public Vector512<ulong> L6;
    public Vector512<ulong> L7;
    public Vector512<ulong> L8;
    public Vector512<ulong> L9;

    /// <summary>The machine has what this type needs.</summary>
    public static bool IsSupported => Avx512F.IsSupported;

    /// <summary>One element in all lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Broadcast(out FieldVector r, in Field a) => Split(
        out r,
        Vector512.Create(a.L0),
        Vector512.Create(a.L1),
        Vector512.Create(a.L2),
        Vector512.Create(a.L3),
        Vector512.Create(a.L4));

    /// <summary>From 51-bit limbs below 2^52.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(
        out FieldVector r, Vector512<ulong> v0, Vector512<ulong> v1, Vector512<ulong> v2, Vector512<ulong> v3, Vector512<ulong> v4)
    {
        Vector512<ulong> mask = Vector512.Create(EvenMask);
        r.L0 = v0 & mask;
        r.L1 = v0 >>> 26;
        r.L2 = v1 & mask;
        r.L3 = v1 >>> 26;
        r.L4 = v2 & mask;
        r.L5 = v2 >>> 26;
        r.L6 = v3 & mask;
        r.L7 = v3 >>> 26;
        r.L8 = v4 & mask;
        r.L9 = v4 >>> 26;
    }

    /// <summary>51-bit limb <paramref name="i"/> of all lanes, below 2^52 for tight elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Vector512<ulong> Join(int i) => i switch
    {
        0 => L0 + (L1 << 26),
        1 => L2 + (L3 << 26),
        2 => L4 + (L5 << 26),
        3 => L6 + (L7 << 26),
        _ => L8 + (L9 << 26),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(out FieldVector r, in FieldVector a, in FieldVector b)
    {
        r.L0 = a.L0 + b.L0;
        r.L1 = a.L1 + b.L1;
        r.L2 = a.L2 + b.L2;
        r.L3 = a.L3 + b.L3;
        r.L4 = a.L4 + b.L4;
        r.L5 = a.L5 + b.L5;
        r.L6 = a.L6 + b.L6;
        r.L7 = a.L7 + b.L7;
        r.L8 = a.L8 + b.L8;
        r.L9 = a.L9 + b.L9;
    }

    /// <summary>a - b; <paramref name="b"/> tight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Subtract(out FieldVector r, in FieldVector a, in FieldVector b)
    {
        r.L0 = a.L0 + Vector512.Create(TwoPZero) - b.L0;
        r.L1 = a.L1 + Vector512.Create(TwoPOdd) - b.L1;
        r.L2 = a.L2 + Vector512.Create(TwoPEven) - b.L2;
        r.L3 = a.L3 + Vector512.Create(TwoPOdd) - b.L3;
        r.L4 = a.L4 + Vector512.Create(TwoPEven) - b.L4;
        r.L5 = a.L5 + Vector512.Create(TwoPOdd) - b.L5;
        r.L6 = a.L6 + Vector512.Create(TwoPEven) - b.L6;
        r.L7 = a.L7 + Vector512.Create(TwoPOdd) - b.L7;
        r.L8 = a.L8 + Vector512.Create(TwoPEven) - b.L8;
        r.L9 = a.L9 + Vector512.Create(TwoPOdd) - b.L9;
    }

    /// <summary>-a, loose; <paramref name="a"/> tight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Negate(out FieldVector r, in FieldVector a)
    {
        r.L0 = Vector512.Create(TwoPZero) - a.L0;
        r.L1 = Vector512.Create(TwoPOdd) - a.L1;
        r.L2 = Vector512.Create(TwoPEven) - a.L2;
        r.L3 = Vector512.Create(TwoPOdd) - a.L3;
        r.L4 = Vector512.Create(TwoPEven) - a.L4;
        r.L5 = Vector512.Create(TwoPOdd) - a.L5;
        r.L6 = Vector512.Create(TwoPEven) - a.L6;
        r.L7 = Vector512.Create(TwoPOdd) - a.L7;
        r.L8 = Vector512.Create(TwoPEven) - a.L8;
        r.L9 = Vector512.Create(TwoPOdd) - a.L9;
    }

    /// <summary>Where <paramref name="mask"/> is all ones <paramref name="a"/>, where it is zero <paramref name="b"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Select(out FieldVector r, Vector512<ulong> mask, in FieldVector a, in FieldVector b)
    {
        r.L0 = Vector512.ConditionalSelect(mask, a.L0, b.L0);
        r.L1 = Vector512.ConditionalSelect(mask, a.L1, b.L1);
        r.L2 = Vector512.ConditionalSelect(mask, a.L2, b.L2);
        r.L3 = Vector512.ConditionalSelect(mask, a.L3, b.L3);
        r.L4 = Vector512.ConditionalSelect(mask, a.L4, b.L4);
        r.L5 = Vector512.ConditionalSelect(mask, a.L5, b.L5);
        r.L6 = Vector512.ConditionalSelect(mask, a.L6, b.L6);
        r.L7 = Vector512.ConditionalSelect(mask, a.L7, b.L7);
        r.L8 = Vector512.ConditionalSelect(mask, a.L8, b.L8);
        r.L9 = Vector512.ConditionalSelect(mask, a.L9, b.L9);
    }

    /// <summary>The same values, tight.</summary>
    public static void Reduce(out FieldVector r, in FieldVector a) =>
        Carry(out r, a.L0, a.L1, a.L2, a.L3, a.L4, a.L5, a.L6, a.L7, a.L8, a.L9);

    /// <summary>All ones in the lanes whose value is zero; <paramref name="a"/> loose.</summary>
    public static Vector512<ulong> IsZero(in FieldVector a)
    {
        Freeze(out FieldVector f, a);
        return Vector512.Equals(f.L0 | f.L1 | f.L2 | f.L3 | f.L4 | f.L5 | f.L6 | f.L7 | f.L8 | f.L9, Vector512<ulong>.Zero);
    }

    /// <summary>The lowest bit of each value below p; <paramref name="a"/> loose.</summary>
    public static Vector512<ulong> LowBit(in FieldVector a)
    {
        Freeze(out FieldVector f, a);
        return f.L0 & Vector512<ulong>.One;
    }

    /// <summary>The values below p.</summary>
    private static void Freeze(out FieldVector r, in FieldVector a)
    {
        Carry(out r, a.L0, a.L1, a.L2, a.L3, a.L4, a.L5, a.L6, a.L7, a.L8, a.L9);

        // below 2^255 + 2^242, so q is 1 exactly when the value is p or more
        Vector512<ulong> q = (r.L0 + Vector512.Create(19UL)) >>> 26;
        q = (r.L1 + q) >>> 25;
        q = (r.L2 + q) >>> 26;
        q = (r.L3 + q) >>> 25;
        q = (r.L4 + q) >>> 26;
        q = (r.L5 + q) >>> 25;
        q = (r.L6 + q) >>> 26;
        q = (r.L7 + q) >>> 25;
        q = (r.L8 + q) >>> 26;
        q = (r.L9 + q) >>> 25;
        r.L0 += q + (q << 1) + (q << 4);
        Vector512<ulong> even = Vector512.Create(EvenMask);
        Vector512<ulong> odd = even >>> 1;
        r.L1 += r.L0 >>> 26;
        r.L0 &= even;
        r.L2 += r.L1 >>> 25;
        r.L1 &= odd;
        r.L3 += r.L2 >>> 26;
        r.L2 &= even;
        r.L4 += r.L3 >>> 25;
        r.L3 &= odd;
        r.L5 += r.L4 >>> 26;
        r.L4 &= even;
        r.L6 += r.L5 >>> 25;
        r.L5 &= odd;
        r.L7 += r.L6 >>> 26;
        r.L6 &= even;
        r.L8 += r.L7 >>> 25;
        r.L7 &= odd;
        r.L9 += r.L8 >>> 26;
        r.L8 &= even;
        r.L9 &= odd;
    }

    /// <summary>a^((p - 5) / 8) = a^(2^252 - 3), the heart of the square root, by the chain of Field.PowerForRoot.</summary>
    [SkipLocalsInit]
    public static void PowerForRoot(out FieldVector r, in FieldVector a)
    {
        Square(out FieldVector two, a);
        SquareTimes(out FieldVector t, two, 2);
        Multiply(out FieldVector nine, t, a);
        Multiply(out FieldVector eleven, nine, two);
        Square(out t, eleven);
        Multiply(out FieldVector ones5, t, nine);
        SquareTimes(out t, ones5, 5);
        Multiply(out FieldVector ones10, t, ones5);
        SquareTimes(out t, ones10, 10);
        Multiply(out FieldVector ones20, t, ones10);
        SquareTimes(out t, ones20, 20);
        Multiply(out t, t, ones20);
        SquareTimes(out t, t, 10);
        Multiply(out FieldVector ones50, t, ones10);
        SquareTimes(out t, ones50, 50);
        Multiply(out FieldVector ones100, t, ones50);
        SquareTimes(out t, ones100, 100);
        Multiply(out t, t, ones100);
        SquareTimes(out t, t, 50);
        Multiply(out t, t, ones50);
        SquareTimes(out t, t, 2);
        Multiply(out r, t, a);
    }

    private static void SquareTimes(out FieldVector r, in FieldVector a, int times)
    {
        Square(out r, a);
        for (int i = 1; i < times; i++)
        {
            Square(out r, r);
        }
    }
}
