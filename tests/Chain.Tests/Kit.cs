using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Chain.Tests;

/// <summary>A clock that tests move. Every timestamp is a microsecond after the one before, so that work shows in stage times.</summary>
internal sealed class ManualTime(ulong nowMs) : TimeProvider
{
    private long _timestamp;

    public ulong NowMs { get; set; } = nowMs;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds((long)NowMs);

    public override long TimestampFrequency => 1_000_000;

    public override long GetTimestamp() => Interlocked.Increment(ref _timestamp);
}

/// <summary>
/// A store in memory with a "disk" that outlives it: the blocks, and the state at some height. A store that is opened over
/// the disk again has the later blocks to be replayed, as after a crash.
/// </summary>
internal sealed class MemoryStore : IStateStore
{
    private readonly Disk _disk;
    private MemoryState _accepted;
    private BlockRecord? _last;
    private BlockId? _persisted;

    public MemoryStore(StateHashing hashing, Disk disk, int? checkpointHeight = null)
    {
        _disk = disk;
        int height = Math.Min(checkpointHeight ?? disk.Blocks.Count - 1, disk.Blocks.Count - 1);
        _accepted = height < 0 ? new MemoryState(hashing) : disk.States[height];
        _last = height < 0 ? null : disk.Blocks[height];
    }

    /// <summary>Blocks and states by height.</summary>
    public sealed class Disk
    {
        public List<BlockRecord> Blocks { get; } = [];

        public List<MemoryState> States { get; } = [];

        /// <summary>Blocks below this height are gone.</summary>
        public int KeptFrom { get; set; }
    }

    /// <summary>Called inside <see cref="Persist"/>.</summary>
    public Action? WhileTheDiskWorks { get; set; }

    /// <summary>The machine fails on the next accept.</summary>
    public bool FailsNext { get; set; }

    public BlockRecord? LastAccepted => _last;

    public IStateView Accepted => _accepted;

    public bool TryNextReplay([NotNullWhen(true)] out BlockRecord? record)
    {
        int next = _last is { } last ? (int)last.Height.Value + 1 : 0;
        record = next < _disk.Blocks.Count ? _disk.Blocks[next] : null;
        return record is not null;
    }

    public void Replayed(in BlockRecord record, IStateView view)
    {
        if (view.Root != record.StateRoot)
        {
            throw new StateStoreException(new Refusal(RefusalCode.StateRootMismatch, "replayed to another root"));
        }

        _accepted = (MemoryState)view;
        _last = record;
    }

    public void Persist(in BlockRecord record, IStateView view)
    {
        WhileTheDiskWorks?.Invoke();
        if (FailsNext)
        {
            throw new StateStoreException(new Refusal(RefusalCode.LocalFailure, "the disk is full"));
        }

        _persisted = record.BlockId;
    }

    public void Accept(in BlockRecord record, IStateView view)
    {
        if (_persisted != record.BlockId)
        {
            Persist(record, view);
        }

        Assert.Equal(_disk.Blocks.Count, (int)record.Height.Value);
        Assert.Equal(_last?.BlockId ?? default, record.ParentId);
        Assert.Equal(view.Root, record.StateRoot);
        _accepted = (MemoryState)view;
        _last = record;
        _disk.Blocks.Add(record);
        _disk.States.Add(_accepted);
    }

    public bool TryReadBlock(Height height, [NotNullWhen(true)] out BlockRecord? record)
    {
        record = height.Value >= (ulong)_disk.KeptFrom && height.Value < (ulong)_disk.Blocks.Count ? _disk.Blocks[(int)height.Value] : null;
        return record is not null;
    }

    public bool TryFindBlock(BlockId id, out Height height)
    {
        int index = _disk.Blocks.FindIndex(block => block.BlockId == id);
        height = new Height((ulong)Math.Max(index, 0));
        return index >= _disk.KeptFrom && index >= 0;
    }

    public void StepBack(Height height)
    {
        int kept = (int)height.Value + 1;
        _disk.Blocks.RemoveRange(kept, _disk.Blocks.Count - kept);
        _disk.States.RemoveRange(kept, _disk.States.Count - kept);
        _accepted = _disk.States[^1];
        _last = _disk.Blocks[^1];
    }

