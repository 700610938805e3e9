// Looking at blocks before they are verified: it may save work, and may change nothing else, whatever peers send.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain.Tests;

public sealed class AheadTests
{
    // Good blocks, flipped bits, forged signatures, strangers' times, copies; looked at not at all, partly, or whole, in batches of any order.
    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4)]
    public void Verdicts_and_roots_are_the_same_however_far_a_block_was_looked_at(ulong seed)
    {
        SeededRandom random = new(seed);
        using Kit author = new();
        using Kit plain = new(workers: 2);
        using Kit ahead = new(workers: 2);
        HashSet<RefusalCode> seen = [];
        for (int round = 0; round < 5; round++)
        {
            List<Block> blocks = Grow(author, random, 1 + random.Next(4), 1 + random.Next(30));
            plain.Time.NowMs = ahead.Time.NowMs = author.Time.NowMs;
            List<Block> offered = [];
            foreach (Block block in blocks)
            {
                if (random.Chance(2, 3))
                {
                    offered.Add(Spoil(block, random));
                }

                offered.Add(block);
            }

            Block[] parsed = [.. offered];
            for (int i = parsed.Length - 1; i > 0; i--)
            {
                int other = random.Next(i + 1);
                (parsed[i], parsed[other]) = (parsed[other], parsed[i]);
            }

            foreach (Block block in parsed)
            {
                if (ahead.Chain.TryParse(block.Bytes.Span, out _, out _) && random.Chance(1, 2))
                {
                    ahead.Chain.ExpectParsed();
                    Step(ahead, random.Next(3));
                }
            }

            ahead.Chain.ExpectParsed();
            foreach (Block block in offered)
            {
                Step(ahead, random.Next(4));
                (bool isGood, Refusal refusal) expected = (plain.Chain.TryVerify(block, out Refusal first), first);
                (bool isGood, Refusal refusal) actual = (ahead.Chain.TryVerify(block, out Refusal second), second);
                Assert.True(expected == actual, $"seed {seed} round {round} block {block.Header.Height}: {expected} / {actual}");
                seen.Add(first.Code);
                if (expected.isGood)
                {
                    plain.Chain.Accept(block.Id);
                    ahead.Chain.Accept(block.Id);
                }

                ahead.Chain.ExpectParsed();
            }

            Assert.Equal(author.Chain.LastAccepted.Id, ahead.Chain.LastAccepted.Id);
            Assert.Equal(0, ahead.Chain.BlocksAheadCount);                                          // all were decided
        }

        Assert.Contains(RefusalCode.BadSignature, seen);
        Assert.True(seen.Count >= 4, string.Join(' ', seen));
    }

    [Fact]
    public void What_was_looked_at_is_not_checked_again()
    {
        SeededRandom random = new(5);
        using Kit author = new();
        using Kit kit = new(workers: 2);
        List<Block> blocks = Grow(author, random, 4, 300);
        kit.Time.NowMs = author.Time.NowMs;
        blocks.Reverse();                                                                           // a node that asks for ancestors gets the newest first
        Assert.Equal(8, kit.Look([.. blocks]));                                                     // 256 and 44 transactions of each
        Assert.Equal(4 * 300, kit.Chain.SignaturesChecked);
        blocks.Reverse();
        foreach (Block block in blocks)
        {
            kit.Verify(block);
            kit.Chain.Accept(block.Id);
        }

        Assert.Equal(4 * 300, kit.Chain.SignaturesChecked);
        Assert.Equal(author.Chain.LastAccepted.Id, kit.Chain.LastAccepted.Id);
    }

    // The half that was not reached yet is checked by Verify, and nothing of that block afterwards.
    [Fact]
    public void A_block_that_is_verified_midway_takes_what_there_is()
    {
        using Kit author = new();
        using Kit kit = new(workers: 2);
        Block block = Grow(author, new SeededRandom(6), 1, 300)[0];
        kit.Time.NowMs = author.Time.NowMs;
        Assert.True(kit.Chain.TryParse(block.Bytes.Span, out _, out _));
        Assert.True(kit.Chain.ExpectParsed());
        Assert.True(kit.Chain.CheckNext());
        Assert.Equal(256, kit.Chain.SignaturesChecked);
        kit.Verify(block);
        Assert.Equal(300, kit.Chain.SignaturesChecked);
        Assert.False(kit.Chain.ExpectParsed());
        Assert.False(kit.Chain.CheckNext());
    }

    [Fact]
    public void What_waits_in_the_mempool_costs_nothing()
    {
        using Kit author = new();
        using Kit kit = new(workers: 2);
        Block block = Grow(author, new SeededRandom(7), 1, 50)[0];
        kit.Time.NowMs = author.Time.NowMs;
        foreach (Transaction transaction in block.Transactions)
        {
            Assert.False(kit.Chain.Submit(transaction.Bytes.Span).IsRefused);
        }

        long before = kit.Chain.SignaturesChecked;
        kit.Look(block);
        kit.Verify(block);
        Assert.Equal(before, kit.Chain.SignaturesChecked);
    }

    // A2: who stands on nothing known, on something bad, or at a place where it cannot be, is not looked at.
    [Fact]
    public void Only_what_can_be_verified_next_is_looked_at()
    {
        SeededRandom random = new(8);
        using Kit author = new();
        using Kit kit = new();
        List<Block> blocks = Grow(author, random, 4, 20);
        kit.Time.NowMs = author.Time.NowMs;
        Assert.Equal(0, kit.Look(blocks[1], blocks[2]));                                            // their parent was never seen
        Block forged = Forge(blocks[0]);
        Block onForged = Block.Create(blocks[1].Header with { ParentId = forged.Id }, blocks[1].Transactions);
        Assert.Equal(1, kit.Look(forged));
        Assert.Equal(0, kit.Look(onForged));
        Assert.Equal(0, kit.Look(Block.Create(blocks[0].Header with { TimestampMs = Kit.StartMs }, blocks[0].Transactions)));
        Assert.Equal(20, kit.Chain.SignaturesChecked);
        Assert.Equal(3, kit.Look(blocks[0]));                                                       // and now those that stand on it
        Assert.Equal(20 + 1 + 40, kit.Chain.SignaturesChecked);                                         // what was good of the forged block is known
        Block own = OwnBlock(kit);
        Assert.Equal(0, kit.Look(own));
    }

    // The keys of good transactions only, and all of them: forged ones buy no reads.
    [Fact]
    public void Records_of_what_is_good_are_touched_and_of_nothing_else()
    {
        using Kit author = new();
        TouchedStore store = new(new MemoryStore(author.Genesis.Hashing, new MemoryStore.Disk()));
        using Kit kit = new(store: store);
        List<Block> blocks = Grow(author, new SeededRandom(10), 2, 300);
        kit.Time.NowMs = author.Time.NowMs;
        store.Touched.Clear();
        kit.Look(blocks[0], Forge(blocks[1]));
        HashSet<StateKey> expected = [];
        AddKeys(kit, blocks[0].Transactions, expected);
        AddKeys(kit, blocks[1].Transactions.AsSpan(0, 256), expected);                              // the step before the forged one
        Assert.True(expected.SetEquals(store.Touched), $"{store.Touched.Count} instead of {expected.Count}");

        store.Touched.Clear();
        Transaction coming = kit.Increment(3, 5_000);
        byte[] forged = kit.Increment(4, 6_000).Bytes.ToArray();
        forged[^1] ^= 1;
        kit.Chain.SubmitBatch(kit.Chain.CheckAhead([coming.Bytes, forged]));
        expected.Clear();
        AddKeys(kit, [coming], expected);
        Assert.True(expected.SetEquals(store.Touched));
    }

    // A4, with a disk that always has to fetch: a peer's blocks end it, a block that verifies lets it go on.
    [Fact]
    public void Records_fetched_in_vain_end_the_looking_until_blocks_verify()
    {
        using Kit author = new();
        TouchedStore store = new(new MemoryStore(author.Genesis.Hashing, new MemoryStore.Disk())) { FetchesFor = 15 };
        using Kit kit = new(store: store);
        List<Block> blocks = Grow(author, new SeededRandom(11), 6, 300);
        kit.Time.NowMs = author.Time.NowMs;
        int steps = kit.Look([.. blocks]);
        Assert.InRange(steps, 2, 11);                                                               // of twelve
        Assert.False(kit.Chain.ExpectParsed());
        kit.Verify(blocks[0]);
        Assert.True(kit.Chain.ExpectParsed());
        foreach (Block block in blocks)
        {
            kit.Verify(block);
            kit.Chain.Accept(block.Id);
        }
    }

    // L2. OnPending is called under the service's lock.
    [Fact]
    public void Looking_waits_for_no_lock_of_the_chain()
    {
        using Kit author = new();
        Block block = Grow(author, new SeededRandom(9), 1, 300)[0];
        bool isDone = false;
        ChainService? chain = null;
        using Kit kit = new();
        Assert.True(ChainService.TryOpen(
            kit.Options with { OnPending = () => isDone = Task.Run(() => chain!.CheckNext() && chain.CheckNext() && !chain.CheckNext()).Wait(TimeSpan.FromSeconds(30)) },
            out chain, out _));
        kit.Time.NowMs = author.Time.NowMs;
        Assert.True(chain.TryParse(block.Bytes.Span, out _, out _));
        Assert.True(chain.ExpectParsed());
        Assert.False(chain.Submit(kit.Increment(0, 0).Bytes.Span).IsRefused);
        Assert.True(isDone);
    }

    // Beside a chain that verifies and accepts, as the plugin does it.
    [Theory, InlineData(1), InlineData(2)]
    public void A_thread_that_looks_ahead_changes_no_root(ulong seed)
    {
        SeededRandom random = new(seed);
        using Kit author = new();
        using Kit kit = new(workers: 2);
        bool ends = false;
        Thread looks = new(() =>
        {
            while (!Volatile.Read(ref ends))
            {
                kit.Chain.CheckNext();
            }
        });
        looks.Start();
        for (int round = 0; round < 4; round++)
        {
            List<Block> blocks = Grow(author, random, 3, 30 + random.Next(300));
            kit.Time.NowMs = author.Time.NowMs;
            foreach (Block block in blocks)
            {
                Assert.True(kit.Chain.TryParse(block.Bytes.Span, out _, out _));
            }

            kit.Chain.ExpectParsed();
            foreach (Block block in blocks)
            {
                kit.Verify(block);
                kit.Chain.Accept(block.Id);
            }
        }

        Volatile.Write(ref ends, true);
        looks.Join();
        Assert.Equal(author.Chain.LastAccepted.Id, kit.Chain.LastAccepted.Id);
    }

    // A1, A3, A4 on the places alone: no signatures needed.
    [Theory, InlineData(1), InlineData(2)]
    public void Places_bytes_and_work_in_vain_are_bounded_whatever_comes(ulong seed)
    {
        SeededRandom random = new(seed);
        using Kit kit = new();
        Transaction transaction = kit.Increment(0, 0);
        BlocksAhead places = new();
        long verifiedWork = 0;
        long done = 0;
        HashSet<BlockId> known = [];
        for (int i = 0; i < 4_000; i++)
        {
            ulong height = (ulong)random.Next(20) + ((ulong)i / 100);
            BlockHeader header = new(default, new Height(height), (ulong)random.Next(50), 0, default, default);
            Block block = Block.Create(header, [transaction]);
            bool had = places.Has(block.Id);
            if (places.TryAdd(new BlockAhead(block)))
            {
                Assert.False(had);
                known.Add(block.Id);
            }

            Assert.InRange(places.Count, 0, BlocksAhead.PlacesMax);
            if (places.TryNext(out BlockAhead? next))
            {
                int work = random.Next(1_000);
                places.Charge(next, work);
                done += work;
                next.Checked = random.Chance(1, 2) ? 1 : 0;
                next.IsOver = random.Chance(1, 4);
            }

            if (random.Chance(1, 10))
            {
                BlockAhead? taken = places.Take(block.Id);
                Assert.True(taken is null || taken.IsOver);
                if (random.Chance(1, 2))
                {
                    places.Verified(block, taken);
                    verifiedWork += Math.Max(1, taken?.Work ?? 0);
                }
            }

            if (i % 100 == 99)
            {
                places.Forget(new Height((ulong)i / 100));
            }

            Assert.True(done <= BlocksAhead.VainMax + 1_000 + verifiedWork, $"seed {seed} step {i}: {done} done, {verifiedWork} not in vain");
        }

        Assert.True(places.Vain >= BlocksAhead.VainMax);                                            // it came to that
        Assert.False(places.TryNext(out _));
        places.Forget(new Height(1_000));
        Assert.Equal(0, places.Count);
    }

    [Fact]
    public void Long_blocks_run_out_of_bytes_before_places()
    {
        BlocksAhead places = new();
        using Kit kit = new();
        Transaction[] transactions = new Transaction[3_000];
        Array.Fill(transactions, kit.Increment(0, 0));
        long bytes = 0;
        for (ulong i = 0; i < BlocksAhead.PlacesMax; i++)
        {
            Block block = Block.Create(new BlockHeader(default, new Height(1), i, 0, default, default), transactions);
            bytes += places.TryAdd(new BlockAhead(block)) ? block.Bytes.Length : 0;
        }

        Assert.InRange(bytes, BlocksAhead.BytesMax / 2, BlocksAhead.BytesMax);
        Assert.InRange(places.Count, 1, BlocksAhead.PlacesMax - 1);
    }

    private static void Step(Kit kit, int steps)
    {
        while (steps-- > 0)
        {
            kit.Chain.CheckNext();
        }
    }

    private static void AddKeys(Kit kit, ReadOnlySpan<Transaction> transactions, HashSet<StateKey> target)
    {
        foreach (Transaction transaction in transactions)
        {
            Assert.True(kit.Chain.Rules.TryPrepare(transaction, out PreparedTransaction? prepared, out _));
            target.UnionWith(prepared.Keys);
            target.Add(prepared.PayerKey);
        }
    }

    /// <summary>Accepted blocks of an author, which nobody else has seen.</summary>
    private static List<Block> Grow(Kit author, SeededRandom random, int blocks, int transactions)
    {
        List<Block> grown = [];
        for (int i = 0; i < blocks; i++)
        {
            author.Time.NowMs += 1_000;
            List<ReadOnlyMemory<byte>> batch = [];
            for (int t = 0; t < transactions; t++)
            {
                batch.Add(author.Increment(random.Next(12), random.Next(1_000), tip: (ulong)t).Bytes);
            }

            Assert.DoesNotContain(author.Chain.SubmitBatch(batch), static refusal => refusal.IsRefused);

            grown.Add(author.BuildAndAccept());
        }

        return grown;
    }

    private static Block OwnBlock(Kit kit)
    {
        kit.Submit(kit.Increment(0, 0));
        return kit.Build();
    }

    private static Block Forge(Block block)
    {
        Transaction[] transactions = [.. block.Transactions];
        byte[] bytes = transactions[^1].Bytes.ToArray();
        bytes[^1] ^= 1;
        Assert.True(Transaction.TryDecode(bytes, out Transaction? forged, out Refusal refusal), refusal.ToString());
        transactions[^1] = forged;
        return Block.Create(block.Header, transactions);
    }

    // The same block with something wrong about it; it may still be decodable, or not.
    private static Block Spoil(Block block, SeededRandom random)
    {
        switch (random.Next(5))
        {
            case 0:
                return Forge(block);
            case 1:
                return Block.Create(block.Header with { StateRoot = new StateRoot(Blake3.Hash([1])) }, block.Transactions);
            case 2:
                return Block.Create(block.Header, [.. block.Transactions, block.Transactions[0]]);
            case 3:
                return Block.Create(block.Header with { TimestampMs = block.Header.TimestampMs + 50_000 }, block.Transactions);
            default:
                Transaction[] transactions = [.. block.Transactions];
                int at = random.Next(transactions.Length);
                byte[] bytes = transactions[at].Bytes.ToArray();
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                transactions[at] = Transaction.TryDecode(bytes, out Transaction? other, out _) ? other : transactions[at];
                return Block.Create(block.Header, transactions);
        }
    }
}

