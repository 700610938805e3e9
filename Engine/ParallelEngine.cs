// The engine: a batch of messages and a state in, receipts, a diff and a root out. The place where scheduler and executor meet,
// and the one package to embed without a chain.
//
//   intern keys -> load records -> reserve fees -> [ plain loop | conflict graph -> chains -> workers ] -> settle fees -> diff -> root
//
// The promise (the serial fiction): result, for any worker count, any interleaving, any machine, is that of the plain loop.
// Why it holds: a transaction reaches state only through declared keys; the graph keeps conflicting transactions in
// batch order; adds commute; everything outside the transactions' own run is passes whose
// parts do not meet: a payer belongs to one partition, which walks the batch in order, and a diff has no order of arrival.
//
// Cost: no allocation per transaction when results are recycled; else receipts, diff and packed outputs. Threads are started when first needed and kept.
// Threading: one TryExecute at a time; the pool may serve other work between and beside batches.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using Microsoft.Extensions.ObjectPool;
using ParallelVm.Executor;
using ParallelVm.Executor.Jit;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

/// <summary>How programs run.</summary>
public enum JitMode
{
    /// <summary>Interpreted until compiled on a thread in the background, which nobody waits for.</summary>
    Background,

    /// <summary>Interpreted.</summary>
    Off,

    /// <summary>Compiled at the first use, on the thread that needs it: for measurements and tests.</summary>
    AtOnce,
}

/// <summary>Executes batches of transactions, in parallel where their access lists allow it.</summary>
public sealed class ParallelEngine : IDisposable
{
    private const int Moments = 7;
    private const int ResultsKept = 4;                  // recycled and not in use: more than one host has in flight

    /// <summary>Estimated gas at which a chain is cut: about 50 microseconds of the interpreter.</summary>
    public const ulong ChainGasMax = 20_000;

    /// <summary>When a batch is worth a graph, in gas of 2.5 ns, from `bench scheduler`: twice limit.wake (two workers save half of the work, and have to save a wake-up); for
    /// the graph 5 ns for each transaction, limit.free, and 12.5 for each access of a contended key, half of contended.interned5, which is the worst.</summary>
    public static readonly GateLimits Limits = new(Wake: 16_000, GraphPerTransaction: 2, GraphPerAccess: 5);

    private readonly TimeProvider _time;
    private readonly JitThreads? _jitThreads;
    private readonly Batch _batch;
    private readonly ParallelGate _gate;
    private readonly ConflictGraph _graph = new(ChainGasMax);
    private readonly ObjectPool<ResultMemory> _results = new DefaultObjectPool<ResultMemory>(new DefaultPooledObjectPolicy<ResultMemory>(), ResultsKept);
    private readonly ParallelRun<BatchTarget> _run;
    private readonly Interpreter?[] _interpreters;        // by worker, so that each keeps its own in its cache
    private bool _isDirty;
    private int _busy;

    /// <summary>An engine with its own worker threads.</summary>
    /// <param name="time">Measures stages; never seen by programs.</param>
    /// <param name="maxWorkers">The most workers of one batch, the caller included; may exceed the cores.</param>
    /// <param name="salt">Spreads keys in the engine's table so that crafted keys cannot crowd one place; null takes one from <paramref name="time"/>.</param>
    /// <param name="jit">How programs run. Results are the same.</param>
    public ParallelEngine(TimeProvider time, int maxWorkers, ulong? salt = null, JitMode jit = JitMode.Background)
        : this(time, maxWorkers, salt, jit == JitMode.Background ? new JitThreads() : null, jit)
    {
    }

