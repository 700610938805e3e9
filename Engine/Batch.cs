// One batch while it runs: its keys, its fees, and the step that executes one transaction. Both schedules, the plain loop
// and the chains, run exactly this step; they differ only in order and in where adds wait.
//
// Struct of arrays, reused between batches: nothing is allocated per transaction once they have grown.
//
// Fees (architecture.md section 5): Reserve takes gas limit x price of every transaction from its payer before anything runs,
// Settle gives back what was not used, so what a program sees of a payer's balance does not depend on scheduling.
//
// Threading: the engine's thread prepares and settles. RunOne(worker, tx) is called by workers; it writes only the
// places of that transaction and of that worker, and the records that the conflict graph grants.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;

namespace ParallelVm.Engine;

internal sealed class Batch
{
    private readonly TimeProvider _time;
    private Message[] _messages = [];
    private int[] _offsets = new int[1];
    private int[] _keys = [];
    private AccessMode[] _modes = [];
    private uint[] _costs = [];
    private uint[] _measured = [];
    private ulong[] _prices = [];
    private int[] _payers = [];                 // key id of the payer's balance, or -1 when nothing is reserved
    private Outcome[] _outcomes = [];
    private (int Worker, int Offset, int Length)[] _outputs = [];
    private WorkerSeat[] _seats = [];
    private BlockContext _context;
    private bool _isParallel;
    private bool _isMeasured;

    public Batch(TimeProvider time, ulong salt)
    {
        _time = time;
        Keys = new KeyTable(salt);
    }

    public KeyTable Keys { get; }

    public AddShards Shards { get; } = new();

    public CostModel CostModel { get; } = new();

    public int TxCount { get; private set; }

    /// <summary>What the scheduler sees.</summary>
    public BatchAccesses Accesses =>
        new(_offsets.AsSpan(0, TxCount + 1), _keys.AsSpan(0, _offsets[TxCount]), _modes.AsSpan(0, _offsets[TxCount]), _costs.AsSpan(0, TxCount), Keys.Count);

    /// <summary>Measured times in nanoseconds, when the batch is measured.</summary>
    public ReadOnlySpan<uint> Measured => _measured.AsSpan(0, TxCount);

    /// <summary>Checks the transactions, interns and loads their keys.</summary>
    /// <returns>How many passed: all, or the place of the first that <paramref name="fault"/> refuses.</returns>
    public int Load(ReadOnlySpan<Message> messages, in BlockContext context, IStateView state, out BatchFault fault)
    {
        Reserve(messages, in context);
        int admitted = InternAll(in context, out fault);
        Keys.Load(state);
        return admitted;
    }

    /// <summary>Reserves the fees of the transactions that <see cref="Load"/> admitted.</summary>
    /// <param name="fault">What Load found; replaced by a payer who is short, who comes before that.</param>
    /// <returns>True when there is no fault.</returns>
    public bool TryReserveFees(int admitted, ref BatchFault fault)
    {
        for (int tx = 0; tx < admitted; tx++)
        {
            if (_payers[tx] < 0)
            {
                continue;
            }

            Record balance = Keys.Records[_payers[tx]];
            UInt128 reserved = (UInt128)_messages[tx].GasLimit * _prices[tx];
            UInt128 left = balance.Accumulator;
            if (left < reserved)
            {
                fault = new BatchFault(
                    new TxIndex(tx), new Refusal(RefusalCode.BatchPayerShort, $"Payer {_messages[tx].Payer} has {left} left and must reserve {reserved}."));
                return false;
            }

            Credit(_payers[tx], unchecked(UInt128.Zero - reserved));
        }

        return !fault.Refusal.IsRefused;
    }

