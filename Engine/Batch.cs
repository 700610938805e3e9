// One batch while it runs: its keys, its fees, and the step that executes one transaction. Both schedules, the plain loop
// and the chains, run exactly this step; they differ only in order and in where adds wait.
//
//   Load     count accesses | intern keys | read records                 each a pass over pieces, by all workers (RangeLoop)
//   Pick     accesses of contended keys, in two passes: all that the scheduler hears of
//   Plan     reserve fees, payers apart, beside the conflict graph
//   RunOne   a transaction
//   Settle   fold adds | give fees back, payers apart, beside the receipts
//
// Struct of arrays, reused between batches: nothing is allocated per transaction once they have grown.
//
// Fees (architecture.md section 5): Plan takes gas limit x price of every transaction from its payer before anything runs,
// Settle gives back what was not used, so what a program sees of a payer's balance does not depend on scheduling. Payers are
// dealt to partitions by who interned them; a partition walks its transactions in batch order, so each payer sees what one pass would do, and the
// first who is short overall is the first of the partitions' firsts.
//
// Threading: the engine's thread calls Load, Plan, Begin and Settle, which share their work out. RunOne(worker, tx) is called
// by workers; it writes only the places of that transaction and of that worker, and the records that the conflict graph grants.
//
// Files: Batch.cs (the run), Batch.Load.cs (before it), Batch.Settle.cs (after it), Batch.Diff.cs (what changed).

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

internal sealed partial class Batch
{
    private const int TxGrainMax = 256;             // transactions of one piece of a pass: 10 to 50 microseconds
    private const int TxGrainMin = 4;               // where small batches are to be shared too
    private const int PiecesWanted = 64;
    private const int TxGrainUseful = 64;
    private const int PiecesPerWorker = 4;
    private const int SharedTxMin = 512;            // below, a pass is over before a thread has woken up
    private const int RunAhead = 2;                 // transactions
    private const int LargeKeyMin = 8_192;
    private const int PartitionsMax = 16;

    private readonly TimeProvider _time;
    private readonly RangeLoop _ranges;
    private readonly ConflictGraph _graph;
    private readonly Action<int, int, int> _countAccesses;
    private readonly Action<int, int, int> _internPieces;
    private readonly Action<int, int, int> _loadKeys;
    private readonly Action<int, int, int> _countContended;
    private readonly Action<int, int, int> _pickContended;
    private readonly Action<int, int, int> _planJobs;
    private readonly Action<int, int, int> _foldKeys;
    private readonly Action<int, int, int> _settleJobs;
    private readonly Action<int, int, int> _findChanges;
    private readonly Action<int, int, int> _dealChanges;
    private readonly Action<int, int, int> _packChanges;
    private Message[] _messages = [];
    private int[] _offsets = new int[1];
    private int[] _pieces = [];                     // by piece of _txGrain transactions: first access, then first one of a contended key, then first output byte
    private int[] _keys = [];
    private AccessMode[] _modes = [];
    private int[] _contendedOffsets = new int[1];
    private int[] _contendedKeys = [];
    private AccessMode[] _contendedModes = [];
    private uint[] _costs = [];
    private uint[] _measured = [];
    private ulong[] _prices = [];
    private int[] _payers = [];                     // key id of the payer's balance, or -1 when nothing is reserved
    private Outcome[] _outcomes = [];
    private (int Worker, int Offset, int Length)[] _outputs = [];
    private WorkerSeat[] _seats = [];
    private CostModel.Samples[] _samples = [];
    private BlockContext _context;
    private IStateView? _state;
    private readonly ResultMemory _noResult = new();
    private ResultMemory _result;                   // of the batch at hand; its owner is the result
    private int _workers;
    private int _txGrain = TxGrainMax;
    private bool _isLarge;                          // more than a core's own cache holds
    private bool _isParallel;
    private bool _isMeasured;
    private long _stamp;                            // of the neighbours that are timed together