    /// <summary>An engine whose compiled code comes from a cache of its own making: shared with another engine, or filled by hand in a test.</summary>
    /// <param name="code">Stays the caller's.</param>
    public ParallelEngine(TimeProvider time, int maxWorkers, ulong? salt, CodeCache? code)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        Pool = new WorkerPool(maxWorkers);
        Code = code;
        ulong drawn = salt ?? ((ulong)time.GetTimestamp() * 0x9E3779B97F4A7C15);
        _batch = new Batch(time, Pool, _graph, drawn);
        _gate = new ParallelGate(Limits, drawn);
        _interpreters = new Interpreter?[maxWorkers];
        _run = new ParallelRun<BatchTarget>(_graph, new BatchTarget(_batch, _interpreters, code));
    }

    private ParallelEngine(TimeProvider time, int maxWorkers, ulong? salt, JitThreads? threads, JitMode jit)
        : this(time, maxWorkers, salt, jit == JitMode.Off ? null : new CodeCache(new CodeCacheOptions(), threads ?? (IJitScheduler)new JitAtOnce(), time)) =>
        _jitThreads = threads;

    /// <summary>Compiled programs: what is there, and what it cost. Null when everything is interpreted.</summary>
    public CodeCache? Code { get; }

    /// <summary>The engine's threads, for other parallel work such as signature checks.</summary>
    public WorkerPool Pool { get; }

    /// <summary>Times every transaction, for work and span in the trace; two clock readings for each.</summary>
    public bool MeasuresTransactions { get; set; }

    /// <summary>Keeps what each batch's scheduler saw, and what each transaction took: for simulations. Times every transaction, too.</summary>
    public bool RecordsTransactions { get; set; }

    /// <summary>Of the last batch that was recorded.</summary>
    public BatchRecord? Recorded { get; private set; }

    /// <summary>Takes the parallel way whatever it may gain: for tests and measurements. Results are the same.</summary>
    public bool AlwaysParallel { get; set; }

    /// <inheritdoc cref="ParallelRun{TTarget}.BeforeStep"/>
    internal Action<int>? BeforeStep
    {
        get => _run.BeforeStep;
        set => _run.BeforeStep = value;
    }

    /// <inheritdoc cref="Batch.MeasuredTogether"/>
    internal int MeasuredTogether
    {
        get => _batch.MeasuredTogether;
        set => _batch.MeasuredTogether = value;
    }

    /// <summary>One thread that plays all workers, under a test's control.</summary>
    internal IRunDriver? Driver
    {
        get => _batch.Driver;
        set => _batch.Driver = value;
    }

    /// <summary>Executes a batch in the order of its messages.</summary>
    /// <param name="messages">Admitted messages; their resolved keys are trusted (M1..M3).</param>
    /// <param name="context">The block they run in.</param>
    /// <param name="state">State before the batch; read by as many threads at once as its <see cref="IStateView.Readers"/> says.</param>
    /// <param name="rules">What is fixed for the chain.</param>
    /// <param name="workers">At least 1. 1 is the plain loop in batch order. A small or serial batch runs so anyway.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="fault">Why the batch may not exist: a block that holds it is invalid.</param>
    /// <returns>False when some transaction may not be in the batch; nothing was executed.</returns>
    /// <exception cref="InvariantException">Our own defect, on any worker.</exception>
    /// <exception cref="InvalidOperationException">Another batch is running.</exception>
    public bool TryExecute(
        ReadOnlySpan<Message> messages,
        in BlockContext context,
        IStateView state,
        ExecutionRules rules,
        int workers,
        [NotNullWhen(true)] out BatchResult? result,
        out BatchFault fault)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw new InvalidOperationException("The engine executes one batch at a time.");
        }

        try
        {
            return TryExecuteAlone(messages, in context, state, rules, Math.Min(workers, Pool.MaxWorkers), out result, out fault);
        }
        finally
        {
            _batch.End();
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Executes a batch that is known to be valid.</summary>
    /// <exception cref="ArgumentException">It is not: some transaction may not be in it.</exception>
    public BatchResult Execute(ReadOnlySpan<Message> messages, in BlockContext context, IStateView state, ExecutionRules rules, int workers)
    {
        if (TryExecute(messages, in context, state, rules, workers, out BatchResult? result, out BatchFault fault))
        {
            return result;
        }

        throw new ArgumentException($"Transaction {fault.TxIndex.Value} may not be in the batch. {fault.Refusal}", nameof(messages));
    }

    /// <summary>Ends the worker threads and those of the compiler.</summary>
    public void Dispose()
    {
        Pool.Dispose();
        _jitThreads?.Dispose();
    }

    private bool TryExecuteAlone(
        ReadOnlySpan<Message> messages,
        in BlockContext context,
        IStateView state,
        ExecutionRules rules,
        int workers,
        [NotNullWhen(true)] out BatchResult? result,
        out BatchFault fault)
    {
        Span<long> moments = stackalloc long[Moments];
        moments[0] = _time.GetTimestamp();
        _batch.Load(messages, in context, state, workers, AlwaysParallel);
        moments[1] = _time.GetTimestamp();
        bool mayBeParallel = workers > 1 && MayBeParallel(workers);
        if (!_batch.TryPlan(mayBeParallel, _isDirty, out fault))
        {
            result = null;
            return false;
        }

        int used = mayBeParallel ? ChooseWorkers(workers) : 1;
        moments[2] = _time.GetTimestamp();
        ResultMemory memory = _results.Get();
        RunAll(used, memory);
        moments[3] = _time.GetTimestamp();
        ReadOnlyMemory<Receipt> receipts = _batch.Settle(rules, state, out ulong gasUsed, out UInt128 burned, out UInt128 tips);
        moments[4] = _time.GetTimestamp();
        StateDiff diff = _batch.MakeDiff();
        _isDirty = false;
        moments[5] = _time.GetTimestamp();
        IStateView post = state.Apply(diff);
        StateRoot root = post.Root;
        moments[6] = _time.GetTimestamp();
        WorkSpan shape = MeasuresTransactions ? WorkSpan.Measure(_batch.Accesses, _batch.Measured) : default;
        Recorded = RecordsTransactions ? BatchRecord.Of(_batch.Accesses, _batch.Measured) : null;
        int chains = used > 1 ? _graph.ChainCount : 0;
        result = new BatchResult(memory, _results)
        {
            Receipts = receipts,
            Diff = diff,
            Post = post,
            Root = root,
            GasUsed = gasUsed,
            Burned = burned,
            Tips = tips,
            Trace = new BatchTrace(used, chains, _batch.Keys.Count, (long)shape.Work, (long)shape.Span, shape.Width, StagesOf(moments)),
        };
        return true;
    }

    private bool MayBeParallel(int workers)
    {
        if (_batch.TxCount == 0 || !_batch.IsWhole)
        {
            return false;
        }

        _batch.Pick();
        return AlwaysParallel || _gate.MayGain(_batch.Contended, workers);
    }

    private BatchStages StagesOf(ReadOnlySpan<long> moments) => new(
        Batch.ElapsedNs(_time, moments[0], moments[1]),
        Batch.ElapsedNs(_time, moments[1], moments[2]),
        Batch.ElapsedNs(_time, moments[2], moments[3]),
        Batch.ElapsedNs(_time, moments[3], moments[4]),
        Batch.ElapsedNs(_time, moments[4], moments[5]),
        Batch.ElapsedNs(_time, moments[5], moments[6]));

    private void RunAll(int workers, ResultMemory memory)
    {
        if (_isDirty)
        {
            Array.Clear(_interpreters);             // of a run that failed: they are not trusted again
        }

        _isDirty = true;                            // until this batch is through, shards may hold what nobody folded
        _batch.Begin(workers > 1, MeasuresTransactions || RecordsTransactions, memory);
        if (workers > 1)
        {
            _run.Run(Pool, workers, Driver);
        }
        else
        {
            InOrder step = new(_batch, _interpreters[0] ??= new Interpreter(Code));
            SerialOrder.Run(_batch.TxCount, ref step);
        }
    }

    // Do nothing in parallel when there is nothing to gain (scheduling.md, point 5).
    private int ChooseWorkers(int workers) => AlwaysParallel ? workers : WorkerPolicy.WorkersFor(_graph.Work, _graph.Span, workers);

    private readonly struct InOrder(Batch batch, Interpreter interpreter) : ITransactionStep
    {
        public void Run(int txIndex)
        {
            batch.PrefetchInOrder(txIndex);
            batch.RunOne(0, txIndex, interpreter);
        }
    }

    private readonly struct BatchTarget(Batch batch, Interpreter?[] interpreters, CodeCache? code) : IRunTarget
    {
        public void RunOne(int worker, int tx) => batch.RunOne(worker, tx, interpreters[worker] ??= new Interpreter(code));

        public void Expect(int next, int afterNext) => batch.PrefetchComing(next, afterNext);

        public void Fold(int key) => batch.Fold(key);
    }
}
