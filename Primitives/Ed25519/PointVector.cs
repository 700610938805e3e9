// Eight points at once, one per lane: the sums of MultiScalar and the decoding of encodings. Formulas as in Point.cs, complete, so no
// lane needs a case of its own. Coordinates are tight.
//
// In memory a point stays a Point or Niels (51-bit limbs, one point in a row). Gather and Scatter turn eight of them, wherever
// they lie, into lanes and back (WordSquare).
//
// Only where FieldVector.IsSupported.   Threading: pure.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives;

/// <summary>Eight addends with Z = 1.</summary>
internal struct NielsVector
{
    public FieldVector Sum;
    public FieldVector Difference;
    public FieldVector Xy2d;

    /// <summary>One point in all lanes, negated where <paramref name="negative"/> is all ones.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Broadcast(out NielsVector r, in Niels point, Vector512<ulong> negative)
    {
        FieldVector.Broadcast(out FieldVector sum, point.Sum);
        FieldVector.Broadcast(out FieldVector difference, point.Difference);
        FieldVector.Select(out r.Sum, negative, difference, sum);
        FieldVector.Select(out r.Difference, negative, sum, difference);
        FieldVector.Broadcast(out FieldVector xy2d, point.Xy2d);
        FieldVector.Negate(out FieldVector negated, xy2d);
        FieldVector.Select(out r.Xy2d, negative, negated, xy2d);
    }

    /// <summary>One point per lane, from rows of 16 words; lane i from word <paramref name="offsets"/>[i].</summary>
    [SkipLocalsInit]
    public static void Gather(out NielsVector r, ref ulong rows, ReadOnlySpan<int> offsets)
    {
        WordSquare w = WordSquare.Load(ref rows, offsets, 0);
        w.Transpose();
        WordSquare v = WordSquare.Load(ref rows, offsets, 8);
        v.Transpose();
        FieldVector.Split(out r.Sum, w.W0, w.W1, w.W2, w.W3, w.W4);
        FieldVector.Split(out r.Difference, w.W5, w.W6, w.W7, v.W0, v.W1);
        FieldVector.Split(out r.Xy2d, v.W2, v.W3, v.W4, v.W5, v.W6);
    }

    /// <summary>-P where <paramref name="negative"/> is all ones.</summary>
    [SkipLocalsInit]
    public void Negate(Vector512<ulong> negative)
    {
        FieldVector sum = Sum;
        FieldVector.Select(out Sum, negative, Difference, sum);
        FieldVector.Select(out Difference, negative, sum, Difference);
        FieldVector.Negate(out FieldVector negated, Xy2d);
        FieldVector.Select(out Xy2d, negative, negated, Xy2d);
    }
}

/// <summary>Eight addends with any Z.</summary>
internal struct CachedVector
{
    /// <summary>Y + X, Y - X, Z and 2dT in the places of X, Y, Z and T, all tight: so they can be scattered like a point.</summary>
    public PointVector Parts;

    [SkipLocalsInit]
    public static void From(out CachedVector r, in PointVector p)
    {
        FieldVector.Add(out r.Parts.X, p.Y, p.X);
        FieldVector.Reduce(out r.Parts.X, r.Parts.X);
        FieldVector.Subtract(out r.Parts.Y, p.Y, p.X);
        FieldVector.Reduce(out r.Parts.Y, r.Parts.Y);
        r.Parts.Z = p.Z;
        FieldVector.Broadcast(out FieldVector d, Point.TwiceD);
        FieldVector.Multiply(out r.Parts.T, p.T, d);
    }

    /// <summary>-P where <paramref name="negative"/> is all ones.</summary>
    [SkipLocalsInit]
    public void Negate(Vector512<ulong> negative)
    {
        FieldVector sum = Parts.X;
        FieldVector.Select(out Parts.X, negative, Parts.Y, sum);
        FieldVector.Select(out Parts.Y, negative, sum, Parts.Y);
        FieldVector.Negate(out FieldVector negated, Parts.T);
        FieldVector.Select(out Parts.T, negative, negated, Parts.T);
    }
}

