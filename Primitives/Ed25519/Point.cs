// Points of the curve -x^2 + y^2 = 1 + d x^2 y^2 over the field, in the forms that make each step cheapest:
//
//   Point       X, Y, Z, T    x = X/Z, y = Y/Z, T = XY/Z         what sums start from
//   Completed   X, Y, Z, T    x = X/Z, y = Y/T                   what doubling and addition give; one round of products from a Point
//   Cached      Y+X, Y-X, Z, 2dT                                 an addend of any Z
//   Niels       y+x, y-x, 2dxy                                   an addend with Z = 1: one product less
//
// The formulas are complete: they hold for all pairs of points, the neutral and small orders too, so there is no case to branch on.
// Limb bounds (Field.cs): coordinates of Point are tight; those of Completed are loose.
// Source: Hisil, Wong, Carter, Dawson, "Twisted Edwards curves revisited" (2008), extended coordinates with a = -1.

namespace ParallelVm.Primitives;

/// <summary>An addend with any Z.</summary>
internal struct Cached
{
    public Field Sum;
    public Field Difference;
    public Field Z;
    public Field T2d;
}

/// <summary>An addend with Z = 1; tight.</summary>
internal struct Niels
{
    public Field Sum;
    public Field Difference;
    public Field Xy2d;

    /// <summary>The point in extended coordinates, with Z = 4.</summary>
    public readonly void ToPoint(out Point r)
    {
        Field two = new(2, 0, 0, 0, 0);
        Field.Subtract(out Field x, Sum, Difference); // 2x
        Field.Add(out Field y, Sum, Difference);      // 2y
        Field.Multiply(out r.T, x, y);
        Field.Multiply(out r.X, x, two);
        Field.Multiply(out r.Y, y, two);
        Field.Add(out r.Z, two, two);
    }
}

/// <summary>The result of a doubling or an addition, before its products.</summary>
internal struct Completed
{
    public Field X;
    public Field Y;
    public Field Z;
    public Field T;

    /// <summary>X, Y, Z only: enough to double again.</summary>
    public readonly void ToProjective(ref Point r)
    {
        Field.Multiply(out r.X, X, T);
        Field.Multiply(out r.Y, Y, Z);
        Field.Multiply(out r.Z, Z, T);
    }

    /// <summary>All four coordinates.</summary>
    public readonly void ToPoint(ref Point r)
    {
        ToProjective(ref r);
        Field.Multiply(out r.T, X, Y);
    }
}

/// <summary>A point in extended coordinates.</summary>
internal struct Point
{
    internal static readonly Field D = new(0x34DCA135978A3, 0x1A8283B156EBD, 0x5E7A26001C029, 0x739C663A03CBB, 0x52036CEE2B6FF);
    internal static readonly Field TwiceD = new(0x69B9426B2F159, 0x35050762ADD7A, 0x3CF44C0038052, 0x6738CC7407977, 0x2406D9DC56DFF);
    internal static readonly Field RootOfMinusOne = new(0x61B274A0EA0B0, 0x0D5A5FC8F189D, 0x7EF5E9CBD0C60, 0x78595A6804C9E, 0x2B8324804FC1D);

    public Field X;
    public Field Y;
    public Field Z;
    public Field T;

    /// <summary>(0, 1), what adds nothing.</summary>
    public static Point Neutral => new() { Y = Field.One, Z = Field.One };

    /// <summary>The base point B: y = 4/5, x even.</summary>
    public static Point Base()
    {
        Point b = default;
        b.X = new Field(0x62D608F25D51A, 0x412A4B4F6592A, 0x75B7171A4B31D, 0x1FF60527118FE, 0x216936D3CD6E5);
        b.Y = new Field(0x6666666666658, 0x4CCCCCCCCCCCC, 0x1999999999999, 0x3333333333333, 0x6666666666666);
        b.Z = Field.One;
        Field.Multiply(out b.T, b.X, b.Y);
        return b;
    }

