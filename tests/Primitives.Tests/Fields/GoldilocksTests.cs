// The field against integers of any size, at the edges of the word, of the prime and of its halves, and at random.

using System.Numerics;

namespace ParallelVm.Primitives.Tests.Fields;

public class GoldilocksTests
{
    private static readonly BigInteger P = (BigInteger.One << 64) - (BigInteger.One << 32) + 1;

    [Fact]
    public void The_modulus_is_the_prime()
    {
        Assert.Equal(P, Goldilocks.Modulus);
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Every_operation_is_that_of_integers_modulo_the_prime(ulong seed)
    {
        SeededRandom random = new(seed);
        ulong[] edges = Edges();
        foreach (ulong a in edges)
        {
            foreach (ulong b in edges)
            {
                Check(a, b, $"edges {a:x} {b:x}");
            }
        }

        for (int round = 0; round < 4_000; round++)
        {
            ulong a = random.Chance(1, 4) ? edges[random.Next(edges.Length)] : random.NextU64();
            ulong b = random.Chance(1, 4) ? edges[random.Next(edges.Length)] : random.NextU64();
            Check(a, b, $"seed {seed} round {round}: {a:x} {b:x}");
        }
    }

    [Theory, InlineData(1), InlineData(20260)]
    public void Every_element_but_zero_has_the_inverse_that_integers_give(ulong seed)
    {
        Assert.Equal(0ul, Goldilocks.Inverse(0));
        Assert.Equal(0ul, Goldilocks.Inverse(Goldilocks.Modulus));
        SeededRandom random = new(seed);
        ulong[] edges = Edges();
        for (int round = 0; round < 300; round++)
        {
            ulong a = round < edges.Length ? edges[round] : random.NextU64();
            BigInteger expected = BigInteger.ModPow(a, P - 2, P);
            ulong actual = Goldilocks.Inverse(a);
            Assert.True(expected == actual, $"seed {seed}: 1 / {a:x}");
            if (a % P != 0)
            {
                Assert.True(Goldilocks.Multiply(a, actual) == 1, $"seed {seed}: {a:x} times its inverse");
            }
        }
    }

    private static void Check(ulong a, ulong b, string context)
    {
        // these take any word
        Assert.True(a % P == Goldilocks.Reduce(a), context + ", reduce");
        Assert.True(a * (BigInteger)b % P == Goldilocks.Multiply(a, b), context + ", multiply");
        Assert.True(((a * (BigInteger)b) - Goldilocks.MultiplyLoose(a, b)) % P == 0, context + ", loose product");
        BigInteger wide = ((BigInteger)a << 64) + b;
        Assert.True((wide - Goldilocks.ReduceLoose(a, b)) % P == 0, context + ", loose reduction");

        Assert.True((a + (b % P) - Goldilocks.AddLoose(a, (ulong)(b % P))) % P == 0, context + ", loose sum");

        // these take canonical ones
        ulong x = (ulong)(a % P);
        ulong y = (ulong)(b % P);
        Assert.True((x + (BigInteger)y) % P == Goldilocks.Add(x, y), context + ", add");
        Assert.True((P + x - y) % P == Goldilocks.Subtract(x, y), context + ", subtract");
        Assert.True((P - x) % P == Goldilocks.Negate(x), context + ", negate");
    }

    private static ulong[] Edges()
    {
        ulong p = Goldilocks.Modulus;
        return
        [
            0, 1, 2, 3, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x1_00000000, 0x1_00000001, 0x7FFFFFFF_80000000,
            0x7FFFFFFF_80000001, 0x80000000_00000000, 0xFFFFFFFE_00000000, 0xFFFFFFFE_FFFFFFFF, 0xFFFFFFFF_00000000, p - 2, p - 1, p, p + 1,
            p + 2, ulong.MaxValue - 0xFFFFFFFF, ulong.MaxValue - 1, ulong.MaxValue,
        ];
    }
}
