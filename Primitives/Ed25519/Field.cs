// The field of integers mod p = 2^255 - 19, in five limbs of 51 bits: value = L0 + L1*2^51 + ... + L4*2^204.
//
// Bounds, instead of a carry after every step:
//   tight   limbs below 2^51 + 2^18: what Multiply, Square, Load give
//   loose   limbs below 2^54: what Multiply and Square take
//   Add of two tight is below 2^52 + 2^19; Subtract adds 4p first, so its second operand must be below 2^53 - 76 (tight, or a sum of
//   two tight) and its first below 1.75 * 2^53; then the result is loose.
//
// Constant time: no branch and no index depends on a limb; only IsZero, IsOdd and equality give an answer to branch on, and they are
// called on public values. Source: the limb form is that of ed25519-donna and curve25519-dalek; the bounds are worked out above.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

/// <summary>An element mod 2^255 - 19.</summary>
internal struct Field
{
    private const ulong Mask = (1UL << 51) - 1;

    // how far the operands of a product are shifted: together by what a word has more than a limb
    private const int LeftShift = 8;
    private const int RightShift = 5;
    private const int Spare = LeftShift + RightShift;

    // 4p in limbs: never below the limb it is the minuend for.
    private const ulong FourP0 = 0x1FFFFFFFFFFFB4;
    private const ulong FourP = 0x1FFFFFFFFFFFFC;

    public ulong L0;
    public ulong L1;
    public ulong L2;
    public ulong L3;
    public ulong L4;

    public Field(ulong l0, ulong l1, ulong l2, ulong l3, ulong l4)
    {
        L0 = l0;
        L1 = l1;
        L2 = l2;
        L3 = l3;
        L4 = l4;
    }

    public static Field One => new(1, 0, 0, 0, 0);

    /// <summary>Reads 255 bits, little-endian; bit 255 is ignored and values from p to 2^255 - 1 are taken mod p.</summary>
    public static void Load(out Field r, in Bytes32 bytes)
    {
        ulong w0 = BinaryPrimitives.ReverseEndianness(bytes.W0);
        ulong w1 = BinaryPrimitives.ReverseEndianness(bytes.W1);
        ulong w2 = BinaryPrimitives.ReverseEndianness(bytes.W2);
        ulong w3 = BinaryPrimitives.ReverseEndianness(bytes.W3);
        r.L0 = w0 & Mask;
        r.L1 = ((w0 >> 51) | (w1 << 13)) & Mask;
        r.L2 = ((w1 >> 38) | (w2 << 26)) & Mask;
        r.L3 = ((w2 >> 25) | (w3 << 39)) & Mask;
        r.L4 = (w3 >> 12) & Mask;
    }

    /// <summary>The one encoding of the value below p, little-endian; bit 255 is zero.</summary>
    public readonly Bytes32 Store()
    {
        // two carries bring any loose value below 2^255 + a little; then q is 1 exactly when the value is p or more
        ulong l0 = L0;
        ulong l1 = L1;
        ulong l2 = L2;
        ulong l3 = L3;
        ulong l4 = L4;
        for (int pass = 0; pass < 2; pass++)
        {
            l1 += l0 >> 51;
            l0 &= Mask;
            l2 += l1 >> 51;
            l1 &= Mask;
            l3 += l2 >> 51;
            l2 &= Mask;
            l4 += l3 >> 51;
            l3 &= Mask;
            l0 += 19 * (l4 >> 51);
            l4 &= Mask;
        }

        ulong q = (l0 + 19) >> 51;
        q = (l1 + q) >> 51;
        q = (l2 + q) >> 51;
        q = (l3 + q) >> 51;
        q = (l4 + q) >> 51;
        l0 += 19 * q;
        l1 += l0 >> 51;
        l0 &= Mask;
        l2 += l1 >> 51;
        l1 &= Mask;
        l3 += l2 >> 51;
        l2 &= Mask;
        l4 += l3 >> 51;
        l3 &= Mask;
        l4 &= Mask;
        return new Bytes32(
            BinaryPrimitives.ReverseEndianness(l0 | (l1 << 51)),
            BinaryPrimitives.ReverseEndianness((l1 >> 13) | (l2 << 38)),
            BinaryPrimitives.ReverseEndianness((l2 >> 26) | (l3 << 25)),
            BinaryPrimitives.ReverseEndianness((l3 >> 39) | (l4 << 12)));
    }

    public readonly bool IsZero() => Store() == Bytes32.Zero;

