// Before the run: which keys, what is in them, who can pay.

using System;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine;

/// <content>Loading and planning.</content>
internal sealed partial class Batch
{
    private const int LoadAhead = 2;        // transactions

    private int _refused;                   // first transaction that may not be in the batch, or TxCount
    private int _short;                     // first transaction whose payer is short, or TxCount
    private bool _buildsGraph;
    private bool _shardsDirty;

    /// <summary>Every transaction may be in the batch as far as Load can tell; only then are there accesses.</summary>
    public bool IsWhole => _refused == TxCount;

    /// <summary>Checks the transactions, interns and loads their keys.</summary>
    /// <param name="workers">Who may help.</param>
    /// <param name="sharesAll">Even a batch that is not worth it is shared out.</param>
    public void Load(ReadOnlySpan<Message> messages, in BlockContext context, IStateView state, int workers, bool sharesAll)
    {
        _txGrain = sharesAll ? Math.Clamp(messages.Length / PiecesWanted, TxGrainMin, TxGrainMax)
            : messages.Length < SharedTxMin ? SharedTxMin
            : Math.Clamp(messages.Length / (workers * PiecesPerWorker), TxGrainUseful, TxGrainMax);
        Reserve(messages, in context, state, workers);
        _ranges.Run(workers, PieceCount, 1, _countAccesses);
        int accesses = 0;
        for (int piece = 0; piece < PieceCount; piece++)
        {
            (_pieces[piece], accesses) = (accesses, accesses + _pieces[piece]);
        }

        _offsets[TxCount] = accesses;
        Reused.Room(ref _keys, accesses);
        Reused.Room(ref _modes, accesses);
        Keys.Begin(accesses + TxCount + 1, workers);
        _refused = TxCount;
        _ranges.Run(workers, PieceCount, 1, _internPieces);
        Keys.EndInterning();
        _isLarge = Keys.IdCount >= LargeKeyMin;
        _ranges.Run(Math.Min(workers, state.Readers), Keys.BlockCount, BlockGrain, _loadKeys);
    }

    /// <summary>Picks the accesses of contended keys.</summary>
    public void Pick()
    {
        Reused.Room(ref _contendedOffsets, TxCount + 1);
        if (Keys.ContendedCount == 0)
        {
            Array.Clear(_contendedOffsets, 0, TxCount + 1);
            return;
        }

        _ranges.Run(_workers, PieceCount, 1, _countContended);
        int accesses = 0;
        for (int piece = 0; piece < PieceCount; piece++)
        {
            (_pieces[piece], accesses) = (accesses, accesses + _pieces[piece]);
        }

        _contendedOffsets[TxCount] = accesses;
        Reused.Room(ref _contendedKeys, accesses);
        Reused.Room(ref _contendedModes, accesses);
        _ranges.Run(_workers, PieceCount, 1, _pickContended);
    }

    /// <summary>Reserves the fees of all transactions and builds the graph; or says who may not be in the batch.</summary>
    /// <param name="buildsGraph">The batch may run in parallel.</param>
    /// <param name="shardsDirty">The batch before this one failed midway.</param>
    public bool TryPlan(bool buildsGraph, bool shardsDirty, out BatchFault fault)
    {
        _buildsGraph = buildsGraph && _refused == TxCount;
        _shardsDirty = shardsDirty;
        _short = _refused;                      // who comes after a refused transaction is not looked at
        _ranges.Run(_workers, Partitions + 2, 1, _planJobs);
        if (_short < _refused)
        {
            Message poor = _messages[_short];
            UInt128 reserved = (UInt128)poor.GasLimit * _prices[_short];
            UInt128 left = Keys.RecordOf(_payers[_short]).Accumulator;      // its partition stopped here
            fault = new BatchFault(
                new TxIndex(_short), new Refusal(RefusalCode.BatchPayerShort, $"Payer {poor.Payer} has {left} left and must reserve {reserved}."));
            return false;
        }

        fault = default;
        if (_refused < TxCount)
        {
            Refusal refusal = Check(_messages[_refused], in _context);
            fault = new BatchFault(new TxIndex(_refused), refusal.IsRefused ? refusal : new Refusal(
                RefusalCode.BatchKeyTwice, $"Transaction {_refused} names one record twice through its program table."));
        }

        return _refused == TxCount;
    }

    private void Reserve(ReadOnlySpan<Message> messages, in BlockContext context, IStateView state, int workers)
    {
        TxCount = messages.Length;
        _context = context;
        _state = state;
        _workers = workers;
        Reused.Room(ref _messages, TxCount);
        Reused.Room(ref _offsets, TxCount + 1);
        Reused.Room(ref _pieces, PieceCount);
        Reused.Room(ref _costs, TxCount);
        Reused.Room(ref _measured, TxCount);
        Reused.Room(ref _prices, TxCount);
        Reused.Room(ref _payers, TxCount);
        Reused.Room(ref _outcomes, TxCount);
        Reused.Room(ref _outputs, TxCount);
        messages.CopyTo(_messages);
        int known = _seats.Length;
        if (known < workers)
        {
            Array.Resize(ref _seats, workers);
            Array.Resize(ref _samples, workers);
            for (; known < workers; known++)
            {
                _seats[known] = new WorkerSeat();
                _samples[known] = new CostModel.Samples();
            }
        }

        foreach (WorkerSeat seat in _seats)
        {
            seat.Begin();
        }
    }

