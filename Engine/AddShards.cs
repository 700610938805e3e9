// Where adds wait: one sum per worker and key, so that adders of a hot key never meet. Sums are modulo 2^128, so the order of
// adding cannot show. A group's sums are folded into the record when its last adder completes and somebody waits for
// the result; what is left is folded when the batch ends.
//
// Invariant  S1  between batches, and for a key right after its fold, every shard is zero and untouched
//
// Threading: a worker writes only its own row. Fold runs when no adder of the key is running (the graph sees to it).

using System;
using ParallelVm.Executor;

namespace ParallelVm.Engine;

internal sealed class AddShards
{
    private Shard[][] _rows = [];
    private int[] _indexOf = [];            // by key id: place in a row, or -1
    private int[] _keys = [];               // by place: key id
    private int _workers;

    /// <summary>Keys with at least one adder.</summary>
    public int Count { get; private set; }

    /// <summary>Begins a batch without adders.</summary>
    public void Begin(int keyCount, int workers)
    {
        if (_indexOf.Length < keyCount)
        {
            _indexOf = new int[Math.Max(keyCount, _indexOf.Length * 2)];
            _keys = new int[_indexOf.Length];
        }

        _indexOf.AsSpan(0, keyCount).Fill(-1);
        Count = 0;
        _workers = workers;
        if (_rows.Length < workers)
        {
            Array.Resize(ref _rows, workers);
        }
    }

    /// <summary>Says that some transaction adds to a key; before workers start.</summary>
    public void Declare(int keyId)
    {
        if (_indexOf[keyId] < 0)
        {
            _indexOf[keyId] = Count;
            _keys[Count++] = keyId;
        }
    }

    /// <summary>Makes room for the declared keys. After a batch that failed midway it also restores S1.</summary>
    public void Reserve(bool isDirty)
    {
        for (int worker = 0; worker < _rows.Length; worker++)
        {
            ref Shard[]? row = ref _rows[worker]!;
            if (worker < _workers && (row is null || row.Length < Count))
            {
                row = new Shard[Math.Max(16, Count * 2)];
            }
            else if (isDirty && row is not null)
            {
                Array.Clear(row);
            }
        }
    }

    /// <summary>Adds on behalf of a worker.</summary>
    public void Add(int worker, int keyId, UInt128 amount)
    {
        ref Shard shard = ref _rows[worker][_indexOf[keyId]];
        ulong low = unchecked(shard.Low + (ulong)amount);
        shard.High = unchecked(shard.High + (ulong)(amount >> 64) + (low < shard.Low ? 1UL : 0));
        shard.Low = low;
        shard.IsTouched = true;
    }

    /// <summary>Moves all shards of a key into its record; a key that nobody added to stays as it is.</summary>
    public void Fold(int keyId, Record record)
    {
        int index = _indexOf[keyId];
        UInt128 sum = 0;
        bool isTouched = false;
        for (int worker = 0; worker < _workers; worker++)
        {
            ref Shard shard = ref _rows[worker][index];
            if (shard.IsTouched)
            {
                sum = unchecked(sum + new UInt128(shard.High, shard.Low));
                isTouched = true;
                shard = default;
            }
        }

        if (isTouched)
        {
            record.Accumulate(sum);
            record.IsTouched = true;
        }
    }

    /// <summary>Folds the keys whose places are in [from, to) of [0, <see cref="Count"/>); after the workers are done.</summary>
    public void Fold(int from, int to, Record?[] records)
    {
        for (int index = from; index < to; index++)
        {
            Fold(_keys[index], records[_keys[index]]!);
        }
    }

    // Two words, as they are added: what was stored as two and is read as one at once waits for the store.
    private struct Shard
    {
        public ulong Low;
        public ulong High;
        public bool IsTouched;
    }
}