/// <summary>Eight points in extended coordinates.</summary>
internal struct PointVector
{
    public FieldVector X;
    public FieldVector Y;
    public FieldVector Z;
    public FieldVector T;

    /// <summary>The neutral point in every lane.</summary>
    public static void Neutral(out PointVector r)
    {
        r = default;
        r.Y.L0 = Vector512<ulong>.One;
        r.Z.L0 = Vector512<ulong>.One;
    }

    /// <summary>p + q; seven products.</summary>
    [SkipLocalsInit]
    public static void Add(ref PointVector p, in NielsVector q)
    {
        FieldVector.Add(out FieldVector a, p.Y, p.X);
        FieldVector.Multiply(out a, a, q.Sum);
        FieldVector.Subtract(out FieldVector b, p.Y, p.X);
        FieldVector.Multiply(out b, b, q.Difference);
        FieldVector.Multiply(out FieldVector c, q.Xy2d, p.T);
        FieldVector.Add(out FieldVector d, p.Z, p.Z);
        Join(out p, a, b, c, d);
    }

    /// <summary>p + q; nine products.</summary>
    [SkipLocalsInit]
    public static void Add(ref PointVector p, in PointVector q)
    {
        FieldVector.Add(out FieldVector a, p.Y, p.X);
        FieldVector.Add(out FieldVector other, q.Y, q.X);
        FieldVector.Multiply(out a, a, other);
        FieldVector.Subtract(out FieldVector b, p.Y, p.X);
        FieldVector.Subtract(out other, q.Y, q.X);
        FieldVector.Multiply(out b, b, other);
        FieldVector.Multiply(out FieldVector c, p.T, q.T);
        FieldVector.Broadcast(out other, Point.TwiceD);
        FieldVector.Multiply(out c, c, other);
        FieldVector.Multiply(out FieldVector d, p.Z, q.Z);
        FieldVector.Add(out d, d, d);
        Join(out p, a, b, c, d);
    }

    /// <summary>p + q; eight products.</summary>
    [SkipLocalsInit]
    public static void Add(ref PointVector p, in CachedVector q)
    {
        FieldVector.Add(out FieldVector a, p.Y, p.X);
        FieldVector.Multiply(out a, a, q.Parts.X);
        FieldVector.Subtract(out FieldVector b, p.Y, p.X);
        FieldVector.Multiply(out b, b, q.Parts.Y);
        FieldVector.Multiply(out FieldVector c, q.Parts.T, p.T);
        FieldVector.Multiply(out FieldVector d, p.Z, q.Parts.Z);
        FieldVector.Add(out d, d, d);
        Join(out p, a, b, c, d);
    }

    /// <summary>2p; four squares and four products, three when <paramref name="withT"/> is false: then T is garbage, enough to double again.</summary>
    [SkipLocalsInit]
    public static void Double(ref PointVector p, bool withT)
    {
        FieldVector.Square(out FieldVector xx, p.X);
        FieldVector.Square(out FieldVector yy, p.Y);
        FieldVector.Square(out FieldVector zz, p.Z);
        FieldVector.Add(out FieldVector xy, p.X, p.Y);
        FieldVector.Square(out xy, xy);
        FieldVector.Add(out FieldVector h, yy, xx);
        FieldVector.Subtract(out FieldVector g, yy, xx);
        FieldVector.Subtract(out FieldVector e, xy, yy);
        FieldVector.Subtract(out e, e, xx); // below 2^28.4: on the left
        FieldVector.Add(out FieldVector f, zz, zz);
        FieldVector.Add(out f, f, xx);
        FieldVector.Subtract(out f, f, yy); // 2 zz - (yy - xx)
        FieldVector.Reduce(out f, f);
        FieldVector.Multiply(out p.X, e, f);
        FieldVector.Multiply(out p.Y, g, h);
        FieldVector.Multiply(out p.Z, f, g);
        if (withT)
        {
            FieldVector.Multiply(out p.T, e, h);
        }
    }

