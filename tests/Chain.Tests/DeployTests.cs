using System;
using System.Collections.Generic;
using System.Text;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;
using ParallelVm.Toolchain.Stack;

namespace ParallelVm.Chain.Tests;

// Programs that come by transactions. The probe: a counter that adds its own step, so the step that a call added says which
// code ran.
public class DeployTests
{
    private const ulong DeployGas = 2_000_000;
    private static readonly SigningKey Deployer = Kit.Accounts[0];
    private static readonly SigningKey Authority = Kit.Accounts[1];
    private static readonly Bytes32 Salt = Blake3.Hash("salt"u8);
    private static readonly ProgramId Program = ProgramRecord.IdOf(Deployer.PublicKey, Salt);

    [Fact]
    public void A_program_is_called_from_the_block_after_its_deployment()
    {
        using Kit kit = new();
        byte[] code = Stepper(5);
        Published(kit, code);
        kit.Submit(Deploy(kit, code));
        Assert.Equal(RefusalCode.UnknownProgram, kit.Chain.Submit(Call(kit).Bytes.Span).Code);
        Block both = Block.Create(kit.Craft(Deploy(kit, code)).Header, [Deploy(kit, code), Call(kit)]);
        Assert.False(kit.Chain.TryVerify(both, out Refusal refusal));
        Assert.Equal(RefusalCode.UnknownProgram, refusal.Code);

        Assert.All(Receipts(kit, kit.BuildAndAccept()), receipt => Assert.True(receipt.Succeeded, receipt.ToString()));
        kit.Submit(Call(kit));
        kit.BuildAndAccept();
        Assert.Equal(5, Counter(kit));
        ProgramRecord record = Record(kit);
        Assert.Equal((0u, new Height(3), Authority.PublicKey, Blake3.Hash(code)), (record.Fork, record.ActiveFrom, record.Authority, record.CodeHash));
    }

    [Fact]
    public void A_processing_block_is_enough_for_its_children()
    {
        using Kit kit = new();
        Published(kit, Stepper(5));
        kit.Submit(Deploy(kit, Stepper(5)));
        Block deployed = kit.BuildAndVerify();
        Assert.Equal(RefusalCode.UnknownProgram, kit.Chain.Submit(Call(kit).Bytes.Span).Code);
        kit.Chain.SetPreference(deployed.Id);
        kit.Submit(Call(kit));
        Block called = kit.BuildAndVerify();
        kit.Chain.Accept(deployed.Id);
        kit.Chain.Accept(called.Id);
        Assert.Equal(5, Counter(kit));
    }

    [Fact]
    public void An_upgrade_is_active_from_the_next_block_and_not_before()
    {
        using Kit kit = new();
        Deployed(kit, Stepper(5));
        Published(kit, Stepper(7));
        kit.Submit(Upgrade(kit, Stepper(5), Stepper(7), tip: 9), Call(kit, tip: 1));
        Block upgraded = kit.BuildAndAccept();
        Assert.Equal([(uint)SystemEntry.Upgrade, CounterCalls.IncrementSelector], Array.ConvertAll(upgraded.Transactions, t => t.Selector));
        Assert.Equal(5, Counter(kit));
        kit.Submit(Call(kit));
        kit.BuildAndAccept();
        Assert.Equal(12, Counter(kit));
    }

