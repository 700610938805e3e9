// Drives a chain: takes a signed batch, submits it, builds a block of it, verifies and prefers the block, and counts it when it is
// accepted. One block per height; the chain's clock ticks once per block, so the blocks are a function of the seed.
//
//   this thread     Take N -> clock.Set -> SubmitBatch -> TryBuild -> TryVerify -> SetPreference -> count what is accepted -> N+1
//   another                   Accept N-1: durable, then final
//   one more                  CheckAhead N+1, then N+2
//
// With one worker all of it is done in turn on the caller's thread. The blocks are the same: what a preferred block holds does not wait
// any more (Mempool), so it makes no difference how soon the one before is accepted. Latency is from submission to acceptance, checking
// ahead not included.
//
// What a batch leaves over (a full block, a hot key's share) expires before the next block: a run that continues
// from a data folder meets no memory of the mempool that was lost with the process.
//
// Threading: the caller's thread and two of the thread pool's; what these do is handed over in tasks that the caller waits for.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>Runs blocks and keeps the tally.</summary>
/// <param name="accepted">Called for each block, in order, when it is durable and counted: on the caller's thread.</param>
internal sealed class LoadDriver(ChainSession session, LoadGenerator generator, Action<Block>? accepted = null) : IDisposable
{
    // One waits, checked, while the other is being checked: the next is there when it is needed.
    private const int AheadMax = 2;

    // Blocks that are made and not accepted when a step ends. Four gave the same throughput at twice the latency.
    private const int PendingMax = 1;

    private readonly TimeProvider _time = TimeProvider.System;
    private LatencyHistogram _latency = new();
    private readonly List<Mark> _marks = [];        // after each step
    private long _offered;
    private long _accepted;
    private long _included;
    private long _succeeded;
    private long _allocated;                         // during steps, as _elapsed and _processor: what runs between them is not the node's
    private TimeSpan _elapsed;
    private TimeSpan _processor;
    private StageSeconds _stagesBefore = new(0, 0, 0, 0, 0, 0);
    private readonly Queue<(SignedBatch Batch, Task<CheckedBatch> Checked)> _ahead = new();
    private readonly Queue<Made> _pending = new();   // preferred, and on their way to be accepted
    private Made? _tip;                              // the newest block that was made

    /// <summary>Blocks accepted so far.</summary>
    public int Blocks { get; private set; }

    /// <summary>Of these, how many ran on more than one worker.</summary>
    public int SharedBlocks { get; private set; }

    /// <summary>Time spent in steps so far.</summary>
    public TimeSpan Elapsed => _elapsed;

    /// <summary>Gas used so far.</summary>
    public UInt128 Gas { get; private set; }

    /// <summary>Latencies so far.</summary>
    public LatencySummary Latency => _latency.Summary();

    /// <summary>Where the chain's time went.</summary>
    public StageSeconds Stages => StagesNow().Minus(_stagesBefore);

    /// <summary>What became of the load so far.</summary>
    public TransactionCounts Transactions => new(_offered, _accepted, _offered - _accepted, _included, _succeeded, _included - _succeeded);

    /// <summary>Where the load stands.</summary>
    public ProgressSample Sample()
    {
        LatencySummary latency = Latency;
        ulong height = session.Chain.LastAccepted.Header.Height.Value;
        return new ProgressSample(_elapsed, height, _included, _included - _succeeded, Gas, latency.P50, latency.P99);
    }

    /// <summary>Forgets what was counted: the blocks so far were to warm up.</summary>
    public void Forget()
    {
        _latency = new LatencyHistogram();
        _marks.Clear();
        (_offered, _accepted, _included, _succeeded, _allocated) = (0, 0, 0, 0, 0);
        (_elapsed, _processor) = (TimeSpan.Zero, TimeSpan.Zero);
        (Blocks, SharedBlocks, Gas) = (0, 0, 0);
        _stagesBefore = StagesNow();
    }

    /// <summary>Makes the next block, and waits until at most <see cref="PendingMax"/> is not accepted yet.</summary>
    /// <exception cref="InvariantException">The chain refuses its own block, or nothing of the load may enter one.</exception>
    public void Step() => Measured(() =>
    {
        Made made = MakeBlock();
        bool isBeside = session.Chain.Workers > 1;
        Task before = _tip?.Accepted ?? Task.CompletedTask;
        _tip = made with { Accepted = isBeside ? Task.Run(() => AcceptAsync(before, made)) : Task.FromResult(AcceptBlock(made)) };
        _pending.Enqueue(_tip);
        Settle(PendingMax);
    });

    /// <summary>Waits until every block that was made is accepted.</summary>
    public void Finish() => Measured(() => Settle(0));

    /// <summary>Bytes allocated per included transaction over the steady part: all blocks but the first quarter.</summary>
    public double AllocatedBytesPerTx()
    {
        if (_marks.Count < 2)
        {
            return 0;
        }

        (Mark from, Mark to) = (_marks[_marks.Count / 4], _marks[^1]);
        return to.Included == from.Included ? 0 : Math.Max(0, to.Allocated - from.Allocated) / (double)(to.Included - from.Included);
    }

