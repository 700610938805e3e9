// The passes around a run: pieces cover the batch once, a key has one number whoever comes first, and nobody is woken for nothing.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Engine.Tests;

public sealed class PassTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(7)]
    public void Pieces_cover_the_range_once_and_each_is_whole(int workers)
    {
        using WorkerPool pool = new(8);
        RangeLoop loop = new(pool);
        for (int count = 0; count < 400; count += 13)
        {
            int[] visits = new int[count];
            int grain = 1 + (count % 9);
            loop.Run(workers, count, grain, (worker, from, to) =>
            {
                Assert.InRange(worker, 0, workers - 1);
                Assert.True((from == 0 && to == count) || (from % grain == 0 && to == Math.Min(count, from + grain)), $"{from} to {to} of {count} by {grain}");
                for (int i = from; i < to; i++)
                {
                    Interlocked.Increment(ref visits[i]);
                }
            });
            Assert.All(visits, count => Assert.Equal(1, count));
        }
    }

    // Nobody else comes before all are inside, so what a worker begins with is its share's.
    [Fact]
    public void Each_worker_begins_with_its_own_share_and_helps_when_it_is_done()
    {
        const int workers = 3;
        const int count = 300;
        using WorkerPool pool = new(workers);
        RangeLoop loop = new(pool);
        int[] first = [-1, -1, -1];
        int inside = 0;
        int done = 0;
        loop.Run(workers, count, 1, (worker, from, to) =>
        {
            if (first[worker] < 0)
            {
                first[worker] = from;
                Interlocked.Increment(ref inside);
                SpinWait.SpinUntil(() => Volatile.Read(ref inside) == workers);
            }

            // worker 2 stays in its first piece until the others have done everything else
            SpinWait.SpinUntil(() => worker != 2 || Volatile.Read(ref done) == count - 1);
            Interlocked.Increment(ref done);
        });
        Assert.Equal([0, 100, 200], first);
        Assert.Equal(count, done);
    }

    // The model compares every pair of declarations of a key; threads declare them in any order.
    [Theory, InlineData(1), InlineData(2)]
    public void A_key_is_contended_iff_two_declarations_of_it_conflict(int seed)
    {
        const int workers = 4;
        const int keyCount = 300;
        KeyTable table = new((ulong)seed);
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 30; round++)
        {
            (int Key, AccessMode? Mode)[][] declared = new (int, AccessMode?)[workers][];
            for (int worker = 0; worker < workers; worker++)
            {
                declared[worker] = new (int, AccessMode?)[200];
                for (int i = 0; i < declared[worker].Length; i++)
                {
                    int key = random.Next(keyCount);
                    // a third of the keys is only read, a third only added to; nobody's mode is a payer's
                    AccessMode mode = random.Chance(1, 10) ? (AccessMode)random.Next(3) : key % 3 == 0 ? AccessMode.Read : key % 3 == 1 ? AccessMode.Add : AccessMode.Write;
                    declared[worker][i] = (key, random.Chance(1, 8) ? null : mode);
                }
            }

            table.Begin(workers * 200, workers);
            using Barrier start = new(workers);
            Thread[] threads = new Thread[workers];
            for (int w = 0; w < workers; w++)
            {
                int worker = w;
                threads[worker] = new Thread(() =>
                {
                    start.SignalAndWait();
                    foreach ((int key, AccessMode? mode) in declared[worker])
                    {
                        _ = mode is { } known
                            ? table.Intern(worker, KeyOf(key), default, default, known)
                            : table.Intern(worker, KeyOf(key), default, default);
                    }
                });
                threads[worker].Start();
            }

            foreach (Thread thread in threads)
            {
                thread.Join();
            }

            table.EndInterning();
            HashSet<int> numbers = [];
            for (int key = 0; key < keyCount; key++)
            {
                List<AccessMode> modes = [.. declared.SelectMany(one => one).Where(one => one.Key == key && one.Mode is not null).Select(one => one.Mode!.Value)];
                bool conflicts = modes.Where((mode, i) => modes.Take(i).Any(before => AccessModes.Conflicts(before, mode))).Any();
                int id = table.Intern(0, KeyOf(key), default, default);
                int number = table.NumberOf(id);
                Assert.True(conflicts == (number >= 0), $"seed {seed} round {round}: key {key} of {string.Join(' ', modes)} has number {number}");
                Assert.True(!conflicts || (table.IdOf(number) == id && numbers.Add(number) && number < table.ContendedCount), $"seed {seed} round {round}: number {number}");
                Assert.Equal(!conflicts && modes.Contains(AccessMode.Add), table.IsOnlyAddedTo(id));
            }

            Assert.Equal(numbers.Count, table.ContendedCount);
        }
    }

    // Few keys and many askers: most claims are contested. The model is a dictionary over the answers of all threads.
    [Theory, InlineData(1), InlineData(2)]
    public void A_key_has_one_number_whoever_interns_it_first(int seed)
    {
        const int workers = 4;
        const int keyCount = 700;
        KeyTable table = new((ulong)seed);
        for (int round = 0; round < 20; round++)
        {
            table.Begin(keyCount, workers);
            int[][] answers = new int[workers][];
            using Barrier start = new(workers);
            Thread[] threads = new Thread[workers];
            for (int w = 0; w < workers; w++)
            {
                int worker = w;
                answers[worker] = new int[keyCount];
                threads[worker] = new Thread(() =>
                {
                    SeededRandom random = new((ulong)((seed * 1_000) + (round * 10) + worker));
                    start.SignalAndWait();
                    int first = random.Next(keyCount);
                    for (int i = 0; i < keyCount; i++)
                    {
                        int key = (first + i) % keyCount;
                        answers[worker][key] = table.Intern(worker, KeyOf(key), default, new LocalKey(KeyOf(key).Value));
                    }
                });
                threads[worker].Start();
            }

            foreach (Thread thread in threads)
            {
                thread.Join();
            }

            table.EndInterning();
            HashSet<int> ids = [];
            for (int key = 0; key < keyCount; key++)
            {
                int id = answers[0][key];
                Assert.True(ids.Add(id) && id < table.IdCount, $"seed {seed} round {round}: id {id} twice, or outside");
                Assert.True(table.KeyOf(id) == KeyOf(key) && table.LocalKeyOf(id).Value == KeyOf(key).Value, $"seed {seed} round {round}: id {id}");
                Assert.All(answers, answer => Assert.Equal(id, answer[key]));
            }

            Assert.Equal(keyCount, table.Count);
        }
    }

    [Fact]
    public void What_gains_nothing_runs_in_place()
    {
        using ParallelEngine engine = new(TimeProvider.System, 2, salt: 1, JitMode.Off);
        World world = new(3);
        Assert.Equal(1, WorkersOf(engine, world, 20, AccessMode.Write, isShared: false));           // done before a thread wakes
        Assert.Equal(1, WorkersOf(engine, world, 600, AccessMode.Write, isShared: true));           // one chain
        Assert.Equal(2, WorkersOf(engine, world, 600, AccessMode.Write, isShared: false));
        Assert.Equal(2, WorkersOf(engine, world, 600, AccessMode.Add, isShared: true));             // adds do not wait for each other
    }

    private static int WorkersOf(ParallelEngine engine, World world, int count, AccessMode mode, bool isShared)
    {
        ProgramId program = new(new Bytes32(11, 0, 0, 1));
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            LocalKey one = new(new Bytes32(61, 0, 0, isShared ? 0 : (ulong)i));
            LocalKey other = new(new Bytes32(62, 0, 0, isShared ? 0 : (ulong)i));
            batch[i] = world.Make(
                program, TestProgram.AddTwice, World.Arguments((ulong)i), [(program, one, mode), (program, other, mode)], new PublicKey(new Bytes32(31, 0, 0, 0)), 5_000, 4, 1);
        }

        BatchResult result = engine.Execute(batch, World.Context(1), world.State, world.Rules, 2);
        Assert.True(result.Receipts.Span[^1].Succeeded, result.Receipts.Span[^1].ToString());
        return result.Trace.Workers;
    }

    private static StateKey KeyOf(int number) => new(new Bytes32((ulong)number * 0x9E3779B97F4A7C15, (ulong)number, 0, 7));
}