    /// <summary>The lowest bit of the value below p: the "sign" of an x coordinate.</summary>
    public readonly ulong LowBit() => (Store().W0 >> 56) & 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(out Field r, in Field a, in Field b)
    {
        r.L0 = a.L0 + b.L0;
        r.L1 = a.L1 + b.L1;
        r.L2 = a.L2 + b.L2;
        r.L3 = a.L3 + b.L3;
        r.L4 = a.L4 + b.L4;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Subtract(out Field r, in Field a, in Field b)
    {
        r.L0 = a.L0 + FourP0 - b.L0;
        r.L1 = a.L1 + FourP - b.L1;
        r.L2 = a.L2 + FourP - b.L2;
        r.L3 = a.L3 + FourP - b.L3;
        r.L4 = a.L4 + FourP - b.L4;
    }

    /// <summary>-a, loose; <paramref name="a"/> tight or a sum of two tight.</summary>
    public static void Negate(out Field r, in Field a)
    {
        Field zero = default;
        Subtract(out r, zero, a);
    }

    /// <summary>a * b, tight, for loose operands. The result may be an operand.</summary>
    /// <remarks>The operands go in shifted left by 8 and by 5, 13 together: so the upper word of a product is what is above 51 bits, and
    /// the lower word, shifted back, what is below. Both add up without a carry between words, which no C# operator gives.</remarks>
    [SkipLocalsInit]
    public static void Multiply(out Field r, in Field a, in Field b)
    {
        ulong a0 = a.L0 << LeftShift;
        ulong a1 = a.L1 << LeftShift;
        ulong a2 = a.L2 << LeftShift;
        ulong a3 = a.L3 << LeftShift;
        ulong a4 = a.L4 << LeftShift;
        ulong b0 = b.L0 << RightShift;
        ulong b1 = b.L1 << RightShift;
        ulong b2 = b.L2 << RightShift;
        ulong b3 = b.L3 << RightShift;
        ulong b4 = b.L4 << RightShift;

        // 2^255 = 19: a product that lands on limb 5 + k counts 19 times on limb k
        ulong n1 = b1 * 19;
        ulong n2 = b2 * 19;
        ulong n3 = b3 * 19;
        ulong n4 = b4 * 19;

        ulong h0 = Product(a0, b0, out ulong low);
        ulong l0 = low >> Spare;
        h0 += Product(a1, n4, out low);
        l0 += low >> Spare;
        h0 += Product(a2, n3, out low);
        l0 += low >> Spare;
        h0 += Product(a3, n2, out low);
        l0 += low >> Spare;
        h0 += Product(a4, n1, out low);
        l0 += low >> Spare;

        ulong h1 = Product(a0, b1, out low);
        ulong l1 = low >> Spare;
        h1 += Product(a1, b0, out low);
        l1 += low >> Spare;
        h1 += Product(a2, n4, out low);
        l1 += low >> Spare;
        h1 += Product(a3, n3, out low);
        l1 += low >> Spare;
        h1 += Product(a4, n2, out low);
        l1 += low >> Spare;

        ulong h2 = Product(a0, b2, out low);
        ulong l2 = low >> Spare;
        h2 += Product(a1, b1, out low);
        l2 += low >> Spare;
        h2 += Product(a2, b0, out low);
        l2 += low >> Spare;
        h2 += Product(a3, n4, out low);
        l2 += low >> Spare;
        h2 += Product(a4, n3, out low);
        l2 += low >> Spare;

        ulong h3 = Product(a0, b3, out low);
        ulong l3 = low >> Spare;
        h3 += Product(a1, b2, out low);
        l3 += low >> Spare;
        h3 += Product(a2, b1, out low);
        l3 += low >> Spare;
        h3 += Product(a3, b0, out low);
        l3 += low >> Spare;
        h3 += Product(a4, n4, out low);
        l3 += low >> Spare;

        ulong h4 = Product(a0, b4, out low);
        ulong l4 = low >> Spare;
        h4 += Product(a1, b3, out low);
        l4 += low >> Spare;
        h4 += Product(a2, b2, out low);
        l4 += low >> Spare;
        h4 += Product(a3, b1, out low);
        l4 += low >> Spare;
        h4 += Product(a4, b0, out low);
        l4 += low >> Spare;
        Carry(out r, h0, l0, h1, l1, h2, l2, h3, l3, h4, l4);
    }

    /// <summary>a * a, tight, for a loose operand. The result may be the operand.</summary>
    [SkipLocalsInit]
    public static void Square(out Field r, in Field a)
    {
        ulong a0 = a.L0 << LeftShift;
        ulong a1 = a.L1 << LeftShift;
        ulong a2 = a.L2 << LeftShift;
        ulong a3 = a.L3 << LeftShift;
        ulong a4 = a.L4 << LeftShift;
        ulong t0 = a.L0 << (LeftShift + 1);
        ulong t1 = a.L1 << (LeftShift + 1);
        ulong t2 = a.L2 << (LeftShift + 1);
        ulong t3 = a.L3 << (LeftShift + 1);
        ulong b0 = a.L0 << RightShift;
        ulong b1 = a.L1 << RightShift;
        ulong b2 = a.L2 << RightShift;
        ulong b3 = a.L3 << RightShift;
        ulong b4 = a.L4 << RightShift;
        ulong n3 = b3 * 19;
        ulong n4 = b4 * 19;

        ulong h0 = Product(a0, b0, out ulong low);
        ulong l0 = low >> Spare;
        h0 += Product(t1, n4, out low);
        l0 += low >> Spare;
        h0 += Product(t2, n3, out low);
        l0 += low >> Spare;

        ulong h1 = Product(t0, b1, out low);
        ulong l1 = low >> Spare;
        h1 += Product(t2, n4, out low);
        l1 += low >> Spare;
        h1 += Product(a3, n3, out low);
        l1 += low >> Spare;

        ulong h2 = Product(t0, b2, out low);
        ulong l2 = low >> Spare;
        h2 += Product(a1, b1, out low);
        l2 += low >> Spare;
        h2 += Product(t3, n4, out low);
        l2 += low >> Spare;

        ulong h3 = Product(t0, b3, out low);
        ulong l3 = low >> Spare;
        h3 += Product(t1, b2, out low);
        l3 += low >> Spare;
        h3 += Product(a4, n4, out low);
        l3 += low >> Spare;

        ulong h4 = Product(t0, b4, out low);
        ulong l4 = low >> Spare;
        h4 += Product(t1, b3, out low);
        l4 += low >> Spare;
        h4 += Product(a2, b2, out low);
        l4 += low >> Spare;
        Carry(out r, h0, l0, h1, l1, h2, l2, h3, l3, h4, l4);
    }

    /// <summary>a^(2^<paramref name="times"/>); at least one.</summary>
    public static void SquareTimes(out Field r, in Field a, int times)
    {
        Square(out r, a);
        for (int i = 1; i < times; i++)
        {
            Square(out r, r);
        }
    }

    /// <summary>1/a = a^(p - 2); zero for zero.</summary>
    public static void Invert(out Field r, in Field a)
    {
        PowerOfOnes(out Field ones, out Field eleven, a);
        SquareTimes(out ones, ones, 5);
        Multiply(out r, ones, eleven);
    }

    /// <summary>a^((p - 5) / 8) = a^(2^252 - 3), the heart of the square root.</summary>
    public static void PowerForRoot(out Field r, in Field a)
    {
        PowerOfOnes(out Field ones, out _, a);
        SquareTimes(out ones, ones, 2);
        Multiply(out r, ones, a);
    }

    /// <summary>a^(2^250 - 1), and a^11 on the way.</summary>
    private static void PowerOfOnes(out Field ones250, out Field eleven, in Field a)
    {
        Square(out Field two, a);
        SquareTimes(out Field t, two, 2);
        Multiply(out Field nine, t, a);
        Multiply(out eleven, nine, two);
        Square(out t, eleven);
        Multiply(out Field ones5, t, nine);         // 31 = 2^5 - 1
        SquareTimes(out t, ones5, 5);
        Multiply(out Field ones10, t, ones5);
        SquareTimes(out t, ones10, 10);
        Multiply(out Field ones20, t, ones10);
        SquareTimes(out t, ones20, 20);
        Multiply(out t, t, ones20);
        SquareTimes(out t, t, 10);
        Multiply(out Field ones50, t, ones10);
        SquareTimes(out t, ones50, 50);
        Multiply(out Field ones100, t, ones50);
        SquareTimes(out t, ones100, 100);
        Multiply(out t, t, ones100);
        SquareTimes(out t, t, 50);
        Multiply(out ones250, t, ones50);
    }

    /// <summary>Takes <paramref name="other"/> where <paramref name="mask"/> is all ones, keeps the value where it is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Select(in Field other, ulong mask)
    {
        L0 ^= mask & (L0 ^ other.L0);
        L1 ^= mask & (L1 ^ other.L1);
        L2 ^= mask & (L2 ^ other.L2);
        L3 ^= mask & (L3 ^ other.L3);
        L4 ^= mask & (L4 ^ other.L4);
    }

    /// <summary>Both words of a product. The framework's function gives the lower one through memory; a second multiplication is cheaper.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Product(ulong a, ulong b, out ulong low)
    {
        if (Bmi2.X64.IsSupported)
        {
            low = a * b;
            return Bmi2.X64.MultiplyNoFlags(a, b);
        }

        return Math.BigMul(a, b, out low);
    }

    /// <summary>Sums of what is above (h) and below (l) 51 bits, to tight limbs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(
        out Field r, ulong h0, ulong l0, ulong h1, ulong l1, ulong h2, ulong l2, ulong h3, ulong l3, ulong h4, ulong l4)
    {
        // h4 has no factor 19 yet: it is below 5 * 2^57, and 19 times it fits; so does every sum here
        l0 += 19 * h4;
        l1 += h0;
        l2 += h1;
        l3 += h2;
        l4 += h3;
        r.L0 = (l0 & Mask) + (19 * (l4 >> 51));
        r.L1 = (l1 & Mask) + (l0 >> 51);
        r.L2 = (l2 & Mask) + (l1 >> 51);
        r.L3 = (l3 & Mask) + (l2 >> 51);
        r.L4 = (l4 & Mask) + (l3 >> 51);
    }
}