    private void CountAccesses(int worker, int from, int to)
    {
        for (int piece = from; piece < to; piece++)
        {
            int accesses = 0;
            foreach (Message message in _messages.AsSpan(0, TxCount)[(piece * _txGrain)..Math.Min(TxCount, (piece + 1) * _txGrain)])
            {
                accesses += message.Keys.Length;
            }

            _pieces[piece] = accesses;
        }
    }

    private void InternPieces(int worker, int from, int to)
    {
        for (int piece = from; piece < to; piece++)
        {
            int position = _pieces[piece];
            int end = Math.Min(TxCount, (piece + 1) * _txGrain);
            for (int tx = piece * _txGrain; tx < end; tx++)
            {
                if (!TryIntern(worker, tx, ref position))
                {
                    Lower(ref _refused, tx);
                    return;                     // what comes later in the piece is not looked at
                }
            }
        }
    }

    private bool TryIntern(int worker, int tx, ref int position)
    {
        Message message = _messages[tx];
        if (tx + LoadAhead < TxCount)
        {
            Prefetch.Object(_messages[tx + LoadAhead].Keys);
            Prefetch.Object(_messages[tx + LoadAhead].Accesses);
        }

        if (Check(message, in _context).IsRefused)
        {
            return false;
        }

        _offsets[tx] = position;
        ReadOnlySpan<Access> accesses = message.Accesses.Accesses;
        ReadOnlySpan<StateKey> keys = message.Keys;
        Invariant.Require(keys.Length == accesses.Length);                      // M1
        for (int i = 0; i < accesses.Length; i++)
        {
            ref readonly Access access = ref accesses[i];
            _keys[position] = Keys.Intern(worker, in keys[i], in message.Programs[access.ProgramIndex], access.Key, access.Mode);
            _modes[position++] = access.Mode;
        }

        ulong price = _context.BaseFee + Math.Min(message.Tip, message.MaxPrice - _context.BaseFee);
        _prices[tx] = price;
        _payers[tx] = price == 0 || message.GasLimit == 0
            ? -1 : Keys.Intern(worker, message.PayerKey, ProgramId.Native, new LocalKey(message.Payer.Value));
        _costs[tx] = CostModel.Estimate(message);
        return message.Programs.Length == 1 || !HasTwice(message, tx, position);
    }

    private void LoadKeys(int worker, int from, int to)
    {
        for (int block = from; block < to; block++)
        {
            Keys.Load(worker, _state!, Keys.BlockAt(block));
        }
    }

    private void CountContended(int worker, int from, int to)
    {
        for (int piece = from; piece < to; piece++)
        {
            int count = 0;
            foreach (int key in _keys.AsSpan(_offsets[piece * _txGrain].._offsets[Math.Min(TxCount, (piece + 1) * _txGrain)]))
            {
                count += Keys.NumberOf(key) >= 0 ? 1 : 0;
            }

            _pieces[piece] = count;
        }
    }

    private void PickContended(int worker, int from, int to)
    {
        for (int piece = from; piece < to; piece++)
        {
            int position = _pieces[piece];
            int end = Math.Min(TxCount, (piece + 1) * _txGrain);
            for (int tx = piece * _txGrain; tx < end; tx++)
            {
                _contendedOffsets[tx] = position;
                for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
                {
                    int number = Keys.NumberOf(_keys[access]);
                    if (number >= 0)
                    {
                        _contendedKeys[position] = number;
                        _contendedModes[position++] = _modes[access];
                    }
                }
            }
        }
    }

    // First the graph, because it is the longest and cannot be shared, and half of the partitions; then the shards and the other half.
    private void PlanJobs(int worker, int from, int to)
    {
        int half = Partitions / 2;
        for (int job = from; job < to; job++)
        {
            if (job == 0)
            {
                if (_buildsGraph)
                {
                    _graph.Build(Contended);
                }
            }
            else if (job == 1 + half)
            {
                PrepareShards();
            }
            else
            {
                ReserveFees(job <= half ? job - 1 : job - 2);
            }
        }
    }

    private void PrepareShards()
    {
        Shards.Begin(Keys.IdCount, _workers);
        for (int id = 0; _buildsGraph && id < Keys.IdCount; id++)
        {
            if (Keys.IsOnlyAddedTo(id))
            {
                Shards.Declare(id);
            }
        }

        for (int access = 0; _buildsGraph && access < _contendedOffsets[TxCount]; access++)
        {
            if (_contendedModes[access] == AccessMode.Add)
            {
                Shards.Declare(Keys.IdOf(_contendedKeys[access]));
            }
        }

        Shards.Reserve(_shardsDirty);
    }

    private void ReserveFees(int partition)
    {
        int partitions = Partitions;
        for (int tx = 0; tx < _refused; tx++)
        {
            int payer = _payers[tx];
            if (payer < 0 || Keys.OwnerOf(payer) % partitions != partition)
            {
                continue;
            }

            UInt128 reserved = (UInt128)_messages[tx].GasLimit * _prices[tx];
            if (Keys.RecordOf(payer).Accumulator < reserved)
            {
                Lower(ref _short, tx);
                return;
            }

            Credit(payer, unchecked(UInt128.Zero - reserved));
        }
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

    private static void Lower(ref int least, int value)
    {
        for (int seen = Volatile.Read(ref least); value < seen;)
        {
            int before = Interlocked.CompareExchange(ref least, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }
}
