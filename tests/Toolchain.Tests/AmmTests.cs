// The pool program against a model in BigInteger that follows the words of amm.pvasm's header, and the laws that hold
// whatever the model says: the product never falls by a swap, a share never loses value, nothing is made or lost.

using System;
using System.Collections.Generic;
using System.Numerics;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class AmmTests
{
    private static readonly Bytes32 AssetA = new(0xAAAA, 1, 2, 3);
    private static readonly Bytes32 AssetB = new(0xBBBB, 3, 2, 1);
    private static readonly LocalKey Pool = AmmLayout.PoolKey(AssetA, AssetB);

    private const int Users = 4;

    // The last seed works near the end of 64 bits, where checked arithmetic has to stop a call without a trace.
    [Theory, InlineData(1UL, 20), InlineData(7UL, 33), InlineData(20260UL, 44), InlineData(5UL, 62)]
    public void Random_swaps_adds_and_removes_agree_with_the_model_and_keep_the_laws(ulong seed, int bits)
    {
        SeededRandom random = new(seed);
        Model model = new(feeBps: (ulong)random.Next(101));
        ProgramHost host = NewHost(new PoolRecord(AssetA, AssetB, 0, 0, 0, (ulong)model.FeeBps));
        for (int user = 0; user < Users; user++)
        {
            model.A[user] = Draw(random, bits) * 3;
            model.B[user] = Draw(random, bits) * 3;
            host.Set(AmmLayout.BalanceKey(User(user), AssetA), BalanceRecord.Encode((UInt128)model.A[user]));
            host.Set(AmmLayout.BalanceKey(User(user), AssetB), BalanceRecord.Encode((UInt128)model.B[user]));
        }

        BigInteger totalA = model.TotalA;
        BigInteger totalB = model.TotalB;
        int succeeded = 0;
        for (int round = 0; round < 1_200; round++)
        {
            BigInteger product = model.ReserveA * model.ReserveB;
            BigInteger shares = model.Shares;
            int user = random.Next(Users);
            int kind = random.Next(10);
            ulong first = Draw(random, bits - random.Next(12));
            ulong second = Draw(random, bits - random.Next(12));
            ulong third = Draw(random, Math.Max(1, bits - 3 - random.Next(bits)));
            ProgramCall call;
            int expected;
            if (kind < 6)
            {
                SwapDirection direction = (SwapDirection)random.Next(2);
                ulong least = random.Chance(1, 2) ? 0 : third;
                call = AmmCalls.Swap(User(user), Pool, AssetA, AssetB, first, least, direction);
                expected = model.Swap(user, first, least, direction == SwapDirection.AToB);
            }
            else if (kind < 8)
            {
                ulong least = random.Chance(2, 3) ? 0 : third;
                call = AmmCalls.AddLiquidity(User(user), Pool, AssetA, AssetB, first, second, least);
                expected = model.Add(user, first, second, least);
            }
            else
            {
                ulong returned = random.Chance(1, 10) ? (ulong)model.Share[user] : (ulong)BigInteger.Min(model.Share[user] * random.Next(120) / 110, ulong.MaxValue);
                ulong least = random.Chance(2, 3) ? 0 : third;
                call = AmmCalls.RemoveLiquidity(User(user), Pool, AssetA, AssetB, returned, least, least);
                expected = model.Remove(user, returned, least, least);
            }

            Outcome outcome = host.Run(call, User(user));
            string where = $"seed {seed} round {round} entry {call.Selector}: {outcome}, expected {expected}";
            Assert.True(outcome.Code == expected, where);
            succeeded += expected == 0 ? 1 : 0;
            AssertState(host, model, where);
            Assert.True(model.TotalA == totalA && model.TotalB == totalB, where);
            Assert.True(Model.SumOf(model.Share) == model.Shares, where);
            if (call.Selector == AmmCalls.SwapSelector)
            {
                Assert.True(model.ReserveA * model.ReserveB >= product, where);
            }

            if (shares > 0 && model.Shares > 0)
            {
                // value of a share: sqrt(product) / shares, compared without roots
                Assert.True(model.ReserveA * model.ReserveB * shares * shares >= product * model.Shares * model.Shares, where);
            }
        }

        Assert.True(succeeded > 200, $"seed {seed}: only {succeeded} calls succeeded");
    }

    [Fact]
    public void First_deposit_gives_the_geometric_mean_and_taking_all_back_empties_the_pool()
    {
        ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 0, 0, 0, 30));
        Assert.Equal(Halt.Success, host.Run(AmmCalls.AddLiquidity(User(0), Pool, AssetA, AssetB, 1_000, 4_001, 2_000), User(0)).Halt);
        Assert.Equal((UInt128)2_000, host.Balance(AmmLayout.ShareKey(User(0), Pool)));
        Assert.Equal(Halt.Success, host.Run(AmmCalls.RemoveLiquidity(User(0), Pool, AssetA, AssetB, 2_000, 1_000, 4_001), User(0)).Halt);
        Assert.Equal(new PoolRecord(AssetA, AssetB, 0, 0, 0, 30), PoolOf(host));
    }

    [Fact]
    public void Swap_below_the_callers_minimum_aborts_and_leaves_no_trace()
    {
        ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 1_000_000, 2_000_000, 1_000, 30));
        PoolRecord before = PoolOf(host);

        // 1000 in, 997 after the fee: floor(2000000 * 997 / 1000997) = 1992
        Assert.Equal(Abort(AmmAborts.Slippage), host.Run(AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 1_993, SwapDirection.AToB), User(0)).Code);
        Assert.Equal(before, PoolOf(host));
        Assert.Equal((UInt128)1_000_000, host.Balance(AmmLayout.BalanceKey(User(0), AssetA)));
        Assert.Equal((UInt128)0, host.Balance(AmmLayout.VolumeKey(Pool)));

        Assert.Equal(Halt.Success, host.Run(AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 1_992, SwapDirection.AToB), User(0)).Halt);
        Assert.Equal(before with { ReserveA = 1_001_000, ReserveB = 1_998_008 }, PoolOf(host));
        Assert.Equal((UInt128)999_000, host.Balance(AmmLayout.BalanceKey(User(0), AssetA)));
        Assert.Equal((UInt128)1_001_992, host.Balance(AmmLayout.BalanceKey(User(0), AssetB)));
        Assert.Equal((UInt128)1_000, host.Balance(AmmLayout.VolumeKey(Pool)));
    }

    [Fact]
    public void Giving_more_than_one_holds_aborts_in_every_entry()
    {
        ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 1_000_000, 2_000_000, 1_000, 30));
        Assert.Equal(Abort(AmmAborts.Overdraft), host.Run(AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000_001, 0, SwapDirection.BToA), User(0)).Code);
        Assert.Equal(Abort(AmmAborts.Overdraft), host.Run(AmmCalls.AddLiquidity(User(0), Pool, AssetA, AssetB, 1_000_001, 9_000_000, 0), User(0)).Code);
        Assert.Equal(Abort(AmmAborts.Overdraft), host.Run(AmmCalls.RemoveLiquidity(User(0), Pool, AssetA, AssetB, 1, 0, 0), User(0)).Code);
    }

    // Every slot of every entry in turn is aimed at a record that is not the caller's to name.
    [Fact]
    public void Slot_that_names_another_record_aborts_in_every_entry_at_every_slot()
    {
        ProgramCall[] calls =
        [
            AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 0, SwapDirection.AToB),
            AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 0, SwapDirection.BToA),
            AmmCalls.AddLiquidity(User(0), Pool, AssetA, AssetB, 1_000, 1_000, 0),
            AmmCalls.RemoveLiquidity(User(0), Pool, AssetA, AssetB, 1, 0, 0),
        ];
        LocalKey[] others =
        [
            AmmLayout.BalanceKey(User(1), AssetA), AmmLayout.BalanceKey(User(1), AssetB), AmmLayout.BalanceKey(User(0), AssetA),
            AmmLayout.BalanceKey(User(0), AssetB), AmmLayout.ShareKey(User(1), Pool), AmmLayout.VolumeKey(Pool), new LocalKey(Bytes32.Zero),
        ];
        foreach (ProgramCall call in calls)
        {
            for (int slot = 0; slot < call.Slots.Length; slot++)
            {
                foreach (LocalKey other in others)
                {
                    if (other == call.Slots[slot].Key)
                    {
                        continue;
                    }

                    ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 1_000_000, 2_000_000, 1_000, 30));
                    SlotBinding[] slots = [.. call.Slots];
                    slots[slot] = slots[slot] with { Key = other };
                    ushort expected = Abort(slot == 0 ? AmmAborts.NotAPool : AmmAborts.WrongKey);
                    Assert.Equal((call.Selector, slot, other, expected), (call.Selector, slot, other, host.Run(call with { Slots = slots }, User(0)).Code));
                }
            }

            // and the caller's own slots in another caller's hands
            Assert.Equal(Abort(AmmAborts.WrongKey), FundedHost(new PoolRecord(AssetA, AssetB, 9, 9, 9, 30)).Run(call, User(1)).Code);
        }
    }

    [Fact]
    public void Direction_beyond_one_and_an_empty_pool_abort()
    {
        ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 0, 0, 0, 30));
        ProgramCall swap = AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 0, SwapDirection.AToB);
        Assert.Equal(Abort(AmmAborts.NothingToDo), host.Run(swap, User(0)).Code);
        byte[] arguments = [.. swap.Arguments];
        arguments[16] = 2;
        Assert.Equal(Abort(AmmAborts.BadDirection), host.Run(swap with { Arguments = arguments }, User(0)).Code);
    }

    // Pinned loosely: a swap that became twice as dear, or free, is a change somebody should have meant.
    [Fact]
    public void Swap_costs_about_what_it_did()
    {
        ProgramHost host = FundedHost(new PoolRecord(AssetA, AssetB, 1_000_000, 2_000_000, 1_000, 30));
        Assert.Equal(Halt.Success, host.Run(AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 0, SwapDirection.AToB), User(0)).Halt);
        Outcome outcome = host.Run(AmmCalls.Swap(User(0), Pool, AssetA, AssetB, 1_000, 0, SwapDirection.AToB), User(0));
        Assert.InRange(outcome.GasUsed, 400UL, 1_200UL);
    }

    private static void AssertState(ProgramHost host, Model model, string where)
    {
        PoolRecord pool = PoolOf(host);
        Assert.True(pool.ReserveA == model.ReserveA && pool.ReserveB == model.ReserveB && pool.Shares == model.Shares, where);
        Assert.True(host.Balance(AmmLayout.VolumeKey(Pool)) == (UInt128)model.Volume, where);
        for (int user = 0; user < Users; user++)
        {
            Assert.True(host.Balance(AmmLayout.BalanceKey(User(user), AssetA)) == (UInt128)model.A[user], where);
            Assert.True(host.Balance(AmmLayout.BalanceKey(User(user), AssetB)) == (UInt128)model.B[user], where);
            Assert.True(host.Balance(AmmLayout.ShareKey(User(user), Pool)) == (UInt128)model.Share[user], where);
        }
    }

    private static ulong Draw(SeededRandom random, int bits) => random.NextU64() >> (64 - Math.Clamp(bits, 1, 64));

    private static PoolRecord PoolOf(ProgramHost host)
    {
        Assert.True(PoolRecord.TryDecode(host.Records[Pool].Value, out PoolRecord pool));
        return pool;
    }

    private static ProgramHost NewHost(PoolRecord pool)
    {
        ProgramHost host = new(ReferencePrograms.Amm);
        host.Set(Pool, pool.Encode());
        return host;
    }

    private static ProgramHost FundedHost(PoolRecord pool)
    {
        ProgramHost host = NewHost(pool);
        host.Set(AmmLayout.BalanceKey(User(0), AssetA), BalanceRecord.Encode(1_000_000));
        host.Set(AmmLayout.BalanceKey(User(0), AssetB), BalanceRecord.Encode(1_000_000));
        return host;
    }

    private static PublicKey User(int number) => new(Blake3.Hash([(byte)number, 1]));

    private static ushort Abort(uint value) => (ushort)((uint)TrapCode.UserBase + value);

    // Answers 0 and moves, or the receipt's code and moves nothing.
    private sealed class Model(ulong feeBps)
    {
        private static readonly BigInteger WordEnd = BigInteger.One << 64;

        public BigInteger FeeBps { get; } = feeBps;

        public BigInteger ReserveA { get; private set; }

        public BigInteger ReserveB { get; private set; }

        public BigInteger Shares { get; private set; }

        public BigInteger Volume { get; private set; }

        public BigInteger[] A { get; } = new BigInteger[Users];

        public BigInteger[] B { get; } = new BigInteger[Users];

        public BigInteger[] Share { get; } = new BigInteger[Users];

        public BigInteger TotalA => SumOf(A) + ReserveA;

        public BigInteger TotalB => SumOf(B) + ReserveB;

        public static BigInteger SumOf(IEnumerable<BigInteger> values)
        {
            BigInteger sum = 0;
            foreach (BigInteger value in values)
            {
                sum += value;
            }

            return sum;
        }

        public int Swap(int user, BigInteger amountIn, BigInteger least, bool isAToB)
        {
            (BigInteger reserveIn, BigInteger reserveOut) = isAToB ? (ReserveA, ReserveB) : (ReserveB, ReserveA);
            (BigInteger[] give, BigInteger[] take) = isAToB ? (A, B) : (B, A);
            if (give[user] < amountIn)
            {
                return Abort(AmmAborts.Overdraft);
            }

            if (reserveIn == 0)
            {
                return Abort(AmmAborts.NothingToDo);
            }

            BigInteger afterFee = amountIn * (10_000 - FeeBps) / 10_000;
            if (reserveIn + afterFee >= WordEnd)
            {
                return (int)TrapCode.Overflow;
            }

            BigInteger amountOut = reserveOut * afterFee / (reserveIn + afterFee);
            if (amountOut == 0 || amountOut < least)
            {
                return Abort(amountOut == 0 ? AmmAborts.NothingToDo : AmmAborts.Slippage);
            }

            if (reserveIn + amountIn >= WordEnd)
            {
                return (int)TrapCode.Overflow;
            }

            give[user] -= amountIn;
            take[user] += amountOut;
            ReserveA += isAToB ? amountIn : -amountOut;
            ReserveB += isAToB ? -amountOut : amountIn;
            Volume += amountIn;
            return 0;
        }

        public int Add(int user, BigInteger mostA, BigInteger mostB, BigInteger least)
        {
            BigInteger given = Root(mostA * mostB);
            (BigInteger takeA, BigInteger takeB) = (mostA, mostB);
            if (Shares != 0)
            {
                BigInteger byA = mostA * Shares / ReserveA;
                BigInteger byB = mostB * Shares / ReserveB;
                if (byA >= WordEnd || byB >= WordEnd)
                {
                    return (int)TrapCode.Overflow;
                }

                given = BigInteger.Min(byA, byB);
                takeA = CeilingOf(given * ReserveA, Shares);
                takeB = CeilingOf(given * ReserveB, Shares);
                Assert.True(takeA <= mostA && takeB <= mostB);
            }

            if (given == 0 || given < least)
            {
                return Abort(given == 0 ? AmmAborts.NothingToDo : AmmAborts.Slippage);
            }

            if (A[user] < takeA || B[user] < takeB)
            {
                return Abort(AmmAborts.Overdraft);
            }

            if (ReserveA + takeA >= WordEnd || ReserveB + takeB >= WordEnd || Shares + given >= WordEnd)
            {
                return (int)TrapCode.Overflow;
            }

            A[user] -= takeA;
            B[user] -= takeB;
            ReserveA += takeA;
            ReserveB += takeB;
            Shares += given;
            Share[user] += given;
            return 0;
        }

        public int Remove(int user, BigInteger returned, BigInteger leastA, BigInteger leastB)
        {
            if (returned == 0 || Share[user] < returned)
            {
                return Abort(returned == 0 ? AmmAborts.NothingToDo : AmmAborts.Overdraft);
            }

            BigInteger outA = returned * ReserveA / Shares;
            BigInteger outB = returned * ReserveB / Shares;
            if (outA < leastA || outB < leastB)
            {
                return Abort(AmmAborts.Slippage);
            }

            Share[user] -= returned;
            A[user] += outA;
            B[user] += outB;
            ReserveA -= outA;
            ReserveB -= outB;
            Shares -= returned;
            return 0;
        }

        private static BigInteger CeilingOf(BigInteger numerator, BigInteger denominator) => (numerator + denominator - 1) / denominator;

        private static BigInteger Root(BigInteger square)
        {
            BigInteger root = 0;
            for (int bit = 64; bit >= 0; bit--)
            {
                BigInteger larger = root + (BigInteger.One << bit);
                root = larger * larger <= square ? larger : root;
            }

            return root;
        }
    }
}
