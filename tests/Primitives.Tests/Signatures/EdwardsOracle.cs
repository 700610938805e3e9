// Edwards25519 and the rule of ZIP-215 on unbounded integers: slow, plain, and nothing shared with the code under test but SHA-512.
//
// Source: RFC 8032, sections 5.1.1 to 5.1.4 (field, curve, addition); ZIP 215 (decoding and the equation).

using System;
using System.Collections.Generic;
using System.Numerics;
using System.Security.Cryptography;

namespace ParallelVm.Primitives.Tests.Signatures;

/// <summary>A point as X/Z, Y/Z with T = XY/Z.</summary>
internal readonly record struct OraclePoint(BigInteger X, BigInteger Y, BigInteger Z, BigInteger T);

internal static class EdwardsOracle
{
    private static readonly BigInteger D = Mod(-121665 * Inverse(121666));
    private static readonly BigInteger RootOfMinusOne = BigInteger.ModPow(2, (P - 1) / 4, P);

    /// <summary>The prime of the field.</summary>
    public static BigInteger P => BigInteger.Pow(2, 255) - 19;

    /// <summary>The order of the base point.</summary>
    public static BigInteger L => BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493");

    public static OraclePoint Neutral => Affine(0, 1);

    /// <summary>y = 4/5 and x even.</summary>
    public static OraclePoint Base { get; } = Decode(Bytes(Mod(4 * Inverse(5)))) ?? throw new InvalidOperationException("4/5 has a point");

    public static OraclePoint Affine(BigInteger x, BigInteger y) => new(x, y, 1, Mod(x * y));

    public static OraclePoint Add(OraclePoint p, OraclePoint q)
    {
        BigInteger a = (p.Y - p.X) * (q.Y - q.X);
        BigInteger b = (p.Y + p.X) * (q.Y + q.X);
        BigInteger c = 2 * p.T * Mod(q.T * D);
        BigInteger d = 2 * p.Z * q.Z;
        (BigInteger e, BigInteger f, BigInteger g, BigInteger h) = (Mod(b - a), Mod(d - c), Mod(d + c), Mod(b + a));
        return new OraclePoint(Mod(e * f), Mod(g * h), Mod(f * g), Mod(e * h));
    }

    public static OraclePoint Negate(OraclePoint p) => p with { X = Mod(-p.X), T = Mod(-p.T) };

    public static OraclePoint Multiply(BigInteger scalar, OraclePoint point)
    {
        OraclePoint sum = Neutral;
        for (; scalar > 0; scalar >>= 1)
        {
            if (!scalar.IsEven)
            {
                sum = Add(sum, point);
            }

            point = Add(point, point);
        }

        return sum;
    }

    public static bool IsNeutral(OraclePoint p) => p.X.IsZero && p.Y == p.Z;

    /// <summary>x and y below p.</summary>
    public static (BigInteger X, BigInteger Y) Coordinates(OraclePoint p)
    {
        BigInteger inverse = Inverse(p.Z);
        return (Mod(p.X * inverse), Mod(p.Y * inverse));
    }

    public static Bytes32 Encode(OraclePoint p)
    {
        (BigInteger x, BigInteger y) = Coordinates(p);
        return Bytes(y + ((x & 1) << 255));
    }

    /// <summary>Decodes as ZIP-215 says: y is taken modulo p, and x = 0 may have either sign.</summary>
    public static OraclePoint? Decode(Bytes32 encoding)
    {
        BigInteger number = Number(encoding);
        BigInteger y = Mod(number & (BigInteger.Pow(2, 255) - 1));
        BigInteger square = Mod((y * y - 1) * Inverse(Mod(D * y * y) + 1));
        BigInteger x = BigInteger.ModPow(square, (P + 3) / 8, P);
        if (Mod((x * x) - square) != 0)
        {
            x = Mod(x * RootOfMinusOne);
        }

        if (Mod((x * x) - square) != 0)
        {
            return null;
        }

        return Affine(x.IsEven == (number >> 255).IsZero ? x : Mod(-x), y);
    }

    public static bool Verify(Bytes32 key, ReadOnlySpan<byte> message, Bytes32 encodedR, Bytes32 s)
    {
        if (Number(s) >= L || Decode(key) is not OraclePoint a || Decode(encodedR) is not OraclePoint r)
        {
            return false;
        }

        OraclePoint right = Add(r, Multiply(Challenge(encodedR, key, message), a));
        return IsNeutral(Multiply(8, Add(Multiply(Number(s), Base), Negate(right))));
    }

    /// <summary>k of the equation.</summary>
    public static BigInteger Challenge(Bytes32 encodedR, Bytes32 key, ReadOnlySpan<byte> message)
    {
        byte[] digest = SHA512.HashData([.. encodedR.ToArray(), .. key.ToArray(), .. message]);
        return new BigInteger(digest, isUnsigned: true) % L;
    }

    /// <summary>The eight points that 8 takes to neutral: multiples of one of order 8.</summary>
    public static OraclePoint[] Torsion()
    {
        for (int y = 2; ; y++)
        {
            if (Decode(Bytes(y)) is OraclePoint point)
            {
                OraclePoint generator = Multiply(L, point);
                if (!IsNeutral(Multiply(4, generator)))
                {
                    OraclePoint[] points = new OraclePoint[8];
                    for (int i = 0; i < points.Length; i++)
                    {
                        points[i] = Multiply(i, generator);
                    }

                    return points;
                }
            }
        }
    }

    /// <summary>Every encoding that ZIP-215 reads as a point: y or y + p where that fits, and both signs where x is 0.</summary>
    public static List<Bytes32> Encodings(OraclePoint point)
    {
        (BigInteger x, BigInteger y) = Coordinates(point);
        List<Bytes32> encodings = [];
        for (BigInteger written = y; written < BigInteger.Pow(2, 255); written += P)
        {
            encodings.Add(Bytes(written + ((x & 1) << 255)));
            if (x.IsZero)
            {
                encodings.Add(Bytes(written + BigInteger.Pow(2, 255)));
            }
        }

        return encodings;
    }

    /// <summary>Thirty-two little-endian bytes of a number below 2^256.</summary>
    public static Bytes32 Bytes(BigInteger number)
    {
        byte[] bytes = new byte[32];
        number.TryWriteBytes(bytes, out _, isUnsigned: true);
        return Bytes32.From(bytes);
    }

    public static BigInteger Number(Bytes32 bytes) => new(bytes.ToArray(), isUnsigned: true);

    private static BigInteger Inverse(BigInteger value) => BigInteger.ModPow(Mod(value), P - 2, P);

    private static BigInteger Mod(BigInteger value)
    {
        BigInteger remainder = value % P;
        return remainder.Sign < 0 ? remainder + P : remainder;
    }
}
