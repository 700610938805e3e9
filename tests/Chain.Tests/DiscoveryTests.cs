// Discovery on the reference programs, whose keys are known from their layouts, and on programs written against it.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Chain.Tests;

public sealed class DiscoveryTests : IDisposable
{
    private const ulong NowMs = 1_800_000_000_000;
    private static readonly ProgramId Token = new(new Bytes32(0, 0, 0, 0x100));
    private static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
    private static readonly ProgramId Words = new(new Bytes32(0, 0, 0, 0x102));
    private static readonly Bytes32 AssetA = Blake3.Hash("asset a"u8);
    private static readonly Bytes32 AssetB = Blake3.Hash("asset b"u8);
    private static readonly LocalKey Pool = AmmLayout.PoolKey(AssetA, AssetB);
    private static readonly SigningKey[] Accounts = [new(Blake3.Hash("a"u8)), new(Blake3.Hash("b"u8)), new(Blake3.Hash("c"u8))];

    // entry 1 compares its slot word by word; entry 2 joins two equalities before it branches; entry 3 reads a balance of another
    // program and insists on the owner; entry 4 must not be given the payer's own key; entry 5 hashes a key before it compares;
    // entry 6 wants its two slots to be one record; entry 7 compares in memory, a key alone and one in the midst of other bytes; entry 8 compares
    // the hash of its argument's second quad with the hash of a key and a tag, and entry 9 wants the key that has the hash in its first argument
    private const string WordsSource = """
        .const W0 0x0102030405060708
        .const W1 0x2222222222222222
        .const W2 0x3333333333333333
        .const W3 0x4444444444444444
        .data NATIVE zeros 31, hex "01"
        .entry words selector 1
        .slot it Write
        .entry joined selector 2
        .slot one Write
        .slot two Add
        .entry owner selector 3 pages 1
        .slot account Read
        .slot sum Write
        .entry other selector 4
        .slot any Write
        .entry hashed selector 5 pages 1
        .slot secret Write
        .entry same selector 6
        .slot left Write
        .slot right Write
        .entry memory selector 7 pages 1
        .slot alone Write
        .slot amid Write
        .entry tagged selector 8 pages 1
        .slot tag Write
        .entry unhashed selector 9 pages 1
        .slot preimage Write

        .func words cells 12
        .cell key r0
        .cell word r4
        .cell word1 r5
        .cell word2 r6
        .cell word3 r7
            skey key, it
            ldc word, W0
            jne r0, word, wrong
            ldc word, W1
            jne r1, word, wrong
            ldc word, W2
            jne r2, word, wrong
            ldc word, W3
            jne r3, word, wrong
            sst8 it, 0, word
            halt
        wrong:
            ldi word, 1
            abort word

        .func joined cells 24
        .cell first r0
        .cell second r4
        .cell me r8
        .cell self r12
        .cell flag r16
        .cell also r17
            skey first, one
            skey second, two
            caller me
            self self
            qeq flag, first, me
            qeq also, second, self
            and flag, flag, also
            jz flag, wrong
            ldi r18, 5
            ldi r19, 0
            sacc two, 0, r18
            sst8 one, 0, r18
            halt
        wrong:
            ldi flag, 2
            abort flag

        .func owner cells 24
        .cell who r0
        .cell native r4
        .cell flag r8
        .cell address r9
        .cell balance r10
            ldi address, NATIVE
            ldq native, [address]
            sown who, account
            qeq flag, who, native
            jz flag, wrong
            skey who, account
            caller native
            qeq flag, who, native
            jz flag, wrong
            skey who, sum
            qeq flag, who, native
            jz flag, wrong
            sld8 balance, account, 0
            sst8 sum, 0, balance
            halt
        wrong:
            ldi flag, 3
            abort flag

        .func other cells 16
        .cell key r0
        .cell me r4
        .cell flag r8
            skey key, any
            caller me
            qeq flag, key, me
            jnz flag, wrong
            ldi flag, 7
            sst8 any, 0, flag
            halt
        wrong:
            ldi flag, 4
            abort flag

        .func hashed cells 24
        .cell key r0
        .cell me r4
        .cell buffer r8
        .cell length r9
        .cell flag r10
            ldi flag, 1
            mgrow buffer, flag
            ldi length, 32
            skey key, secret
            stq key, [buffer]
            blake3 key, buffer, length
            caller me
            stq me, [buffer]
            blake3 me, buffer, length
            qeq flag, key, me
            jz flag, wrong
            halt
        wrong:
            ldi flag, 5
            abort flag

        .func memory cells 32
        .cell key r0
        .cell me r4
        .cell here r8
        .cell there r9
        .cell length r10
        .cell flag r11
        .cell step r12
            ldi flag, 1
            mgrow here, flag
            ldi step, 256
            add there, here, step
            ldi length, 32
            skey key, alone
            stq key, [here]
            caller me
            stq me, [there]
            mcmp flag, here, there, length
            jnz flag, wrong
            ldi length, 45
            skey key, amid
            stq key, [here + 8]
            self me
            stq me, [there + 8]
            mcmp flag, here, there, length
            jnz flag, wrong
            halt
        wrong:
            ldi flag, 7
            abort flag

        .func tagged cells 32
        .cell key r0
        .cell said r4
        .cell here r8
        .cell length r9
        .cell flag r10
            ldi flag, 1
            mgrow here, flag
            ldi length, 40
            ldi flag, 77
            st8 flag, [here]
            skey key, tag
            stq key, [here + 8]
            sha256 key, here, length
            argq said, 32
            stq said, [here + 8]
            sha256 said, here, length
            qeq flag, key, said
            jz flag, wrong
            halt
        wrong:
            ldi flag, 8
            abort flag

        .func unhashed cells 32
        .cell key r0
        .cell said r4
        .cell here r8
        .cell length r9
        .cell flag r10
            ldi flag, 1
            mgrow here, flag
            ldi length, 32
            skey key, preimage
            stq key, [here]
            keccak key, here, length
            argq said, 0
            qeq flag, key, said
            jz flag, wrong
            halt
        wrong:
            ldi flag, 9
            abort flag

        .func same cells 16
        .cell key r0
        .cell twin r4
        .cell flag r8
            skey key, left
            skey twin, right
            qeq flag, key, twin
            jz flag, wrong
            ldi flag, 7
            sst8 right, 0, flag
            halt
        wrong:
            ldi flag, 6
            abort flag
        """;

