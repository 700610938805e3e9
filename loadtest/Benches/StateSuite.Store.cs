// The rows of the store itself, on real files in a temporary folder that is removed.
//
//   faster.get, faster.upsert      records read from, written to the state table, in M/s; 2^20 keys of 32 + 65 + 40 bytes
//   dictionary.*, sorted.*         the same keys and values in a Dictionary, and in a SortedDictionary: what a map in memory costs,
//                                  without and with an order, and without a file
//   commit.p50, commit.p99         an accepted block of 1,000 changed keys, from its diff to its fsync, in ms; root included
//   checkpoint.pauseP99            p99 of the blocks accepted while a checkpoint was under way; twin: commit.p99
//   recovery.1m, recovery.10m      opening a store of so many records from its checkpoint, root verified, by two workers, in s
//   memory.perKey.1m, .10m         bytes of tree and of index per record of those stores; memory.perKey is the larger's. The part
//                                  of the table's log that stays in memory is a setting and comes on top
//
// Threading: the caller's thread, and the store's applier.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Benches;

internal static partial class StateSuite
{
    private const int ValueBytes = 40;
    private const int Touched = 200_000;

    private static void AddStoreRows(List<BenchRow> rows, string folder, List<IDisposable> open, WorkerPool pool)
    {
        TableBench table = new(Path.Combine(folder, "table"));
        open.Add(table);
        rows.Add(new BenchRow("dictionary.get", "M/s", "", table.DictionaryGet));
        rows.Add(new BenchRow("dictionary.upsert", "M/s", "", table.DictionaryUpsert));
        rows.Add(new BenchRow("sorted.get", "M/s", "", table.SortedGet));
        rows.Add(new BenchRow("sorted.upsert", "M/s", "", table.SortedUpsert));
        rows.Add(new BenchRow("faster.get", "M/s", "dictionary.get", table.FasterGet));
        rows.Add(new BenchRow("faster.upsert", "M/s", "dictionary.upsert", table.FasterUpsert));
        CommitBench commit = new(Path.Combine(folder, "commit"));
        open.Add(commit);
        rows.Add(new BenchRow("commit.p50", "ms", "", () => commit.Measure(0)));
        rows.Add(new BenchRow("commit.p99", "ms", "", () => commit.Measure(1)));
        rows.Add(new BenchRow("checkpoint.pauseP99", "ms", "commit.p99", () => commit.Measure(2)));
        RecoveryBench million = new(Path.Combine(folder, "1m"), 1_000_000, pool);
        RecoveryBench tenMillion = new(Path.Combine(folder, "10m"), 10_000_000, pool);
        rows.Add(new BenchRow("recovery.1m", "s", "", million.Measure));
        rows.Add(new BenchRow("recovery.10m", "s", "", tenMillion.Measure));
        rows.Add(new BenchRow("memory.perKey.1m", "B", "", () => million.BytesPerKey));
        rows.Add(new BenchRow("memory.perKey.10m", "B", "", () => tenMillion.BytesPerKey));
        rows.Add(new BenchRow("memory.perKey", "B", "", () => tenMillion.BytesPerKey));
    }

    private static StateStoreOptions OptionsOf(string folder, long keys) => new()
    {
        Folder = folder,
        Hashing = Hashing,
        ExpectedKeys = keys,
        AppliesInBackground = true,
        CheckpointEveryBlocks = 0,
        CheckpointOnDispose = false,
        TableMemoryBytes = Math.Max(256L << 20, keys * 400),
        HistoryBlocks = 64,
    };

    private static StateDiff DiffOf(ReadOnlySpan<int> indexes, byte version)
    {
        DiffEntry[] entries = new DiffEntry[indexes.Length];
        byte[] values = new byte[indexes.Length * ValueBytes];
        for (int i = 0; i < entries.Length; i++)
        {
            LocalKey local = new(new Bytes32(0, 0, 0, (ulong)indexes[i]));
            entries[i] = new DiffEntry(Hashing.KeyOf(ProgramId.Native, local), ProgramId.Native, local, i * ValueBytes, ValueBytes);
            values.AsSpan(i * ValueBytes, ValueBytes).Fill(version);
        }

        Array.Sort(entries, static (a, b) => a.Key.CompareTo(b.Key));
        return StateDiff.FromSorted(entries, values);
    }

    /// <summary>The record of a block on top of a store.</summary>
    internal static BlockRecord RecordOn(StateStore store, IStateView view)
    {
        Height height = store.LastAccepted is { } last ? last.Height.Next : new Height(0);
        byte[] payload = new byte[30_000];      // about a thousand transactions
        BitConverter.TryWriteBytes(payload, height.Value);
        return new BlockRecord(height, store.LastAccepted?.BlockId ?? default, new BlockId(Blake3.Hash(payload)), view.Root, payload);
    }

    /// <summary>Accepts blocks until the store holds so many records.</summary>
    private static void Fill(StateStore store, int keys)
    {
        const int perBlock = 250_000;
        int[] indexes = new int[perBlock];
        for (int start = 0; start < keys; start += perBlock)
        {
            int count = Math.Min(perBlock, keys - start);
            for (int i = 0; i < count; i++)
            {
                indexes[i] = start + i;
            }

            IStateView view = store.Accepted.Apply(DiffOf(indexes.AsSpan(0, count), 1));
            store.Accept(RecordOn(store, view), view);
        }
    }

    /// <summary>Reads and writes of single records, against collections in memory.</summary>
    private sealed class TableBench(string folder) : IDisposable
    {
        private const int Keys = 1 << 20;

        private readonly SeededRandom _random = new(7);
        private readonly byte[] _target = new byte[StateLimits.MaxRecordBytes];
        private readonly StateKey[] _keys = new StateKey[Keys];
        private readonly SortedDictionary<StateKey, byte[]> _sorted = [];
        private readonly Dictionary<StateKey, byte[]> _dictionary = new(Keys);
        private StateTableProbe? _table;