    /// <summary>Bit i is set when 8P is neutral in lane i. T is not read.</summary>
    [SkipLocalsInit]
    public static int IsSmallOrder(PointVector p)
    {
        for (int i = 0; i < 3; i++)
        {
            Double(ref p, withT: false);
        }

        FieldVector.Subtract(out FieldVector difference, p.Y, p.Z);
        return (int)(FieldVector.IsZero(p.X) & FieldVector.IsZero(difference)).ExtractMostSignificantBits();
    }

    /// <summary>Decodes eight encodings as <see cref="Point.TryDecode"/> does.</summary>
    /// <param name="encodings">Eight.</param>
    /// <param name="points">Eight; those that are no points get something that is none.</param>
    /// <returns>Bit i is set when encoding i is a point.</returns>
    [SkipLocalsInit]
    public static int Decode(ReadOnlySpan<Bytes32> encodings, Span<Niels> points)
    {
        Span<ulong> words = stackalloc ulong[6 * FieldVector.Lanes];
        for (int lane = 0; lane < FieldVector.Lanes; lane++)
        {
            Field.Load(out Field one, encodings[lane]);
            words[lane] = one.L0;
            words[8 + lane] = one.L1;
            words[16 + lane] = one.L2;
            words[24 + lane] = one.L3;
            words[32 + lane] = one.L4;
            words[40 + lane] = (encodings[lane].W3 & 0x80) >> 7;
        }

        ref ulong start = ref MemoryMarshal.GetReference(words);
        FieldVector.Split(out FieldVector y, At(ref start, 0), At(ref start, 1), At(ref start, 2), At(ref start, 3), At(ref start, 4));
        Vector512<ulong> sign = At(ref start, 5);

        FieldVector.Broadcast(out FieldVector one8, Field.One);
        FieldVector.Broadcast(out FieldVector d, Point.D);
        FieldVector.Square(out FieldVector yy, y);
        FieldVector.Subtract(out FieldVector u, yy, one8);
        FieldVector.Reduce(out u, u);
        FieldVector.Multiply(out FieldVector v, yy, d);
        FieldVector.Add(out v, v, one8);
        FieldVector.Square(out FieldVector v3, v);
        FieldVector.Multiply(out v3, v3, v);
        FieldVector.Square(out FieldVector x, v3);
        FieldVector.Multiply(out x, x, v);
        FieldVector.Multiply(out x, x, u);
        FieldVector.PowerForRoot(out x, x);
        FieldVector.Multiply(out x, x, v3);
        FieldVector.Multiply(out x, x, u);

        // v x^2 is u, or -u (then the root of -1 is missing), or there is no root
        FieldVector.Square(out FieldVector check, x);
        FieldVector.Multiply(out check, check, v);
        FieldVector.Subtract(out FieldVector difference, check, u);
        Vector512<ulong> isRoot = FieldVector.IsZero(difference);
        FieldVector.Add(out check, check, u);
        Vector512<ulong> isOther = FieldVector.IsZero(check);
        FieldVector.Broadcast(out FieldVector turn, Point.RootOfMinusOne);
        FieldVector.Multiply(out turn, x, turn);
        FieldVector.Select(out x, isRoot, x, turn);

        FieldVector.Negate(out FieldVector negated, x);
        FieldVector.Reduce(out negated, negated);
        FieldVector.Select(out x, Vector512.Equals(FieldVector.LowBit(x), sign), x, negated);

        NielsVector niels;
        FieldVector.Add(out niels.Sum, y, x);
        FieldVector.Reduce(out niels.Sum, niels.Sum);
        FieldVector.Subtract(out niels.Difference, y, x);
        FieldVector.Reduce(out niels.Difference, niels.Difference);
        FieldVector.Multiply(out niels.Xy2d, x, y);
        FieldVector.Broadcast(out turn, Point.TwiceD);
        FieldVector.Multiply(out niels.Xy2d, niels.Xy2d, turn);
        Store(niels, points);
        return (int)(isRoot | isOther).ExtractMostSignificantBits();
    }