    [Fact]
    public void Siblings_with_other_upgrades_run_other_code()
    {
        using Kit kit = new();
        Deployed(kit, Stepper(5));
        Published(kit, Stepper(7), Stepper(9));
        Block left = kit.Craft(Upgrade(kit, Stepper(5), Stepper(7)));
        Block right = kit.Craft(Upgrade(kit, Stepper(5), Stepper(9)));
        Block neither = kit.Craft(kit.Increment(4, 4));
        kit.Verify(left);
        kit.Verify(right);
        kit.Verify(neither);
        Dictionary<BlockId, int> steps = new() { [left.Id] = 7, [right.Id] = 9, [neither.Id] = 5 };
        Transaction call = Call(kit);
        foreach (Block parent in new[] { right, left, neither, left })
        {
            kit.Chain.SetPreference(parent.Id);
            kit.Time.NowMs += 1;
            kit.Chain.Submit(call.Bytes.Span);
            Block child = kit.Build();
            kit.Verify(child);
            Assert.True(kit.Chain.TryGetReceipts(child.Id, out ReadOnlyMemory<Receipt> receipts));
            Assert.True(receipts.Span[^1].Succeeded);
            IStateView view = Execute(kit, child.Header, Execute(kit, parent.Header, kit.Store.Accepted, parent), child);
            Assert.Equal(steps[parent.Id], BalanceOf(kit, view));
            kit.Chain.Reject(child.Id);
        }

        kit.Chain.Accept(left.Id);
        kit.Chain.Reject(right.Id);
        kit.Chain.Reject(neither.Id);
        kit.BuildAndAccept();
        Assert.Equal(7, Counter(kit));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0)]
    [InlineData(2)]
    public void A_restarted_node_finds_its_programs_in_the_state(int? checkpointHeight)
    {
        MemoryStore.Disk disk = new();
        Bytes32 root;
        using (Kit kit = new(disk: disk))
        {
            Deployed(kit, Stepper(5));
            Published(kit, Stepper(7));
            kit.Submit(Upgrade(kit, Stepper(5), Stepper(7)), Call(kit));
            root = kit.BuildAndAccept().Header.StateRoot.Value;
        }

        using Kit reopened = new(disk: disk, checkpointHeight: checkpointHeight, time: new ManualTime(Kit.StartMs + 30_000));
        Assert.Equal(root, reopened.Chain.LastAccepted.Header.StateRoot.Value);
        Assert.Equal(5, Counter(reopened));
        reopened.Submit(Call(reopened));
        reopened.BuildAndAccept();
        Assert.Equal(12, Counter(reopened));
    }

    [Fact]
    public void Code_longer_than_a_transaction_comes_in_parts()
    {
        using Kit kit = new();
        byte[] code = Stepper(3, padding: 60_000, instructions: 9_000);
        Assert.Equal(3, SystemCalls.PublishParts(code));
        Deployed(kit, code);
        kit.Submit(Call(kit));
        kit.BuildAndAccept();
        Assert.Equal(3, Counter(kit));
    }

    [Fact]
    public void A_stack_program_is_deployed_and_called_like_any_other()
    {
        using Kit kit = new();
        Assert.True(StackLowering.TryLower(StackProgram(), out byte[] lowered, out Refusal refusal), refusal.ToString());
        Deployed(kit, lowered);
        kit.Submit(Call(kit));
        kit.BuildAndAccept();
        Assert.Equal(5, Counter(kit));
    }

    // Whatever is wrong with a call of the system program, it has a receipt, its fee is kept, and no program came of it.
    private static readonly Dictionary<string, (Halt Halt, ushort Code, Func<Kit, TransactionBuilder> Make)> Failures = new()
    {
        ["no container"] = Reverts(SystemError.CodeRefused, kit => DeployOf(kit, [1, 2, 3])),
        ["code that the verifier refuses"] = Reverts(SystemError.CodeRefused, kit => DeployOf(kit, Damaged(Stepper(5)))),
        ["a chunk that nobody published"] = Reverts(SystemError.ChunkMissing, kit => DeployOf(kit, Stepper(5), publish: false)),
        ["a chunk of another length"] = Reverts(SystemError.ChunkMissing, kit => Edited(kit, SystemEntry.Deploy, a => a[64]++)),
        ["a program that is none"] = Reverts(SystemError.Missing, kit => SystemCalls.Freeze(Priced(kit), new ProgramId(Salt))),
        ["a chunk taken for a program"] = Reverts(SystemError.Missing, kit => SystemCalls.Freeze(Priced(kit), new ProgramId(PublishedChunk(kit).Value))),
        ["a program taken for a chunk"] = Reverts(SystemError.ChunkMissing, kit => ProgramAsChunk(kit)),
        ["nothing published"] = Traps(TrapCode.BadArgument, kit => Priced(kit).Call(ProgramId.System, (uint)SystemEntry.Publish, [])),
        ["publish without its key"] = Traps(TrapCode.UndeclaredAccess, kit => Priced(kit).Call(ProgramId.System, (uint)SystemEntry.Publish, [1])),
        ["publish of a key to read"] = Traps(TrapCode.UndeclaredAccess, kit => Priced(kit)
            .Call(ProgramId.System, (uint)SystemEntry.Publish, [1]).Declare(ProgramId.System, ProgramRecord.ChunkKeyOf([1]), AccessMode.Read)),
        ["publish for too little gas"] = Traps(TrapCode.OutOfGas, kit => With(SystemCalls.Publish(Priced(kit), new byte[5_000], 0), b => b.GasLimit = 45_000)),
        ["arguments that end early"] = Traps(TrapCode.BadArgument, kit => Edited(kit, SystemEntry.Deploy, null, 67)),
        ["a chunk key too few"] = Traps(TrapCode.BadArgument, kit => Edited(kit, SystemEntry.Deploy, null, 68)),
        ["a length of nothing"] = Traps(TrapCode.BadArgument, kit => Edited(kit, SystemEntry.Deploy, a => a.AsSpan(64, 4).Clear())),
        ["a length beyond all"] = Traps(TrapCode.BadArgument, kit => Edited(kit, SystemEntry.Deploy, a => a.AsSpan(64, 4).Fill(0xff))),
        ["an id of somebody else"] = Traps(TrapCode.UndeclaredAccess, kit => SystemCalls.Deploy(Priced(kit), Authority.PublicKey, Salt, default, PublishedStepper(kit))),
        ["a deployment for too little gas"] = Traps(TrapCode.OutOfGas, kit => With(DeployOf(kit, Stepper(5)), b => b.GasLimit = 25_000)),
        ["a stack program that nobody lowered"] = Reverts(SystemError.CodeRefused, kit => DeployOf(kit, StackProgram())),
        ["too little gas to compile"] = Traps(TrapCode.OutOfGas, kit => With(DeployOf(kit, Stepper(5)), b => b.GasLimit = 90_000)),
        ["no new authority"] = Traps(TrapCode.BadArgument, kit => SystemCalls.SetAuthority(Priced(kit), Program, default)),
        ["freeze of nothing"] = Traps(TrapCode.BadArgument, kit => Priced(kit).Call(ProgramId.System, (uint)SystemEntry.Freeze, [])),
        ["freeze without its key"] = Traps(TrapCode.UndeclaredAccess, kit => Priced(kit).Call(ProgramId.System, (uint)SystemEntry.Freeze, new byte[32])),
        ["freeze for too little gas"] = Traps(TrapCode.OutOfGas, kit => With(SystemCalls.Freeze(Priced(kit), Program), b => b.GasLimit = 25_000)),
        ["upgrade of nothing"] = Reverts(SystemError.Missing, kit => SystemCalls.Upgrade(Priced(kit), Program, default, PublishedStepper(kit))),
    };

    public static TheoryData<string> FailureNames => [.. Failures.Keys];

    [Theory, MemberData(nameof(FailureNames))]
    public void A_failure_of_the_system_program_is_a_receipt_and_changes_nothing(string name)
    {
        using Kit kit = new();
        (Halt halt, ushort code, Func<Kit, TransactionBuilder> make) = Failures[name];
        Transaction transaction = make(kit).Sign(Deployer);
        UInt128 before = kit.Chain.BalanceOf(Deployer.PublicKey);
        kit.Submit(transaction);
        Receipt receipt = Receipts(kit, kit.BuildAndAccept())[^1];
        Assert.True((halt, code) == (receipt.Outcome.Halt, receipt.Outcome.Code), $"{name}: {receipt.Outcome}");
        Assert.Equal(before - receipt.Fee, kit.Chain.BalanceOf(Deployer.PublicKey));
        Assert.True(receipt.Fee > 0);
        Assert.Equal(code == (ushort)TrapCode.OutOfGas, receipt.Outcome.GasUsed == transaction.GasLimit);
        Assert.Equal(RefusalCode.UnknownProgram, kit.Chain.Submit(Call(kit).Bytes.Span).Code);
    }

    [Fact]
    public void Only_the_authority_upgrades_hands_over_and_freezes()
    {
        using Kit kit = new();
        SigningKey heir = Kit.Accounts[2];
        Deployed(kit, Stepper(5));
        Published(kit, Stepper(7));
        ushort notAuthority = Code(SystemError.NotAuthority);
        Assert.Equal(notAuthority, RunOne(kit, UpgradeOf(kit, Stepper(5), Stepper(7)).Sign(Deployer)));
        Assert.Equal(notAuthority, RunOne(kit, SystemCalls.SetAuthority(Priced(kit), Program, heir.PublicKey).Sign(heir)));
        Assert.Equal(notAuthority, RunOne(kit, SystemCalls.Freeze(Priced(kit), Program).Sign(Deployer)));
        Assert.Equal(0, RunOne(kit, SystemCalls.SetAuthority(Priced(kit), Program, heir.PublicKey).Sign(Deployer, Authority)));
        Assert.Equal(notAuthority, RunOne(kit, UpgradeOf(kit, Stepper(5), Stepper(7)).Sign(Authority)));
        Assert.Equal(0, RunOne(kit, UpgradeOf(kit, Stepper(5), Stepper(7)).Sign(Deployer, heir)));
        Assert.Equal(0, RunOne(kit, SystemCalls.Freeze(Priced(kit), Program).Sign(heir)));
        Assert.Equal(notAuthority, RunOne(kit, UpgradeOf(kit, Stepper(7), Stepper(5)).Sign(heir)));
        Assert.Equal(notAuthority, RunOne(kit, SystemCalls.Freeze(Priced(kit), Program).Sign(heir)));
        Assert.Equal(0, RunOne(kit, Call(kit)));
        Assert.Equal(7, Counter(kit));
        Assert.Equal((true, Blake3.Hash(Stepper(7))), (Record(kit).IsFrozen, Record(kit).CodeHash));
        Assert.Equal(notAuthority, RunOne(kit, SystemCalls.Freeze(Priced(kit), Kit.Counter).Sign(Deployer)));       // genesis froze it
    }

    [Fact]
    public void Of_two_in_one_block_the_first_stands()
    {
        using Kit kit = new();
        Published(kit, Stepper(5), Stepper(7), Stepper(9));
        Block block = kit.Craft(Deploy(kit, Stepper(5)), Deploy(kit, Stepper(7)));
        kit.Verify(block);
        kit.Chain.Accept(block.Id);
        Assert.Equal([0, Code(SystemError.Exists)], Array.ConvertAll(Receipts(kit, block), receipt => receipt.Outcome.Code));
        kit.Time.NowMs += 1;
        block = kit.Craft(Upgrade(kit, Stepper(5), Stepper(9)), Upgrade(kit, Stepper(5), Stepper(7)));
        kit.Verify(block);
        kit.Chain.Accept(block.Id);
        Assert.Equal([0, Code(SystemError.OtherCode)], Array.ConvertAll(Receipts(kit, block), receipt => receipt.Outcome.Code));
        Assert.Equal(Blake3.Hash(Stepper(9)), Record(kit).CodeHash);
    }

    [Fact]
    public void What_waits_for_an_entry_that_an_upgrade_took_away_enters_no_block()
    {
        using Kit kit = new();
        Deployed(kit, Stepper(5));
        byte[] other = Stepper(5, selector: 77);
        Published(kit, other);
        kit.Submit(Upgrade(kit, Stepper(5), other));
        Block upgraded = kit.BuildAndVerify();
        kit.Submit(Call(kit));
        kit.Chain.SetPreference(upgraded.Id);
        kit.Chain.Accept(upgraded.Id);
        kit.Time.NowMs += 1;
        Assert.Equal(1, kit.Chain.MempoolCount);
        Assert.False(kit.Chain.TryBuild(out _));
        Assert.Equal(RefusalCode.UnknownEntry, kit.Chain.Submit(Call(kit, tip: 1).Bytes.Span).Code);
    }

    [Fact]
    public void Code_is_verified_once_wherever_it_is_used()
    {
        using Kit kit = new();
        ProgramLoader loader = kit.Chain.Rules.Loader;
        long atStart = loader.Verifications;
        Deployed(kit, Stepper(5));
        for (int i = 0; i < 3; i++)
        {
            kit.Submit(Call(kit, tip: (ulong)i));
            kit.BuildAndAccept();
        }

        kit.Submit(SystemCalls.Deploy(Priced(kit), Deployer.PublicKey, default, default, Stepper(5)).Sign(Deployer));
        Assert.True(Receipts(kit, kit.BuildAndAccept())[0].Succeeded);
        Assert.Equal(atStart + 1, loader.Verifications);
    }

    [Fact]
    public void Accepted_code_is_compiled_before_anybody_calls_it()
    {
        using Kit kit = new(jit: JitMode.AtOnce);
        Published(kit, Stepper(5));
        kit.Submit(Deploy(kit, Stepper(5)));
        Block deployed = kit.BuildAndVerify();
        Assert.Equal(0, kit.Engine.Code!.Metrics.Compiled);
        kit.Chain.Accept(deployed.Id);
        Assert.Equal(1, kit.Engine.Code.Metrics.Compiled);
        kit.Submit(Call(kit));
        kit.BuildAndAccept();
        Assert.Equal(5, Counter(kit));
    }

    [Fact]
    public void A_full_loader_forgets_the_oldest_use_and_nobody_sees_it()
    {
        using Kit kit = new();
        Deployed(kit, Stepper(5));
        ProgramLoader small = new(maxBytes: 2 * Stepper(5).Length);
        ProgramRecord record = Record(kit);
        VerifiedProgram program = small.Load(record, kit.Store.Accepted, kit.Genesis.Hashing);
        foreach (int step in new[] { 1, 2 })
        {
            Assert.True(small.TryVerify(Stepper(step), Blake3.Hash(Stepper(step)), 0, out _, out _));
            Assert.Same(program, small.Load(record, kit.Store.Accepted, kit.Genesis.Hashing));
        }

        Assert.True(small.TryVerify(Stepper(3), Blake3.Hash(Stepper(3)), 0, out _, out _));
        Assert.True(small.TryVerify(Stepper(4), Blake3.Hash(Stepper(4)), 0, out _, out _));
        VerifiedProgram again = small.Load(record, kit.Store.Accepted, kit.Genesis.Hashing);
        Assert.NotSame(program, again);
        Assert.Equal(program.CodeHash, again.CodeHash);
    }

    [Fact]
    public void A_block_calls_only_so_much_code()
    {
        using Kit kit = new();
        Deployed(kit, Stepper(5));
        int room = 2 * ProgramRecord.ChunkBytes;                        // what is shorter counts as much
        foreach ((int bytes, bool fits) in new[] { (room, true), (room - 1, false) })
        {
            BlockPrograms programs = new(kit.Chain.Rules, new ActivePrograms(kit.Genesis.Hashing), kit.Store.Accepted, bytes);
            Assert.True(programs.TryBind(Prepared(kit, kit.Increment(3, 3)), out _, out _));
            Assert.Equal(fits, programs.TryBind(Prepared(kit, Call(kit)), out _, out Refusal refusal));
            Assert.Equal(fits ? RefusalCode.None : RefusalCode.BlockCodeExceeded, refusal.Code);
            Assert.True(programs.TryBind(Prepared(kit, kit.Increment(3, 4)), out _, out _));
            Assert.True(programs.TryBind(Prepared(kit, Deploy(kit, Stepper(5))), out _, out _));
        }
    }

    // What a program calls is bound as late and as early as what a transaction calls: at the start of the block.
    [Fact]
    public void A_called_program_is_that_of_the_start_of_the_block_too()
    {
        using Kit kit = new();
        Bytes32 callerSalt = Blake3.Hash("caller"u8);
        ProgramId caller = ProgramRecord.IdOf(Deployer.PublicKey, callerSalt);
        byte[] code = Assembled(
            $".program stepper hex \"{Program}\"\n.entry main selector 1\n.slot counter Write owner stepper\n"
            + ".import step program stepper selector 1\n.slot counter Write\n.site there step counter\n.func main cells 1\n xcall there, r0\n halt\n");
        Published(kit, code, Stepper(5), Stepper(7));
        kit.Submit(SystemCalls.Deploy(Priced(kit), Deployer.PublicKey, callerSalt, default, code).Sign(Deployer));
        kit.BuildAndAccept();
        Assert.Equal((ushort)TrapCode.Schema, RunOne(kit, Through(caller, 0)));                     // nobody there yet

        kit.Submit(Deploy(kit, Stepper(5)), Through(caller, 1));
        Assert.Equal([0, (ushort)TrapCode.Schema], Array.ConvertAll(Receipts(kit, kit.BuildAndAccept()), receipt => receipt.Outcome.Code));
        kit.Submit(Upgrade(kit, Stepper(5), Stepper(7)), Through(caller, 0), Through(caller, 1));
        Assert.Equal([0, 0, 0], Array.ConvertAll(Receipts(kit, kit.BuildAndAccept()), receipt => receipt.Outcome.Code));
        Assert.Equal(10, Counter(kit));
        Assert.Equal(0, RunOne(kit, Through(caller, 0)));
        Assert.Equal(17, Counter(kit));

        // with what it names, a program is more code than itself
        BlockPrograms programs = new(kit.Chain.Rules, new ActivePrograms(kit.Genesis.Hashing), kit.Store.Accepted, (2 * ProgramRecord.ChunkBytes) - 1);
        Assert.False(programs.TryBind(Prepared(kit, Through(caller, 1)), out _, out Refusal refusal));
        Assert.Equal(RefusalCode.BlockCodeExceeded, refusal.Code);
        Assert.True(programs.TryBind(Prepared(kit, Call(kit)), out _, out _));
        Assert.False(programs.TryFind(caller, out _));
        Assert.True(programs.TryFind(Program, out _));

        Transaction Through(ProgramId through, ulong tip) =>
            kit.Builder(tip).Call(through, 1, []).Slot(Program, Kit.Key(0), AccessMode.Write).Sign(Kit.Accounts[4]);
    }

    // The serial fiction, with deployments in it: many users deploy, upgrade, freeze and call, rightly and wrongly.
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Blocks_of_deployments_and_calls_are_the_same_for_any_workers(int seed)
    {
        using Kit serial = new(workers: 1);
        using Kit parallel = new(workers: 5);
        SeededRandom random = new((ulong)seed);
        int succeeded = 0;
        for (int height = 1; height <= 12; height++)
        {
            serial.Time.NowMs += 1_000;
            parallel.Time.NowMs += 1_000;
            int count = 4 + random.Next(30);
            for (int i = 0; i < count; i++)
            {
                byte[] bytes = Any(serial, random).Bytes.ToArray();
                Assert.Equal(serial.Chain.Submit(bytes).Code, parallel.Chain.Submit(bytes).Code);
            }

            if (!serial.Chain.TryBuild(out Block? block))
            {
                continue;
            }

            foreach (Kit kit in new[] { serial, parallel })
            {
                Assert.True(kit.Chain.TryVerify(block, out Refusal refusal), $"seed {seed} height {height}: {refusal}");
                kit.Chain.SetPreference(block.Id);
                kit.Chain.Accept(block.Id);
            }

            Receipt[] receipts = Receipts(serial, block);
            for (int i = 0; i < receipts.Length; i++)
            {
                succeeded += receipts[i].Succeeded && block.Transactions[i].Programs[0] == ProgramId.System ? 1 : 0;
            }
        }

        Assert.True(succeeded > 20, $"seed {seed}: only {succeeded} calls of the system program succeeded");
    }

    private static Transaction Any(Kit kit, SeededRandom random)
    {
        int owner = random.Next(4);
        SigningKey payer = Kit.Accounts[random.Chance(1, 8) ? random.Next(8) : owner];
        Bytes32 salt = new(0, 0, 0, (ulong)random.Next(2));
        ProgramId program = ProgramRecord.IdOf(Kit.Accounts[owner].PublicKey, salt);
        byte[] code = random.Chance(1, 12) ? Damaged(Stepper(1)) : Stepper(random.Next(3));
        TransactionBuilder builder = Priced(kit, tip: (ulong)random.Next(50), expiresInMs: (ulong)random.Next(10_000));
        builder = random.Next(10) switch
        {
            0 or 1 => SystemCalls.Publish(builder, code, 0),
            2 or 3 => SystemCalls.Deploy(builder, payer.PublicKey, salt, payer.PublicKey, code),
            4 or 5 => SystemCalls.Upgrade(builder, program, Blake3.Hash(Stepper(random.Next(3))), code),
            6 => SystemCalls.SetAuthority(builder, program, Kit.Accounts[random.Next(4)].PublicKey),
            7 when random.Chance(1, 4) => SystemCalls.Freeze(builder, program),
            _ => builder.Call(program, 1, []).Slot(program, Kit.Key(random.Next(2)), AccessMode.Write),
        };
        return builder.Sign(payer);
    }

    /// <summary>A counter that adds <paramref name="step"/>.</summary>
    private static byte[] Stepper(int step, int padding = 0, int instructions = 0, uint selector = CounterCalls.IncrementSelector)
    {
        StringBuilder source = new($".entry main selector {selector}\n.slot counter Write\n");
        if (padding > 0)
        {
            source.Append($".data zeros {padding}\n");                      // its chunks are one record
        }

        source.Append($".func main cells 2\n sld8 r0, counter, 0\n ldi r1, {step}\n add r0, r0, r1\n sst8 counter, 0, r0\n ldi r1, 0\n sst8 counter, 8, r1\n halt\n");
        for (int function = 0; instructions > 0; function++, instructions -= 4_000)
        {
            source.Append($".func pad{function} cells 1\n");
            for (int i = 0; i < Math.Min(instructions, 4_000) - 1; i++)
            {
                source.Append($" ldi r0, {i + 1}\n");
            }

            source.Append(" ret\n");
        }

        return Assembled(source.ToString());
    }

    // what Stepper(5) is, for the stack: SLOAD, PUSH1 5, ADD, SSTORE, PUSH1 0, SSTORE, HALT
    private static byte[] StackProgram() => new StackCode
    {
        Entries =
        [
            new StackEntry(CounterCalls.IncrementSelector, 0, [AccessMode.Write], [0x40, 0, 0, 0, 0x61, 5, 0x01, 0x41, 0, 0, 0, 0x61, 0, 0x41, 0, 8, 0, 0x00]),
        ],
    }.Encode();

    private static byte[] Assembled(string source) =>
        Assembler.TryAssemble(source, out byte[] container, out Refusal refusal) ? container : throw new InvalidOperationException(refusal.ToString());

    private static byte[] Damaged(byte[] code)
    {
        byte[] damaged = [.. code];
        damaged[5] ^= 0x80;                                                 // another format version
        return damaged;
    }

    private static TransactionBuilder Priced(Kit kit, ulong tip = 3, ulong expiresInMs = 30_000) => kit.Builder(tip, DeployGas, expiresInMs);

    private static TransactionBuilder With(TransactionBuilder builder, Action<TransactionBuilder> change)
    {
        change(builder);
        return builder;
    }

    private static Transaction Deploy(Kit kit, byte[] code) => SystemCalls.Deploy(Priced(kit), Deployer.PublicKey, Salt, Authority.PublicKey, code).Sign(Deployer);

    private static TransactionBuilder UpgradeOf(Kit kit, byte[] old, byte[] code, ulong tip = 3) => SystemCalls.Upgrade(Priced(kit, tip), Program, Blake3.Hash(old), code);

    private static Transaction Upgrade(Kit kit, byte[] old, byte[] code, ulong tip = 3) => UpgradeOf(kit, old, code, tip).Sign(Authority);

    private static Transaction Call(Kit kit, ulong tip = 0) =>
        kit.Builder(tip).Call(Program, CounterCalls.IncrementSelector, []).Slot(Program, Kit.Key(0), AccessMode.Write).Sign(Kit.Accounts[3]);

    private static void Published(Kit kit, params ReadOnlySpan<byte[]> codes)
    {
        foreach (byte[] code in codes)
        {
            for (int part = 0; part < SystemCalls.PublishParts(code); part++)
            {
                kit.Submit(SystemCalls.Publish(Priced(kit), code, part).Sign(Deployer));
            }
        }

        Assert.All(Receipts(kit, kit.BuildAndAccept()), receipt => Assert.True(receipt.Succeeded, receipt.ToString()));
    }

    private static void Deployed(Kit kit, byte[] code)
    {
        Published(kit, code);
        kit.Submit(Deploy(kit, code));
        Receipt receipt = Receipts(kit, kit.BuildAndAccept())[0];
        Assert.True(receipt.Succeeded, receipt.ToString());
    }

    private static TransactionBuilder DeployOf(Kit kit, byte[] code, bool publish = true)
    {
        if (publish)
        {
            Published(kit, code);
        }

        return SystemCalls.Deploy(Priced(kit), Deployer.PublicKey, Salt, default, code);
    }

    private static byte[] PublishedStepper(Kit kit)
    {
        Published(kit, Stepper(5));
        return Stepper(5);
    }

    private static LocalKey PublishedChunk(Kit kit) => ProgramRecord.ChunkKeyOf(PublishedStepper(kit));

    // A deployment with other arguments than its builder would write, of the given length when that is not 0.
    private static TransactionBuilder Edited(Kit kit, SystemEntry entry, Action<byte[]>? change, int length = 0)
    {
        byte[] code = PublishedStepper(kit);
        Transaction whole = SystemCalls.Deploy(Priced(kit), Deployer.PublicKey, Salt, default, code).Sign(Deployer);
        byte[] arguments = whole.Arguments.ToArray();
        change?.Invoke(arguments);
        return Priced(kit)
            .Call(ProgramId.System, (uint)entry, arguments.AsSpan(0, length == 0 ? arguments.Length : length))
            .Declare(ProgramId.System, new LocalKey(Program.Value), AccessMode.Write)
            .Declare(ProgramId.System, ProgramRecord.ChunkKeyOf(code), AccessMode.Read);
    }

    private static TransactionBuilder ProgramAsChunk(Kit kit)
    {
        byte[] arguments = [.. Salt.ToArray(), .. new byte[32], 5, 0, 0, 0, .. Kit.Counter.Value.ToArray()];
        return Priced(kit)
            .Call(ProgramId.System, (uint)SystemEntry.Deploy, arguments)
            .Declare(ProgramId.System, new LocalKey(Program.Value), AccessMode.Write)
            .Declare(ProgramId.System, new LocalKey(Kit.Counter.Value), AccessMode.Read);
    }

    private static (Halt, ushort, Func<Kit, TransactionBuilder>) Reverts(SystemError error, Func<Kit, TransactionBuilder> make) => (Halt.Revert, Code(error), make);

    private static (Halt, ushort, Func<Kit, TransactionBuilder>) Traps(TrapCode code, Func<Kit, TransactionBuilder> make) => (Halt.Trap, (ushort)code, make);

    private static ushort Code(SystemError error) => (ushort)((ushort)TrapCode.UserBase + (ushort)error);

    private static ushort RunOne(Kit kit, Transaction transaction)
    {
        kit.Submit(transaction);
        return Assert.Single(Receipts(kit, kit.BuildAndAccept())).Outcome.Code;
    }

    private static PreparedTransaction Prepared(Kit kit, Transaction transaction) =>
        kit.Chain.Rules.TryPrepare(transaction, out PreparedTransaction? prepared, out Refusal refusal) ? prepared : throw new InvalidOperationException(refusal.ToString());

    private static Receipt[] Receipts(Kit kit, Block block) =>
        kit.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts) ? receipts.ToArray() : throw new InvalidOperationException("no receipts");

    private static IStateView Execute(Kit kit, BlockHeader header, IStateView state, Block block)
    {
        ExecutionRules rules = new() { Hashing = kit.Genesis.Hashing, Treasury = Kit.Treasury };
        BlockPrograms programs = new(kit.Chain.Rules, state);
        return kit.Engine.Execute(kit.Bind(programs, block.Transactions), kit.Chain.Rules.ContextOf(header, programs), state, rules, 1).Post;
    }

    private static int BalanceOf(Kit kit, IStateView state) => (int)NativeBalance.Read(state, kit.Genesis.Hashing.KeyOf(Program, Kit.Key(0)));

    private static int Counter(Kit kit) => BalanceOf(kit, kit.Store.Accepted);

    private static ProgramRecord Record(Kit kit) =>
        ActivePrograms.TryRead(kit.Store.Accepted, kit.Genesis.Hashing, Program, out ProgramRecord? record) ? record : throw new InvalidOperationException("no record");
}