    private readonly ManualTime _time = new(NowMs + 1_000);
    private readonly ParallelEngine _engine;
    private readonly Genesis _genesis;
    private readonly ChainService _chain;
    private readonly Simulator _simulator;
    private readonly KeyDiscovery _discovery;

    public DiscoveryTests()
    {
        _genesis = MakeGenesis();
        _engine = new ParallelEngine(_time, 1, jit: JitMode.Off);
        ChainOptions options = new() { Genesis = _genesis, Store = new MemoryStore(_genesis.Hashing, new MemoryStore.Disk()), Engine = _engine, Time = _time };
        _chain = ChainService.TryOpen(options, out ChainService? chain, out Refusal refusal) ? chain : throw new InvalidOperationException(refusal.ToString());
        _simulator = new Simulator(_chain, _time);
        _discovery = new KeyDiscovery(_chain, _simulator);
    }

    public void Dispose()
    {
        _simulator.Dispose();
        _engine.Dispose();
    }

    [Fact]
    public void A_transfer_needs_to_be_told_its_receiver_and_nothing_else()
    {
        ProgramCall call = TokenCalls.Transfer(Accounts[0].PublicKey, Accounts[1].PublicKey, 5);
        Discovery open = Discover(Token, call, knows: []);
        Assert.Equal(SlotOrigin.Found, open.Slots[0].Origin);
        Assert.Equal(call.Slots[0].Key, open.Slots[0].Key);
        Assert.Equal((SlotOrigin.Open, AccessMode.Add), (open.Slots[1].Origin, open.Slots[1].Mode));
        Assert.False(open.IsComplete);
        Assert.Equal(Halt.Success, open.Outcome.Halt);

        ExpectAll(Token, call, knows: [1], Halt.Success);
    }

