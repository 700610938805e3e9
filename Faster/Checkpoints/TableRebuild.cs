// The tree of every record of a table: what proves a checkpoint, a rewritten table, and a table that an operator doubts.
//
//   log of the table, in ranges        each range is a job:
//     record -> found through the index, as the store will find it -> its key hashed from its preimage, its value hashed, in batches
//     -> a place in one array of leaves -> the tree of them, which sorts them
//
// A record counts if the index leads to it; every version of a key but the newest is passed over that way. Which job takes which
// place in the array is a matter of chance; the tree is a function of the set.
//
// Cost: a cache miss or two per record for the index, three hashes in lanes, and the bulk build. 64 bytes of memory per record.
// Threading: the caller's, and those of the jobs. Nobody writes the table meanwhile.

using System;
using System.Threading;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Reads a table whole.</summary>
internal static class TableRebuild
{
    /// <summary>Its tree.</summary>
    /// <param name="records">How many there should be; fewer give a smaller tree.</param>
    /// <exception cref="StateStoreException">There are more, or one does not stand under its own key (711).</exception>
    public static MerkleTree TreeOf(StateTable table, StateHashing hashing, long records, RunJobs? jobs)
    {
        Leaves leaves = new(records);
        TableRange[] ranges = table.Ranges();
        void Read(int i)
        {
            Batch batch = new(hashing, leaves);
            table.ReadLive(ranges[i], batch.Add);
            batch.Flush();
        }

        if (jobs is null)
        {
            for (int i = 0; i < ranges.Length; i++)
            {
                Read(i);
            }
        }
        else
        {
            jobs(ranges.Length, Read);
        }

        return MerkleTree.Build(new StateTreeHash(hashing), leaves.Found, jobs);
    }

    /// <summary>The leaves found so far, in any order.</summary>
    private sealed class Leaves(long most)
    {
        private readonly PathChange[] _all = GC.AllocateUninitializedArray<PathChange>(checked((int)most));
        private int _count;

        public ReadOnlyMemory<PathChange> Found => _all.AsMemory(0, _count);

        /// <summary>Room for so many more, the caller's alone.</summary>
        public Span<PathChange> Take(int count)
        {
            int end = Interlocked.Add(ref _count, count);
            return (uint)end <= (uint)_all.Length
                ? _all.AsSpan(end - count, count)
                : throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The state table holds more than the {_all.Length} records that it should.");
        }
    }

    /// <summary>Records of one job that wait to be hashed.</summary>
    private sealed class Batch(StateHashing hashing, Leaves leaves)
    {
        private readonly StateKey[] _keys = new StateKey[ValueHasher.Most];
        private readonly Bytes32[] _pairs = new Bytes32[2 * ValueHasher.Most];
        private readonly ValuePlace[] _places = new ValuePlace[ValueHasher.Most];
        private readonly Bytes32[] _hashes = new Bytes32[ValueHasher.Most];
        private byte[] _values = new byte[64 * ValueHasher.Most];
        private byte[] _messages = [];
        private int _count;
        private int _valueBytes;

        public void Add(in StateKey key, ReadOnlySpan<byte> stored)
        {
            if (!FasterTable.TrySplit(stored, out ProgramId program, out LocalKey localKey, out ReadOnlySpan<byte> record))
            {
                throw Misplaced(key);
            }

            if (_valueBytes + record.Length > _values.Length)
            {
                Array.Resize(ref _values, Math.Max(_valueBytes + record.Length, 2 * _values.Length));
            }

            record.CopyTo(_values.AsSpan(_valueBytes));
            _keys[_count] = key;
            _pairs[2 * _count] = program.Value;
            _pairs[(2 * _count) + 1] = localKey.Value;
            _places[_count++] = new ValuePlace(_valueBytes, record.Length);
            _valueBytes += record.Length;
            if (_count == ValueHasher.Most)
            {
                Flush();
            }
        }

        public void Flush()
        {
            Span<Bytes32> hashes = _hashes.AsSpan(0, _count);
            hashing.Keys(_pairs.AsSpan(0, 2 * _count), hashes);
            for (int i = 0; i < _count; i++)
            {
                if (hashes[i] != _keys[i].Value)
                {
                    throw Misplaced(_keys[i]);
                }
            }

            ValueHasher.Hash(hashing, _values, _places.AsSpan(0, _count), hashes, ref _messages);
            Span<PathChange> target = leaves.Take(_count);
            for (int i = 0; i < _count; i++)
            {
                target[i] = new PathChange(_keys[i], hashes[i]);
            }

            (_count, _valueBytes) = (0, 0);
        }

        private static StateStoreException Misplaced(in StateKey key) =>
            StoreFault.Of(RefusalCode.StoreReadFailed, $"The record of key {key} does not stand under its own key.");
    }
}