    /// <summary>Gives workers their seats. After this, RunOne may be called.</summary>
    public void Begin(int workers, bool isParallel, bool isMeasured, bool isDirty)
    {
        _isParallel = isParallel;
        _isMeasured = isMeasured;
        Shards.Begin(Keys.Count, workers);
        for (int access = 0; isParallel && access < _offsets[TxCount]; access++)
        {
            if (_modes[access] == AccessMode.Add)
            {
                Shards.Declare(_keys[access]);
            }
        }

        Shards.Reserve(isDirty);
        int seats = _seats.Length;
        if (seats < workers)
        {
            Array.Resize(ref _seats, workers);
            for (; seats < workers; seats++)
            {
                _seats[seats] = new WorkerSeat();
            }
        }

        foreach (WorkerSeat seat in _seats)
        {
            seat.OutputLength = 0;
        }
    }

    /// <summary>Executes one transaction: state through its slots, adds into shards (or records, in the plain loop), output aside.</summary>
    public void RunOne(int worker, int tx, Interpreter interpreter)
    {
        long started = _isMeasured ? _time.GetTimestamp() : 0;
        Message message = _messages[tx];
        WorkerSeat seat = _seats[worker];
        int first = _offsets[tx];
        int count = _offsets[tx + 1] - first;
        ReadOnlySpan<Record> table = Keys.Records;
        Span<Record> records = seat.RecordsFor(count);
        for (int i = 0; i < count; i++)
        {
            records[i] = table[_keys[first + i]];
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
            _measured[tx] = (uint)Math.Min(uint.MaxValue, ElapsedNs(_time, started, _time.GetTimestamp()));
        }
    }

    /// <summary>Returns what was not used, burns the base fee, credits the tip, and writes the receipts.</summary>
    public Receipt[] Settle(ExecutionRules rules, IStateView state, out ulong gasUsed, out UInt128 burned, out UInt128 tips)
    {
        Shards.FoldAll(Keys.Records);
        byte[] packed = PackOutputs();
        Receipt[] receipts = new Receipt[TxCount];
        gasUsed = 0;
        burned = 0;
        tips = 0;
        int offset = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            Message message = _messages[tx];
            ulong gas = _outcomes[tx].GasUsed;
            UInt128 fee = (UInt128)gas * _prices[tx];
            UInt128 refund = (UInt128)(message.GasLimit - gas) * _prices[tx];
            if (refund > 0)
            {
                Credit(_payers[tx], refund);
            }

            gasUsed += gas;
            burned += (UInt128)gas * _context.BaseFee;
            tips += fee - ((UInt128)gas * _context.BaseFee);
            receipts[tx] = new Receipt(_outcomes[tx], fee, packed.AsMemory(offset, _outputs[tx].Length));
            offset += _outputs[tx].Length;
            CostModel.Learn(message, gas);
        }

        if (tips > 0)
        {
            LocalKey account = new(rules.Treasury.Value);
            int treasury = Keys.Intern(rules.Hashing.KeyOf(ProgramId.Native, account), ProgramId.Native, account);
            Keys.Load(state);
            Credit(treasury, tips);
        }

