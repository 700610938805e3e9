// A chain, seen from consensus: submit, build, parse, verify, accept, reject. No network, no gRPC, no disk of its own.
//
//   bytes --Submit--> mempool --TryBuild--> block --TryVerify--> processing --Accept--> store (durable), last accepted
//                                  peer's bytes --TryParse--^                \--Reject--> diff dropped, transactions wait again
//
// Invariants
//   C1  the state of the last accepted block is what the store has accepted; nothing is told to be accepted before the store has it
//   C2  a processing block's view was made by executing exactly its transactions on its parent's view
//   C3  a transaction is at most once on the way from genesis to any live block, failed ones included
//
// Verdicts and failures. A Refusal says that the input is wrong, and it is the same on every node (but for the clock and for
// blocks that this node has not seen). What the machine does wrong comes as an exception (StateStoreException) and is never a
// verdict: the block is neither processing nor refused, and the host stops.
//
// Threading: any thread; one lock around all of it, so calls queue up. Submit decodes and checks its signatures before it
// takes the lock. Decisions (Accept, Reject) are one at a time under a lock of their own, and Accept waits for the disk without
// the other one: meanwhile transactions come in, and the next block is built on the one that is being accepted. The store and the
// engine are used under the lock only (but for IStateStore.Persist) and by nobody else; they are disposed of by whoever made them,
// after the last call.
//
// Files: ChainService.cs (opening, reading), .Queries.cs (what clients ask), .Transactions.cs (admission), .Blocks.cs (building and verifying),
// .Ahead.cs (blocks that come), .Decisions.cs (preferring, accepting, rejecting).

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>What a chain is made of.</summary>
public sealed record ChainOptions
{
    /// <summary>The chain's genesis.</summary>
    public required Genesis Genesis { get; init; }

    /// <summary>Where accepted state and blocks live. Not disposed of by the service.</summary>
    public required IStateStore Store { get; init; }

    /// <summary>What runs batches. Not disposed of by the service.</summary>
    public required ParallelEngine Engine { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Most workers per batch, at least 1; 1 is the plain loop. No result depends on it.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Bounds of the mempool.</summary>
    public MempoolOptions Mempool { get; init; } = new();

    /// <summary>Opens at this block, although the store may be ahead: the later ones are forgotten, durably. For a consensus engine that is
    /// behind. The store must be able to step back that far; null: the newest.</summary>
    public Height? OpenAt { get; init; }

    /// <summary>Called whenever a transaction begins to wait in the mempool, under the service's lock: it must be quick and not call back.</summary>
    public Action? OnPending { get; init; }

    /// <summary>Newest accepted blocks whose receipts stay in memory, whatever they weigh.</summary>
    public int ReceiptBlocksKept { get; init; } = 64;

    /// <summary>Older ones stay as long as all that stay weigh no more than this: about the bytes of memory that they take.</summary>
    public long ReceiptBytesKept { get; init; }
}

/// <summary>One chain.</summary>
public sealed partial class ChainService
{
    private readonly Lock _decisions = new();                       // taken before _gate
    private readonly Lock _gate = new();
    private readonly ChainRules _rules;
    private readonly IStateStore _store;
    private readonly ParallelEngine _engine;
    private readonly ExecutionRules _execution;
    private readonly ReceiptsHashing _receiptsHashing;
    private readonly TimeProvider _time;
    private readonly ProcessingTree _tree = new();
    private readonly ReplayWindow _window = new();
    private readonly Mempool _mempool;
    private readonly BlockBuilder _builder;
    private readonly WorkerTrial _trial = new();
    private readonly VerifiedMemory _verified = new();
    private readonly SignatureVerifier _signatures;
    private readonly RecentBlocks _recent;
    private readonly Action? _onPending;
    private Block _last;
    private ActivePrograms _programs;                               // after _last
    private readonly List<ProcessingBlock> _branch = [];            // from the child of _last to the preferred block
    private int _workers;
    private long _signaturesChecked;
    private BatchTrace _lastTrace;

