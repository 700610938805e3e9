// Suite "cold". Question: what does a batch cost whose records lie on disk, and what of that can be had before it comes?
// Decides: how the engine reads a state that is larger than its memory, and whether the records of coming blocks are touched (docs/adr/0029).
//
// 2^20 records, of which FASTER's memory holds a tenth; the rest lies in its log. A batch is 1,000 transactions of four records each, no two of them the same.
//
//   load.near.one, .many     reading records that are in FASTER's memory, one after the other or 64 at once (IStateView.ReadMany), one reader, in us a record
//   load.warm.*              records on disk that the system has in its cache
//   load.cold.*              records on disk that it has not
//   load.cold.touch          Touch of such records
//   load.cold.touched        ReadMany of them afterwards; twin: load.cold.many
//   block.near               the batch loaded and run by two workers, in ms; records in memory
//   block.near.beside        the same while a thread touches cold records
//   block.cold.one           cold records, read one after the other by each worker
//   block.cold, .touched     as the engine reads them; the same after a thread touched them while another batch ran
//
// Cold is made by telling the system to drop the files from its cache (posix_fadvise), which it does for bytes that are on disk. Elsewhere than on Linux nothing is cold,
// and the cold rows are warm ones.
//
// Threading: the caller's thread, the engine's workers, and the thread that touches.

using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Faster;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Benches;

