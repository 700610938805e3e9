// Products of eight field elements at once (FieldVector.cs says the form and the bounds).
//
// Limb i stands for 2^(25.5 i) rounded up, so a product of two odd limbs counts twice; one that lands on limb 10 + k counts 19 times on
// limb k. The factors are put where they cost least: 2 on the left operand, 19 on the right one. Even the largest column,
// limb 0, is below (1 + 4*19 + 5*19/2) * 2^28.4 * 2^27.6 < 2^63.
//
// Written out because a loop over limbs would keep the ten sums in memory; optimized from the first call on, because before that each
// operation is a call. 100 products of eight lanes (55 for a square), each one instruction; a processor that starts two of them per
// cycle needs about 7 (4) cycles per element.

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

internal partial struct FieldVector
{
    /// <summary>a * b, tight. The result may be an operand.</summary>
    /// <param name="a">Even limbs below 2^28.4, odd ones below half of that.</param>
    /// <param name="b">Loose.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(out FieldVector r, in FieldVector a, in FieldVector b)
    {
        Vector512<uint> a0 = a.L0.AsUInt32();
        Vector512<uint> a1 = a.L1.AsUInt32();
        Vector512<uint> a2 = a.L2.AsUInt32();
        Vector512<uint> a3 = a.L3.AsUInt32();
        Vector512<uint> a4 = a.L4.AsUInt32();
        Vector512<uint> a5 = a.L5.AsUInt32();
        Vector512<uint> a6 = a.L6.AsUInt32();
        Vector512<uint> a7 = a.L7.AsUInt32();
        Vector512<uint> a8 = a.L8.AsUInt32();
        Vector512<uint> a9 = a.L9.AsUInt32();
        Vector512<uint> b0 = b.L0.AsUInt32();
        Vector512<uint> b1 = b.L1.AsUInt32();
        Vector512<uint> b2 = b.L2.AsUInt32();
        Vector512<uint> b3 = b.L3.AsUInt32();
        Vector512<uint> b4 = b.L4.AsUInt32();
        Vector512<uint> b5 = b.L5.AsUInt32();
        Vector512<uint> b6 = b.L6.AsUInt32();
        Vector512<uint> b7 = b.L7.AsUInt32();
        Vector512<uint> b8 = b.L8.AsUInt32();
        Vector512<uint> b9 = b.L9.AsUInt32();
        Vector512<uint> nineteen = Vector512.Create(19UL).AsUInt32();
        Vector512<uint> n1 = Avx512F.Multiply(b1, nineteen).AsUInt32();
        Vector512<uint> n2 = Avx512F.Multiply(b2, nineteen).AsUInt32();
        Vector512<uint> n3 = Avx512F.Multiply(b3, nineteen).AsUInt32();
        Vector512<uint> n4 = Avx512F.Multiply(b4, nineteen).AsUInt32();
        Vector512<uint> n5 = Avx512F.Multiply(b5, nineteen).AsUInt32();
        Vector512<uint> n6 = Avx512F.Multiply(b6, nineteen).AsUInt32();
        Vector512<uint> n7 = Avx512F.Multiply(b7, nineteen).AsUInt32();
        Vector512<uint> n8 = Avx512F.Multiply(b8, nineteen).AsUInt32();
        Vector512<uint> n9 = Avx512F.Multiply(b9, nineteen).AsUInt32();

        Vector512<ulong> r0 = Avx512F.Multiply(a0, b0);
        Vector512<ulong> r1 = Avx512F.Multiply(a0, b1);
        Vector512<ulong> r2 = Avx512F.Multiply(a0, b2);
        Vector512<ulong> r3 = Avx512F.Multiply(a0, b3);
        Vector512<ulong> r4 = Avx512F.Multiply(a0, b4);
        Vector512<ulong> r5 = Avx512F.Multiply(a0, b5);
        Vector512<ulong> r6 = Avx512F.Multiply(a0, b6);
        Vector512<ulong> r7 = Avx512F.Multiply(a0, b7);
        Vector512<ulong> r8 = Avx512F.Multiply(a0, b8);
        Vector512<ulong> r9 = Avx512F.Multiply(a0, b9);

        Vector512<uint> d1 = (a1 + a1);
        r1 += Avx512F.Multiply(a1, b0);
        r2 += Avx512F.Multiply(d1, b1);
        r3 += Avx512F.Multiply(a1, b2);
        r4 += Avx512F.Multiply(d1, b3);
        r5 += Avx512F.Multiply(a1, b4);
        r6 += Avx512F.Multiply(d1, b5);
        r7 += Avx512F.Multiply(a1, b6);
        r8 += Avx512F.Multiply(d1, b7);
        r9 += Avx512F.Multiply(a1, b8);
        r0 += Avx512F.Multiply(d1, n9);

        r2 += Avx512F.Multiply(a2, b0);
        r3 += Avx512F.Multiply(a2, b1);
        r4 += Avx512F.Multiply(a2, b2);
        r5 += Avx512F.Multiply(a2, b3);
        r6 += Avx512F.Multiply(a2, b4);
        r7 += Avx512F.Multiply(a2, b5);
        r8 += Avx512F.Multiply(a2, b6);
        r9 += Avx512F.Multiply(a2, b7);
        r0 += Avx512F.Multiply(a2, n8);
        r1 += Avx512F.Multiply(a2, n9);

        Vector512<uint> d3 = (a3 + a3);
        r3 += Avx512F.Multiply(a3, b0);
        r4 += Avx512F.Multiply(d3, b1);
        r5 += Avx512F.Multiply(a3, b2);
        r6 += Avx512F.Multiply(d3, b3);
        r7 += Avx512F.Multiply(a3, b4);
        r8 += Avx512F.Multiply(d3, b5);
        r9 += Avx512F.Multiply(a3, b6);
        r0 += Avx512F.Multiply(d3, n7);
        r1 += Avx512F.Multiply(a3, n8);
        r2 += Avx512F.Multiply(d3, n9);

        r4 += Avx512F.Multiply(a4, b0);
        r5 += Avx512F.Multiply(a4, b1);
        r6 += Avx512F.Multiply(a4, b2);
        r7 += Avx512F.Multiply(a4, b3);
        r8 += Avx512F.Multiply(a4, b4);
        r9 += Avx512F.Multiply(a4, b5);
        r0 += Avx512F.Multiply(a4, n6);
        r1 += Avx512F.Multiply(a4, n7);
        r2 += Avx512F.Multiply(a4, n8);
        r3 += Avx512F.Multiply(a4, n9);

        Vector512<uint> d5 = (a5 + a5);
        r5 += Avx512F.Multiply(a5, b0);
        r6 += Avx512F.Multiply(d5, b1);
        r7 += Avx512F.Multiply(a5, b2);
        r8 += Avx512F.Multiply(d5, b3);
        r9 += Avx512F.Multiply(a5, b4);
        r0 += Avx512F.Multiply(d5, n5);
        r1 += Avx512F.Multiply(a5, n6);
        r2 += Avx512F.Multiply(d5, n7);
        r3 += Avx512F.Multiply(a5, n8);
        r4 += Avx512F.Multiply(d5, n9);

        r6 += Avx512F.Multiply(a6, b0);
        r7 += Avx512F.Multiply(a6, b1);
        r8 += Avx512F.Multiply(a6, b2);
        r9 += Avx512F.Multiply(a6, b3);
        r0 += Avx512F.Multiply(a6, n4);
        r1 += Avx512F.Multiply(a6, n5);
        r2 += Avx512F.Multiply(a6, n6);
        r3 += Avx512F.Multiply(a6, n7);
        r4 += Avx512F.Multiply(a6, n8);
        r5 += Avx512F.Multiply(a6, n9);

        Vector512<uint> d7 = (a7 + a7);
        r7 += Avx512F.Multiply(a7, b0);
        r8 += Avx512F.Multiply(d7, b1);
        r9 += Avx512F.Multiply(a7, b2);
        r0 += Avx512F.Multiply(d7, n3);
        r1 += Avx512F.Multiply(a7, n4);
        r2 += Avx512F.Multiply(d7, n5);
        r3 += Avx512F.Multiply(a7, n6);
        r4 += Avx512F.Multiply(d7, n7);
        r5 += Avx512F.Multiply(a7, n8);
        r6 += Avx512F.Multiply(d7, n9);

        r8 += Avx512F.Multiply(a8, b0);
        r9 += Avx512F.Multiply(a8, b1);
        r0 += Avx512F.Multiply(a8, n2);
        r1 += Avx512F.Multiply(a8, n3);
        r2 += Avx512F.Multiply(a8, n4);
        r3 += Avx512F.Multiply(a8, n5);
        r4 += Avx512F.Multiply(a8, n6);
        r5 += Avx512F.Multiply(a8, n7);
        r6 += Avx512F.Multiply(a8, n8);
        r7 += Avx512F.Multiply(a8, n9);

        Vector512<uint> d9 = (a9 + a9);
        r9 += Avx512F.Multiply(a9, b0);
        r0 += Avx512F.Multiply(d9, n1);
        r1 += Avx512F.Multiply(a9, n2);
        r2 += Avx512F.Multiply(d9, n3);
        r3 += Avx512F.Multiply(a9, n4);
        r4 += Avx512F.Multiply(d9, n5);
        r5 += Avx512F.Multiply(a9, n6);
        r6 += Avx512F.Multiply(d9, n7);
        r7 += Avx512F.Multiply(a9, n8);
        r8 += Avx512F.Multiply(d9, n9);

        Carry(out r, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9);
    }

