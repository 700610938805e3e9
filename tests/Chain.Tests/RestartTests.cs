using System.Collections.Generic;
using System.IO;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain.Tests;

// What is durable comes back: same height, same root, same memory of what was spent.
public class RestartTests
{
    [Theory, InlineData(0), InlineData(1), InlineData(3), InlineData(5)]
    public void A_restart_continues_at_the_same_height_and_root_from_any_checkpoint(int checkpointHeight)
    {
        using Kit first = new();
        Transaction last = Fill(first, 5);
        using Kit second = new(disk: first.Disk, checkpointHeight: checkpointHeight, time: first.Time);
        Assert.Equal(first.Chain.LastAccepted.Id, second.Chain.LastAccepted.Id);
        Assert.Equal(first.Store.Accepted.Root, second.Store.Accepted.Root);
        Assert.Equal(RefusalCode.DuplicateTransaction, second.Chain.Submit(last.Bytes.Span).Code);
        ChainServiceTests.Invalid(second, second.Craft(last), RefusalCode.DuplicateTransaction);
        second.Submit(second.Increment(0, 9));
        Assert.Equal(6UL, second.BuildAndAccept().Header.Height.Value);
    }

    [Fact]
    public void A_crash_before_genesis_reached_the_state_replays_genesis()
    {
        using Kit first = new();
        using Kit second = new(disk: first.Disk, checkpointHeight: -1, time: first.Time);
        Assert.Equal(first.Chain.LastAccepted.Id, second.Chain.LastAccepted.Id);
    }

    [Fact]
    public void Blocks_of_before_the_restart_are_found_by_id_and_height()
    {
        using Kit first = new();
        Fill(first, 5);
        BlockId[] ids = first.Disk.Blocks.ConvertAll(b => b.BlockId).ToArray();
        using Kit second = new(disk: first.Disk, time: first.Time);
        for (int height = 0; height < ids.Length; height++)
        {
            Assert.True(second.Chain.TryGetBlock(ids[height], out Block? byId));
            Assert.True(second.Chain.TryGetBlock(new Height((ulong)height), out Block? byHeight));
            Assert.Equal((ids[height], ids[height]), (byId.Id, byHeight.Id));
        }
    }

    // The window across a restart is exact: an id is refused as long as a block could take it, and for no block longer.
    [Fact]
    public void An_id_is_remembered_across_a_restart_until_it_has_expired()
    {
        using Kit first = new();
        Transaction early = first.Increment(0, 0, expiresInMs: 60_000);
        first.Submit(early);
        first.BuildAndAccept();
        for (int i = 0; i < 11; i++)
        {
            first.Time.NowMs += 4_000;
            first.Submit(first.Increment(1, 1));
            first.BuildAndAccept();
        }

        Assert.True(first.Time.NowMs <= early.ExpiryMs);
        using Kit second = new(disk: first.Disk, checkpointHeight: 4, time: first.Time);
        Assert.Equal(RefusalCode.DuplicateTransaction, second.Chain.Submit(early.Bytes.Span).Code);
        ChainServiceTests.Invalid(second, second.Craft(early), RefusalCode.DuplicateTransaction);
        second.Time.NowMs = early.ExpiryMs + 1;
        Assert.Equal(RefusalCode.Expired, second.Chain.Submit(early.Bytes.Span).Code);
    }

    [Theory, InlineData(17UL), InlineData(18UL)]
    public void Exactly_once_under_duplicates_siblings_and_restarts(ulong seed)
    {
        SeededRandom random = new(seed);
        MemoryStore.Disk disk = new();
        ManualTime time = new(Kit.StartMs + 1_000);
        List<Transaction> sent = [];
        for (int run = 0; run < 4; run++)
        {
            int? checkpoint = disk.Blocks.Count == 0 ? null : random.Next(disk.Blocks.Count);
            using Kit kit = new(disk: disk, checkpointHeight: checkpoint, time: time);
            for (int round = 0; round < 8; round++)
            {
                time.NowMs += (ulong)random.Next(3_000) + 1;
                for (int i = 0; i < 6; i++)
                {
                    Transaction transaction = sent.Count > 0 && random.Chance(1, 2)
                        ? sent[random.Next(sent.Count)]
                        : random.Chance(2, 5) ? kit.Failing(random.Next(8)) : kit.Increment(random.Next(8), random.Next(4), expiresInMs: (ulong)random.Next(60_000));
                    sent.Add(transaction);
                    kit.Chain.Submit(transaction.Bytes.Span);
                }

                if (kit.Chain.TryBuild(out Block? one))
                {
                    kit.Verify(one);
                    time.NowMs += 1;
                    Assert.True(kit.Chain.TryBuild(out Block? two));
                    kit.Verify(two);
                    (BlockId accepted, BlockId rejected) = random.Chance(1, 2) ? (one.Id, two.Id) : (two.Id, one.Id);
                    kit.Chain.Accept(accepted);
                    kit.Chain.Reject(rejected);
                }
            }
        }

        HashSet<TxId> seen = [];
        foreach (BlockRecord record in disk.Blocks)
        {
            Assert.True(Block.TryDecode(record.Payload.Span, out Block? block, out _));
            foreach (Transaction transaction in block.Transactions)
            {
                Assert.True(seen.Add(transaction.Id), $"seed {seed}: {transaction.Id} twice");
            }
        }

        Assert.True(seen.Count > 40, $"seed {seed}: only {seen.Count} transactions");
    }

