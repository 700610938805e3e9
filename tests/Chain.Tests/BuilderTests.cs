// The builder against the definition of its limits, and against a twin that takes the best price that fits.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

public sealed class BuilderTests : IDisposable
{
    private const ulong Block = 64 * Kit.Gas;

    private readonly Kit _kit = new(limits: Limits);
    private readonly BlockBuilder _veteran = new(Limits);
    private int _made;

    private static ChainLimits Limits => ChainLimits.Default with { MaxTransactionGas = Block / 2, MaxBlockGas = Block, MaxBlockBytes = 100_000 };

    public void Dispose() => _kit.Dispose();

    [Theory, InlineData(1), InlineData(2), InlineData(77)]
    public void Limits_are_never_passed_and_everybody_is_valid_where_it_stands(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 25; round++)
        {
            Mempool pool = NewPool();
            Fill(pool, random, 20 + random.Next(300), hotKeys: 1 + random.Next(6), hotPercent: random.Next(101));
            for (int block = 0; block < 12 && pool.Count > 0; block++)
            {
                Packed packed = Pack(pool);
                string where = $"seed {seed} round {round} block {block}";
                CheckLimits(packed.Entries, where);
                Assert.True(packed.Entries.Length > 0, where);
                Assert.True(packed.Builder.Span == SpanOf(packed.Entries), where);
                Accept(pool, packed);
            }
        }
    }

    [Theory, InlineData(3), InlineData(4)]
    public void Blocks_of_any_mix_are_verified_by_running_them(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int i = 0; i < 150; i++)
        {
            int counter = random.Chance(1, 2) ? 0 : random.Next(100);
            _kit.Submit(_kit.Increment(random.Next(12), counter, tip: (ulong)random.Next(9), add: random.Chance(1, 4), 50_000 + (ulong)i, Kit.Gas * (1 + (ulong)random.Next(3))));
        }

        int blocks = 0;
        for (; _kit.Chain.MempoolCount > 0; blocks++)
        {
            Assert.NotEmpty(_kit.BuildAndAccept().Transactions);
        }

        Assert.True(blocks > 3, $"seed {seed}");
    }

    [Theory, InlineData(5), InlineData(6)]
    public void Same_pool_same_choice(ulong seed)
    {
        Mempool first = NewPool();
        Mempool second = NewPool();
        SeededRandom random = new(seed);
        Fill(first, random, 200, hotKeys: 3, hotPercent: 60);
        foreach (Mempool.Entry entry in first.ByAge)
        {
            second.Add(entry.Prepared, Kit.Funds);
        }

        Assert.Equal(Pack(first).Entries.Select(e => e.Prepared), Pack(second).Entries.Select(e => e.Prepared));
        Assert.Equal(Pack(first).Entries, Pack(first).Entries);
    }

    [Fact]
    public void Without_conflicts_it_is_the_best_price_first()
    {
        SeededRandom random = new(8);
        Mempool pool = NewPool();
        Fill(pool, random, 300, hotKeys: 1, hotPercent: 0, evenGas: true);
        Assert.Equal(ByPrice(pool), Pack(pool).Entries);
    }

    // What a transaction that makes the block longer pays is at least half its price's worth, so value is close to that of the
    // twin; what is gained is span.
    [Theory]
    [InlineData(11, 1, 80)]
    [InlineData(12, 4, 80)]
    [InlineData(13, 16, 90)]
    [InlineData(14, 2, 40)]
    public void On_hot_mixes_it_gives_up_little_value_for_less_span(ulong seed, int hotKeys, int hotPercent)
    {
        SeededRandom random = new(seed);
        (UInt128 value, UInt128 twinValue, ulong span, ulong twinSpan) = (0, 0, 0, 0);
        for (int round = 0; round < 8; round++)
        {
            Mempool pool = NewPool();
            Fill(pool, random, 400, hotKeys, hotPercent);
            Packed packed = Pack(pool);
            Mempool.Entry[] twin = ByPrice(pool);
            value += ValueOf(packed.Entries);
            twinValue += ValueOf(twin);
            span += SpanOf(packed.Entries);
            twinSpan += SpanOf(twin);
        }

        string found = $"seed {seed}: value {value} of {twinValue}, span {span} of {twinSpan}";
        Assert.True(value * 100 >= twinValue * 90, found);
        Assert.True(span <= twinSpan, found);
        Assert.True(value * twinSpan >= twinValue * span, found);
    }

    [Fact]
    public void Neighbours_that_share_a_key_are_packed_two_deep_however_many_they_are()
    {
        Mempool pool = NewPool();
        for (int i = 0; i < 32; i++)
        {
            // each writes a key of the one before it and a new one; in the order of their tips they are one chain
            Add(pool, tip: (ulong)(200 - i), gas: Kit.Gas, (i, AccessMode.Write), (i + 1, AccessMode.Write));
        }

        Packed packed = Pack(pool);
        Assert.Equal(32, packed.Entries.Length);
        Assert.Equal(32 * Kit.Gas, SpanOf(ByPrice(pool)));
        Assert.InRange(packed.Builder.Span, 2 * Kit.Gas, 5 * Kit.Gas);      // the first sixteenth of the block is free: four deep
    }

    [Fact]
    public void A_chain_of_waits_ends_at_sixty_percent_of_the_block()
    {
        // any two share a key of their own: no order has less than one chain, and no key has more than two writers
        const int count = 16;
        Mempool pool = NewPool();
        for (int i = 0; i < count; i++)
        {
            int own = i;
            Add(pool, tip: 1, gas: Block / count, [.. Enumerable.Range(0, count).Where(j => j != own).Select(j => ((Math.Min(own, j) * count) + Math.Max(own, j), AccessMode.Write))]);
        }

        Packed packed = Pack(pool);
        Assert.Equal(9, packed.Entries.Length);                             // 9/16 is below 60 %, 10/16 above
        CheckLimits(packed.Entries, "clique");
    }

    [Theory, InlineData(500), InlineData(4_000)]
    public void The_queue_of_a_hot_key_costs_the_same_looks_however_long_it_is(int waiting)
    {
        Mempool pool = NewPool();
        for (int i = 0; i < waiting; i++)
        {
            Add(pool, tip: 9, gas: Kit.Gas, (0, AccessMode.Write));
        }

        for (int i = 0; i < 48; i++)
        {
            Add(pool, tip: 1, gas: Kit.Gas, (1_000 + i, AccessMode.Write));
        }

        Packed packed = Pack(pool);
        Assert.Equal(16, packed.Entries.Count(e => e.Prepared.EffectiveTip == 9));
        Assert.Equal(48, packed.Entries.Count(e => e.Prepared.EffectiveTip == 1));
        Assert.InRange(packed.Builder.Looks, 64, 64 + (3 * 17) + 17 + BlockBuilder.QueueMissesMax);
    }

    [Fact]
    public void Looks_are_bounded_on_pools_that_are_made_to_waste_them()
    {
        // every transaction writes one of 40 hot keys and two more of them
        SeededRandom random = new(19);
        Mempool pool = NewPool();
        for (int i = 0; i < 6_000; i++)
        {
            int first = random.Next(40);
            Add(pool, tip: 50, gas: Kit.Gas, (first, AccessMode.Write), ((first + 1 + random.Next(10)) % 40, AccessMode.Write), ((first + 20 + random.Next(10)) % 40, AccessMode.Write));
        }

        Packed packed = Pack(pool);
        CheckLimits(packed.Entries, "wasteful");
        int open = pool.Open.Count;
        Assert.True(open < 40 * 17, $"{open} are open");
        int looksMax = (4 * (open + packed.Entries.Length)) + (40 * BlockBuilder.QueueMissesMax);
        Assert.True(packed.Builder.Looks <= looksMax, $"{packed.Builder.Looks} looks, at most {looksMax}");
    }

    [Fact]
    public void The_pool_shows_each_hot_key_once_and_everybody_else()
    {
        SeededRandom random = new(23);
        Mempool pool = NewPool();
        List<Mempool.Entry> all = [];
        for (int round = 0; round < 3_000; round++)
        {
            if (all.Count > 120 || (all.Count > 0 && random.Chance(1, 3)))
            {
                Mempool.Entry gone = all[random.Next(all.Count)];
                all.Remove(gone);
                pool.Remove(gone.Prepared.Transaction.Id);
            }
            else
            {
                Add(pool, tip: (ulong)random.Next(20), gas: Kit.Gas * (1 + (ulong)random.Next(8)), (random.Next(4), AccessMode.Write), (4 + random.Next(30), AccessMode.Write));
                all.Add(pool.ByAge.Last!.Value);
            }

            IEnumerable<Mempool.Entry> best = all.Where(e => e.Queue is not null).GroupBy(e => e.Queue).Select(queue => queue.Order(Mempool.BestFirst).First());
            Assert.Equal(all.Where(e => e.Queue is null).Concat(best).Order(Mempool.BestFirst), pool.Open);      // H1
        }

        Assert.Contains(all, e => e.Queue is not null);
    }

    // Every block a flood that pays more comes in, for the same keys; still nobody waits beyond the bound.
    [Theory, InlineData(31), InlineData(32)]
    public void Nobody_waits_beyond_the_bound_whatever_others_pay(ulong seed)
    {
        SeededRandom random = new(seed);
        Mempool pool = NewPool();
        Dictionary<Mempool.Entry, ulong> deadlines = [];
        Fill(pool, random, 80, hotKeys: 2, hotPercent: 90);
        int waited = 0;
        for (int block = 0; block < 90; block++)
        {
            for (int i = 0; block < 60 && i < 30; i++)
            {
                Add(pool, tip: 1_000 + (ulong)random.Next(100), gas: Kit.Gas * (1 + (ulong)random.Next(3)), (random.Next(2), AccessMode.Write), (10 + random.Next(50), AccessMode.Write));
            }

            (ulong gas, long bytes) = (0, 0);
            foreach (Mempool.Entry entry in pool.ByAge)
            {
                if (pool.Height - entry.WaitsSince == BlockBuilder.OldAfter)
                {
                    deadlines.TryAdd(entry, pool.Height + 1 + (2 * (Ceiling(8 * gas, Block) + Ceiling(8 * (ulong)bytes, (ulong)Limits.MaxBlockBytes))));
                }

                gas += entry.Prepared.Transaction.GasLimit;
                bytes += 4 + entry.Prepared.Transaction.Bytes.Length;
            }

            Packed packed = Pack(pool);
            Accept(pool, packed);
            foreach (Mempool.Entry entry in packed.Entries)
            {
                if (deadlines.Remove(entry, out ulong deadline))
                {
                    waited++;
                    Assert.True(pool.Height <= deadline, $"seed {seed} block {block}: one that had to be in by {deadline}");
                }
            }

            Assert.True(deadlines.Values.All(deadline => deadline > pool.Height), $"seed {seed} block {block}: one is overdue");
        }

        Assert.True(waited > 50, $"seed {seed}: only {waited} became old");
    }

    [Fact]
    public void Old_ones_that_may_not_be_in_a_block_wait_anew_and_hold_up_nobody()
    {
        Mempool pool = NewPool();
        for (int i = 0; i < 1_500; i++)
        {
            Add(pool, Kit.Pauper, tip: 500, gas: Kit.Gas, (i, AccessMode.Write));
        }

        Add(pool, tip: 0, gas: Kit.Gas, (5_000, AccessMode.Write));
        Mempool.Entry late = pool.ByAge.Last!.Value;
        for (int block = 0; block < BlockBuilder.OldAfter; block++)
        {
            pool.Reach(new Height(pool.Height).Next);
        }

        Packed first = Pack(pool);
        Assert.Equal(BlockBuilder.OldLooksMax, first.Builder.Unfit.Count);
        Assert.Equal(late, Assert.Single(first.Entries));                   // by score: nobody else is legal
        Packed second = Pack(pool);
        Assert.Equal(1_500 - BlockBuilder.OldLooksMax, second.Builder.Unfit.Count);
        Assert.Equal(late, second.Entries[0]);                              // by age, after the last 476
    }

    private static ulong Ceiling(ulong value, ulong unit) => (value + unit - 1) / unit;

    private static Mempool NewPool() => new(new MempoolOptions(), BlockBuilder.KeyGasMax(Limits));

    private static void Accept(Mempool pool, Packed packed)
    {
        pool.Reach(new Height(pool.Height).Next);
        foreach (Mempool.Entry entry in packed.Entries)
        {
            pool.Remove(entry.Prepared.Transaction.Id);
        }
    }

    private Packed Pack(Mempool pool)
    {
        Dictionary<TxId, Mempool.Entry> entries = pool.Ordered.ToDictionary(e => e.Prepared.Transaction.Id);
        BlockPrograms programs = new(_kit.Chain.Rules, _kit.Store.Accepted);
        BlockBuilder builder = new(Limits);
        List<Message> batch = [];
        Transaction[] chosen = builder.Pack(pool, _kit.Store.Accepted, programs, _kit.Time.NowMs, batch);
        Assert.Equal(chosen.Select(t => t.Id), batch.Select(m => m.Id));
        Assert.Equal(chosen, _veteran.Pack(pool, _kit.Store.Accepted, programs, _kit.Time.NowMs, []));      // what it packed before leaves no trace
        Assert.Equal((builder.Looks, builder.Span, builder.Unfit.Count), (_veteran.Looks, _veteran.Span, _veteran.Unfit.Count));
        Assert.True(builder.Looks <= BlockBuilder.LooksMax + BlockBuilder.OldLooksMax);
        pool.Renew(builder.Unfit);
        return new Packed([.. chosen.Select(t => entries[t.Id])], builder);
    }

    private void Fill(Mempool pool, SeededRandom random, int count, int hotKeys, int hotPercent, bool evenGas = false)
    {
        for (int i = 0; i < count; i++)
        {
            List<(int, AccessMode)> accesses = [(1_000 + _made, AccessMode.Write)];
            if (random.Chance(hotPercent, 100))
            {
                accesses.Add((random.Next(hotKeys), (AccessMode)random.Next(3)));
            }

            Add(pool, (ulong)random.Next(100), Kit.Gas * (evenGas ? 1 : 1 + (ulong)random.Next(4)), [.. accesses]);
        }
    }

    private void Add(Mempool pool, ulong tip, ulong gas, params (int Key, AccessMode Mode)[] accesses) =>
        Add(pool, Kit.Accounts[_made % Kit.Accounts.Length], tip, gas, accesses);

    private void Add(Mempool pool, SigningKey payer, ulong tip, ulong gas, params (int Key, AccessMode Mode)[] accesses)
    {
        TransactionBuilder builder = _kit.Builder(tip, gas).Call(Kit.Counter, CounterSelector, [.. BitConverter.GetBytes(_made++)]);
        foreach ((int key, AccessMode mode) in accesses)
        {
            builder.Declare(Kit.Counter, Kit.Key(key), mode);
        }

        Assert.True(_kit.Chain.Rules.TryPrepare(builder.Sign(payer), out PreparedTransaction? prepared, out Refusal refusal), refusal.ToString());
        Assert.False(pool.Add(prepared, Kit.Funds).IsRefused);
    }

    private const uint CounterSelector = 1;

    // The twin: best price first, whatever fits; conflicts by the definition.
    private static Mempool.Entry[] ByPrice(Mempool pool)
    {
        List<Mempool.Entry> block = [];
        foreach (Mempool.Entry entry in pool.Ordered)
        {
            block.Add(entry);
            if (!IsWithinLimits(block))
            {
                block.RemoveAt(block.Count - 1);
            }
        }

        return [.. block];
    }

    private static void CheckLimits(Mempool.Entry[] block, string where)
    {
        Assert.True(IsWithinLimits([.. block]), where);
        Assert.True(block.Distinct().Count() == block.Length, where);
        foreach (IGrouping<PublicKey, Mempool.Entry> payer in block.GroupBy(e => e.Prepared.Transaction.Payer))
        {
            Assert.True(payer.Aggregate((UInt128)0, (sum, e) => sum + e.Prepared.Reservation) <= Kit.Funds, where);
        }
    }

    private static bool IsWithinLimits(List<Mempool.Entry> block)
    {
        Dictionary<StateKey, (int Count, ulong Gas)> written = [];
        foreach (Mempool.Entry entry in block)
        {
            Access[] accesses = entry.Prepared.Transaction.Accesses.Accesses.ToArray();
            for (int i = 0; i < accesses.Length; i++)
            {
                if (accesses[i].Mode == AccessMode.Write)
                {
                    (int count, ulong gas) = written.GetValueOrDefault(entry.Prepared.Keys[i]);
                    written[entry.Prepared.Keys[i]] = (count + 1, gas + entry.Prepared.Transaction.GasLimit);
                }
            }
        }

        ulong longest = block.Select(e => e.Prepared.Transaction.GasLimit).DefaultIfEmpty().Max();
        return block.Aggregate(0UL, (sum, e) => sum + e.Prepared.Transaction.GasLimit) <= Block
            && block.Sum(e => 4 + e.Prepared.Transaction.Bytes.Length) + BlockFormat.HeaderBytes <= Limits.MaxBlockBytes
            && written.Values.All(load => load.Count == 1 || load.Gas <= Block / 4)
            && SpanOf(block) <= Math.Max(longest, Block / 5 * 3);
    }

    private static UInt128 ValueOf(Mempool.Entry[] block) => block.Aggregate((UInt128)0, (sum, e) => sum + e.Prepared.Reservation);

    private static ulong SpanOf(IReadOnlyList<Mempool.Entry> block)
    {
        ulong[] ends = new ulong[block.Count];
        for (int j = 0; j < ends.Length; j++)
        {
            for (int i = 0; i < j; i++)
            {
                if (ends[i] > ends[j] && Conflict(block[i].Prepared, block[j].Prepared))
                {
                    ends[j] = ends[i];
                }
            }

            ends[j] += block[j].Prepared.Transaction.GasLimit;
        }

        return ends.DefaultIfEmpty().Max();
    }

    private static bool Conflict(PreparedTransaction first, PreparedTransaction second)
    {
        for (int i = 0; i < first.Keys.Length; i++)
        {
            int other = Array.IndexOf(second.Keys, first.Keys[i]);
            if (other >= 0 && AccessModes.Conflicts(first.Transaction.Accesses.Accesses[i].Mode, second.Transaction.Accesses.Accesses[other].Mode))
            {
                return true;
            }
        }

        return false;
    }

    private sealed record Packed(Mempool.Entry[] Entries, BlockBuilder Builder);
}