    /// <summary>a * a, tight, for a loose operand. The result may be the operand.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Square(out FieldVector r, in FieldVector a)
    {
        Vector512<uint> a0 = a.L0.AsUInt32();
        Vector512<uint> a1 = a.L1.AsUInt32();
        Vector512<uint> a2 = a.L2.AsUInt32();
        Vector512<uint> a3 = a.L3.AsUInt32();
        Vector512<uint> a4 = a.L4.AsUInt32();
        Vector512<uint> a5 = a.L5.AsUInt32();
        Vector512<uint> a6 = a.L6.AsUInt32();
        Vector512<uint> a7 = a.L7.AsUInt32();
        Vector512<uint> a8 = a.L8.AsUInt32();
        Vector512<uint> a9 = a.L9.AsUInt32();
        Vector512<uint> nineteen = Vector512.Create(19UL).AsUInt32();
        Vector512<uint> t0 = a0 + a0;
        Vector512<uint> t1 = a1 + a1;
        Vector512<uint> t2 = a2 + a2;
        Vector512<uint> t3 = a3 + a3;
        Vector512<uint> t4 = a4 + a4;
        Vector512<uint> t5 = a5 + a5;
        Vector512<uint> t6 = a6 + a6;
        Vector512<uint> t7 = a7 + a7;
        Vector512<uint> t8 = a8 + a8;
        Vector512<uint> t9 = a9 + a9;
        Vector512<uint> q1 = t1 + t1;
        Vector512<uint> q3 = t3 + t3;
        Vector512<uint> q5 = t5 + t5;
        Vector512<uint> q7 = t7 + t7;
        Vector512<uint> n5 = Avx512F.Multiply(a5, nineteen).AsUInt32();
        Vector512<uint> n6 = Avx512F.Multiply(a6, nineteen).AsUInt32();
        Vector512<uint> n7 = Avx512F.Multiply(a7, nineteen).AsUInt32();
        Vector512<uint> n8 = Avx512F.Multiply(a8, nineteen).AsUInt32();
        Vector512<uint> n9 = Avx512F.Multiply(a9, nineteen).AsUInt32();

        Vector512<ulong> r0 = Avx512F.Multiply(a0, a0);
        r0 += Avx512F.Multiply(q1, n9);
        r0 += Avx512F.Multiply(t2, n8);
        r0 += Avx512F.Multiply(q3, n7);
        r0 += Avx512F.Multiply(t4, n6);
        r0 += Avx512F.Multiply(t5, n5);

        Vector512<ulong> r1 = Avx512F.Multiply(t0, a1);
        r1 += Avx512F.Multiply(t2, n9);
        r1 += Avx512F.Multiply(t3, n8);
        r1 += Avx512F.Multiply(t4, n7);
        r1 += Avx512F.Multiply(t5, n6);

        Vector512<ulong> r2 = Avx512F.Multiply(t0, a2);
        r2 += Avx512F.Multiply(t1, a1);
        r2 += Avx512F.Multiply(q3, n9);
        r2 += Avx512F.Multiply(t4, n8);
        r2 += Avx512F.Multiply(q5, n7);
        r2 += Avx512F.Multiply(a6, n6);

        Vector512<ulong> r3 = Avx512F.Multiply(t0, a3);
        r3 += Avx512F.Multiply(t1, a2);
        r3 += Avx512F.Multiply(t4, n9);
        r3 += Avx512F.Multiply(t5, n8);
        r3 += Avx512F.Multiply(t6, n7);

        Vector512<ulong> r4 = Avx512F.Multiply(t0, a4);
        r4 += Avx512F.Multiply(q1, a3);
        r4 += Avx512F.Multiply(a2, a2);
        r4 += Avx512F.Multiply(q5, n9);
        r4 += Avx512F.Multiply(t6, n8);
        r4 += Avx512F.Multiply(t7, n7);

        Vector512<ulong> r5 = Avx512F.Multiply(t0, a5);
        r5 += Avx512F.Multiply(t1, a4);
        r5 += Avx512F.Multiply(t2, a3);
        r5 += Avx512F.Multiply(t6, n9);
        r5 += Avx512F.Multiply(t7, n8);

        Vector512<ulong> r6 = Avx512F.Multiply(t0, a6);
        r6 += Avx512F.Multiply(q1, a5);
        r6 += Avx512F.Multiply(t2, a4);
        r6 += Avx512F.Multiply(t3, a3);
        r6 += Avx512F.Multiply(q7, n9);
        r6 += Avx512F.Multiply(a8, n8);

        Vector512<ulong> r7 = Avx512F.Multiply(t0, a7);
        r7 += Avx512F.Multiply(t1, a6);
        r7 += Avx512F.Multiply(t2, a5);
        r7 += Avx512F.Multiply(t3, a4);
        r7 += Avx512F.Multiply(t8, n9);

        Vector512<ulong> r8 = Avx512F.Multiply(t0, a8);
        r8 += Avx512F.Multiply(q1, a7);
        r8 += Avx512F.Multiply(t2, a6);
        r8 += Avx512F.Multiply(q3, a5);
        r8 += Avx512F.Multiply(a4, a4);
        r8 += Avx512F.Multiply(t9, n9);

        Vector512<ulong> r9 = Avx512F.Multiply(t0, a9);
        r9 += Avx512F.Multiply(t1, a8);
        r9 += Avx512F.Multiply(t2, a7);
        r9 += Avx512F.Multiply(t3, a6);
        r9 += Avx512F.Multiply(t4, a5);

        Carry(out r, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9);
    }

