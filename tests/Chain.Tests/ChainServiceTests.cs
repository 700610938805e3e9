using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain.Tests;

// The life of a block on one node, and between two.
public class ChainServiceTests
{
    [Fact]
    public void A_fresh_chain_stands_on_genesis()
    {
        using Kit kit = new();
        Assert.Equal(0UL, kit.Chain.LastAccepted.Header.Height.Value);
        Assert.Equal(kit.Store.Accepted.Root, kit.Chain.LastAccepted.Header.StateRoot);
        Assert.Equal(kit.Chain.LastAccepted.Id, kit.Chain.Preference);
        Assert.Equal(Kit.Funds, kit.Chain.BalanceOf(Kit.Accounts[3].PublicKey));
        Assert.False(kit.Chain.TryBuild(out _));
    }

    [Fact]
    public void Bytes_that_were_read_are_not_read_again_and_others_get_their_own_answer()
    {
        using Kit kit = new();
        using Kit other = new();
        kit.Submit(kit.Increment(0, 1));
        Assert.True(kit.Chain.TryBuild(out Block? built));
        Assert.True(kit.Chain.TryParse(built.Bytes.Span, out Block? again, out _));
        Assert.Same(built, again);

        byte[] bytes = built.Bytes.ToArray();
        Assert.True(other.Chain.TryParse(bytes, out Block? first, out _));
        Assert.True(other.Chain.TryParse(bytes, out Block? second, out _));
        Assert.Same(first, second);
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 1;
            bool decodes = Block.TryDecode(bytes, out Block? expected, out Refusal wanted);
            Assert.Equal(decodes, other.Chain.TryParse(bytes, out Block? found, out Refusal refusal));
            Assert.Equal((expected?.Id, wanted.Code), (found?.Id, refusal.Code));
            bytes[i] ^= 1;
        }
    }

    [Fact]
    public void A_block_is_built_verified_and_accepted_and_its_effects_are_read_back()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 5), kit.Increment(1, 5), kit.Increment(2, 5, add: true), kit.Increment(3, 6, tip: 3));
        Block block = kit.BuildAndVerify();
        Assert.Equal(1, kit.Chain.ProcessingCount);
        Assert.Equal((UInt128)0, kit.CounterValue(5));
        Assert.True(kit.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts));
        Assert.All(receipts.ToArray(), receipt => Assert.True(receipt.Succeeded));
        kit.Chain.Accept(block.Id);
        Assert.Equal(((UInt128)3, (UInt128)1), (kit.CounterValue(5), kit.CounterValue(6)));
        Assert.Equal((block.Id, 0, 0), (kit.Chain.LastAccepted.Id, kit.Chain.ProcessingCount, kit.Chain.MempoolCount));
        Assert.Equal(block.Header.StateRoot, kit.Store.Accepted.Root);
        Assert.True(kit.Chain.TryGetBlock(block.Id, out Block? byId) && kit.Chain.TryGetBlock(new Height(1), out Block? byHeight) && byId == byHeight);
        Assert.True(kit.Chain.TryGetReceipts(block.Id, out _));
        Assert.False(kit.Chain.TryGetBlock(new Height(2), out _));
        Assert.False(kit.Chain.TryGetBlock(new BlockId(Bytes32.Zero), out _));
    }

    [Fact]
    public void Fees_leave_the_payer_the_tip_reaches_the_treasury_and_the_base_fee_is_burned()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0, tip: 3));
        Block block = kit.BuildAndAccept();
        UInt128 gas = block.Header.GasUsed;
        Assert.Equal(Kit.Funds - (gas * (Kit.BaseFee + 3)), kit.Chain.BalanceOf(Kit.Accounts[0].PublicKey));
        Assert.Equal(gas * 3, kit.Chain.BalanceOf(Kit.Treasury));
    }

    [Fact]
    public void A_failed_transaction_is_in_the_chain_exactly_once_and_pays()
    {
        using Kit kit = new();
        Transaction failing = kit.Failing(0);
        kit.Submit(failing, kit.Increment(1, 0));
        Block block = kit.BuildAndAccept();
        Assert.True(kit.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts));
        Receipt receipt = receipts.Span[Array.FindIndex(block.Transactions, t => t.Id == failing.Id)];
        Assert.False(receipt.Succeeded);
        Assert.True(receipt.Fee > 0);
        Assert.Equal(Kit.Funds - receipt.Fee, kit.Chain.BalanceOf(Kit.Accounts[0].PublicKey));
        Assert.Equal((UInt128)1, kit.CounterValue(0));
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(failing.Bytes.Span).Code);
        kit.Time.NowMs += 1_000;
        Invalid(kit, kit.Craft(failing), RefusalCode.DuplicateTransaction);
    }

    [Fact]
    public void The_own_block_is_executed_once()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0), kit.Increment(1, 1));
        Block block = kit.Build();
        (long execute, long root, long verify) = (kit.Chain.Clock[Stage.Execute], kit.Chain.Clock[Stage.Root], kit.Chain.Clock[Stage.Verify]);
        Assert.True(root > 0);
        kit.Verify(block);
        kit.Verify(block);
        Assert.Equal((execute, root, verify), (kit.Chain.Clock[Stage.Execute], kit.Chain.Clock[Stage.Root], kit.Chain.Clock[Stage.Verify]));
        kit.Chain.Accept(block.Id);
        Assert.True(kit.Chain.Clock[Stage.Commit] > 0);
    }

    [Theory, InlineData(1UL), InlineData(42UL)]
    public void A_second_node_that_runs_serially_agrees_on_every_block(ulong seed)
    {
        using Kit builder = new(workers: 2);
        using Kit verifier = new(workers: 1, time: builder.Time);
        SeededRandom random = new(seed);
        for (int height = 1; height <= 8; height++)
        {
            SubmitRandom(builder, random, 40);
            Block block = builder.BuildAndAccept();
            Assert.True(verifier.Chain.TryParse(block.Bytes.Span, out Block? parsed, out Refusal refusal), refusal.ToString());
            Assert.True(verifier.Chain.TryVerify(parsed, out refusal), $"seed {seed} height {height}: {refusal}");
            verifier.Chain.Accept(parsed.Id);
            Assert.Equal(builder.Store.Accepted.Root, verifier.Store.Accepted.Root);
            Assert.Equal(block.Header.StateRoot, verifier.Store.Accepted.Root);
        }
    }

    [Theory, InlineData(7UL)]
    public void Blocks_are_the_same_with_1_2_and_8_workers(ulong seed)
    {
        List<BlockId>? expected = null;
        foreach (int workers in new[] { 1, 2, 8 })
        {
            using Kit kit = new(workers: workers);
            SeededRandom random = new(seed);
            List<BlockId> ids = [];
            for (int height = 1; height <= 6; height++)
            {
                SubmitRandom(kit, random, 60);
                ids.Add(kit.BuildAndAccept().Id);
            }

            expected ??= ids;
            Assert.True(expected.SequenceEqual(ids), $"seed {seed} workers {workers}");
        }
    }

    public static TheoryData<string, RefusalCode> Tampered => new()
    {
        { "parent", RefusalCode.UnknownParent },
        { "height", RefusalCode.WrongHeight },
        { "height below", RefusalCode.WrongHeight },
        { "time of parent", RefusalCode.TimestampNotAfterParent },
        { "time too far ahead", RefusalCode.TimestampTooFarAhead },
        { "gas", RefusalCode.GasUsedMismatch },
        { "state root", RefusalCode.StateRootMismatch },
        { "receipts root", RefusalCode.ReceiptsRootMismatch },
        { "no transactions", RefusalCode.EmptyBlock },
        { "a transaction twice", RefusalCode.DuplicateTransaction },
        { "a transaction less", RefusalCode.GasUsedMismatch },
        { "another order", RefusalCode.ReceiptsRootMismatch },
        { "a forged signature", RefusalCode.BadSignature },
        { "a forged signature on unknown", RefusalCode.BadSignature },
        { "expired at its time", RefusalCode.Expired },
        { "expiry too far from its time", RefusalCode.ExpiryTooFar },
    };

    [Theory, MemberData(nameof(Tampered))]
    public void A_tampered_block_is_invalid_by_name_and_leaves_nothing_behind(string field, RefusalCode expected)
    {
        using Kit kit = new();
        kit.Time.NowMs += 5_000;
        Transaction[] sent = [kit.Failing(1), kit.Increment(0, 0), kit.Increment(2, 1)];
        kit.Submit(sent[0], sent[1]);
        Block good = kit.Craft(sent);
        BlockHeader header = good.Header;
        Transaction[] transactions = [.. good.Transactions];
        BlockHeader parent = kit.Chain.LastAccepted.Header;
        switch (field)
        {
            case "parent": header = header with { ParentId = new BlockId(Blake3.Hash("other"u8)) }; break;
            case "height": header = header with { Height = header.Height.Next }; break;
            case "height below": header = header with { Height = default }; break;
            case "time of parent": header = header with { TimestampMs = parent.TimestampMs }; break;
            case "time too far ahead": header = header with { TimestampMs = kit.Time.NowMs + 10_001 }; break;
            case "gas": header = header with { GasUsed = header.GasUsed + 1 }; break;
            case "state root": header = header with { StateRoot = parent.StateRoot }; break;
            case "receipts root": header = header with { ReceiptsRoot = parent.ReceiptsRoot }; break;
            case "no transactions": transactions = []; break;
            case "a transaction twice": transactions = [.. transactions, transactions[0]]; break;
            case "a transaction less": transactions = transactions[..2]; break;
            case "another order": Array.Reverse(transactions); break;
            case "a forged signature": transactions[0] = Forged(transactions[0]); break;
            case "a forged signature on unknown": transactions[2] = Forged(transactions[2]); break;
            case "expired at its time": transactions = [kit.Increment(3, 3, expiresInMs: 2_000)]; header = header with { TimestampMs = header.TimestampMs + 2_001 }; break;
            case "expiry too far from its time": transactions = [kit.Increment(3, 3, expiresInMs: 60_000)]; header = header with { TimestampMs = header.TimestampMs - 1 }; break;
            default: throw new ArgumentException(field);
        }

        Invalid(kit, Block.Create(header, transactions), expected);
        Assert.Equal(0, kit.Chain.ProcessingCount);
        kit.Verify(good);
        kit.Chain.Accept(good.Id);
    }

    [Fact]
    public void The_time_of_a_block_may_be_exactly_ten_seconds_ahead()
    {
        using Kit kit = new();
        Transaction transaction = kit.Increment(0, 0);
        kit.Time.NowMs += 10_000;
        Block ahead = kit.Craft(transaction);
        kit.Time.NowMs -= 10_000;
        kit.Verify(ahead);
    }

    [Fact]
    public void A_block_with_an_underfunded_payer_is_invalid()
    {
        using Kit kit = new();
        Transaction poor = kit.Builder().Call(Kit.Counter, 1, []).Sign(Kit.Pauper);
        BlockHeader header = kit.Craft(kit.Increment(0, 0)).Header;
        Assert.False(kit.Chain.TryVerify(Block.Create(header, [poor]), out Refusal refusal));
        Assert.True(refusal.IsRefused);
        Assert.StartsWith("Transaction 0", refusal.Sentence, StringComparison.Ordinal);

        // each alone is covered, both together are not: the second is at fault
        ulong tip = (ulong)(Kit.Funds / Kit.Gas / 2);
        Transaction[] both = [kit.Increment(0, 0, tip: tip), kit.Increment(0, 1, tip: tip)];
        Assert.False(kit.Chain.TryVerify(Block.Create(header, both), out refusal));
        Assert.StartsWith("Transaction 1", refusal.Sentence, StringComparison.Ordinal);
        kit.Verify(kit.Craft(both[0]));
        kit.Verify(kit.Craft(both[1]));
    }

    [Fact]
    public void A_block_whose_gas_limits_exceed_the_chains_is_invalid()
    {
        using Kit kit = new(limits: ChainLimits.Default with { MaxTransactionGas = Kit.Gas, MaxBlockGas = 2 * Kit.Gas });
        Invalid(kit, kit.Craft(kit.Increment(0, 0), kit.Increment(1, 1), kit.Increment(2, 2)), RefusalCode.BlockGasExceeded);
    }

    [Fact]
    public void A_block_larger_than_the_chain_allows_is_refused_parsed_or_not()
    {
        using Kit kit = new(limits: ChainLimits.Default with { MaxTransactionBytes = 400, MaxBlockBytes = 600 });
        Block block = kit.Craft(kit.Increment(0, 0), kit.Increment(1, 1), kit.Increment(2, 2));
        Invalid(kit, block, RefusalCode.BlockTooLarge);
        Assert.False(kit.Chain.TryParse(block.Bytes.Span, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.BlockTooLarge, refusal.Code);
    }

    [Fact]
    public void Of_two_siblings_one_is_accepted_and_the_other_leaves_no_trace_but_its_waiting_transactions()
    {
        using Kit kit = new();
        Transaction shared = kit.Increment(0, 0);
        Transaction onlyB = kit.Increment(1, 1);
        Block a = kit.Craft(shared);
        Block b = kit.Craft(shared, onlyB);
        kit.Verify(a);
        kit.Verify(b);
        Assert.True(kit.Chain.TryGetReceipts(b.Id, out _));
        Block onB = CraftOn(kit, b, kit.Increment(2, 2));
        kit.Verify(onB);
        kit.Chain.SetPreference(b.Id);
        kit.Chain.Accept(a.Id);
        Assert.Equal(a.Id, kit.Chain.Preference);

        // dead, not yet rejected: nothing may stand on it, and it cannot be accepted
        Invalid(kit, b, RefusalCode.ConflictsWithAccepted);
        Invalid(kit, onB, RefusalCode.ConflictsWithAccepted);
        Assert.Throws<ArgumentException>(() => kit.Chain.Accept(b.Id));
        Assert.Throws<ArgumentException>(() => kit.Chain.SetPreference(b.Id));
        kit.Chain.Reject(b.Id);
        kit.Chain.Reject(onB.Id);
        Assert.Equal(0, kit.Chain.ProcessingCount);
        Assert.Equal(2, kit.Chain.MempoolCount);                             // of b and onB what a does not hold
        Invalid(kit, b, RefusalCode.ConflictsWithAccepted);
        Block next = kit.BuildAndAccept();
        Assert.Equal(2, next.Transactions.Length);
        Assert.DoesNotContain(next.Transactions, t => t.Id == shared.Id);
        Assert.Equal(((UInt128)1, (UInt128)1, (UInt128)1), (kit.CounterValue(0), kit.CounterValue(1), kit.CounterValue(2)));
    }

    [Fact]
    public void A_transaction_may_be_in_both_siblings_but_not_in_a_block_and_its_child()
    {
        using Kit kit = new();
        Transaction transaction = kit.Increment(0, 0);
        Block a = kit.Craft(transaction);
        kit.Verify(a);
        kit.Time.NowMs += 10;
        Invalid(kit, CraftOn(kit, a, transaction), RefusalCode.DuplicateTransaction);
        Block sibling = kit.Craft(transaction, kit.Increment(1, 1));
        kit.Verify(sibling);
        kit.Chain.Accept(a.Id);
        kit.Chain.Reject(sibling.Id);
        Invalid(kit, kit.Craft(transaction), RefusalCode.DuplicateTransaction);
    }

    [Fact]
    public void A_child_is_built_on_a_processing_block_and_does_not_repeat_it()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0), kit.Increment(1, 0));
        Block first = kit.BuildAndVerify();
        Assert.Equal(2, kit.Chain.MempoolCount);                             // nothing is accepted yet
        kit.Chain.SetPreference(first.Id);
        Assert.False(kit.Chain.TryBuild(out _));
        Transaction later = kit.Increment(2, 0);
        kit.Submit(later);
        Block second = kit.BuildAndVerify();
        Assert.Equal(later.Id, Assert.Single(second.Transactions).Id);
        Assert.Equal(first.Id, second.Header.ParentId);
        Assert.Throws<ArgumentException>(() => kit.Chain.Accept(second.Id));  // its parent is not accepted
        kit.Chain.Accept(first.Id);
        kit.Chain.Accept(second.Id);
        Assert.Equal((UInt128)3, kit.CounterValue(0));
    }

    [Fact]
    public void Rejecting_a_parent_kills_its_children()
    {
        using Kit kit = new();
        Block a = kit.Craft(kit.Increment(0, 0));
        kit.Verify(a);
        Block onA = CraftOn(kit, a, kit.Increment(1, 1));
        kit.Verify(onA);
        kit.Chain.SetPreference(onA.Id);
        kit.Chain.Reject(a.Id);
        Assert.Equal(kit.Chain.LastAccepted.Id, kit.Chain.Preference);
        Assert.Throws<ArgumentException>(() => kit.Chain.Accept(onA.Id));
        kit.Chain.Reject(onA.Id);
        Assert.Equal(2, kit.Chain.MempoolCount);
        Assert.Throws<ArgumentException>(() => kit.Chain.Reject(onA.Id));
        kit.Verify(a);                                                       // a rejected block may come back: consensus decides
    }

    // The id leaves the signatures out, so remembering "this id was checked" would let a forged copy through.
    [Fact]
    public void A_forged_copy_of_a_checked_transaction_is_still_refused_in_a_block()
    {
        using Kit kit = new();
        Transaction good = kit.Increment(0, 0);
        Block block = kit.Craft(good);
        kit.Verify(block);
        kit.Chain.Reject(block.Id);
        kit.Time.NowMs += 1;
        Invalid(kit, kit.Craft(Forged(good)), RefusalCode.BadSignature);
    }

    [Fact]
    public void A_block_of_known_transactions_checks_no_signature_again()
    {
        using Kit kit = new();
        Transaction waiting = kit.Increment(0, 0);
        kit.Submit(waiting);
        Block first = kit.Craft(waiting, kit.Increment(1, 1));
        kit.Verify(first);
        kit.Chain.Reject(first.Id);
        Assert.Equal(2, kit.Chain.SignaturesChecked);
        kit.Time.NowMs += 1;
        kit.Verify(kit.Craft(first.Transactions));
        Assert.Equal(2, kit.Chain.SignaturesChecked);
    }

    [Fact]
    public void A_displaced_transaction_is_not_checked_again_either()
    {
        using Kit kit = new(mempool: new MempoolOptions { MaxCount = 1 });
        Transaction cheap = kit.Increment(0, 0);
        kit.Submit(cheap, kit.Increment(1, 1, tip: 5));
        Assert.Equal((1, 2), (kit.Chain.MempoolCount, kit.Chain.SignaturesChecked));
        kit.Verify(kit.Craft(cheap));
        Assert.Equal(2, kit.Chain.SignaturesChecked);
    }

    // Ahead of its submission, or of its block; a forged copy of the same id is other bytes and is refused all the same.
    [Fact]
    public void What_was_checked_ahead_is_not_checked_again_and_what_is_bad_is_still_refused()
    {
        using Kit kit = new(workers: 2);
        Transaction good = kit.Increment(0, 0);
        byte[] forged = good.Bytes.ToArray();
        forged[^1] ^= 1;
        Transaction inBlock = kit.Increment(1, 1);
        CheckedBatch ahead = kit.Chain.CheckAhead([forged, good.Bytes, new byte[] { 1, 2, 3 }]);
        kit.Look(kit.Craft(inBlock));
        Assert.Equal(3, kit.Chain.SignaturesChecked);
        Refusal[] refusals = kit.Chain.SubmitBatch(ahead);
        Assert.Equal(RefusalCode.BadSignature, refusals[0].Code);
        Assert.False(refusals[1].IsRefused, refusals[1].ToString());
        kit.Verify(kit.Craft(good, inBlock));
        Assert.Equal(3, kit.Chain.SignaturesChecked);
    }

    // Good ones, copies, strangers' chains, wrong times, flipped bits, cut ends, in any order: the same answers and the same pool either way.
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void A_batch_that_was_checked_ahead_is_given_the_answers_that_its_bytes_would_be_given(ulong seed)
    {
        using Kit plain = new(workers: 2);
        using Kit ahead = new(workers: 2);
        SeededRandom random = new(seed);
        HashSet<RefusalCode> seen = [];
        for (int round = 0; round < 20; round++)
        {
            List<ReadOnlyMemory<byte>> batch = [];
            for (int i = 0; i < 30; i++)
            {
                byte[] bytes = plain.Increment(random.Next(12), random.Next(8), tip: (ulong)random.Next(4), expiresInMs: random.Chance(1, 4) ? 1_000UL : 30_000).Bytes.ToArray();
                if (random.Chance(1, 3))
                {
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                }

                batch.Add(random.Chance(1, 10) ? bytes.AsMemory(0, random.Next(bytes.Length)) : bytes);
            }

            CheckedBatch early = ahead.Chain.CheckAhead(batch);
            plain.Time.NowMs += 2_000;                                  // some expire between
            ahead.Time.NowMs += 2_000;
            Refusal[] expected = plain.Chain.SubmitBatch(batch);
            Refusal[] actual = ahead.Chain.SubmitBatch(early);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(expected[i] == actual[i], $"seed {seed} round {round} transaction {i}: {expected[i]} / {actual[i]}");
                seen.Add(expected[i].Code);
            }

            Assert.Equal(plain.Chain.MempoolCount, ahead.Chain.MempoolCount);
        }

        Assert.Superset(new HashSet<RefusalCode> { RefusalCode.None, RefusalCode.BadSignature, RefusalCode.DuplicateTransaction, RefusalCode.Expired }, seen);
    }

    // One check per signature, however large the block: known ones are recognised by their bytes.
    [Fact]
    public void Signatures_are_counted_once_from_submission_to_acceptance()
    {
        using Kit kit = new(workers: 2);
        List<ReadOnlyMemory<byte>> batch = [];
        for (int i = 0; i < 150; i++)
        {
            batch.Add(kit.Increment(i % 12, i).Bytes);
        }

        batch.Add(kit.Builder().Call(Kit.Counter, 1, []).Slot(Kit.Counter, Kit.Key(1), AccessLists.AccessMode.Write).Sign(Kit.Accounts[0], Kit.Accounts[1], Kit.Accounts[2]).Bytes);
        Assert.All(kit.Chain.SubmitBatch(batch), refusal => Assert.False(refusal.IsRefused, refusal.ToString()));
        Assert.Equal(153, kit.Chain.SignaturesChecked);
        Block block = kit.BuildAndVerify();
        Assert.Equal(151, block.Transactions.Length);
        kit.Chain.Reject(block.Id);
        Assert.True(kit.Chain.TryParse(block.Bytes.Span, out Block? parsed, out _));
        kit.Verify(parsed);
        kit.Chain.Accept(parsed.Id);
        Assert.Equal(153, kit.Chain.SignaturesChecked);
    }

    [Fact]
    public void A_failing_disk_is_an_exception_and_no_verdict()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0));
        Block block = kit.BuildAndVerify();
        BlockId before = kit.Chain.LastAccepted.Id;
        ((MemoryStore)kit.Store).FailsNext = true;
        Assert.Throws<StateStoreException>(() => kit.Chain.Accept(block.Id));
        Assert.Equal((before, 1, 1), (kit.Chain.LastAccepted.Id, kit.Chain.ProcessingCount, kit.Chain.MempoolCount));
    }

    [Fact]
    public void A_clock_that_stands_still_or_steps_back_does_not_stop_the_chain()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0));
        Block first = kit.BuildAndAccept();
        kit.Time.NowMs -= 5_000;
        kit.Submit(kit.Increment(1, 0));
        Block second = kit.Build();
        Assert.Equal(first.Header.TimestampMs + 1, second.Header.TimestampMs);
        kit.Verify(second);
        kit.Time.NowMs -= 10_000;                                            // now a next block would be refused by others
        Assert.False(kit.Chain.TryBuild(out _));
    }

    [Theory, InlineData(ulong.MaxValue), InlineData(ulong.MaxValue - 1)]
    public void A_parent_at_the_end_of_time_is_not_built_on(ulong genesisMs)
    {
        using Kit kit = new(genesisMs: genesisMs);
        kit.Submit(kit.Increment(0, 0));
        Assert.False(kit.Chain.TryBuild(out _));
    }

    // Answers do not depend on who submits when; what was taken in is in the chain exactly once in the end.
    [Fact]
    public void Submitting_from_many_threads_while_blocks_are_made_loses_and_doubles_nothing()
    {
        using Kit kit = new(workers: 2);
        const int Threads = 3;
        const int PerThread = 60;
        byte[][][] sent = new byte[Threads][][];
        for (int t = 0; t < Threads; t++)
        {
            int payer = t;
            sent[t] = [.. Enumerable.Range(0, PerThread).Select(i => kit.Increment(payer, i % 7, tip: (ulong)i, add: i % 2 == 0).Bytes.ToArray())];
        }

        Thread[] threads = [.. sent.Select(mine => new Thread(() =>
        {
            kit.Chain.SubmitBatch([.. mine.Take(PerThread / 2).Select(bytes => (ReadOnlyMemory<byte>)bytes)]);
            foreach (byte[] bytes in mine)
            {
                kit.Chain.Submit(bytes);                                     // the first half again
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        int included = 0;
        while (threads.Any(thread => thread.IsAlive) || kit.Chain.MempoolCount > 0)
        {
            if (kit.Chain.TryBuild(out Block? block))
            {
                kit.Verify(block);
                kit.Chain.Accept(block.Id);
                included += block.Transactions.Length;
            }
        }

        Assert.Equal(Threads * PerThread, included);
        UInt128 sum = 0;
        for (int counter = 0; counter < 7; counter++)
        {
            sum += kit.CounterValue(counter);
        }

        Assert.Equal((UInt128)included, sum);
    }

    internal static void Invalid(Kit kit, Block block, RefusalCode expected)
    {
        Assert.False(kit.Chain.TryVerify(block, out Refusal refusal));
        Assert.True(expected == refusal.Code, $"{expected} expected, but {refusal}");
    }

    internal static void SubmitRandom(Kit kit, SeededRandom random, int count)
    {
        for (int i = 0; i < count; i++)
        {
            int payer = random.Next(Kit.Accounts.Length);
            ulong tip = (ulong)random.Next(4);
            Transaction transaction = random.Chance(2, 5)
                ? kit.Failing(payer, tip)
                : kit.Increment(payer, random.Next(6), tip, random.Chance(1, 2), (ulong)random.Next(50_000) + 10_000);
            Refusal refusal = kit.Chain.Submit(transaction.Bytes.Span);
            Assert.True(refusal.Code is RefusalCode.None or RefusalCode.DuplicateTransaction, refusal.ToString());
        }
    }

    private static Block CraftOn(Kit kit, Block parent, params Transaction[] transactions)
    {
        // the parent's state, found by executing it again from the accepted one
        BlockPrograms programs = new(kit.Chain.Rules, kit.Store.Accepted);
        Message[] batch = kit.Bind(programs, parent.Transactions);
        Engine.ExecutionRules rules = new() { Hashing = kit.Genesis.Hashing, Treasury = Kit.Treasury };
        Assert.True(kit.Engine.TryExecute(batch, kit.Chain.Rules.ContextOf(parent.Header, programs), kit.Store.Accepted, rules, 1, out Engine.BatchResult? result, out _));
        return kit.Craft(parent.Header, parent.Id, result.Post, transactions);
    }

    private static Transaction Forged(Transaction transaction)
    {
        byte[] bytes = transaction.Bytes.ToArray();
        bytes[^1] ^= 1;
        Assert.True(Transaction.TryDecode(bytes, out Transaction? forged, out _));
        Assert.Equal(transaction.Id, forged.Id);
        return forged;
    }
}