    /// <summary>The point of an encoding, as ZIP-215 reads it: y may be p or more, and x = 0 may come with either sign.</summary>
    /// <returns>False when no point has that y. Not constant time: encodings are public.</returns>
    public static bool TryDecode(in Bytes32 encoding, out Point point)
    {
        point = default;
        Field.Load(out point.Y, encoding);
        point.Z = Field.One;

        // x^2 = u/v with u = y^2 - 1, v = d y^2 + 1; the candidate is u v^3 (u v^7)^((p-5)/8)
        Field.Square(out Field yy, point.Y);
        Field.Subtract(out Field u, yy, point.Z);
        Field.Multiply(out Field v, yy, D);
        Field.Add(out v, v, point.Z);
        Field.Square(out Field v3, v);
        Field.Multiply(out v3, v3, v);
        Field.Square(out Field x, v3);
        Field.Multiply(out x, x, v);
        Field.Multiply(out x, x, u);
        Field.PowerForRoot(out x, x);
        Field.Multiply(out x, x, v3);
        Field.Multiply(out x, x, u);

        // v x^2 is u, or -u (then the root of -1 is missing), or there is no root
        Field.Square(out Field check, x);
        Field.Multiply(out check, check, v);
        Field.Multiply(out u, u, Field.One);
        Field.Subtract(out Field difference, check, u);
        if (!difference.IsZero())
        {
            Field.Add(out Field sum, check, u);
            if (!sum.IsZero())
            {
                return false;
            }

            Field.Multiply(out x, x, RootOfMinusOne);
        }

        if (x.LowBit() != (encoding.W3 & 0x80) >> 7)
        {
            Field.Negate(out x, x);
            Field.Multiply(out x, x, Field.One); // tight again
        }

        point.X = x;
        Field.Multiply(out point.T, point.X, point.Y);
        return true;
    }

    /// <summary>The one encoding of the point: y below p, the low bit of x on top.</summary>
    public readonly Bytes32 Encode()
    {
        Field.Invert(out Field inverse, Z);
        return Encode(inverse);
    }

    /// <summary>Two encodings for one inversion.</summary>
    public static void Encode(in Point p, in Point q, out Bytes32 encodedP, out Bytes32 encodedQ)
    {
        Field.Multiply(out Field product, p.Z, q.Z);
        Field.Invert(out Field inverse, product);
        Field.Multiply(out Field inverseP, inverse, q.Z);
        Field.Multiply(out Field inverseQ, inverse, p.Z);
        encodedP = p.Encode(inverseP);
        encodedQ = q.Encode(inverseQ);
    }

    private readonly Bytes32 Encode(in Field inverseZ)
    {
        Field.Multiply(out Field x, X, inverseZ);
        Field.Multiply(out Field y, Y, inverseZ);
        Bytes32 bytes = y.Store();
        return bytes with { W3 = bytes.W3 | (x.LowBit() << 7) };
    }

    /// <summary>-P.</summary>
    public void Negate()
    {
        Field.Negate(out X, X);
        Field.Multiply(out X, X, Field.One);
        Field.Negate(out T, T);
        Field.Multiply(out T, T, Field.One);
    }

    /// <summary>Whether 8P is neutral. T is not read.</summary>
    public readonly bool IsSmallOrder()
    {
        Point p = this;
        for (int i = 0; i < 3; i++)
        {
            Double(out Completed twice, p);
            twice.ToProjective(ref p);
        }

        return p.IsNeutral();
    }

    /// <summary>True for (0, 1) and nothing else. T is not read.</summary>
    public readonly bool IsNeutral()
    {
        Field.Subtract(out Field difference, Y, Z);
        return X.IsZero() && difference.IsZero();
    }

    public readonly void ToCached(out Cached r)
    {
        Field.Add(out r.Sum, Y, X);
        Field.Subtract(out r.Difference, Y, X);
        r.Z = Z;
        Field.Multiply(out r.T2d, T, TwiceD);
    }