    /// <summary>Ten sums below 2^63 to tight limbs: two chains of carries side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(
        out FieldVector r,
        Vector512<ulong> r0,
        Vector512<ulong> r1,
        Vector512<ulong> r2,
        Vector512<ulong> r3,
        Vector512<ulong> r4,
        Vector512<ulong> r5,
        Vector512<ulong> r6,
        Vector512<ulong> r7,
        Vector512<ulong> r8,
        Vector512<ulong> r9)
    {
        Vector512<ulong> even = Vector512.Create((1UL << 26) - 1);
        Vector512<ulong> odd = Vector512.Create((1UL << 25) - 1);
        r1 += r0 >>> 26;
        r0 &= even;
        r5 += r4 >>> 26;
        r4 &= even;
        r2 += r1 >>> 25;
        r1 &= odd;
        r6 += r5 >>> 25;
        r5 &= odd;
        r3 += r2 >>> 26;
        r2 &= even;
        r7 += r6 >>> 26;
        r6 &= even;
        r4 += r3 >>> 25;
        r3 &= odd;
        r8 += r7 >>> 25;
        r7 &= odd;
        r5 += r4 >>> 26;
        r4 &= even;
        r9 += r8 >>> 26;
        r8 &= even;
        Vector512<ulong> top = r9 >>> 25;
        r9 &= odd;
        r0 += top + (top << 1) + (top << 4);
        r1 += r0 >>> 26;
        r0 &= even;
        r.L0 = r0;
        r.L1 = r1;
        r.L2 = r2;
        r.L3 = r3;
        r.L4 = r4;
        r.L5 = r5;
        r.L6 = r6;
        r.L7 = r7;
        r.L8 = r8;
        r.L9 = r9;
    }
}
