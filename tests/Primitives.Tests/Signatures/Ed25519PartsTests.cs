// The parts under a signature against unbounded integers: the field modulo p, the scalars modulo L, the signed windows, the
// fixed-base product. Edge values first, because carries and last subtractions go wrong there.

using System;
using System.Collections.Generic;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Signatures;

public class Ed25519PartsTests
{
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void The_field_is_arithmetic_modulo_p(ulong seed)
    {
        BigInteger p = EdwardsOracle.P;
        BigInteger mask = BigInteger.Pow(2, 255) - 1;
        List<Bytes32> values = Values(new SeededRandom(seed), p, 25);
        foreach (Bytes32 left in values)
        {
            BigInteger a = EdwardsOracle.Number(left) & mask; // the top bit is the sign's
            Field.Load(out Field x, left);
            Check(a, x, $"seed {seed}: load {left}");
            Field.Square(out Field result, x);
            Check(a * a, result, $"seed {seed}: square {left}");
            Field.SquareTimes(out result, x, 3);
            Check(BigInteger.ModPow(a, 8, p), result, $"seed {seed}: three squares of {left}");
            Field.Negate(out result, x);
            Check(-a, result, $"seed {seed}: negate {left}");
            Field.Invert(out result, x);
            Check(BigInteger.ModPow(a, p - 2, p), result, $"seed {seed}: invert {left}");
            Field.PowerForRoot(out result, x);
            Check(BigInteger.ModPow(a, (p - 5) / 8, p), result, $"seed {seed}: power of {left}");
            Assert.True(x.IsZero() == (a % p).IsZero, $"seed {seed}: {left}");
            Assert.True((x.LowBit() != 0) == !(a % p).IsEven, $"seed {seed}: {left}");
            foreach (Bytes32 right in values)
            {
                BigInteger b = EdwardsOracle.Number(right) & mask;
                string context = $"seed {seed}: {left} and {right}";
                Field.Load(out Field y, right);
                Field.Multiply(out result, x, y);
                Check(a * b, result, context + ", product");
                Field.Add(out result, x, y);
                Check(a + b, result, context + ", sum");
                Field.Subtract(out result, x, y);
                Check(a - b, result, context + ", difference");
            }
        }
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Scalars_are_arithmetic_modulo_L(ulong seed)
    {
        SeededRandom random = new(seed);
        BigInteger order = EdwardsOracle.L;
        List<Bytes32> values = Values(random, order, 10);
        byte[] wide = new byte[64];
        foreach (Bytes32 left in values)
        {
            foreach (Bytes32 right in values)
            {
                left.CopyTo(wide);
                right.CopyTo(wide.AsSpan(32));
                BigInteger expected = new BigInteger(wide, isUnsigned: true) % order;
                Assert.True(EdwardsOracle.Bytes(expected) == Scalar.Reduce(wide).Store(), $"seed {seed}: {Convert.ToHexStringLower(wide)}");

                BigInteger a = EdwardsOracle.Number(left) % order;
                BigInteger b = EdwardsOracle.Number(right) % order;
                BigInteger c = random.Chance(1, 2) ? order - 1 : EdwardsOracle.Number(values[random.Next(values.Count)]) % order;
                Scalar result = Scalar.MultiplyAdd(Load(a), Load(b), Load(c));
                Assert.True(EdwardsOracle.Bytes(((a * b) + c) % order) == result.Store(), $"seed {seed}: {a} * {b} + {c}");
            }

            Assert.True(Scalar.Load(left).IsCanonical() == (EdwardsOracle.Number(left) < order), $"seed {seed}: {left}");
            Assert.Equal(left, Scalar.Load(left).Store());
        }
    }

    [Theory, InlineData(5), InlineData(8)]
    public void Windows_sum_to_the_scalar_and_every_digit_is_odd_and_small(int width)
    {
        sbyte[] digits = new sbyte[256];
        foreach (Bytes32 value in Values(new SeededRandom(3), EdwardsOracle.L, 60))
        {
            BigInteger scalar = EdwardsOracle.Number(value) % EdwardsOracle.L;
            Load(scalar).Windows(digits, width);
            BigInteger sum = 0;
            int last = -width;
            for (int i = 0; i < digits.Length; i++)
            {
                sum += digits[i] * BigInteger.Pow(2, i);
                if (digits[i] != 0)
                {
                    bool isSmall = Math.Abs((int)digits[i]) < 1 << (width - 1);
                    Assert.True(isSmall && (digits[i] & 1) == 1, $"{scalar}: digit {i} is {digits[i]}");
                    Assert.True(i - last >= width, $"{scalar}: digits {last} and {i}");
                    last = i;
                }
            }

            Assert.Equal(scalar, sum);
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void The_fixed_base_product_is_the_oracle_product(ulong seed)
    {
        foreach (Bytes32 value in Values(new SeededRandom(seed), EdwardsOracle.L, 12))
        {
            BigInteger scalar = EdwardsOracle.Number(value) % EdwardsOracle.L;
            BaseTable.Multiply(Load(scalar), out Point point);
            OraclePoint expected = EdwardsOracle.Multiply(scalar, EdwardsOracle.Base);
            Assert.True(EdwardsOracle.Encode(expected) == point.Encode(), $"seed {seed}: {scalar}");
        }
    }

    private static Scalar Load(BigInteger value) => Scalar.Load(EdwardsOracle.Bytes(value));

    private static void Check(BigInteger expected, Field actual, string context)
    {
        BigInteger remainder = ((expected % EdwardsOracle.P) + EdwardsOracle.P) % EdwardsOracle.P;
        Assert.True(EdwardsOracle.Bytes(remainder) == actual.Store(), $"{context}: {actual.Store()}");
    }

    /// <summary>Values around zero, the modulus, powers of two and the ends of limbs, then random ones.</summary>
    private static List<Bytes32> Values(SeededRandom random, BigInteger modulus, int count)
    {
        List<Bytes32> values = [EdwardsOracle.Bytes(BigInteger.Pow(2, 256) - 1), EdwardsOracle.Bytes(BigInteger.Pow(2, 255) - 1)];
        foreach (BigInteger center in new[] { BigInteger.One, modulus, BigInteger.Pow(2, 51), BigInteger.Pow(2, 204), BigInteger.Pow(2, 252) })
        {
            values.Add(EdwardsOracle.Bytes(center - 1));
            values.Add(EdwardsOracle.Bytes(center));
            values.Add(EdwardsOracle.Bytes(center + 1));
        }

        for (int i = 0; i < count; i++)
        {
            values.Add(new Bytes32(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64()));
        }

        return values;
    }
}