        public double DictionaryGet() => Get(key => _dictionary.TryGetValue(key, out byte[]? value) ? Copy(value) : 0);

        public double SortedGet() => Get(key => _sorted.TryGetValue(key, out byte[]? value) ? Copy(value) : 0);

        public double FasterGet() => Get(key => Table.Read(key, _target));

        public double DictionaryUpsert() => Upsert((entries, values) =>
        {
            foreach (ref readonly DiffEntry entry in entries)
            {
                _dictionary[entry.Key] = values.ValueOf(entry).ToArray();
            }
        });

        public double SortedUpsert() => Upsert((entries, values) =>
        {
            foreach (ref readonly DiffEntry entry in entries)
            {
                _sorted[entry.Key] = values.ValueOf(entry).ToArray();
            }
        });

        public double FasterUpsert() => Upsert((_, values) => Table.Write(values));

        private delegate void Writing(ReadOnlySpan<DiffEntry> entries, StateDiff values);

        private StateTableProbe Table
        {
            get
            {
                if (_table is null)
                {
                    _table = new StateTableProbe(folder, Keys);
                    int[] indexes = new int[Keys];
                    for (int i = 0; i < Keys; i++)
                    {
                        indexes[i] = i;
                    }

                    StateDiff all = DiffOf(indexes, 1);
                    _table.Write(all);
                    for (int i = 0; i < Keys; i++)
                    {
                        _keys[i] = all.Entries[i].Key;
                        _dictionary[_keys[i]] = all.ValueOf(all.Entries[i]).ToArray();
                        _sorted[_keys[i]] = all.ValueOf(all.Entries[i]).ToArray();
                    }
                }

                return _table;
            }
        }

        public void Dispose() => _table?.Dispose();

        private double Get(Func<StateKey, int> read)
        {
            _ = Table;
            StateKey[] asked = new StateKey[Touched];
            for (int i = 0; i < asked.Length; i++)
            {
                asked[i] = _keys[_random.Next(Keys)];
            }

            long bytes = 0;
            long start = TimeProvider.System.GetTimestamp();
            foreach (StateKey key in asked)
            {
                bytes += read(key);
            }

            double micros = TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
            Invariant.Require(bytes == (long)ValueBytes * Touched);
            return Touched / micros;
        }

        private double Upsert(Writing write)
        {
            _ = Table;
            HashSet<int> chosen = [];
            while (chosen.Count < Touched)
            {
                chosen.Add(_random.Next(Keys));
            }

            StateDiff diff = DiffOf([.. chosen], (byte)_random.Next(256));
            long start = TimeProvider.System.GetTimestamp();
            write(diff.Entries, diff);
            return Touched / TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
        }

        private int Copy(byte[] value)
        {
            value.CopyTo(_target, 0);
            return value.Length;
        }
    }

    /// <summary>A chain of blocks of 1,000 changes on 2^18 keys, half of them beside a checkpoint.</summary>
    private sealed class CommitBench(string folder) : IDisposable
    {
        private const int Keys = 1 << 18;
        private const int Blocks = 150;

        private readonly SeededRandom _random = new(9);
        private readonly double[] _rows = new double[3];
        private StateStore? _store;

        public double Measure(int row)
        {
            if (row == 0)
            {
                Run();
            }

            return _rows[row];
        }

        public void Dispose() => _store?.Dispose();

        private void Run()
        {
            if (_store is null)
            {
                _store = StateStore.Open(OptionsOf(folder, Keys) with { CheckpointEveryBlocks = 50 });
                Fill(_store, Keys);
            }

            List<double> quiet = [];
            List<double> beside = [];
            for (int i = 0; i < 2 * Blocks; i++)
            {
                HashSet<int> chosen = [];
                while (chosen.Count < 1_000)
                {
                    chosen.Add(_random.Next(Keys));
                }

                StateDiff diff = DiffOf([.. chosen], (byte)i);
                long start = TimeProvider.System.GetTimestamp();
                IStateView view = _store.Accepted.Apply(diff);
                _store.Accept(RecordOn(_store, view), view);
                double taken = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
                (_store.Waiting > 1 ? beside : quiet).Add(taken);      // what waits, waits for a checkpoint
            }

            quiet.Sort();
            beside.Sort();
            _rows[0] = At(quiet, 50);
            _rows[1] = At(quiet, 99);
            _rows[2] = At(beside.Count > 0 ? beside : quiet, 99);
        }

        private static double At(List<double> sorted, int percent) => sorted.Count == 0 ? 0 : sorted[Math.Min(sorted.Count - 1, sorted.Count * percent / 100)];
    }

    /// <summary>A store of so many records, closed in good order.</summary>
    private sealed class RecoveryBench(string folder, int keys, WorkerPool pool)
    {
        private bool _isFilled;

        /// <summary>Of the store that was opened last.</summary>
        public double BytesPerKey { get; private set; }

        public double Measure()
        {
            StateStoreOptions options = OptionsOf(folder, keys) with { Jobs = (count, job) => pool.For(count, pool.MaxWorkers, job) };
            if (!_isFilled)
            {
                using StateStore store = StateStore.Open(options with { HistoryBlocks = 0, CheckpointOnDispose = true });
                Fill(store, keys);
                _isFilled = true;
            }

            long start = TimeProvider.System.GetTimestamp();
            using StateStore opened = StateStore.Open(options);
            double seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            Invariant.Require(opened.Records == keys && !opened.TryNextReplay(out _));
            BytesPerKey = (double)(opened.TreeMemoryBytes + opened.IndexMemoryBytes) / keys;
            return seconds;
        }
    }
}
