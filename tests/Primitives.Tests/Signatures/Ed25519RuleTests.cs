// The rule of ZIP-215 where implementations part: points of small order, encodings that are not canonical, S out of range,
// components of small order beside honest ones. The oracle is the rule on unbounded integers.

using System.Collections.Generic;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Signatures;

public class Ed25519RuleTests
{
    private static readonly OraclePoint[] Torsion = EdwardsOracle.Torsion();

    [Fact]
    public void The_small_order_points_have_fourteen_encodings_and_all_decode()
    {
        HashSet<Bytes32> distinct = [];
        foreach (OraclePoint point in Torsion)
        {
            Bytes32 canonical = EdwardsOracle.Encode(point);
            List<Bytes32> encodings = EdwardsOracle.Encodings(point);
            Assert.Contains(canonical, encodings);
            foreach (Bytes32 encoding in encodings)
            {
                Assert.True(distinct.Add(encoding), $"{encoding} twice");
                Assert.True(Point.TryDecode(encoding, out Point decoded), $"{encoding}");
                Assert.Equal(canonical, decoded.Encode());
            }
        }

        Assert.Equal(14, distinct.Count); // 8 canonical and 6 others
    }

    // With A and R of small order the equation is [8][S]B = neutral, whatever was signed: S = 0 is valid, 1 and L - 1 are not,
    // and L, where the equation holds again, is out of range.
    [Fact]
    public void Every_pair_of_small_order_encodings_verifies_with_S_zero_and_with_no_other_S()
    {
        Bytes32[] encodings = SmallOrderEncodings();
        byte[] message = "Zcash"u8.ToArray();
        Bytes32 one = EdwardsOracle.Bytes(1);
        Bytes32 last = EdwardsOracle.Bytes(EdwardsOracle.L - 1);
        Bytes32 order = EdwardsOracle.Bytes(EdwardsOracle.L);
        int pairs = 0;
        foreach (Bytes32 key in encodings)
        {
            foreach (Bytes32 r in encodings)
            {
                string context = $"key {key} R {r}";
                Assert.True(Ed25519.Verify(new PublicKey(key), message, new Signature(r, Bytes32.Zero)), context);
                Assert.True(Ed25519.Verify(new PublicKey(key), [], new Signature(r, Bytes32.Zero)), context + ", no message");
                Assert.False(Ed25519.Verify(new PublicKey(key), message, new Signature(r, one)), context + ", S = 1");
                Assert.False(Ed25519.Verify(new PublicKey(key), message, new Signature(r, last)), context + ", S = L - 1");
                Assert.False(Ed25519.Verify(new PublicKey(key), message, new Signature(r, order)), context + ", S = L");
                pairs++;
            }
        }

        Assert.Equal(196, pairs);
    }

