using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// Mempool: bounded in every direction, ordered by tip then arrival. BlockBuilder: what fits, in that order; BuilderTests has the rest.
public class PoolTests
{
    [Fact]
    public void The_order_is_tip_then_arrival()
    {
        using Kit kit = new();
        Transaction[] submitted = [kit.Increment(0, 0, tip: 1), kit.Increment(0, 1, tip: 5), kit.Increment(1, 2, tip: 1), kit.Increment(1, 3, tip: 5), kit.Increment(2, 4)];
        kit.Submit(submitted);
        Assert.Equal(
            [submitted[1].Id, submitted[3].Id, submitted[0].Id, submitted[2].Id, submitted[4].Id],
            kit.Build().Transactions.Select(t => t.Id));
    }

    [Fact]
    public void A_tip_beyond_the_highest_price_does_not_count()
    {
        using Kit kit = new();
        TransactionBuilder boaster = kit.Builder(tip: 0);
        boaster.Tip = 1_000;
        Transaction boasting = boaster.Call(Kit.Counter, 1, []).Slot(Kit.Counter, Kit.Key(0), AccessMode.Write).Sign(Kit.Accounts[0]);
        Transaction honest = kit.Increment(1, 1, tip: 1);
        kit.Submit(boasting, honest);
        Assert.Equal([honest.Id, boasting.Id], kit.Build().Transactions.Select(t => t.Id));
    }

    [Fact]
    public void A_full_pool_takes_a_better_tip_for_its_cheapest_youngest_and_refuses_an_equal_one()
    {
        using Kit kit = new(mempool: new MempoolOptions { MaxCount = 3 });
        Transaction[] waiting = [kit.Increment(0, 0, tip: 2), kit.Increment(0, 1, tip: 1), kit.Increment(0, 2, tip: 1)];
        kit.Submit(waiting);
        Assert.Equal(RefusalCode.MempoolFull, kit.Chain.Submit(kit.Increment(0, 3, tip: 1).Bytes.Span).Code);
        Transaction better = kit.Increment(0, 4, tip: 2);
        kit.Submit(better);
        Assert.Equal([waiting[0].Id, better.Id, waiting[1].Id], kit.Build().Transactions.Select(t => t.Id));
    }

    [Fact]
    public void Bytes_are_bounded_and_nothing_is_displaced_for_a_newcomer_that_does_not_fit_after_all()
    {
        using Kit kit = new();
        Transaction small = kit.Increment(0, 0, tip: 1);
        Mempool pool = new(new MempoolOptions { MaxBytes = 3 * small.Bytes.Length });
        for (int i = 0; i < 3; i++)
        {
            Assert.False(pool.Add(Prepared(kit, kit.Increment(0, i, tip: (ulong)(i + 1))), Kit.Funds).IsRefused);
        }

        Transaction large = kit.Builder(tip: 2).Call(Kit.Counter, 1, new byte[small.Bytes.Length]).Sign(Kit.Accounts[1]);
        Assert.Equal(RefusalCode.MempoolFull, pool.Add(Prepared(kit, large), Kit.Funds).Code);
        Assert.Equal(3, pool.Count);
        Transaction larger = kit.Builder(tip: 9).Call(Kit.Counter, 1, new byte[small.Bytes.Length]).Sign(Kit.Accounts[1]);
        Assert.False(pool.Add(Prepared(kit, larger), Kit.Funds).IsRefused);
        Assert.Equal(2, pool.Count);
        Assert.True(pool.Bytes <= 3 * small.Bytes.Length);
    }

    [Fact]
    public void One_payer_has_a_bound()
    {
        using Kit kit = new(mempool: new MempoolOptions { MaxPerPayer = 2 });
        kit.Submit(kit.Increment(0, 0), kit.Increment(0, 1), kit.Increment(1, 0));
        Assert.Equal(RefusalCode.TooManyFromPayer, kit.Chain.Submit(kit.Increment(0, 2).Bytes.Span).Code);
        kit.BuildAndAccept();
        kit.Submit(kit.Increment(0, 2));
    }