/// <summary>A store that remembers what was touched, on a disk that pretends to fetch.</summary>
internal sealed class TouchedStore(IStateStore inner) : IStateStore
{
    public HashSet<StateKey> Touched { get; } = [];

    /// <summary>Records that each key costs.</summary>
    public int FetchesFor { get; init; }

    public BlockRecord? LastAccepted => inner.LastAccepted;

    public IStateView Accepted => inner.Accepted;

    public int Touch(ReadOnlySpan<StateKey> keys)
    {
        foreach (StateKey key in keys)
        {
            Touched.Add(key);
        }

        return keys.Length * FetchesFor;
    }

    public bool TryNextReplay([NotNullWhen(true)] out BlockRecord? record) => inner.TryNextReplay(out record);

    public void Replayed(in BlockRecord record, IStateView view) => inner.Replayed(record, view);

    public void Persist(in BlockRecord record, IStateView view) => inner.Persist(record, view);

    public void Accept(in BlockRecord record, IStateView view) => inner.Accept(record, view);

    public bool TryReadBlock(Height height, [NotNullWhen(true)] out BlockRecord? record) => inner.TryReadBlock(height, out record);

    public bool TryFindBlock(BlockId id, out Height height) => inner.TryFindBlock(id, out height);

    public void StepBack(Height height) => inner.StepBack(height);

    public void Checkpoint() => inner.Checkpoint();

    public void Dispose() => inner.Dispose();
}