    private ChainService(ChainRules rules, ChainOptions options, Block last)
    {
        _rules = rules;
        _store = options.Store;
        _engine = options.Engine;
        _execution = new ExecutionRules { Hashing = rules.Hashing, Treasury = rules.Genesis.Treasury };
        _receiptsHashing = new ReceiptsHashing(rules.ChainId);
        _time = options.Time;
        _signatures = new SignatureVerifier(options.Engine.Pool);
        _mempool = new Mempool(options.Mempool, BlockBuilder.KeyGasMax(options.Genesis.Limits));
        _builder = new BlockBuilder(options.Genesis.Limits);
        _recent = new RecentBlocks(options.ReceiptBlocksKept, options.ReceiptBytesKept);
        _onPending = options.OnPending;
        _workers = options.Workers;
        _last = last;
        _programs = new ActivePrograms(rules.Hashing);
        _mempool.Reach(last.Header.Height);
        Clock = new StageClock(options.Time);
    }

    /// <summary>The chain's rules.</summary>
    public ChainRules Rules => _rules;

    /// <summary>Nanoseconds per stage since the service was opened.</summary>
    public StageClock Clock { get; }

    /// <summary>Signatures that were checked; those of transactions that are known to be good are not checked again.</summary>
    public long SignaturesChecked => Interlocked.Read(ref _signaturesChecked);

    /// <summary>Most workers per batch, at least 1: batches get all or one, whichever was faster lately (<see cref="WorkerTrial"/>). No result depends on it.</summary>
    public int Workers
    {
        get => Volatile.Read(ref _workers);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            Volatile.Write(ref _workers, value);
        }
    }

    /// <summary>The newest accepted block.</summary>
    public Block LastAccepted
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>How the newest batch ran, built or verified: for reports.</summary>
    public BatchTrace LastTrace
    {
        get
        {
            lock (_gate)
            {
                return _lastTrace;
            }
        }
    }

    /// <summary>The block that the next one is built on.</summary>
    public BlockId Preference
    {
        get
        {
            lock (_gate)
            {
                return PreferredBlock.Id;
            }
        }
    }

    /// <summary>Transactions that wait; those of a preferred block do not.</summary>
    public int MempoolCount
    {
        get
        {
            lock (_gate)
            {
                return _mempool.Count;
            }
        }
    }

    /// <summary>Verified blocks that are neither accepted nor rejected.</summary>
    public int ProcessingCount
    {
        get
        {
            lock (_gate)
            {
                return _tree.Count;
            }
        }
    }

