// What the batch changed, sorted by key. State keys are hashes, so their first byte deals them evenly to 256 buckets; workers find changes,
// then deal them, then sort and pack buckets, and no two write the same place.
//
//   ids --find--> changes of worker 0 | of worker 1 | ...  --deal--> bucket 0 | bucket 1 | ...  --sort, pack--> entries, values
//
// A bucket is sorted by the first eight bytes of its keys and, should two be alike, by all thirty-two; keys crafted to crowd a bucket
// cost a sort of all of them, as one sort of everything would.

using System;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine;

/// <content>The diff.</content>
internal sealed partial class Batch
{
    private const int Buckets = 256;
    private const int BucketGrain = 16;
    private const int DiffAhead = 4;

    private readonly int[] _bucketStart = new int[Buckets + 1];         // in _changedIds
    private readonly int[] _bucketBytes = new int[Buckets];             // where the bucket's values begin
    private int[] _changedIds = [];
    private ulong[] _changedWords = [];
    /// <summary>Keys whose final value differs from the loaded one, in the memory of this batch's result.</summary>
    public StateDiff MakeDiff()
    {
        _ranges.Run(_workers, Keys.BlockCount, BlockGrain, _findChanges);
        int count = PlaceBuckets(out int bytes);
        if (count == 0)
        {
            return StateDiff.Empty;
        }

        Reused.Room(ref _changedIds, count);
        Reused.Room(ref _changedWords, count);
        _ranges.Run(_workers, _workers, 1, _dealChanges);
        ResultMemory.Fit(ref _result.Entries, count);
        ResultMemory.Fit(ref _result.Values, bytes);
        _ranges.Run(count < _txGrain ? 1 : _workers, Buckets, BucketGrain, _packChanges);
        return StateDiff.FromSorted(_result.Entries, count, _result.Values, bytes);
    }

    private void FindChanges(int worker, int from, int to)
    {
        ChangeList changes = _seats[worker].Changes;
        for (int block = from; block < to; block++)
        {
            int first = Keys.BlockAt(block);
            for (int id = first; id < first + KeyTable.BlockIds; id++)
            {
                if (Keys.HasChanged(id))
                {
                    changes.Add(id, BucketOf(id), Keys.RecordOf(id).Length);
                }
            }
        }
    }

    // Bucket by bucket, and inside a bucket worker by worker: each worker's counts become its places.
    private int PlaceBuckets(out int bytes)
    {
        int count = 0;
        bytes = 0;
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            _bucketStart[bucket] = count;
            _bucketBytes[bucket] = bytes;
            for (int worker = 0; worker < _workers; worker++)
            {
                _seats[worker].Changes.Place(bucket, ref count, ref bytes);
            }
        }

        _bucketStart[Buckets] = count;
        return count;
    }

    private void DealChanges(int worker, int from, int to)
    {
        for (int author = from; author < to; author++)
        {
            ChangeList changes = _seats[author].Changes;
            foreach (int id in changes.Ids)
            {
                int place = changes.Take(BucketOf(id));
                _changedIds[place] = id;
                _changedWords[place] = Keys.KeyOf(id).Value.W0;
            }
        }
    }

    private void PackChanges(int worker, int from, int to)
    {
        for (int bucket = from; bucket < to; bucket++)
        {
            int start = _bucketStart[bucket];
            int end = _bucketStart[bucket + 1];
            SortBucket(start, end);
            int position = _bucketBytes[bucket];
            for (int i = start; i < end; i++)
            {
                int id = _changedIds[i];
                if (i + DiffAhead < end)
                {
                    Keys.PrefetchAll(_changedIds[i + DiffAhead]);
                }

                Record record = Keys.RecordOf(id);
                record.Value.CopyTo(_result.Values.AsSpan(position));
                _result.Entries[i] = new DiffEntry(Keys.KeyOf(id), Keys.ProgramOf(id), Keys.LocalKeyOf(id), position, record.Exists ? record.Length : -1);
                position += record.Length;
            }
        }
    }

    private void SortBucket(int start, int end)
    {
        Span<ulong> words = _changedWords.AsSpan(start, end - start);
        Span<int> ids = _changedIds.AsSpan(start, end - start);
        words.Sort(ids);
        for (int i = 1; i < words.Length; i++)
        {
            if (words[i - 1] == words[i])
            {
                ids.Sort((left, right) => Keys.KeyOf(left).CompareTo(Keys.KeyOf(right)));
                return;
            }
        }
    }

    private int BucketOf(int id) => (int)(Keys.KeyOf(id).Value.W0 >> 56);

    // One worker's changes: which, and how many and how long in each bucket; then where they go.
    private sealed class ChangeList
    {
        private readonly int[] _counts = new int[Buckets];
        private readonly int[] _bytes = new int[Buckets];
        private int[] _ids = new int[64];
        private Padded<int> _count;

        public ReadOnlySpan<int> Ids => _ids.AsSpan(0, _count.Value);

        public void Clear()
        {
            _count.Value = 0;
            Array.Clear(_counts);
            Array.Clear(_bytes);
        }

        public void Add(int id, int bucket, int bytes)
        {
            if (_count.Value == _ids.Length)
            {
                Array.Resize(ref _ids, _count.Value * 2);
            }

            _ids[_count.Value++] = id;
            _counts[bucket]++;
            _bytes[bucket] += bytes;
        }

        public void Place(int bucket, ref int count, ref int bytes)
        {
            (_counts[bucket], count) = (count, count + _counts[bucket]);
            bytes += _bytes[bucket];
        }

        public int Take(int bucket) => _counts[bucket]++;
    }
}
