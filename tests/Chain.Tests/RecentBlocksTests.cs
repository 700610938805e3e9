using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// The window of receipts: a suffix of the chain, bounded in blocks or in bytes, in which every transaction is found and out of which none is.
public class RecentBlocksTests
{
    [Theory, InlineData(1UL), InlineData(7UL), InlineData(20260UL)]
    public void The_window_is_the_longest_suffix_within_its_bounds_and_finds_exactly_its_transactions(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 20; round++)
        {
            int kept = random.Next(4);
            long bytes = random.Chance(1, 4) ? 0 : random.Next(60_000);
            RecentBlocks window = new(kept, bytes);
            List<(Block Block, long Weight)> all = [];
            for (int i = 0; i < 40; i++)
            {
                Block block = BlockOf(random, (ulong)i);
                Receipt[] receipts = new Receipt[block.Transactions.Length];
                for (int t = 0; t < receipts.Length; t++)
                {
                    receipts[t] = new Receipt(default, (UInt128)i, new byte[random.Next(300)]);
                }

                RecentBlocks alone = new(1);
                alone.Add(Recent(block, receipts));
                all.Add((block, alone.Bytes));
                window.Add(Recent(block, receipts));

                int first = all.Count;
                long sum = 0;
                while (first > 0 && (all.Count - first < kept || sum + all[first - 1].Weight <= bytes))
                {
                    sum += all[--first].Weight;
                }

                string place = $"seed {seed} round {round} block {i} of {kept} kept, {bytes} bytes";
                Assert.True(sum == window.Bytes, $"{place}: {window.Bytes} bytes, not {sum}");
                Assert.Equal(first < all.Count ? all[first].Block.Id : null, window.Oldest?.Id);
                for (int b = 0; b < all.Count; b++)
                {
                    Assert.True(window.TryFind(all[b].Block.Id, out _) == b >= first, $"{place}: {b} of {first}");
                    foreach (Transaction transaction in all[b].Block.Transactions)
                    {
                        Assert.True(window.TryFind(transaction.Id, out (RecentBlock Block, int Index) found) == b >= first, $"{place}: transaction of {b}");
                        Assert.True(b < first || found.Block.TransactionAt(found.Index).Bytes.Span.SequenceEqual(transaction.Bytes.Span), place);
                    }
                }
            }
        }
    }

    [Fact]
    public void A_block_weighs_more_than_its_bytes_and_the_output_of_its_receipts()
    {
        Block block = BlockOf(new SeededRandom(3), 1);
        Receipt[] receipts = new Receipt[block.Transactions.Length];
        Array.Fill(receipts, new Receipt(default, 0, new byte[1_000]));
        RecentBlocks window = new(1);
        window.Add(Recent(block, receipts));
        Assert.True(window.Bytes > block.Bytes.Length + (1_000L * receipts.Length));
    }

    private static RecentBlock Recent(Block block, Receipt[] receipts) => new(block.Id, block.Header.Height, block.Bytes, ReplayWindow.IdsOf(block), receipts);

    private static Block BlockOf(SeededRandom random, ulong height)
    {
        SigningKey payer = new(Blake3.Hash("payer"u8));
        Transaction[] transactions = new Transaction[1 + random.Next(4)];
        for (int t = 0; t < transactions.Length; t++)
        {
            transactions[t] = new TransactionBuilder(new ChainId(Blake3.Hash("a chain"u8))) { ExpiryMs = (height * 10) + (ulong)t, GasLimit = random.NextU64() >> 1 }
                .Call(Kit.Counter, 1, new byte[random.Next(500)])
                .Slot(Kit.Counter, Kit.Key(t), AccessMode.Write)
                .Sign(payer);
        }

        return Block.Create(new BlockHeader(default, new Height(height), height, 0, default, default), transactions);
    }
}
