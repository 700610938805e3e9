// The keys of one batch: 32-byte state keys become dense integers, and each record is loaded once.
//
// Invariants
//   K1  ids are dense and in order of first interning, so they do not depend on the salt or on timing
//   K2  a key has one id, and so one Record: whoever declares it sees the same value
//   K3  loaded bytes stay beside the record, so what changed is found by comparing, whoever wrote
//
// The table is open addressing over an array of integers at most half full. Keys are hashes already, but of preimages that an outsider
// chooses, so the place of a key also depends on a salt that outsiders do not know; crafted keys cannot share a bucket.
//
// Cost: one probe for each declared key, one Read of the view for each distinct key; no allocation once the arrays have grown.
// Threading: the engine's thread interns, loads and compares; workers only read Records of granted keys.

using System;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine;

/// <summary>Interned keys and live records of the running batch; reused between batches.</summary>
internal sealed class KeyTable
{
    private const int FirstSlots = 1024;

    private readonly ulong _salt;
    private int[] _slots = new int[FirstSlots];             // id + 1, 0 is empty; power of two long
    private StateKey[] _keys = [];
    private ProgramId[] _programs = [];
    private LocalKey[] _localKeys = [];
    private Record[] _records = [];
    private (int Offset, int Length)[] _loaded = [];        // in _arena; length -1 = there was no record
    private byte[] _arena = new byte[64 * 1024];
    private int _arenaUsed;
    private int _loadedCount;

    public KeyTable(ulong salt)
    {
        _salt = salt | 1;
    }

    /// <summary>Distinct keys so far; ids are [0, Count).</summary>
    public int Count { get; private set; }

    /// <summary>Live records by id. Valid until the next Intern.</summary>
    public ReadOnlySpan<Record> Records => _records.AsSpan(0, Count);

    public ref readonly StateKey KeyOf(int id) => ref _keys[id];

    public ref readonly ProgramId ProgramOf(int id) => ref _programs[id];

    public ref readonly LocalKey LocalKeyOf(int id) => ref _localKeys[id];

    /// <summary>Forgets every key, keeps the memory.</summary>
    public void Clear()
    {
        Array.Clear(_slots);
        Count = 0;
        _arenaUsed = 0;
        _loadedCount = 0;
    }

    /// <summary>The id of a key, new or known.</summary>
    public int Intern(in StateKey key, in ProgramId program, in LocalKey localKey)
    {
        int mask = _slots.Length - 1;
        int slot = Place(in key) & mask;
        for (; _slots[slot] != 0; slot = (slot + 1) & mask)
        {
            if (_keys[_slots[slot] - 1] == key)
            {
                return _slots[slot] - 1;
            }
        }

        if (Count == _keys.Length)
        {
            Grow();
        }

        int id = Count++;
        _keys[id] = key;
        _programs[id] = program;
        _localKeys[id] = localKey;
        _slots[slot] = id + 1;
        if (Count * 2 > _slots.Length)
        {
            Rehash();
        }

        return id;
    }

    /// <summary>Reads the records of all keys interned since the last Load.</summary>
    public void Load(IStateView state)
    {
        for (; _loadedCount < Count; _loadedCount++)
        {
            if (_arena.Length - _arenaUsed < StateLimits.MaxRecordBytes)
            {
                Array.Resize(ref _arena, _arena.Length * 2);
            }

            Record record = _records[_loadedCount];
            int length = state.Read(in _keys[_loadedCount], _arena.AsSpan(_arenaUsed));
            _loaded[_loadedCount] = (_arenaUsed, length);
            if (length < 0)
            {
                record.Remove();
            }
            else
            {
                record.Set(_arena.AsSpan(_arenaUsed, length));
                _arenaUsed += length;
            }

            record.IsTouched = false;
        }
    }

    /// <summary>True when the record is not what was loaded (K3).</summary>
    public bool HasChanged(int id)
    {
        Record record = _records[id];
        (int offset, int length) = _loaded[id];
        return record.Exists ? length != record.Length || !record.Value.SequenceEqual(_arena.AsSpan(offset, length)) : length >= 0;
    }

    // Two rounds of a 64 x 64 -> 128 multiply folded by xor: every bit of key and salt reaches the low bits.
    private int Place(in StateKey key)
    {
        ulong high = Math.BigMul(key.Value.W0 ^ _salt, key.Value.W1 ^ 0x9E3779B97F4A7C15, out ulong low);
        high = Math.BigMul(high ^ low ^ key.Value.W2 ^ _salt, 0xD6E8FEB86659FD93 ^ key.Value.W3, out low);
        return (int)((high ^ low) & int.MaxValue);
    }

    private void Grow()
    {
        int length = Math.Max(FirstSlots, Count * 2);
        Array.Resize(ref _keys, length);
        Array.Resize(ref _programs, length);
        Array.Resize(ref _localKeys, length);
        Array.Resize(ref _loaded, length);
        Array.Resize(ref _records, length);
        for (int id = Count; id < length; id++)
        {
            _records[id] = new Record();
        }
    }

    private void Rehash()
    {
        _slots = new int[_slots.Length * 2];
        int mask = _slots.Length - 1;
        for (int id = 0; id < Count; id++)
        {
            int slot = Place(in _keys[id]) & mask;
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & mask;
            }

            _slots[slot] = id + 1;
        }
    }
}