    [Fact]
    public void A_swap_needs_to_be_told_its_pool_and_nothing_else()
    {
        ProgramCall call = AmmCalls.Swap(Accounts[0].PublicKey, Pool, AssetA, AssetB, 100, 1, SwapDirection.AToB);
        Discovery found = ExpectAll(Amm, call, knows: [0], Halt.Success);
        Assert.Equal(RecordUses.Read | RecordUses.Write, found.Slots[0].Uses);
        Assert.Equal(RecordUses.Add, found.Slots[3].Uses);

        // without its pool there is nothing that the other keys could be derived from
        Discovery blind = Discover(Amm, call, knows: []);
        Assert.False(blind.IsComplete);
        Assert.Equal(256 + (int)AmmAborts.NotAPool, blind.Outcome.Code);
    }

    [Fact]
    public void Keys_are_found_also_when_the_transaction_fails()
    {
        ExpectAll(Amm, AmmCalls.Swap(Accounts[0].PublicKey, Pool, AssetA, AssetB, 100, ulong.MaxValue, SwapDirection.BToA), knows: [0], Halt.Revert);
        ExpectAll(Token, TokenCalls.Transfer(Accounts[0].PublicKey, Accounts[1].PublicKey, UInt128.MaxValue), knows: [1], Halt.Revert);
    }

    [Fact]
    public void Liquidity_and_mint_are_found_from_pool_and_account_alone()
    {
        ExpectAll(Amm, AmmCalls.AddLiquidity(Accounts[0].PublicKey, Pool, AssetA, AssetB, 50, 50, 1), knows: [0], Halt.Success);
        ExpectAll(Amm, AmmCalls.RemoveLiquidity(Accounts[0].PublicKey, Pool, AssetA, AssetB, 5, 0, 0), knows: [0], Halt.Revert);
        ExpectAll(Token, TokenCalls.Mint(Accounts[1].PublicKey, 9), knows: [2], Halt.Success);
    }

