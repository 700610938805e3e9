using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// Preferring, accepting and rejecting: what a preferred block holds does not wait, and while the disk makes a block durable everything
// else goes on.
public class DecisionTests
{
    [Fact]
    public void While_the_disk_works_transactions_come_in_the_next_block_is_built_and_nothing_is_told_to_be_accepted()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0), kit.Increment(1, 1));
        BlockId before = kit.Chain.LastAccepted.Id;
        Block first = kit.BuildAndVerify();
        kit.Chain.SetPreference(first.Id);
        Transaction later = kit.Increment(2, 0);
        Block? second = null;
        ((MemoryStore)kit.Store).WhileTheDiskWorks = () =>
        {
            // another thread, as a node's would be: whoever held the chain's lock would hold it up for ever
            Task<Block> beside = Task.Run(() =>
            {
                Assert.Equal((before, 0UL), (kit.Chain.LastAccepted.Id, kit.Chain.LastAccepted.Header.Height.Value));
                Assert.Equal(TransactionStatus.Processing, kit.Chain.Find(first.Transactions[0].Id).Status);
                Assert.Equal((UInt128)0, kit.CounterValue(0));
                kit.Submit(later);
                return kit.BuildAndVerify();
            });
            Assert.True(beside.Wait(TimeSpan.FromSeconds(60)));
            second = beside.Result;
        };
        kit.Chain.Accept(first.Id);
        Assert.Equal(first.Id, kit.Chain.LastAccepted.Id);
        Assert.Equal(first.Id, second!.Header.ParentId);
        Assert.Equal(later.Id, Assert.Single(second.Transactions).Id);
        ((MemoryStore)kit.Store).WhileTheDiskWorks = null;
        kit.Chain.Accept(second.Id);
        Assert.Equal(((UInt128)2, (UInt128)1), (kit.CounterValue(0), kit.CounterValue(1)));
    }

    [Fact]
    public async Task Decisions_are_taken_one_at_a_time()
    {
        using Kit kit = new();
        Block first = kit.Craft(kit.Increment(0, 0));
        Block sibling = kit.Craft(kit.Increment(1, 1));
        kit.Verify(first);
        kit.Verify(sibling);
        using ManualResetEventSlim isRejecting = new();
        Task? rejection = null;
        ((MemoryStore)kit.Store).WhileTheDiskWorks = () =>
        {
            rejection = Task.Run(() =>
            {
                isRejecting.Set();
                kit.Chain.Reject(sibling.Id);
            });
            isRejecting.Wait();
            Assert.False(rejection.Wait(TimeSpan.FromMilliseconds(50)));
            Assert.Equal(2, kit.Chain.ProcessingCount);
        };
        kit.Chain.Accept(first.Id);
        await rejection!;
        Assert.Equal((first.Id, 0), (kit.Chain.LastAccepted.Id, kit.Chain.ProcessingCount));
    }

    [Fact]
    public void What_a_preferred_block_holds_does_not_wait_until_it_is_preferred_no_more()
    {
        using Kit kit = new();
        Transaction[] all = [kit.Increment(0, 0, tip: 3), kit.Increment(0, 1, tip: 2), kit.Increment(1, 2, tip: 1)];
        kit.Submit(all);
        Block a = kit.Craft(all[0], all[1]);
        Block b = kit.Craft(all[1]);
        kit.Verify(a);
        kit.Verify(b);
        Assert.Equal(3, kit.Chain.MempoolCount);
        kit.Chain.SetPreference(a.Id);
        Assert.Equal((1, 0), (kit.Chain.MempoolCount, kit.Chain.Summarise(Kit.Accounts[0].PublicKey).Waiting));
        Assert.True(kit.Chain.IsWaiting(all[0].Id));                        // it is not asked for again
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(all[0].Bytes.Span).Code);
        kit.Chain.SetPreference(b.Id);
        Assert.Equal((2, 1), (kit.Chain.MempoolCount, kit.Chain.Summarise(Kit.Accounts[0].PublicKey).Waiting));
        Assert.Equal([all[0].Id, all[2].Id], kit.BuildAndVerify().Transactions.Select(t => t.Id));
        kit.Chain.Accept(a.Id);
        Assert.Equal(1, kit.Chain.MempoolCount);
        kit.Chain.Reject(b.Id);
        Assert.Equal([all[2].Id], kit.BuildAndVerify().Transactions.Select(t => t.Id));
    }

    // Hot keys, payers at the end of their funds, transactions that come twice: neither answers nor blocks may tell when the disk was done.
    [Theory, InlineData(31UL), InlineData(32UL), InlineData(33UL)]
    public void Answers_and_blocks_do_not_depend_on_how_soon_a_preferred_block_is_accepted(ulong seed)
    {
        ChainLimits limits = ChainLimits.Default with { MaxTransactionGas = Kit.Gas, MaxBlockGas = 12 * Kit.Gas };
        MempoolOptions mempool = new() { MaxPerPayer = 12 };
        using Kit atOnce = new(limits: limits, mempool: mempool);
        using Kit late = new(limits: limits, mempool: mempool, time: atOnce.Time);
        SeededRandom random = new(seed);
        Block? pending = null;
        int refused = 0;
        for (int height = 1; height <= 40; height++)
        {
            atOnce.Time.NowMs += 1_000;
            for (int i = random.Next(25); i > 0; i--)
            {
                UInt128 tip = random.Chance(1, 6) ? (Kit.Funds / Kit.Gas / 3) : (UInt128)random.Next(5);
                Transaction transaction = atOnce.Increment(
                    random.Next(4), random.Chance(1, 2) ? 0 : random.Next(6), (ulong)tip, random.Chance(1, 3), (ulong)random.Next(20_000) + 1_000);
                RefusalCode expected = atOnce.Chain.Submit(transaction.Bytes.Span).Code;
                Assert.True(expected == late.Chain.Submit(transaction.Bytes.Span).Code, $"seed {seed} height {height}");
                refused += expected == RefusalCode.None ? 0 : 1;
            }

            bool isBuilt = atOnce.Chain.TryBuild(out Block? block);
            Assert.Equal(isBuilt, late.Chain.TryBuild(out Block? other));
            Assert.True(block?.Id == other?.Id, $"seed {seed} height {height}");
            Accept(late, ref pending);
            if (isBuilt)
            {
                atOnce.Verify(block!);
                atOnce.Chain.SetPreference(block!.Id);
                atOnce.Chain.Accept(block.Id);
                late.Verify(other!);
                late.Chain.SetPreference(other!.Id);
                pending = other;
            }

            Assert.True(atOnce.Chain.MempoolCount == late.Chain.MempoolCount, $"seed {seed} height {height}");
        }

        Accept(late, ref pending);
        Assert.True(refused > 0);
        Assert.Equal(atOnce.Chain.LastAccepted.Id, late.Chain.LastAccepted.Id);
    }

    // One node prefers, accepts and rejects at random; another, which knows nothing of its mempool, verifies what it builds.
    [Theory, InlineData(51UL), InlineData(52UL), InlineData(53UL)]
    public void Whatever_was_preferred_before_a_built_block_is_valid_to_others_and_nothing_is_lost(ulong seed)
    {
        using Kit node = new();
        using Kit other = new(time: node.Time);
        SeededRandom random = new(seed);
        List<Block> processing = [];
        Dictionary<TxId, int> sent = [];
        for (int step = 0; step < 300; step++)
        {
            node.Time.NowMs += 5;
            for (int i = random.Next(4); i > 0; i--)
            {
                Transaction transaction = node.Increment(random.Next(12), random.Next(4), (ulong)random.Next(3), random.Chance(1, 2), (ulong)random.Next(20_000) + 30_000);
                bool isNew = !node.Chain.Submit(transaction.Bytes.Span).IsRefused;
                Assert.True(isNew == sent.TryAdd(transaction.Id, 0), $"seed {seed} step {step}");
            }

            if (node.Chain.TryBuild(out Block? block) && processing.TrueForAll(known => known.Id != block.Id))
            {
                Assert.True(other.Chain.TryParse(block.Bytes.Span, out Block? parsed, out _));
                Assert.True(other.Chain.TryVerify(parsed, out Refusal refusal), $"seed {seed} step {step}: {refusal}");
                node.Verify(block);
                processing.Add(block);
            }

            switch (random.Next(4))
            {
                case 0 when processing.Count != 0:
                    node.Chain.SetPreference(processing[random.Next(processing.Count)].Id);
                    break;
                case 1:
                    node.Chain.SetPreference(node.Chain.LastAccepted.Id);
                    break;
                case 2 when processing.Find(one => one.Header.ParentId == node.Chain.LastAccepted.Id) is { } child:
                    Decide(node, other, processing, child);
                    foreach (Transaction transaction in child.Transactions)
                    {
                        sent[transaction.Id]++;
                    }

                    break;
                default:
                    break;
            }
        }

        while (processing.Count != 0)
        {
            Block dropped = processing[^1];
            processing.RemoveAt(processing.Count - 1);
            node.Chain.Reject(dropped.Id);
        }

        while (node.Chain.MempoolCount != 0)
        {
            foreach (Transaction transaction in node.BuildAndAccept().Transactions)
            {
                sent[transaction.Id]++;
            }
        }

        Assert.All(sent, one => Assert.Equal(1, one.Value));
    }

    private static void Accept(Kit kit, ref Block? pending)
    {
        if (pending is not null)
        {
            kit.Chain.Accept(pending.Id);
            pending = null;
        }
    }

    // As consensus: one child is accepted, then all that can never be are rejected, parents first.
    private static void Decide(Kit node, Kit other, List<Block> processing, Block accepted)
    {
        node.Chain.Accept(accepted.Id);
        other.Chain.Accept(accepted.Id);
        processing.Remove(accepted);
        HashSet<BlockId> alive = [accepted.Id];
        foreach (Block block in processing.OrderBy(one => one.Header.Height).ToArray())
        {
            if (!alive.Contains(block.Header.ParentId))
            {
                node.Chain.Reject(block.Id);
                other.Chain.Reject(block.Id);
                processing.Remove(block);
            }
            else
            {
                alive.Add(block.Id);
            }
        }
    }
}