    public void Checkpoint()
    {
    }

    public void Dispose()
    {
    }
}

/// <summary>A chain with the counter program and funded accounts.</summary>
internal sealed class Kit : IDisposable
{
    public const ulong StartMs = 1_800_000_000_000;
    public const ulong BaseFee = 2;
    public const ulong Gas = 60_000;
    public static readonly UInt128 Funds = 1_000_000_000_000;
    public static readonly ProgramId Counter = new(Blake3.Hash("counter"u8));
    public static readonly SigningKey[] Accounts = MakeAccounts(12);
    public static readonly SigningKey Pauper = new(Blake3.Hash("pauper"u8));
    public static readonly PublicKey Treasury = new(Blake3.Hash("treasury"u8));

    public Kit(
        int workers = 1, ChainLimits? limits = null, MemoryStore.Disk? disk = null, int? checkpointHeight = null,
        MempoolOptions? mempool = null, IStateStore? store = null, ManualTime? time = null, ulong genesisMs = StartMs, JitMode jit = JitMode.Background)
    {
        Genesis = MakeGenesis(limits ?? ChainLimits.Default, genesisMs);
        Disk = disk ?? new MemoryStore.Disk();
        Store = store ?? new MemoryStore(Genesis.Hashing, Disk, checkpointHeight);
        Time = time ?? new ManualTime(StartMs + 1_000);
        Engine = new ParallelEngine(Time, workers, jit: jit) { AlwaysParallel = workers > 1 };
        Options = new ChainOptions { Genesis = Genesis, Store = Store, Engine = Engine, Time = Time, Workers = workers, Mempool = mempool ?? new MempoolOptions() };
        Chain = ChainService.TryOpen(Options, out ChainService? chain, out Refusal refusal) ? chain : throw new InvalidOperationException(refusal.ToString());
    }

    public Genesis Genesis { get; }

    public MemoryStore.Disk Disk { get; }

    public IStateStore Store { get; }

    public ManualTime Time { get; }

    public ParallelEngine Engine { get; }

    public ChainOptions Options { get; }

    public ChainService Chain { get; }

    public static Genesis MakeGenesis(ChainLimits limits, ulong timestampMs = StartMs)
    {
        List<GenesisBalance> balances = [];
        foreach (SigningKey account in Accounts)
        {
            balances.Add(new GenesisBalance(account.PublicKey, Funds));
        }

        GenesisSpec spec = new()
        {
            Name = "chain tests",
            TimestampMs = timestampMs,
            BaseFee = BaseFee,
            Treasury = Treasury,
            Limits = limits,
            Programs = [new GenesisProgram(Counter, ReferencePrograms.Counter)],
            Balances = balances,
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal) ? genesis : throw new InvalidOperationException(refusal.ToString());
    }

    public static LocalKey Key(int n) => new(new Bytes32(0xC0, 0, 0, (ulong)n));

    /// <summary>A builder with everything that a call of the counter needs but the slot.</summary>
    public TransactionBuilder Builder(ulong tip = 0, ulong gas = Gas, ulong expiresInMs = 30_000) =>
        new TransactionBuilder(Genesis.ChainId) { ExpiryMs = Time.NowMs + expiresInMs, GasLimit = gas, MaxPrice = BaseFee + tip, Tip = tip };

    /// <summary>Adds one to a counter.</summary>
    public Transaction Increment(int payer, int counter, ulong tip = 0, bool add = false, ulong expiresInMs = 30_000, ulong gas = Gas)
    {
        ProgramCall call = add ? CounterCalls.IncrementAdd(Key(counter)) : CounterCalls.Increment(Key(counter));
        return Builder(tip, gas, expiresInMs)
            .Call(Counter, call.Selector, call.Arguments)
            .Slot(Counter, call.Slots[0].Key, call.Slots[0].Mode)
            .Sign(Accounts[payer]);
    }

    /// <summary>A transaction that may be in a block but fails when it runs: its slot table is not the entry's.</summary>
    public Transaction Failing(int payer, ulong tip = 0) =>
        Builder(tip).Call(Counter, CounterCalls.IncrementSelector, []).Declare(Counter, Key(0), AccessMode.Write).Sign(Accounts[payer]);

