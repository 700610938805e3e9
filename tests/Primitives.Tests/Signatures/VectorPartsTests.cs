// Eight lanes against the scalar twins: products of loose operands at the edges of limbs, sums of points in memory, decoding, and the sum
// of many multiples against the unbounded integers. Where the machine has no such vectors, only the last has something to say.

using System;
using System.Collections.Generic;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives.Tests.Signatures;

public class VectorPartsTests
{
    [Theory, InlineData(1), InlineData(20260)]
    public void Every_lane_is_the_scalar_field(ulong seed)
    {
        if (!FieldVector.IsSupported)
        {
            return;
        }

        List<Field> values = Values(new SeededRandom(seed));
        for (int i = 0; i < values.Count; i++)
        {
            for (int j = 0; j < values.Count; j++)
            {
                Field[] a = Eight(values, i, 1);
                Field[] b = Eight(values, j, 3);
                FieldVector x = Load(a);
                FieldVector y = Load(b);
                string context = $"seed {seed}: {i} and {j}";
                FieldVector.Multiply(out FieldVector r, x, y);
                Check(r, lane => Product(a[lane], b[lane]), context + ", product");

                // as loose as they come: (2a - b) on the left, a - b on the right
                FieldVector.Add(out FieldVector left, x, x);
                FieldVector.Subtract(out left, left, y);
                FieldVector.Subtract(out FieldVector right, x, y);
                FieldVector.Multiply(out r, left, right);
                Check(r, lane => Product(Difference(Sum(a[lane], a[lane]), b[lane]), Difference(a[lane], b[lane])), context + ", loose product");
                FieldVector.Square(out r, right);
                Check(r, lane => Product(Difference(a[lane], b[lane]), Difference(a[lane], b[lane])), context + ", loose square");
                FieldVector.Reduce(out r, right);
                Check(r, lane => Difference(a[lane], b[lane]), context + ", difference");
                FieldVector.Add(out FieldVector sum, x, y);
                FieldVector.Reduce(out r, sum);
                Check(r, lane => Sum(a[lane], b[lane]), context + ", sum");
                for (int lane = 0; lane < FieldVector.Lanes; lane++)
                {
                    Assert.True((FieldVector.IsZero(right)[lane] != 0) == Difference(a[lane], b[lane]).IsZero(), context + ", zero");
                    Assert.True(FieldVector.LowBit(right)[lane] == Difference(a[lane], b[lane]).LowBit(), context + ", low bit");
                }
            }

            FieldVector.PowerForRoot(out FieldVector power, Load(Eight(values, i, 1)));
            Check(power, lane => PowerForRoot(Eight(values, i, 1)[lane]), $"seed {seed}: power of {i}");
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void Eight_encodings_decode_as_one_by_one(ulong seed)
    {
        if (!FieldVector.IsSupported)
        {
            return;
        }

        SeededRandom random = new(seed);
        List<Bytes32> encodings = [.. Mutations.SmallOrder];
        for (int i = 0; i < 25; i++)
        {
            encodings.Add(EdwardsOracle.Bytes(i));
            encodings.Add(EdwardsOracle.Bytes(EdwardsOracle.P - 6 + i));
            encodings.Add(EdwardsOracle.Bytes(BigInteger.Pow(2, 255) + i));
        }

        while (encodings.Count % FieldVector.Lanes != 0 || encodings.Count < 400)
        {
            encodings.Add(new Bytes32(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64()));
        }

        Niels[] points = new Niels[FieldVector.Lanes];
        for (int start = 0; start < encodings.Count; start += FieldVector.Lanes)
        {
            Bytes32[] eight = [.. encodings[start..(start + FieldVector.Lanes)]];
            int found = PointVector.Decode(eight, points);
            for (int lane = 0; lane < eight.Length; lane++)
            {
                bool isPoint = Point.TryDecode(eight[lane], out Point expected);
                Assert.True(isPoint == ((found >> lane & 1) != 0), $"seed {seed}: {eight[lane]}");
                if (isPoint)
                {
                    points[lane].ToPoint(out Point actual);
                    Assert.True(expected.Encode() == actual.Encode(), $"seed {seed}: {eight[lane]}");
                }
            }
        }
    }

    [Fact]
    public void Points_turned_into_lanes_and_back_are_what_they_were()
    {
        if (!FieldVector.IsSupported)
        {
            return;
        }

        SeededRandom random = new(9);
        ulong[] words = new ulong[FieldVector.Lanes * 24];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = random.NextU64() >> 13;
        }

        int[] from = [168, 0, 24, 120, 48, 72, 144, 96];
        ulong[] target = new ulong[words.Length];
        PointVector.Gather(out PointVector p, ref MemoryMarshal.GetArrayDataReference(words), from);
        PointVector.Scatter(p, ref MemoryMarshal.GetArrayDataReference(target), from);
        for (int i = 0; i < words.Length; i++)
        {
            Assert.Equal(i % 24 < 20 ? words[i] : 0, target[i]);
        }
    }

    // Every count, every lane's verdict, against one by one: honest ones, S off by one, another's R, points of small order.
    [Fact]
    public void Signatures_side_by_side_have_the_verdict_that_they_have_alone()
    {
        if (!FieldVector.IsSupported)
        {
            return;
        }

        SeededRandom random = new(6);
        SignedMessage[] good = SignedMessage.Many(64, seed: 7);
        LaneVerifier lanes = new();
        for (int round = 0; round < 80; round++)
        {
            int count = 1 + (round % LaneVerifier.Lanes);
            Niels[] keys = new Niels[count];
            Niels[] rs = new Niels[count];
            DecodedSignature[] signatures = new DecodedSignature[count];
            int expected = 0;
            for (int i = 0; i < count; i++)
            {
                SignedMessage one = good[random.Next(good.Length)];
                Bytes32 key = random.Chance(1, 5) ? Mutations.SmallOrder[random.Next(14)] : one.Key.Value;
                Bytes32 r = random.Chance(1, 5) ? Mutations.SmallOrder[random.Next(14)] : one.Signature.R;
                BigInteger s = EdwardsOracle.Number(one.Signature.S);
                s = random.Next(5) switch { 0 => s + 1, 1 => 0, 2 => EdwardsOracle.L - 1, _ => s };
                Assert.True(Point.TryDecode(key, out Point point));
                point.ToNiels(Field.One, out keys[i]);
                Assert.True(Point.TryDecode(r, out point));
                point.ToNiels(Field.One, out rs[i]);
                signatures[i].S = Scalar.Load(EdwardsOracle.Bytes(s % EdwardsOracle.L));
                signatures[i].K = Ed25519.Challenge(key, r, one.Message);
                expected |= Ed25519.Verify(key, r, signatures[i].S, signatures[i].K) ? 1 << i : 0;
            }

            int mask = (1 << count) - 1;
            Assert.Equal(expected, lanes.Verify(keys, rs, signatures) & mask);
        }
    }

    // Extreme digits first: L - 1, 0, 1, powers of two, runs of ones; each width; few and many.
    [Theory, InlineData(true), InlineData(false)]
    public void The_sum_of_multiples_is_the_oracle_sum(bool usesVectors)
    {
        SeededRandom random = new(4);
        MultiScalar sums = new(usesVectors && FieldVector.IsSupported);
        foreach (int width in new[] { 4, 6, 8 })
        {
            foreach (int count in new[] { 1, 2, 13, 30 })
            {
                Niels[] keys = new Niels[count];
                Niels[] rs = new Niels[count];
                Scalar[] scalars = new Scalar[count];
                Coefficient[] coefficients = new Coefficient[count];
                OraclePoint expected = EdwardsOracle.Neutral;
                for (int i = 0; i < count; i++)
                {
                    BigInteger a = Pick(random, 253) % EdwardsOracle.L;
                    BigInteger z = Pick(random, 127);
                    bool isNegative = random.Chance(1, 2);
                    scalars[i] = Scalar.Load(EdwardsOracle.Bytes(a));
                    coefficients[i] = new Coefficient((ulong)(z & ulong.MaxValue), (ulong)(z >> 64) | (isNegative ? 1UL << 63 : 0));
                    OraclePoint key = RandomPoint(random, out keys[i]);
                    OraclePoint r = RandomPoint(random, out rs[i]);
                    expected = EdwardsOracle.Add(expected, EdwardsOracle.Multiply(a, key));
                    expected = EdwardsOracle.Add(expected, EdwardsOracle.Multiply(z, isNegative ? EdwardsOracle.Negate(r) : r));
                }

                sums.Sum(keys, scalars, rs, coefficients, width, out Point sum);
                Assert.True(EdwardsOracle.Encode(expected) == sum.Encode(), $"width {width}, {count} pairs");
            }
        }
    }

    private static BigInteger Pick(SeededRandom random, int bits) => random.Next(6) switch
    {
        0 => 0,
        1 => BigInteger.Pow(2, bits) - 1,
        2 => BigInteger.Pow(2, random.Next(bits)),
        3 => BigInteger.Pow(2, bits) - BigInteger.Pow(2, random.Next(bits)),
        4 => EdwardsOracle.L - 1 & (BigInteger.Pow(2, bits) - 1),
        _ => EdwardsOracle.Number(new Bytes32(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64())) >> (256 - bits),
    };

    /// <summary>Any point of the curve, most with a component of small order.</summary>
    private static OraclePoint RandomPoint(SeededRandom random, out Niels niels)
    {
        while (true)
        {
            Bytes32 encoding = new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
            if (EdwardsOracle.Decode(encoding) is OraclePoint point)
            {
                Assert.True(Point.TryDecode(encoding, out Point decoded));
                decoded.ToNiels(Field.One, out niels);
                return point;
            }
        }
    }

    /// <summary>Zero, p and around, the ends of 25-, 26- and 51-bit limbs, tight limbs over 51 bits, random ones.</summary>
    private static List<Field> Values(SeededRandom random)
    {
        const ulong Full = (1UL << 51) - 1;
        List<Field> values =
        [
            default, Field.One, new(Full, Full, Full, Full, Full), new(Full - 18, Full, Full, Full, Full), new(Full - 19, Full, Full, Full, Full),
            new(Full + (1UL << 17), Full + 1000, Full + 1000, Full + 1000, Full + 1000), new(1UL << 26, 1UL << 25, 1UL << 26, 0, 1UL << 50),
            new((1UL << 26) - 1, 0, Full, 1UL << 50, Full),
        ];
        while (values.Count < 20)
        {
            values.Add(new Field(random.NextU64() >> 13, random.NextU64() >> 13, random.NextU64() >> 13, random.NextU64() >> 13, random.NextU64() >> 13));
        }

        return values;
    }

    private static Field[] Eight(List<Field> values, int start, int step)
    {
        Field[] eight = new Field[FieldVector.Lanes];
        for (int lane = 0; lane < eight.Length; lane++)
        {
            eight[lane] = values[(start + (step * lane)) % values.Count];
        }

        return eight;
    }

    private static FieldVector Load(Field[] eight)
    {
        FieldVector.Split(out FieldVector r, Limb(f => f.L0), Limb(f => f.L1), Limb(f => f.L2), Limb(f => f.L3), Limb(f => f.L4));
        return r;

        Vector512<ulong> Limb(Func<Field, ulong> limb) => Vector512.Create(Array.ConvertAll(eight, f => limb(f)));
    }

    private static void Check(in FieldVector actual, Func<int, Field> expected, string context)
    {
        for (int lane = 0; lane < FieldVector.Lanes; lane++)
        {
            Field value = new(actual.Join(0)[lane], actual.Join(1)[lane], actual.Join(2)[lane], actual.Join(3)[lane], actual.Join(4)[lane]);
            Assert.True(expected(lane).Store() == value.Store(), $"{context}, lane {lane}");
        }
    }

    private static Field Product(Field a, Field b)
    {
        Field.Multiply(out Field r, a, b);
        return r;
    }

    private static Field Sum(Field a, Field b)
    {
        Field.Add(out Field r, a, b);
        return Product(r, Field.One);
    }

    private static Field Difference(Field a, Field b)
    {
        Field.Subtract(out Field r, a, b);
        return Product(r, Field.One);
    }

    private static Field PowerForRoot(Field a)
    {
        Field.PowerForRoot(out Field r, a);
        return r;
    }
}