    /// <summary>As an addend with Z = 1, given 1/Z; tight, as FieldVector takes it.</summary>
    public readonly void ToNiels(in Field inverseZ, out Niels r)
    {
        Field.Multiply(out Field x, X, inverseZ);
        Field.Multiply(out Field y, Y, inverseZ);
        Field.Add(out r.Sum, y, x);
        Field.Multiply(out r.Sum, r.Sum, Field.One);
        Field.Subtract(out r.Difference, y, x);
        Field.Multiply(out r.Difference, r.Difference, Field.One);
        Field.Multiply(out r.Xy2d, x, y);
        Field.Multiply(out r.Xy2d, r.Xy2d, TwiceD);
    }

    /// <summary>2P; four squares. T of P is not read.</summary>
    public static void Double(out Completed r, in Point p)
    {
        Field.Square(out Field xx, p.X);
        Field.Square(out Field yy, p.Y);
        Field.Square(out Field zz, p.Z);
        Field.Add(out Field xy, p.X, p.Y);
        Field.Square(out xy, xy);
        Field.Add(out r.Y, yy, xx);
        Field.Subtract(out r.Z, yy, xx);
        Field.Subtract(out r.X, xy, r.Y);
        Field.Add(out Field sum, zz, zz);
        Field.Add(out sum, sum, xx);
        Field.Subtract(out r.T, sum, yy); // 2 zz - (yy - xx), in the order that keeps it loose
    }

    public static void Add(out Completed r, in Point p, in Cached q)
    {
        Field.Add(out Field a, p.Y, p.X);
        Field.Multiply(out a, a, q.Sum);
        Field.Subtract(out Field b, p.Y, p.X);
        Field.Multiply(out b, b, q.Difference);
        Field.Multiply(out Field c, q.T2d, p.T);
        Field.Multiply(out Field d, p.Z, q.Z);
        Field.Add(out d, d, d);
        Join(out r, a, b, c, d);
    }

    public static void Subtract(out Completed r, in Point p, in Cached q)
    {
        Field.Add(out Field a, p.Y, p.X);
        Field.Multiply(out a, a, q.Difference);
        Field.Subtract(out Field b, p.Y, p.X);
        Field.Multiply(out b, b, q.Sum);
        Field.Multiply(out Field c, q.T2d, p.T);
        Field.Multiply(out Field d, p.Z, q.Z);
        Field.Add(out d, d, d);
        JoinNegated(out r, a, b, c, d);
    }

    public static void Add(out Completed r, in Point p, in Niels q)
    {
        Field.Add(out Field a, p.Y, p.X);
        Field.Multiply(out a, a, q.Sum);
        Field.Subtract(out Field b, p.Y, p.X);
        Field.Multiply(out b, b, q.Difference);
        Field.Multiply(out Field c, q.Xy2d, p.T);
        Field.Add(out Field d, p.Z, p.Z);
        Join(out r, a, b, c, d);
    }

    public static void Subtract(out Completed r, in Point p, in Niels q)
    {
        Field.Add(out Field a, p.Y, p.X);
        Field.Multiply(out a, a, q.Difference);
        Field.Subtract(out Field b, p.Y, p.X);
        Field.Multiply(out b, b, q.Sum);
        Field.Multiply(out Field c, q.Xy2d, p.T);
        Field.Add(out Field d, p.Z, p.Z);
        JoinNegated(out r, a, b, c, d);
    }

    private static void Join(out Completed r, in Field a, in Field b, in Field c, in Field d)
    {
        Field.Subtract(out r.X, a, b);
        Field.Add(out r.Y, a, b);
        Field.Add(out r.Z, d, c);
        Field.Subtract(out r.T, d, c);
    }

    private static void JoinNegated(out Completed r, in Field a, in Field b, in Field c, in Field d)
    {
        Field.Subtract(out r.X, a, b);
        Field.Add(out r.Y, a, b);
        Field.Subtract(out r.Z, d, c);
        Field.Add(out r.T, d, c);
    }
}