    public void Submit(params ReadOnlySpan<Transaction> transactions)
    {
        foreach (Transaction transaction in transactions)
        {
            Refusal refusal = Chain.Submit(transaction.Bytes.Span);
            Assert.False(refusal.IsRefused, refusal.ToString());
        }
    }

    public Block Build() => Chain.TryBuild(out Block? block) ? block : throw new InvalidOperationException("nothing to build");

    /// <summary>Builds and verifies a block of what waits, a second after the last.</summary>
    public Block BuildAndVerify()
    {
        Time.NowMs += 1_000;
        Block block = Build();
        Verify(block);
        return block;
    }

    /// <summary>Parses blocks, and looks at all that may be looked at ahead.</summary>
    /// <returns>Steps that this took.</returns>
    public int Look(params ReadOnlySpan<Block> blocks)
    {
        foreach (Block block in blocks)
        {
            Assert.True(Chain.TryParse(block.Bytes.Span, out _, out Refusal refusal), refusal.ToString());
        }

        Chain.ExpectParsed();
        int steps = 0;
        while (Chain.CheckNext())
        {
            steps++;
        }

        return steps;
    }

    public void Verify(Block block) => Assert.True(Chain.TryVerify(block, out Refusal refusal), refusal.ToString());

    public Block BuildAndAccept()
    {
        Block block = BuildAndVerify();
        Chain.SetPreference(block.Id);
        Chain.Accept(block.Id);
        return block;
    }

    /// <summary>A block of the given transactions whose header is what execution gives, without mempool or builder.</summary>
    public Block Craft(BlockHeader parent, BlockId parentId, IStateView state, params Transaction[] transactions)
    {
        BlockPrograms programs = new(Chain.Rules, state);
        ParallelVm.Executor.Message[] batch = Bind(programs, transactions);

        BlockHeader header = new(parentId, parent.Height.Next, Math.Max(parent.TimestampMs + 1, Time.NowMs), 0, default, default);
        ExecutionRules rules = new() { Hashing = Genesis.Hashing, Treasury = Treasury };
        Assert.True(Engine.TryExecute(batch, Chain.Rules.ContextOf(header, programs), state, rules, 1, out BatchResult? result, out BatchFault fault), fault.Refusal.ToString());
        header = header with { GasUsed = result.GasUsed, StateRoot = result.Root, ReceiptsRoot = new ReceiptsHashing(Genesis.ChainId).Root(result.Receipts.Span) };
        return Block.Create(header, transactions);
    }

    /// <summary>The messages of a block on a state.</summary>
    public ParallelVm.Executor.Message[] Bind(BlockPrograms programs, params ReadOnlySpan<Transaction> transactions)
    {
        ParallelVm.Executor.Message[] batch = new ParallelVm.Executor.Message[transactions.Length];
        for (int i = 0; i < batch.Length; i++)
        {
            Assert.True(Chain.Rules.TryPrepare(transactions[i], out PreparedTransaction? prepared, out Refusal refusal), refusal.ToString());
            Assert.True(programs.TryBind(prepared, out batch[i]!, out refusal), refusal.ToString());
        }

        return batch;
    }

    /// <summary>A crafted block on the last accepted one.</summary>
    public Block Craft(params Transaction[] transactions) =>
        Craft(Chain.LastAccepted.Header, Chain.LastAccepted.Id, Store.Accepted, transactions);

    public UInt128 CounterValue(int counter)
    {
        byte[] record = new byte[StateLimits.MaxRecordBytes];
        int length = Chain.ReadRecord(Counter, Key(counter), record);
        return length < 0 ? 0 : BalanceRecord.Decode(record.AsSpan(0, length));
    }

    public void Dispose() => Engine.Dispose();

    private static SigningKey[] MakeAccounts(int count)
    {
        SigningKey[] accounts = new SigningKey[count];
        for (int i = 0; i < count; i++)
        {
            accounts[i] = new SigningKey(Blake3.Hash([(byte)i, 0x77]));
        }

        return accounts;
    }
}