    [Fact]
    public void Expired_transactions_leave()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0, expiresInMs: 1_000), kit.Increment(0, 1, expiresInMs: 5_000));
        kit.Time.NowMs += 1_001;
        Assert.Single(kit.Build().Transactions);
        Assert.Equal(1, kit.Chain.MempoolCount);
        kit.Time.NowMs += 10_000;
        Assert.False(kit.Chain.TryBuild(out _));
        Assert.Equal(0, kit.Chain.MempoolCount);
    }

    [Theory, InlineData(11), InlineData(12)]
    public void Totals_are_sums_over_what_is_there(ulong seed)
    {
        using Kit kit = new();
        SeededRandom random = new(seed);
        Mempool pool = new(new MempoolOptions { MaxCount = 20, MaxBytes = 5_000, MaxPerPayer = 8 });
        List<PreparedTransaction> made = [];
        for (int i = 0; i < 60; i++)
        {
            made.Add(Prepared(kit, kit.Increment(random.Next(4), i, tip: (ulong)random.Next(5), expiresInMs: (ulong)random.Next(50_000))));
        }

        HashSet<TxId> aside = [];
        for (int round = 0; round < 2_000; round++)
        {
            PreparedTransaction one = made[random.Next(made.Count)];
            switch (random.Next(6))
            {
                case 0 or 1:
                    pool.Remove(one.Transaction.Id);
                    break;
                case 2 when pool.Contains(one.Transaction.Id):
                    pool.SetAside(one.Transaction.Id);
                    aside.Add(one.Transaction.Id);
                    break;
                case 3:
                    pool.TakeBack(made.Where(_ => random.Chance(1, 2)).Select(p => p.Transaction.Id).Where(aside.Remove).ToArray());
                    break;
                case 4:
                    pool.Reach(new Height((ulong)round));
                    break;
                default:
                    pool.Add(one, Kit.Funds);
                    break;
            }

            List<PreparedTransaction> held = made.FindAll(p => pool.Contains(p.Transaction.Id));
            aside.IntersectWith(held.Select(p => p.Transaction.Id));
            List<PreparedTransaction> there = held.FindAll(p => !aside.Contains(p.Transaction.Id));
            Assert.True(there.Count == pool.Count && held.Sum(p => p.Transaction.Bytes.Length) == pool.Bytes, $"seed {seed} round {round}");
            Assert.True(held.Count <= 20 && pool.Bytes <= 5_000, $"seed {seed} round {round}");
            Assert.Equal(there.Count, pool.ByAge.Count);
            Assert.Equal(pool.ByAge.Select(e => e.WaitsSince), pool.ByAge.Select(e => e.WaitsSince).Order());
            Assert.Equal(there.Select(p => p.Transaction.Id).ToHashSet(), pool.Ordered.Select(e => e.Prepared.Transaction.Id).ToHashSet());
            Assert.Equal(pool.Ordered.Select(e => e.Prepared.EffectiveTip), pool.Ordered.Select(e => e.Prepared.EffectiveTip).OrderDescending());
            foreach (SigningKey payer in Kit.Accounts.AsSpan(0, 4))
            {
                UInt128 reserved = there.Where(p => p.Transaction.Payer == payer.PublicKey).Aggregate((UInt128)0, (sum, p) => sum + p.Reservation);
                Assert.True(reserved == pool.ReservedBy(payer.PublicKey), $"seed {seed} round {round}");
            }
        }

        pool.RemoveExpired(ulong.MaxValue);
        Assert.Equal((0, 0L), (pool.Count, pool.Bytes));
    }

    [Fact]
    public void A_block_is_full_at_its_gas_limit_and_at_its_bytes()
    {
        ChainLimits gas = ChainLimits.Default with { MaxTransactionGas = Kit.Gas, MaxBlockGas = 5 * Kit.Gas };
        Assert.Equal(5, PackIndependent(gas, 8).Transactions.Length);
        ChainLimits bytes = ChainLimits.Default with { MaxTransactionBytes = 700, MaxBlockBytes = 1_000 };
        Block block = PackIndependent(bytes, 8);
        Assert.InRange(block.Bytes.Length, 600, 1_000);
        Assert.InRange(block.Transactions.Length, 2, 4);
    }

    [Fact]
    public void Writers_of_one_key_get_a_quarter_of_the_block_and_adders_all_of_it()
    {
        ChainLimits limits = ChainLimits.Default with { MaxTransactionGas = Kit.Gas, MaxBlockGas = 8 * Kit.Gas };
        Assert.Equal(2, PackSameKey(limits, add: false).Transactions.Length);
        Assert.Equal(8, PackSameKey(limits, add: true).Transactions.Length);
    }

    [Fact]
    public void A_transaction_alone_fits_however_much_of_the_block_it_takes()
    {
        ChainLimits limits = ChainLimits.Default with { MaxTransactionGas = Kit.Gas, MaxBlockGas = Kit.Gas };
        Assert.Single(PackSameKey(limits, add: false).Transactions);
    }

    [Fact]
    public void The_builder_leaves_out_whoever_cannot_cover_its_reservation_and_takes_the_rest()
    {
        using Kit kit = new();
        UInt128 most = (Kit.Funds / Kit.Gas) - Kit.BaseFee;
        kit.Submit(kit.Increment(0, 0, tip: (ulong)most), kit.Increment(1, 1));
        Block other = kit.Craft(kit.Increment(0, 2));
        kit.Verify(other);
        kit.Chain.SetPreference(other.Id);
        Block built = kit.BuildAndVerify();
        Assert.Equal(Kit.Accounts[1].PublicKey, Assert.Single(built.Transactions).Payer);
    }

    private static Block PackSameKey(ChainLimits limits, bool add)
    {
        using Kit kit = new(limits: limits);
        for (int i = 0; i < 12; i++)
        {
            kit.Submit(kit.Increment(i, 0, add: add));
        }

        return kit.BuildAndVerify();
    }

    private static Block PackIndependent(ChainLimits limits, int count)
    {
        using Kit kit = new(limits: limits);
        for (int i = 0; i < count; i++)
        {
            kit.Submit(kit.Increment(i, i));
        }

        return kit.BuildAndVerify();
    }

    private static PreparedTransaction Prepared(Kit kit, Transaction transaction) =>
        kit.Chain.Rules.TryPrepare(transaction, out PreparedTransaction? prepared, out Refusal refusal) ? prepared : throw new InvalidOperationException(refusal.ToString());
}