    public Batch(TimeProvider time, WorkerPool pool, ConflictGraph graph, ulong salt)
    {
        _time = time;
        _graph = graph;
        _ranges = new RangeLoop(pool);
        _result = _noResult;
        Keys = new KeyTable(salt);
        _countAccesses = CountAccesses;
        _internPieces = InternPieces;
        _loadKeys = LoadKeys;
        _countContended = CountContended;
        _pickContended = PickContended;
        _planJobs = PlanJobs;
        _foldKeys = (_, from, to) => Shards.Fold(from, to, Keys.Records);
        _settleJobs = SettleJobs;
        _findChanges = FindChanges;
        _dealChanges = DealChanges;
        _packChanges = PackChanges;
    }

    public IRunDriver? Driver
    {
        get => _ranges.Driver;
        set => _ranges.Driver = value;
    }

    public KeyTable Keys { get; }

    public AddShards Shards { get; } = new();

    public CostModel CostModel { get; } = new();

    public int TxCount { get; private set; }

    /// <summary>What was declared.</summary>
    public BatchAccesses Accesses =>
        new(_offsets.AsSpan(0, TxCount + 1), _keys.AsSpan(0, _offsets[TxCount]), _modes.AsSpan(0, _offsets[TxCount]), _costs.AsSpan(0, TxCount), Keys.IdCount);

    /// <summary>What the scheduler sees: of what was declared the contended keys, by their numbers. Who waits for whom is the same.</summary>
    public BatchAccesses Contended
    {
        get
        {
            int count = _contendedOffsets[TxCount];
            return new(
                _contendedOffsets.AsSpan(0, TxCount + 1), _contendedKeys.AsSpan(0, count), _contendedModes.AsSpan(0, count), _costs.AsSpan(0, TxCount), Keys.ContendedCount);
        }
    }

    /// <summary>How many neighbours are timed together, by two readings of the clock; for the plain loop. 1 times each alone.</summary>
    public int MeasuredTogether { get; set; } = 1;

    /// <summary>Measured times in nanoseconds, when the batch is measured; of those that are timed together at the last one of them.</summary>
    public ReadOnlySpan<uint> Measured => _measured.AsSpan(0, TxCount);

    private int PieceCount => (TxCount + _txGrain - 1) / _txGrain;

    private int KeyGrain => 2 * _txGrain;

    private int BlockGrain => Math.Max(1, KeyGrain / KeyTable.BlockIds);

    private int Partitions => Math.Min(_workers, PartitionsMax);

    /// <summary>Says how the transactions will run, and where the results go. After this, RunOne may be called.</summary>
    public void Begin(bool isParallel, bool isMeasured, ResultMemory result)
    {
        _result = result;
        _isParallel = isParallel;
        _isMeasured = isMeasured;
    }

    /// <summary>Executes one transaction: state through its slots, adds into shards (or records, in the plain loop), output aside.</summary>
    public void RunOne(int worker, int tx, Interpreter interpreter)
    {
        long started = _isMeasured ? StartMeasuring(tx) : 0;
        Message message = _messages[tx];
        WorkerSeat seat = _seats[worker];
        int first = _offsets[tx];
        int count = _offsets[tx + 1] - first;
        Record?[] table = Keys.Records;
        Span<Record> records = seat.RecordsFor(count);
        for (int i = 0; i < count; i++)
        {
            records[i] = table[_keys[first + i]]!;
        }

        Outcome outcome = message.Native is null
            ? interpreter.Run(message, records, in _context)
            : message.Native.Run(message, records, in _context);
        Invariant.Require(outcome.GasUsed <= message.GasLimit);
        _outcomes[tx] = outcome;
        _outputs[tx] = (worker, seat.OutputLength, 0);
        if (outcome.Halt == Halt.Success && message.Native is null)             // a native program neither adds nor speaks
        {
            foreach (PendingAdd add in interpreter.Adds)
            {
                Invariant.Require(message.Accesses[add.AccessIndex].Mode == AccessMode.Add);
                ApplyAdd(worker, _keys[first + add.AccessIndex], add.Amount);
            }

            ReadOnlySpan<byte> output = interpreter.Output;
            _outputs[tx] = (worker, seat.Append(output), output.Length);
        }

        if (_isMeasured)
        {
            bool isLast = MeasuredTogether == 1 || tx % MeasuredTogether == MeasuredTogether - 1 || tx == TxCount - 1;
            _measured[tx] = isLast ? (uint)Math.Min(uint.MaxValue, ElapsedNs(_time, started, _time.GetTimestamp())) : 0;
        }
    }