/// <summary>States larger than memory.</summary>
internal static partial class ColdSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "cold";

    private const int ValueBytes = 40;

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        string folder = Directory.CreateTempSubdirectory("parallelvm-bench-").FullName;
        try
        {
            using ColdBench bench = new(Path.Combine(folder, "cold"));
            List<BenchRow> rows = [];
            AddRows(rows, bench);
            return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void AddRows(List<BenchRow> rows, ColdBench bench)
    {
        foreach ((string name, Warmth warmth) in new[] { ("near", Warmth.Near), ("warm", Warmth.Warm), ("cold", Warmth.Cold) })
        {
            rows.Add(new BenchRow($"load.{name}.one", "us", "", () => bench.Load(warmth, Reading.One)));
            rows.Add(new BenchRow($"load.{name}.many", "us", $"load.{name}.one", () => bench.Load(warmth, Reading.Many)));
        }

        rows.Add(new BenchRow("load.cold.touched", "us", "load.cold.many", () => bench.Load(Warmth.Cold, Reading.Touched)));
        rows.Add(new BenchRow("load.cold.touch", "us", "load.cold.many", () => bench.TouchUs));
        rows.Add(new BenchRow("block.near", "ms", "", () => bench.Block(Warmth.Near, Reading.Many)));
        rows.Add(new BenchRow("block.near.beside", "ms", "block.near", () => bench.Block(Warmth.Near, Reading.Touched)));
        rows.Add(new BenchRow("block.cold.one", "ms", "", () => bench.Block(Warmth.Cold, Reading.One)));
        rows.Add(new BenchRow("block.cold", "ms", "block.cold.one", () => bench.Block(Warmth.Cold, Reading.Many)));
        rows.Add(new BenchRow("block.cold.touched", "ms", "block.cold", () => bench.Block(Warmth.Cold, Reading.Touched)));
    }

    private enum Warmth
    {
        Near,
        Warm,
        Cold,
    }

    private enum Reading
    {
        One,
        Many,
        Touched,
    }

    /// <summary>A view that is read one record after the other.</summary>
    private sealed class OneByOne(IStateView records) : IStateView
    {
        public StateRoot Root => default;

        public int Readers => records.Readers;

        public int Read(in StateKey key, Span<byte> target) => records.Read(key, target);

        public int Read(int reader, in StateKey key, Span<byte> target) => records.Read(reader, key, target);

        public IStateView Apply(StateDiff diff) => this;
    }

    private sealed partial class ColdBench(string folder) : IDisposable
    {
        private const int Records = 1 << 20;
        private const int NearRecords = 20_000;
        private const int BatchTransactions = 1_000;
        private const int Each = 4;
        private const int Batch = BatchTransactions * Each;
        private const int AtOnce = 64;
        private const int DontNeed = 4;

        private readonly SeededRandom _random = new(11);
        private readonly byte[] _target = new byte[AtOnce * StateLimits.MaxRecordBytes];
        private readonly RecordPlace[] _places = new RecordPlace[AtOnce];
        private readonly ExecutionRules _rules = new() { Hashing = EngineWorkloads.StateHashing, Treasury = default };
        private ParallelEngine? _engine;
        private StateStore? _store;

        /// <summary>Of the last load after a touch.</summary>
        public double TouchUs { get; private set; }

        private StateStore Store => _store ??= Make();

        private ParallelEngine Engine => _engine ??= new ParallelEngine(TimeProvider.System, 2, jit: JitMode.Off);

        /// <summary>Microseconds for each record of a batch.</summary>
        public double Load(Warmth warmth, Reading reading)
        {
            StateKey[] keys = Array.ConvertAll(Draw(warmth), KeyOf);
            IStateView view = Store.Accepted;
            Prepare(warmth, keys);
            if (reading == Reading.Touched)
            {
                long touch = TimeProvider.System.GetTimestamp();
                int fetched = Store.Touch(keys);
                TouchUs = TimeProvider.System.GetElapsedTime(touch).TotalMicroseconds / keys.Length;
                Invariant.Require(fetched == keys.Length);
            }

            long bytes = 0;
            long start = TimeProvider.System.GetTimestamp();
            for (int i = 0; i < keys.Length; i += AtOnce)
            {
                ReadOnlySpan<StateKey> some = keys.AsSpan(i, Math.Min(AtOnce, keys.Length - i));
                if (reading == Reading.One)
                {
                    foreach (ref readonly StateKey key in some)
                    {
                        bytes += view.Read(0, key, _target);
                    }
                }
                else
                {
                    bytes += view.ReadMany(0, some, _places.AsSpan(0, some.Length), _target);
                }
            }

            double micros = TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
            Invariant.Require(bytes == (long)keys.Length * ValueBytes);
            return micros / keys.Length;
        }

        /// <summary>Milliseconds of loading and running a batch.</summary>
        public double Block(Warmth warmth, Reading reading)
        {
            int[] indexes = Draw(warmth);
            Message[] messages = EngineWorkloads.Touching(indexes, Each);
            IStateView view = reading == Reading.One ? new OneByOne(Store.Accepted) : new RootlessView(Store.Accepted);
            StateKey[] touched = Array.ConvertAll(warmth == Warmth.Cold ? indexes : Draw(Warmth.Cold), KeyOf);
            Prepare(warmth == Warmth.Cold || reading == Reading.Touched ? Warmth.Cold : warmth, touched);
            if (reading != Reading.Touched)
            {
                return Run(messages, view);
            }

            Thread touches = new(() => Store.Touch(touched));
            touches.Start();
            Message[] other = warmth == Warmth.Near ? messages : EngineWorkloads.Touching(Draw(Warmth.Near), Each);
            double beside = Run(other, view);
            touches.Join();
            return warmth == Warmth.Near ? beside : Run(messages, view);
        }

        public void Dispose()
        {
            _engine?.Dispose();
            _store?.Dispose();
        }

        private double Run(Message[] messages, IStateView view)
        {
            BlockContext context = EngineSuite.Context with { BaseFee = 0 };
            bool runs = Engine.TryExecute(messages, context, view, _rules, 2, out BatchResult? result, out _);
            Invariant.Require(runs);
            result!.Recycle();
            return result.Trace.ExecuteAndLoadNs() / 1e6;
        }

        private int[] Draw(Warmth warmth)
        {
            HashSet<int> drawn = [];
            while (drawn.Count < Batch)
            {
                drawn.Add(warmth == Warmth.Near ? Records - 1 - _random.Next(NearRecords) : _random.Next(Records / 2));
            }

            return [.. drawn];
        }

        private void Prepare(Warmth warmth, StateKey[] keys)
        {
            if (warmth == Warmth.Warm)
            {
                Store.Touch(keys);
            }
            else if (warmth == Warmth.Cold && OperatingSystem.IsLinux())
            {
                foreach (string file in Directory.GetFiles(folder, "hlog*", SearchOption.AllDirectories))
                {
                    using SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                    _ = Advise((int)handle.DangerousGetHandle(), 0, 0, DontNeed);
                }
            }
        }

        private StateStore Make()
        {
            StateStore store = StateStore.Open(new StateStoreOptions
            {
                Folder = folder,
                Hashing = EngineWorkloads.StateHashing,
                ExpectedKeys = Records,
                AppliesInBackground = true,
                CheckpointEveryBlocks = 0,
                CheckpointOnDispose = false,
                HistoryBlocks = 0,
                TableMemoryBytes = 16L << 20,
            });
            const int perBlock = 1 << 18;
            for (int first = 0; first < Records; first += perBlock)
            {
                Accept(store, first, perBlock);
            }

            Accept(store, Records - NearRecords, NearRecords);          // once more, so that they are the newest of the log
            store.Checkpoint();
            _ = store.Accepted.Read(KeyOf(0), _target);
            return store;
        }

        private static void Accept(StateStore store, int first, int count)
        {
            DiffEntry[] entries = new DiffEntry[count];
            for (int i = 0; i < count; i++)
            {
                entries[i] = new DiffEntry(KeyOf(first + i), EngineWorkloads.ToucherId, EngineWorkloads.TouchedKey(first + i), i * ValueBytes, ValueBytes);
            }

            Array.Sort(entries, static (a, b) => a.Key.CompareTo(b.Key));
            byte[] values = new byte[count * ValueBytes];
            _ = BitConverter.TryWriteBytes(values, store.LastAccepted?.Height.Value + 1 ?? 0);
            IStateView view = store.Accepted.Apply(StateDiff.FromSorted(entries, values));
            store.Accept(StateSuite.RecordOn(store, view), view);
        }

        private static StateKey KeyOf(int index) => EngineWorkloads.StateHashing.KeyOf(EngineWorkloads.ToucherId, EngineWorkloads.TouchedKey(index));

        [LibraryImport("libc", EntryPoint = "posix_fadvise")]
        private static partial int Advise(int descriptor, long offset, long length, int advice);
    }
}