    [Fact]
    public void A_key_that_is_compared_word_by_word_is_found_word_by_word()
    {
        Discovery found = Discover(Words, 1, []);
        Assert.True(found.IsComplete);
        Assert.Equal(new Bytes32(0x0807060504030201, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444), found.Slots[0].Key!.Value.Value);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void Two_tests_that_are_joined_before_the_branch_are_taken_together()
    {
        Discovery found = Discover(Words, 2, []);
        Assert.True(found.IsComplete);
        Assert.Equal(Accounts[0].PublicKey.Value, found.Slots[0].Key!.Value.Value);
        Assert.Equal(Words.Value, found.Slots[1].Key!.Value.Value);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void The_owner_of_a_slot_that_is_read_is_found_like_its_key()
    {
        Discovery found = Discover(Words, 3, []);
        Assert.True(found.IsComplete);
        Assert.Equal((ProgramId.Native, Words), (found.Slots[0].Owner, found.Slots[1].Owner));
        Assert.Equal(RecordUses.Read, found.Slots[0].Uses);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void A_key_that_must_differ_stays_open()
    {
        Discovery found = Discover(Words, 4, []);
        Assert.Equal(SlotOrigin.Open, found.Slots[0].Origin);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void A_key_that_is_compared_in_memory_is_found_wherever_it_lies()
    {
        Discovery found = Discover(Words, 7, []);
        Assert.True(found.IsComplete, found.Outcome.ToString());
        Assert.Equal((Accounts[0].PublicKey.Value, Words.Value), (found.Slots[0].Key!.Value.Value, found.Slots[1].Key!.Value.Value));
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void A_key_that_is_compared_as_a_hash_is_found_when_the_run_hashed_what_it_wants()
    {
        Discovery found = Discover(Words, 5, []);
        Assert.True(found.IsComplete);
        Assert.Equal(Accounts[0].PublicKey.Value, found.Slots[0].Key!.Value.Value);
        Assert.Equal(Halt.Success, found.Outcome.Halt);

        Bytes32 wanted = Blake3.Hash("wanted"u8);
        found = DiscoverWith(8, [.. new byte[32], .. wanted.ToArray()]);
        Assert.Equal(wanted, found.Slots[0].Key!.Value.Value);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void A_key_whose_hash_is_wanted_is_found_when_the_caller_said_it_and_else_stays_open_and_the_failure_is_told()
    {
        Bytes32 secret = Blake3.Hash("secret"u8);
        byte[] digest = Keccak256.Hash(secret.ToArray()).ToArray();
        Discovery blind = DiscoverWith(9, digest);
        Assert.Equal(SlotOrigin.Open, blind.Slots[0].Origin);
        Assert.Equal(256 + 9, blind.Outcome.Code);
        Assert.False(blind.IsExhausted);

        Discovery found = DiscoverWith(9, [.. digest, .. secret.ToArray()]);
        Assert.Equal(secret, found.Slots[0].Key!.Value.Value);
        Assert.Equal(Halt.Success, found.Outcome.Halt);
    }

    [Fact]
    public void Slots_that_must_be_one_record_follow_the_one_that_is_said()
    {
        Discovery blind = Discover(Words, 6, []);
        Assert.False(blind.IsComplete);
        Assert.Equal([SlotOrigin.Open, SlotOrigin.Open], Array.ConvertAll(blind.Slots, slot => slot.Origin));

        LocalKey key = new(Blake3.Hash("x"u8));
        Discovery found = Discover(Words, 6, [new RequestedSlot(null, key)]);
        Assert.True(found.IsComplete);
        Assert.Equal(key, found.Slots[1].Key);
        Assert.Equal(1, found.Transaction!.Accesses.Count);
    }

    [Fact]
    public void A_weak_access_list_is_corrected()
    {
        ProgramCall call = AmmCalls.Swap(Accounts[0].PublicKey, Pool, AssetA, AssetB, 100, 1, SwapDirection.AToB);
        Transaction weak = Builder()
            .Call(Amm, call.Selector, call.Arguments)
            .Slot(Amm, call.Slots[0].Key, AccessMode.Write)
            .Slot(Amm, call.Slots[1].Key, AccessMode.Read)
            .Sign(Accounts[0]);
        Assert.True(_simulator.TrySimulate(weak, false, out Simulation? before, out _));
        Assert.NotEqual(Halt.Success, before.Receipt.Outcome.Halt);
        Assert.True(_discovery.TryDiscover(CallRequest.Of(weak), false, out Discovery? found, out Refusal refusal), refusal.ToString());
        Assert.Equal(Halt.Success, found.Simulation!.Receipt.Outcome.Halt);
        Assert.Equal(4, found.Transaction!.Accesses.Count);
    }

    [Fact]
    public void Deployment_declares_what_its_arguments_name()
    {
        byte[] code = ReferencePrograms.Counter;
        Transaction publish = SystemCalls.Publish(Builder(3_000_000), code, 0).Sign(Accounts[0]);
        Accept(publish);
        Transaction deploy = SystemCalls.Deploy(Builder(20_000_000), Accounts[0].PublicKey, Blake3.Hash("salt"u8), Accounts[0].PublicKey, code).Sign(Accounts[0]);
        CallRequest request = CallRequest.Of(deploy);
        Assert.Empty(request.Slots);
        Assert.True(_discovery.TryDiscover(request, false, out Discovery? found, out Refusal refusal), refusal.ToString());
        Assert.Equal(Halt.Success, found.Outcome.Halt);
        Assert.Equal(deploy.Accesses.Accesses.ToArray(), found.Transaction!.Accesses.Accesses.ToArray());
        Assert.Equal(deploy.Id, found.Transaction.Id);
    }

    [Fact]
    public void Simulation_is_what_a_block_with_that_transaction_alone_does()
    {
        foreach (ProgramCall call in new[]
        {
            AmmCalls.Swap(Accounts[0].PublicKey, Pool, AssetA, AssetB, 100, 1, SwapDirection.AToB),
            AmmCalls.Swap(Accounts[0].PublicKey, Pool, AssetA, AssetB, 100, ulong.MaxValue, SwapDirection.AToB),
        })
        {
            TransactionBuilder builder = Builder().Call(Amm, call.Selector, call.Arguments);
            foreach (SlotBinding slot in call.Slots)
            {
                builder.Slot(Amm, slot.Key, slot.Mode);
            }

            Transaction transaction = builder.Sign(Accounts[0]);
            Assert.True(_simulator.TrySimulate(transaction, true, out Simulation? simulation, out Refusal refusal), refusal.ToString());
            BlockId before = _chain.LastAccepted.Id;
            Assert.Equal(before, simulation.On.Id);
            Block block = Accept(transaction);
            Assert.True(_chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts));
            Assert.Equal(Encoded(receipts.Span[0]), Encoded(simulation.Receipt));
            Assert.Equal(block.Header.ParentId, before);
        }
    }

    [Fact]
    public void Whoever_cannot_pay_learns_so_and_still_gets_the_keys()
    {
        ProgramCall call = TokenCalls.Transfer(Kit.Pauper.PublicKey, Accounts[1].PublicKey, 0);
        CallRequest request = Request(Token, call.Selector, call.Arguments, [default, new RequestedSlot(null, call.Slots[1].Key)]) with { Signers = [Kit.Pauper.PublicKey] };
        Assert.True(_discovery.TryDiscover(request, false, out Discovery? found, out Refusal refusal), refusal.ToString());
        Assert.True(found.IsComplete);
        Assert.Equal(RefusalCode.BatchPayerShort, found.Refusal.Code);
        Assert.Equal(Kit.Pauper.PublicKey.Value, found.Slots[0].Key!.Value.Value);
    }

    [Fact]
    public void What_is_no_program_or_entry_is_refused()
    {
        Assert.False(_discovery.TryDiscover(Request(new ProgramId(Blake3.Hash("no"u8)), 1, [], []), false, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.UnknownProgram, refusal.Code);
        Assert.False(_discovery.TryDiscover(Request(Token, 77, [], []), false, out _, out refusal));
        Assert.Equal(RefusalCode.UnknownEntry, refusal.Code);
        Assert.False(_discovery.TryDiscover(Request(Token, 2, [], []) with { GasLimit = 3 }, false, out _, out refusal));
        Assert.Equal(RefusalCode.GasLimitBelowIntrinsic, refusal.Code);
    }

    // Every subset of the keys is left out in turn: what is found is what is right, or it stays open.
    [Theory, InlineData(1UL), InlineData(7UL), InlineData(20260UL)]
    public void Whatever_is_left_out_discovery_ends_at_its_own_fixed_point(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 24; round++)
        {
            SigningKey sender = Accounts[random.Next(Accounts.Length)];
            SwapDirection direction = random.Chance(1, 2) ? SwapDirection.AToB : SwapDirection.BToA;
            (ProgramId program, ProgramCall call) = random.Next(4) switch
            {
                0 => (Token, TokenCalls.Transfer(sender.PublicKey, Accounts[random.Next(Accounts.Length)].PublicKey, (UInt128)random.Next(200_000))),
                1 => (Token, TokenCalls.Mint(Accounts[random.Next(Accounts.Length)].PublicKey, (ulong)random.Next(100))),
                2 => (Amm, AmmCalls.AddLiquidity(sender.PublicKey, Pool, AssetA, AssetB, (ulong)random.Next(200_000), 100, 1)),
                _ => (Amm, AmmCalls.Swap(sender.PublicKey, Pool, AssetA, AssetB, (ulong)random.Next(200_000), (ulong)random.Next(50), direction)),
            };
            RequestedSlot[] said = new RequestedSlot[call.Slots.Length];
            for (int i = 0; i < said.Length; i++)
            {
                said[i] = random.Chance(1, 2) ? new RequestedSlot(program, call.Slots[i].Key) : default;
            }

            CallRequest request = Request(program, call.Selector, call.Arguments, said) with { Signers = [sender.PublicKey] };
            Assert.True(_discovery.TryDiscover(request, false, out Discovery? found, out Refusal refusal), refusal.ToString());
            string where = $"seed {seed} round {round}: {found.Outcome}";
            Assert.False(found.IsExhausted, where);
            for (int i = 0; i < said.Length; i++)
            {
                Assert.True(found.Slots[i].Origin != SlotOrigin.Found || found.Slots[i].Key == call.Slots[i].Key, $"{where} slot {i}");
            }

            if (found.IsComplete)
            {
                ExpectLaws(request, found, where);
            }
        }
    }

    private Discovery ExpectAll(ProgramId program, ProgramCall call, int[] knows, Halt halt)
    {
        Discovery found = Discover(program, call, knows);
        Assert.True(found.IsComplete, found.Outcome.ToString());
        Assert.Equal(halt, found.Outcome.Halt);
        for (int i = 0; i < call.Slots.Length; i++)
        {
            Assert.Equal((program, call.Slots[i].Key, call.Slots[i].Mode), (found.Slots[i].Owner, found.Slots[i].Key!.Value, found.Slots[i].Mode));
        }

        ExpectLaws(Request(program, call.Selector, call.Arguments, []), found, found.Outcome.ToString());
        return found;
    }

    // L1: it suffices, and discovery on it is itself. L2: no access, no mode and no found key can be taken away.
    private void ExpectLaws(CallRequest request, Discovery found, string where)
    {
        Transaction transaction = found.Transaction!;
        Assert.True(_simulator.TrySimulate(transaction, false, out Simulation? run, out Refusal refusal), refusal.ToString());
        Assert.True(run.Receipt.Outcome == found.Outcome, where);
        Assert.True(_discovery.TryDiscover(CallRequest.Of(transaction), false, out Discovery? again, out refusal), refusal.ToString());
        Assert.True(again.Transaction!.Bytes.Span.SequenceEqual(transaction.Bytes.Span), where);

        Access[] accesses = transaction.Accesses.Accesses.ToArray();
        for (int i = 0; i < accesses.Length; i++)
        {
            foreach (AccessMode weaker in new[] { AccessMode.Read, AccessMode.Add })
            {
                if (weaker != accesses[i].Mode)
                {
                    Assert.True(OutcomeWith(transaction, i, accesses[i] with { Mode = weaker }) != found.Outcome, $"{where} access {i} as {weaker}");
                }
            }
        }

        for (int slot = 0; slot < found.Slots.Length; slot++)
        {
            if (found.Slots[slot].Origin == SlotOrigin.Found)
            {
                int access = transaction.SlotTable[slot];
                Outcome other = OutcomeWith(transaction, access, accesses[access] with { Key = new LocalKey(Blake3.Hash(accesses[access].Key.Value.ToArray())) });
                Assert.True(other != found.Outcome, $"{where} slot {slot} could be another record");
            }
        }
    }

    private Outcome OutcomeWith(Transaction transaction, int index, Access changed)
    {
        TransactionBuilder builder = new TransactionBuilder(_genesis.ChainId)
        {
            ExpiryMs = transaction.ExpiryMs,
            GasLimit = transaction.GasLimit,
            MaxPrice = transaction.MaxPrice,
            Tip = transaction.Tip,
        };
        builder.Call(transaction.Programs[0], transaction.Selector, transaction.Arguments.Span);
        foreach (ushort access in transaction.SlotTable)
        {
            Access named = access == index ? changed : transaction.Accesses[access];
            builder.Slot(transaction.Programs[named.ProgramIndex], named.Key, named.Mode);
        }

        Assert.True(_simulator.TrySimulate(builder.Sign(Accounts[Array.FindIndex(Accounts, account => account.PublicKey == transaction.Payer)]), false, out Simulation? run, out Refusal refusal), refusal.ToString());
        return run.Receipt.Outcome;
    }

    private Discovery Discover(ProgramId program, ProgramCall call, int[] knows)
    {
        RequestedSlot[] said = new RequestedSlot[call.Slots.Length];
        foreach (int slot in knows)
        {
            said[slot] = new RequestedSlot(null, call.Slots[slot].Key);
        }

        return Discover(program, call.Selector, said, call.Arguments);
    }

    private Discovery DiscoverWith(uint selector, byte[] arguments) => Discover(Words, selector, [], arguments);

    private Discovery Discover(ProgramId program, uint selector, RequestedSlot[] said, byte[]? arguments = null)
    {
        CallRequest request = Request(program, selector, arguments ?? [], said);
        Assert.True(_discovery.TryDiscover(request, false, out Discovery? found, out Refusal refusal), refusal.ToString());
        Assert.False(found.IsExhausted);
        return found;
    }

    private static CallRequest Request(ProgramId program, uint selector, byte[] arguments, RequestedSlot[] said) => new()
    {
        Signers = [Accounts[0].PublicKey],
        Program = program,
        Selector = selector,
        Arguments = arguments,
        Slots = said,
        GasLimit = 100_000,
        MaxPrice = 2,
    };

    private TransactionBuilder Builder(ulong gas = 100_000) =>
        new(_genesis.ChainId) { ExpiryMs = _time.NowMs + 30_000, GasLimit = gas, MaxPrice = 4, Tip = 1 };

    private Block Accept(Transaction transaction)
    {
        Refusal refusal = _chain.Submit(transaction.Bytes.Span);
        Assert.False(refusal.IsRefused, refusal.ToString());
        _time.NowMs += 1_000;
        Assert.True(_chain.TryBuild(out Block? block));
        Assert.True(_chain.TryVerify(block, out refusal), refusal.ToString());
        _chain.Accept(block.Id);
        return block;
    }

    private static byte[] Encoded(Receipt receipt)
    {
        CanonicalWriter writer = new();
        receipt.Encode(writer);
        return writer.ToArray();
    }

    private static Genesis MakeGenesis()
    {
        List<GenesisBalance> balances = [];
        List<GenesisRecord> records =
        [
            new(Token, TokenLayout.ConfigKey, TokenLayout.EncodeConfig(Accounts[0].PublicKey)),
            new(Amm, Pool, new PoolRecord(AssetA, AssetB, 1_000_000, 1_000_000, 1_000_000, 30).Encode()),
        ];
        foreach (SigningKey account in Accounts)
        {
            balances.Add(new GenesisBalance(account.PublicKey, 1_000_000_000_000));
            records.Add(new GenesisRecord(Token, TokenLayout.AccountKey(account.PublicKey), BalanceRecord.Encode(100_000)));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(account.PublicKey, AssetA), BalanceRecord.Encode(100_000)));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(account.PublicKey, AssetB), BalanceRecord.Encode(100_000)));
        }

        byte[] words = Assembler.TryAssemble(WordsSource, out byte[] container, out Refusal refusal) ? container : throw new InvalidOperationException(refusal.ToString());
        GenesisSpec spec = new()
        {
            Name = "discovery",
            TimestampMs = NowMs,
            BaseFee = 2,
            Treasury = Kit.Treasury,
            Programs = [new GenesisProgram(Token, ReferencePrograms.Token), new GenesisProgram(Amm, ReferencePrograms.Amm), new GenesisProgram(Words, words)],
            Records = records,
            Balances = balances,
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out refusal) ? genesis : throw new InvalidOperationException(refusal.ToString());
    }
}