    // With A neutral and R = [s]B the equation holds for every S that is s modulo L, so only the range can refuse.
    [Fact]
    public void S_is_accepted_below_L_and_refused_from_L_on()
    {
        PublicKey neutral = new(EdwardsOracle.Encode(EdwardsOracle.Neutral));
        BigInteger order = EdwardsOracle.L;
        BigInteger limit = BigInteger.Pow(2, 256);
        List<BigInteger> scalars =
        [
            0, 1, 2, 8, BigInteger.Pow(2, 252) - 1, BigInteger.Pow(2, 252), BigInteger.Pow(2, 252) + 1, order - 2, order - 1,
            order, order + 1, order + 2, BigInteger.Pow(2, 253) - 1, BigInteger.Pow(2, 253), BigInteger.Pow(2, 254),
            BigInteger.Pow(2, 255) - 1, BigInteger.Pow(2, 255), limit - 1,
            order + BigInteger.Pow(2, 64), order + BigInteger.Pow(2, 128), order - BigInteger.Pow(2, 64), order + BigInteger.Pow(2, 192),
        ];
        for (BigInteger multiple = order; multiple < limit; multiple += order)
        {
            scalars.Add(multiple);
            scalars.Add(multiple - 1);
        }

        int refused = 0;
        foreach (BigInteger s in scalars)
        {
            Bytes32 r = EdwardsOracle.Encode(EdwardsOracle.Multiply(s % order, EdwardsOracle.Base));
            bool valid = Ed25519.Verify(neutral, "any"u8, new Signature(r, EdwardsOracle.Bytes(s)));
            Assert.True(valid == (s < order), $"S = {s}: {valid}");
            refused += valid ? 0 : 1;
        }

        Assert.True(refused > 30, $"{refused} refused");
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void A_signature_with_S_raised_by_a_multiple_of_L_is_refused(ulong seed)
    {
        SeededRandom random = new(seed);
        Bytes32 secret = NextBytes(random);
        PublicKey key = Ed25519.PublicKeyOf(secret);
        Signature signature = Ed25519.Sign(secret, "raised"u8);
        Assert.True(Ed25519.Verify(key, "raised"u8, signature));
        int raised = 0;
        BigInteger s = EdwardsOracle.Number(signature.S);
        while ((s += EdwardsOracle.L) < BigInteger.Pow(2, 256))
        {
            raised++;
            Signature malleable = signature with { S = EdwardsOracle.Bytes(s) };
            Assert.False(Ed25519.Verify(key, "raised"u8, malleable), $"seed {seed}: S + {raised} L");
        }

        Assert.InRange(raised, 14, 15);
    }

    // A key aB + T and an R of rB + U with S = r + ka: the cofactor takes T and U away. Without it most of these would fail.
    [Theory, InlineData(1), InlineData(7)]
    public void Components_of_small_order_in_key_and_R_do_not_matter(ulong seed)
    {
        SeededRandom random = new(seed);
        BigInteger a = EdwardsOracle.Number(NextBytes(random)) % EdwardsOracle.L;
        BigInteger r = EdwardsOracle.Number(NextBytes(random)) % EdwardsOracle.L;
        OraclePoint honestKey = EdwardsOracle.Multiply(a, EdwardsOracle.Base);
        OraclePoint honestR = EdwardsOracle.Multiply(r, EdwardsOracle.Base);
        byte[] message = [1, 2, 3];
        for (int t = 0; t < 8; t++)
        {
            for (int u = 0; u < 8; u++)
            {
                Bytes32 key = EdwardsOracle.Encode(EdwardsOracle.Add(honestKey, Torsion[t]));
                Bytes32 encodedR = EdwardsOracle.Encode(EdwardsOracle.Add(honestR, Torsion[u]));
                BigInteger s = (r + (EdwardsOracle.Challenge(encodedR, key, message) * a)) % EdwardsOracle.L;
                Signature signature = new(encodedR, EdwardsOracle.Bytes(s));
                string context = $"seed {seed}: torsion {t} in the key, {u} in R";
                Assert.True(Ed25519.Verify(new PublicKey(key), message, signature), context);
                Assert.False(Ed25519.Verify(new PublicKey(key), [1, 2, 4], signature), context + ", another message");
                Signature next = signature with { S = EdwardsOracle.Bytes((s + 1) % EdwardsOracle.L) };
                Assert.False(Ed25519.Verify(new PublicKey(key), message, next), context + ", S + 1");
            }
        }
    }

    // All the y that do not fit below p, then y near the edges, then anything.
    [Theory, InlineData(1), InlineData(20260)]
    public void Any_32_bytes_decode_as_the_oracle_says(ulong seed)
    {
        SeededRandom random = new(seed);
        List<Bytes32> encodings = [];
        for (int i = -30; i < 49; i++)
        {
            BigInteger y = i < 0 ? -i - 1 : EdwardsOracle.P - 30 + i;
            encodings.Add(EdwardsOracle.Bytes(y));
            encodings.Add(EdwardsOracle.Bytes(y + BigInteger.Pow(2, 255)));
        }

        for (int i = 0; i < 300; i++)
        {
            encodings.Add(NextBytes(random));
        }

        int points = 0;
        foreach (Bytes32 encoding in encodings)
        {
            OraclePoint? expected = EdwardsOracle.Decode(encoding);
            bool isPoint = Point.TryDecode(encoding, out Point decoded);
            Assert.True(isPoint == expected.HasValue, $"seed {seed}: {encoding} is a point: {isPoint}");
            if (expected is OraclePoint point)
            {
                points++;
                Assert.True(EdwardsOracle.Encode(point) == decoded.Encode(), $"seed {seed}: {encoding} is another point");
            }
            else
            {
                Bytes32 good = EdwardsOracle.Encode(EdwardsOracle.Neutral);
                Assert.False(Ed25519.Verify(new PublicKey(encoding), [], new Signature(good, Bytes32.Zero)), $"key {encoding}");
                Assert.False(Ed25519.Verify(new PublicKey(good), [], new Signature(encoding, Bytes32.Zero)), $"R {encoding}");
            }
        }

        Assert.InRange(points, encodings.Count / 3, encodings.Count * 2 / 3);
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Valid_and_spoiled_signatures_verify_as_the_oracle_says(ulong seed)
    {
        SeededRandom random = new(seed);
        Bytes32[] small = SmallOrderEncodings();
        for (int round = 0; round < 40; round++)
        {
            Bytes32 secret = NextBytes(random);
            byte[] message = new byte[random.Next(200)];
            random.Fill(message);
            Bytes32 key = Ed25519.PublicKeyOf(secret).Value;
            Signature signature = Ed25519.Sign(secret, message);
            int spoiled = random.Next(6);
            switch (spoiled)
            {
                case 0:
                    break;
                case 1:
                    key = small[random.Next(small.Length)];
                    break;
                case 2:
                    signature = signature with { R = small[random.Next(small.Length)] };
                    break;
                case 3:
                    signature = signature with { S = NextBytes(random) };
                    break;
                case 4:
                    key = NextBytes(random);
                    break;
                default:
                    key = small[random.Next(small.Length)];
                    BigInteger s = EdwardsOracle.Number(NextBytes(random)) % EdwardsOracle.L;
                    signature = new Signature(EdwardsOracle.Encode(EdwardsOracle.Multiply(s, EdwardsOracle.Base)), EdwardsOracle.Bytes(s));
                    break;
            }

            bool expected = EdwardsOracle.Verify(key, message, signature.R, signature.S);
            bool actual = Ed25519.Verify(new PublicKey(key), message, signature);
            Assert.True(expected == actual, $"seed {seed} round {round} kind {spoiled}: {actual}");
            Assert.True(expected == (spoiled is 0 or 5), $"seed {seed} round {round} kind {spoiled}: the oracle says {expected}");
        }
    }

    private static Bytes32[] SmallOrderEncodings()
    {
        List<Bytes32> encodings = [];
        foreach (OraclePoint point in Torsion)
        {
            encodings.AddRange(EdwardsOracle.Encodings(point));
        }

        return [.. encodings];
    }

    private static Bytes32 NextBytes(SeededRandom random) =>
        new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
}