    [Fact]
    public void A_chain_opened_below_its_store_forgets_the_later_blocks_and_accepts_them_again()
    {
        using Kit first = new();
        Fill(first, 5);
        BlockRecord[] later = [.. first.Disk.Blocks];
        ChainOptions options = first.Options with { Store = new MemoryStore(first.Options.Genesis.Hashing, first.Disk), OpenAt = new Height(2) };
        Assert.True(ChainService.TryOpen(options, out ChainService? chain, out _));
        Assert.Equal(later[2].BlockId, chain.LastAccepted.Id);
        Assert.False(chain.TryGetBlock(later[3].BlockId, out _));
        for (int height = 3; height < later.Length; height++)
        {
            Assert.True(chain.TryParse(later[height].Payload.Span, out Block? block, out _));
            Assert.True(chain.TryVerify(block, out Refusal refusal), refusal.ToString());
            chain.Accept(block.Id);
        }

        Assert.Equal(later[^1].StateRoot, first.Disk.Blocks[^1].StateRoot);
    }

    [Fact]
    public void A_store_of_another_genesis_is_refused()
    {
        using Kit first = new();
        Genesis other = Kit.MakeGenesis(ChainLimits.Default with { MaxBlockGas = 140_000_000 });
        ChainOptions options = first.Options with { Genesis = other };
        Assert.False(ChainService.TryOpen(options, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.GenesisMismatch, refusal.Code);
        options = options with { Store = new MemoryStore(other.Hashing, first.Disk, checkpointHeight: -1) };
        Assert.False(ChainService.TryOpen(options, out _, out refusal));
        Assert.Equal(RefusalCode.GenesisMismatch, refusal.Code);
    }

    [Fact]
    public void A_durable_block_that_does_not_execute_to_its_header_stops_the_opening()
    {
        using Kit first = new();
        Fill(first, 3);
        BlockRecord bad = first.Disk.Blocks[2];
        Assert.True(Block.TryDecode(bad.Payload.Span, out Block? block, out _));
        Block tampered = Block.Create(block.Header with { GasUsed = 1 }, block.Transactions);
        first.Disk.Blocks[2] = bad with { Payload = tampered.Bytes, BlockId = tampered.Id };
        ChainOptions options = first.Options with { Store = new MemoryStore(first.Genesis.Hashing, first.Disk, checkpointHeight: 1) };
        Assert.False(ChainService.TryOpen(options, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.ReplayDiverged, refusal.Code);
    }

    [Fact]
    public void A_store_that_forgot_blocks_of_the_last_minute_opens_no_chain_and_older_ones_may_be_forgotten()
    {
        using Kit first = new();
        Fill(first, 3);
        first.Time.NowMs += 61_000;
        Fill(first, 3);
        first.Disk.KeptFrom = 4;
        Assert.False(ChainService.TryOpen(first.Options with { Store = new MemoryStore(first.Genesis.Hashing, first.Disk) }, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.ReplayWindowIncomplete, refusal.Code);
        first.Disk.KeptFrom = 3;
        using Kit second = new(disk: first.Disk, time: first.Time);
        Assert.False(second.Chain.TryGetBlock(first.Disk.Blocks[1].BlockId, out _));
        Assert.True(second.Chain.TryGetBlock(first.Disk.Blocks[3].BlockId, out _));
    }

    [Fact]
    public void A_genesis_whose_program_the_verifier_refuses_opens_no_chain()
    {
        GenesisSpec spec = new()
        {
            Name = "bad",
            TimestampMs = 1,
            BaseFee = 1,
            Treasury = Kit.Treasury,
            Programs = [new GenesisProgram(Kit.Counter, [1, 2, 3])],
        };
        Assert.True(Genesis.TryCreate(spec, out Genesis? genesis, out _));
        Assert.False(ChainRules.TryCreate(genesis, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.GenesisProgramRefused, refusal.Code);
    }

    [Fact]
    public void The_real_store_continues_where_it_stopped_and_agrees_with_the_one_in_memory()
    {
        string folder = Directory.CreateTempSubdirectory("pvm-chain-").FullName;
        try
        {
            Genesis genesis = Kit.MakeGenesis(ChainLimits.Default);
            using Kit twin = new();
            BlockId accepted;
            using (StateStore store = StateStore.Open(Small(folder, genesis)))
            {
                using Kit kit = new(store: store, time: twin.Time);
                for (int i = 0; i < 5; i++)
                {
                    kit.Submit(kit.Increment(i, i), kit.Failing(5), kit.Increment(6, 0, tip: 2, add: true));
                    Block block = kit.BuildAndAccept();
                    twin.Verify(block);
                    twin.Chain.Accept(block.Id);
                }

                Assert.Equal(twin.Store.Accepted.Root, store.Accepted.Root);
                accepted = kit.Chain.LastAccepted.Id;
            }

            using StateStore reopened = StateStore.Open(Small(folder, genesis));
            using Kit again = new(store: reopened, time: twin.Time);
            Assert.Equal(accepted, again.Chain.LastAccepted.Id);
            Assert.Equal(twin.Store.Accepted.Root, reopened.Accepted.Root);
            again.Submit(again.Increment(0, 0));
            Assert.Equal(6UL, again.BuildAndAccept().Header.Height.Value);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static StateStoreOptions Small(string folder, Genesis genesis) => new()
    {
        Folder = folder,
        Hashing = genesis.Hashing,
        CheckpointEveryBlocks = 2,
        CheckpointOnDispose = false,
        LogSegmentBytes = 1 << 20,
        IndexBuckets = 1 << 8,
        TablePageBytes = 1 << 16,
        TableMemoryBytes = 1 << 19,
        TableSegmentBytes = 1 << 20,
    };

    private static Transaction Fill(Kit kit, int blocks)
    {
        Transaction? last = null;
        for (int i = 0; i < blocks; i++)
        {
            last = kit.Increment(i % Kit.Accounts.Length, i);
            kit.Submit(last, kit.Failing((i + 1) % Kit.Accounts.Length));
            kit.BuildAndAccept();
        }

        return last!;
    }
}