    /// <summary>
    /// Opens a chain over its store: puts genesis into a fresh one, executes again what the store has durable but not in its
    /// state, and rebuilds the replay window from the blocks of the last 60 s.
    /// </summary>
    /// <returns>False when genesis is refused, belongs to another chain than the store's, or a durable block does not execute
    /// to its own header again.</returns>
    /// <exception cref="StateStoreException">The machine failed.</exception>
    public static bool TryOpen(ChainOptions options, [NotNullWhen(true)] out ChainService? chain, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1);
        chain = null;
        return ChainRules.TryCreate(options.Genesis, out ChainRules? rules, out refusal)
            && Opening.TryBringUp(rules, options, out Block? last, out refusal)
            && TryOpenOn(rules, options, last, out chain, out refusal);
    }

    /// <summary>A record of the accepted state, copied to <paramref name="target"/>.</summary>
    /// <param name="target">At least 4 KiB long.</param>
    /// <returns>Its length, or -1 when there is none.</returns>
    public int ReadRecord(ProgramId program, LocalKey key, Span<byte> target)
    {
        lock (_gate)
        {
            return _store.Accepted.Read(_rules.Hashing.KeyOf(program, key), target);
        }
    }

    /// <summary>An account's native balance in the accepted state.</summary>
    public UInt128 BalanceOf(PublicKey account)
    {
        lock (_gate)
        {
            return NativeBalance.Read(_store.Accepted, _rules.Hashing.KeyOf(ProgramId.Native, new LocalKey(account.Value)));
        }
    }

    /// <summary>A block by id: processing, or accepted and still kept by the store.</summary>
    public bool TryGetBlock(BlockId id, [NotNullWhen(true)] out Block? block)
    {
        lock (_gate)
        {
            if (_tree.TryFind(id, out ProcessingBlock? processing))
            {
                block = processing.Block;
                return true;
            }

            block = null;
            return _store.TryFindBlock(id, out Height height) && TryReadAccepted(height, out block);
        }
    }

    /// <summary>An accepted block by height, if the store still keeps it.</summary>
    public bool TryGetBlock(Height height, [NotNullWhen(true)] out Block? block)
    {
        lock (_gate)
        {
            return TryReadAccepted(height, out block);
        }
    }

    /// <summary>The id of an accepted block by height, if the store still keeps it. Cheaper than the block: nothing is decoded.</summary>
    public bool TryGetBlockId(Height height, out BlockId id)
    {
        lock (_gate)
        {
            bool isLast = height == _last.Header.Height;
            BlockRecord? record = null;
            bool found = isLast || (height.CompareTo(_last.Header.Height) < 0 && _store.TryReadBlock(height, out record));
            id = isLast ? _last.Id : found ? record!.Value.BlockId : default;
            return found;
        }
    }

    /// <summary>True when a transaction waits that the preferred branch does not hold yet: what a block could be built of, as far as can be said without building.</summary>
    public bool HasPending
    {
        get
        {
            lock (_gate)
            {
                ulong now = NowMs();
                foreach (Mempool.Entry entry in _mempool.Ordered)
                {
                    if (entry.ExpiryMs >= now)
                    {
                        return true;
                    }
                }

                return false;
            }
        }
    }

    /// <summary>Receipts of a processing or recently accepted block, in block order. Not to be changed.</summary>
    public bool TryGetReceipts(BlockId id, out ReadOnlyMemory<Receipt> receipts)
    {
        lock (_gate)
        {
            if (_tree.TryFind(id, out ProcessingBlock? processing))
            {
                receipts = processing.Receipts;
                return true;
            }

            bool isKept = _recent.TryFind(id, out RecentBlock? recent);
            receipts = isKept ? recent!.Receipts : default;
            return isKept;
        }
    }

    private static bool TryOpenOn(ChainRules rules, ChainOptions options, Block last, out ChainService? chain, out Refusal refusal)
    {
        ChainService opened = new(rules, options, last);
        refusal = opened.RebuildWindow();
        chain = refusal.IsRefused ? null : opened;
        return chain is not null;
    }

    // C3 across a restart: the ids of every block that could hold a transaction which has not expired by the last block's time.
    private Refusal RebuildWindow()
    {
        Stack<(ulong TimestampMs, TxId[] Ids)> blocks = new();
        blocks.Push((_last.Header.TimestampMs, ReplayWindow.IdsOf(_last)));
        ulong oldest = _last.Header.Height.Value;
        while (oldest > 0)
        {
            if (!TryReadAccepted(new Height(oldest - 1), out Block? block))
            {
                return new Refusal(
                    RefusalCode.ReplayWindowIncomplete,
                    $"The store keeps no block {oldest - 1}, which may hold transactions that have not expired by block {_last.Header.Height}.");
            }

            if (ReplayWindow.IsForgotten(block.Header.TimestampMs, _last.Header.TimestampMs))
            {
                break;
            }

            oldest--;
            blocks.Push((block.Header.TimestampMs, ReplayWindow.IdsOf(block)));
        }

        while (blocks.TryPop(out (ulong TimestampMs, TxId[] Ids) block))
        {
            _window.Accept(block.TimestampMs, block.Ids);
        }

        return Refusal.None;
    }

    private bool TryReadAccepted(Height height, [NotNullWhen(true)] out Block? block)
    {
        block = height == _last.Header.Height ? _last : null;
        if (block is null && height.CompareTo(_last.Header.Height) < 0 && _store.TryReadBlock(height, out BlockRecord? record))
        {
            bool decodes = Block.TryDecode(record.Value.Payload.Span, out block, out _);
            Invariant.Require(decodes && block!.Id == record.Value.BlockId);        // the store proves its bytes
        }

        return block is not null;
    }

    private ulong NowMs() => (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds();
}