    /// <summary>Lane i from <paramref name="buckets"/> at word <paramref name="offsets"/>[i]: twenty words each, read as 24.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Gather(out PointVector r, ref ulong buckets, ReadOnlySpan<int> offsets)
    {
        WordSquare w = WordSquare.Load(ref buckets, offsets, 0);
        w.Transpose();
        WordSquare v = WordSquare.Load(ref buckets, offsets, 8);
        v.Transpose();
        FieldVector.Split(out r.X, w.W0, w.W1, w.W2, w.W3, w.W4);
        WordSquare u = WordSquare.Load(ref buckets, offsets, 16);
        u.Transpose();
        FieldVector.Split(out r.Y, w.W5, w.W6, w.W7, v.W0, v.W1);
        FieldVector.Split(out r.Z, v.W2, v.W3, v.W4, v.W5, v.W6);
        FieldVector.Split(out r.T, v.W7, u.W0, u.W1, u.W2, u.W3);
    }

    /// <summary>The way back of <see cref="Gather"/>; writes 24 words each.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(in PointVector p, ref ulong buckets, ReadOnlySpan<int> offsets)
    {
        WordSquare w = new(
            p.X.Join(0), p.X.Join(1), p.X.Join(2), p.X.Join(3), p.X.Join(4), p.Y.Join(0), p.Y.Join(1), p.Y.Join(2));
        w.Transpose();
        w.Store(ref buckets, offsets, 0);
        w = new(
            p.Y.Join(3), p.Y.Join(4), p.Z.Join(0), p.Z.Join(1), p.Z.Join(2), p.Z.Join(3), p.Z.Join(4), p.T.Join(0));
        w.Transpose();
        w.Store(ref buckets, offsets, 8);
        Vector512<ulong> none = Vector512<ulong>.Zero;
        w = new(p.T.Join(1), p.T.Join(2), p.T.Join(3), p.T.Join(4), none, none, none, none);
        w.Transpose();
        w.Store(ref buckets, offsets, 16);
    }

    /// <summary>The products that end an addition.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join(out PointVector r, in FieldVector a, in FieldVector b, in FieldVector c, in FieldVector d)
    {
        FieldVector.Subtract(out FieldVector e, a, b);
        FieldVector.Subtract(out FieldVector f, d, c);
        FieldVector.Add(out FieldVector g, d, c);
        FieldVector.Add(out FieldVector h, a, b);
        FieldVector.Multiply(out r.X, f, e); // f may be twice as large as the others: on the left
        FieldVector.Multiply(out r.Y, g, h);
        FieldVector.Multiply(out r.Z, f, g);
        FieldVector.Multiply(out r.T, e, h);
    }

    [SkipLocalsInit]
    private static void Store(in NielsVector niels, Span<Niels> points)
    {
        Span<ulong> words = stackalloc ulong[15 * FieldVector.Lanes];
        for (int i = 0; i < 5; i++)
        {
            niels.Sum.Join(i).CopyTo(words[(8 * i)..]);
            niels.Difference.Join(i).CopyTo(words[(8 * (5 + i))..]);
            niels.Xy2d.Join(i).CopyTo(words[(8 * (10 + i))..]);
        }

        for (int lane = 0; lane < FieldVector.Lanes; lane++)
        {
            ReadOnlySpan<ulong> w = words[lane..];
            ref Niels point = ref points[lane];
            point.Sum = new Field(w[0], w[8], w[16], w[24], w[32]);
            point.Difference = new Field(w[40], w[48], w[56], w[64], w[72]);
            point.Xy2d = new Field(w[80], w[88], w[96], w[104], w[112]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> At(ref ulong start, nuint row) => Vector512.LoadUnsafe(ref start, 8 * row);
}