    private long StartMeasuring(int tx) =>
        MeasuredTogether == 1 ? _time.GetTimestamp() : tx % MeasuredTogether == 0 ? _stamp = _time.GetTimestamp() : _stamp;

    /// <summary>All adders of a group of a contended key are done and somebody waits for the sum.</summary>
    public void Fold(int number)
    {
        int key = Keys.IdOf(number);
        Shards.Fold(key, Keys.RecordOf(key));
    }

    /// <summary>The plain loop runs a transaction now.</summary>
    public void PrefetchInOrder(int tx)
    {
        if (_isLarge && tx + (2 * RunAhead) < TxCount)
        {
            Prefetch.Object(_messages[tx + (2 * RunAhead)]);
            PrefetchNear(tx + RunAhead);
        }
    }

    /// <summary>A worker runs these next; each -1 when that is not known.</summary>
    public void PrefetchComing(int next, int afterNext)
    {
        if (!_isLarge)
        {
            return;
        }

        if (afterNext >= 0)
        {
            Prefetch.Object(_messages[afterNext]);
            Prefetch.Value(in _keys[_offsets[afterNext]]);
        }

        if (next >= 0)
        {
            PrefetchNear(next);
        }
    }

    private void PrefetchNear(int tx)
    {
        Prefetch.Object(_messages[tx].SlotTable);
        Prefetch.Object(_messages[tx].Accesses);
        for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
        {
            Keys.PrefetchRecord(_keys[access]);
        }
    }

    /// <summary>Lets go of the batch's messages, state and result.</summary>
    public void End()
    {
        Array.Clear(_messages, 0, TxCount);
        TxCount = 0;
        _state = null;
        _result = _noResult;
    }

    internal static long ElapsedNs(TimeProvider time, long from, long to) =>
        (long)((UInt128)(ulong)Math.Max(0, to - from) * 1_000_000_000 / (ulong)time.TimestampFrequency);

    private void Credit(int key, UInt128 amount)
    {
        Record record = Keys.RecordOf(key);
        record.Accumulate(amount);
        record.IsTouched = true;
    }

    private void ApplyAdd(int worker, int key, UInt128 amount)
    {
        if (_isParallel)
        {
            Shards.Add(worker, key, amount);
        }
        else
        {
            Credit(key, amount);
        }
    }

    // What one worker keeps for itself: the records of the transaction at hand, the outputs of those it ran, its part of the sums.
    private sealed class WorkerSeat
    {
        private Padded<int> _outputLength;
        private Record[] _records = new Record[AccessList.MaxAccesses];

        public byte[] Output { get; private set; } = new byte[4096];

        public int OutputLength => _outputLength.Value;

        public ulong GasUsed { get; set; }

        public UInt128 Burned { get; set; }

        public UInt128 Tips { get; set; }

        public ChangeList Changes { get; } = new();

        public void Begin()
        {
            _outputLength.Value = 0;
            GasUsed = 0;
            Burned = 0;
            Tips = 0;
            Changes.Clear();
        }

        public Span<Record> RecordsFor(int count)
        {
            if (_records.Length < count)
            {
                _records = new Record[count];
            }

            return _records.AsSpan(0, count);
        }

        public int Append(ReadOnlySpan<byte> bytes)
        {
            int offset = OutputLength;
            if (Output.Length - offset < bytes.Length)
            {
                byte[] larger = new byte[Math.Max(offset + bytes.Length, Output.Length * 2)];
                Output.AsSpan(0, offset).CopyTo(larger);
                Output = larger;
            }

            bytes.CopyTo(Output.AsSpan(offset));
            _outputLength.Value = offset + bytes.Length;
            return offset;
        }
    }
}