    /// <summary>The slowest stage of the steady part, and what of its speed the whole way reached; null for a run of less than two blocks.</summary>
    public Bottleneck? Bottleneck()
    {
        if (_marks.Count < 2)
        {
            return null;
        }

        (Mark from, Mark to) = (_marks[_marks.Count / 4], _marks[^1]);
        double seconds = (to.Elapsed - from.Elapsed).TotalSeconds;
        Stage slowest = Enum.GetValues<Stage>().MaxBy(stage => to.StageNs[(int)stage] - from.StageNs[(int)stage]);
        double stageTps = (to.Included - from.Included) / ((to.StageNs[(int)slowest] - from.StageNs[(int)slowest]) / 1e9);
        double tps = (to.Included - from.Included) / seconds;
        return new Bottleneck(slowest.ToString().ToLowerInvariant(), stageTps, tps, tps / stageTps, (to.Processor - from.Processor).TotalSeconds / seconds);
    }

    /// <summary>Waits for what runs beside, whatever comes of it: the session is not used afterwards.</summary>
    public void Dispose()
    {
        Task.WaitAny(_tip?.Accepted ?? Task.CompletedTask);
        foreach ((_, Task<CheckedBatch> @checked) in _ahead)
        {
            Task.WaitAny(@checked);
        }
    }

    private Made MakeBlock()
    {
        (SignedBatch batch, CheckedBatch? @checked) = TakeNext();
        ChainService chain = session.Chain;
        Invariant.Require(batch.Height == (_tip?.Block ?? chain.LastAccepted).Header.Height.Next);
        session.Clock.Set(TransactionFactory.TimeMsAt(batch.Height));

        long submitted = _time.GetTimestamp();
        Refusal[] refusals = @checked is null ? chain.SubmitBatch(batch.Transactions) : chain.SubmitBatch(@checked);
        LookAhead();
        if (!chain.TryBuild(out Block? block))
        {
            throw new InvariantException($"No transaction of the load may enter block {batch.Height}; the first answer was: {refusals[0]}");
        }

        if (!chain.TryVerify(block, out Refusal refusal))
        {
            throw new InvariantException($"The chain refuses its own block {batch.Height}: {refusal}");
        }

        chain.SetPreference(block.Id);
        return new Made(block, refusals, submitted, chain.LastTrace.Workers > 1, Task.FromResult(0L));
    }

    private long AcceptBlock(Made made)
    {
        session.Chain.Accept(made.Block.Id);
        return _time.GetTimestamp();
    }

    // Nothing is accepted on top of what could not be.
    private async Task<long> AcceptAsync(Task before, Made made)
    {
        await before.ConfigureAwait(false);
        return AcceptBlock(made);
    }

    // Counts what is accepted, in order, and waits while more than that many are not.
    private void Settle(int pendingMax)
    {
        while (_pending.TryPeek(out Made? made) && (made.Accepted.IsCompleted || _pending.Count > pendingMax))
        {
            long at = made.Accepted.GetAwaiter().GetResult();
            _pending.Dequeue();
            _latency.Record((long)(_time.GetElapsedTime(made.Submitted, at).TotalMilliseconds * 1e6), made.Block.Transactions.Length);
            SharedBlocks += made.IsShared ? 1 : 0;
            Count(made.Refusals, made.Block);
            accepted?.Invoke(made.Block);
        }
    }

    private (SignedBatch Batch, CheckedBatch? Checked) TakeNext() =>
        _ahead.TryDequeue(out (SignedBatch Batch, Task<CheckedBatch> Checked) next)
            ? (next.Batch, next.Checked.GetAwaiter().GetResult())
            : (generator.Take(), null);

    private void LookAhead()
    {
        ChainService chain = session.Chain;
        while (chain.Workers > 1 && _ahead.Count < AheadMax && generator.TryTake() is { } batch)
        {
            Task before = _ahead.Count == 0 ? Task.CompletedTask : _ahead.Last().Checked;
            _ahead.Enqueue((batch, before.ContinueWith(_ => chain.CheckAhead(batch.Transactions), TaskScheduler.Default)));
        }
    }

    private void Measured(Action action)
    {
        long start = _time.GetTimestamp();
        long allocated = Allocated();
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        action();
        _elapsed += _time.GetElapsedTime(start);
        _allocated += Allocated() - allocated;
        _processor += Environment.CpuUsage.TotalTime - processor;
        SetMark();
    }

    private void Count(Refusal[] refusals, Block block)
    {
        Blocks++;
        _offered += refusals.Length;
        foreach (Refusal refusal in refusals)
        {
            _accepted += refusal.IsRefused ? 0 : 1;
        }

        bool isKept = session.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts);
        Invariant.Require(isKept && receipts.Length == block.Transactions.Length);
        foreach (Receipt receipt in receipts.Span)
        {
            _succeeded += receipt.Succeeded ? 1 : 0;
        }

        _included += receipts.Length;
        Gas += block.Header.GasUsed;
    }

    private StageSeconds StagesNow()
    {
        StageClock clock = session.Chain.Clock;
        return new StageSeconds(Of(Stage.Decode), Of(Stage.Verify), Of(Stage.Build), Of(Stage.Execute), Of(Stage.Root), Of(Stage.Commit));

        double Of(Stage stage) => clock[stage] / 1e9;
    }

    private long Allocated() => GC.GetTotalAllocatedBytes() - generator.AllocatedBytes;

    private void SetMark()
    {
        StageClock clock = session.Chain.Clock;
        _marks.Add(new Mark(_included, _allocated, _elapsed, _processor, [.. Enum.GetValues<Stage>().Select(stage => clock[stage])]));
    }

    private sealed record Made(Block Block, Refusal[] Refusals, long Submitted, bool IsShared, Task<long> Accepted);

    private sealed record Mark(long Included, long Allocated, TimeSpan Elapsed, TimeSpan Processor, long[] StageNs);
}