        return receipts;
    }

    /// <summary>Lets go of the batch's messages.</summary>
    public void End()
    {
        Array.Clear(_messages, 0, TxCount);
        TxCount = 0;
    }

    internal static long ElapsedNs(TimeProvider time, long from, long to) =>
        (long)((UInt128)(ulong)Math.Max(0, to - from) * 1_000_000_000 / (ulong)time.TimestampFrequency);

    private void Reserve(ReadOnlySpan<Message> messages, in BlockContext context)
    {
        TxCount = messages.Length;
        _context = context;
        int accesses = 0;
        foreach (Message message in messages)
        {
            accesses += message.Keys.Length;
        }

        Room(ref _messages, TxCount);
        Room(ref _offsets, TxCount + 1);
        Room(ref _keys, accesses);
        Room(ref _modes, accesses);
        Room(ref _costs, TxCount);
        Room(ref _measured, TxCount);
        Room(ref _prices, TxCount);
        Room(ref _payers, TxCount);
        Room(ref _outcomes, TxCount);
        Room(ref _outputs, TxCount);
        messages.CopyTo(_messages);
        Keys.Clear();
    }

    // Returns how many transactions passed: all, or the place of the first that is refused.
    private int InternAll(in BlockContext context, out BatchFault fault)
    {
        fault = default;
        int position = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            Message message = _messages[tx];
            Refusal refusal = Check(message, in context);
            _offsets[tx] = position;
            ReadOnlySpan<Access> accesses = message.Accesses.Accesses;
            Invariant.Require(message.Keys.Length == accesses.Length);          // M1
            for (int i = 0; i < accesses.Length && !refusal.IsRefused; i++)
            {
                ref readonly Access access = ref accesses[i];
                int key = Keys.Intern(in message.Keys[i], in message.Programs[access.ProgramIndex], access.Key);
                _keys[position] = key;
                _modes[position++] = access.Mode;
            }

            if (!refusal.IsRefused && HasTwice(message, tx, position))
            {
                refusal = new Refusal(RefusalCode.BatchKeyTwice, $"Transaction {tx} names one record twice through its program table.");
            }

            if (refusal.IsRefused)
            {
                fault = new BatchFault(new TxIndex(tx), refusal);
                return tx;
            }

            _prices[tx] = context.BaseFee + Math.Min(message.Tip, message.MaxPrice - context.BaseFee);
            _payers[tx] = _prices[tx] == 0 || message.GasLimit == 0
                ? -1 : Keys.Intern(message.PayerKey, ProgramId.Native, new LocalKey(message.Payer.Value));
            _costs[tx] = CostModel.Estimate(message);
        }

        _offsets[TxCount] = position;
        return TxCount;
    }

    private static Refusal Check(Message message, in BlockContext context)
    {
        if (message.MaxPrice < context.BaseFee)
        {
            return new Refusal(RefusalCode.BatchPriceBelowBaseFee, $"The highest price {message.MaxPrice} is below the base fee {context.BaseFee}.");
        }

        return message.GasLimit < message.IntrinsicGas
            ? new Refusal(RefusalCode.BatchGasLimitTooLow, $"The gas limit {message.GasLimit} is below the {message.IntrinsicGas} that inclusion costs.")
            : Refusal.None;
    }

    // Only a program that is twice in the table can name a record twice (A1), so most transactions are done at once.
    private bool HasTwice(Message message, int tx, int end)
    {
        ReadOnlySpan<ProgramId> programs = message.Programs;
        for (int i = 1; i < programs.Length; i++)
        {
            if (programs[..i].Contains(programs[i]))
            {
                ReadOnlySpan<int> keys = _keys.AsSpan(_offsets[tx], end - _offsets[tx]);
                for (int k = 1; k < keys.Length; k++)
                {
                    if (keys[..k].Contains(keys[k]))
                    {
                        return true;
                    }
                }
            }
        }

        return false;
    }

    private void Credit(int key, UInt128 amount)
    {
        Record record = Keys.Records[key];
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

    private byte[] PackOutputs()
    {
        int total = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            total += _outputs[tx].Length;
        }

        byte[] packed = total == 0 ? [] : new byte[total];
        int position = 0;
        for (int tx = 0; tx < TxCount; tx++)
        {
            (int worker, int offset, int length) = _outputs[tx];
            _seats[worker].Output.AsSpan(offset, length).CopyTo(packed.AsSpan(position));
            position += length;
        }

        return packed;
    }

    private static void Room<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            array = new T[Math.Max(length, array.Length * 2)];
        }
    }

    // What one worker keeps for itself: the records of the transaction at hand, and the outputs of those it ran.
    private sealed class WorkerSeat
    {
        private Record[] _records = new Record[AccessList.MaxAccesses];

        public byte[] Output { get; private set; } = new byte[4096];

        public int OutputLength { get; set; }

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
            OutputLength = offset + bytes.Length;
            return offset;
        }
    }
}
