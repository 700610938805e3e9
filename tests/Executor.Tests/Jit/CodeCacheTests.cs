// The cache is invisible: whatever is deployed, upgraded, evicted, asked for, forked or rolled back, and whenever the compiler gets to
// run, every call ends as the interpreter ends it at that fork.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Jit;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests.Jit;

public sealed class CodeCacheTests
{
    private const int Length = 6;
    private const int Operations = 6;

    private static readonly ForkRules Dearer = ForkRules.Launch.Next(repriced: [(Opcode.Ldi, 7)]);
    private static readonly ForkSchedule Forks = new(ForkRules.Launch, Dearer, Dearer.Next(repriced: [(Opcode.Ldi, 3)]));

    // Two versions of a program, each verified twice: equal hashes, different objects. They revert with different codes.
    private static readonly VerifiedProgram[][] Versions = [[Reverts(1), Reverts(1)], [Reverts(2), Reverts(2)]];
    private static readonly Dictionary<(Bytes32, uint), CompiledProgram> Compiled = [];
    private static readonly Dictionary<(Bytes32, uint), Outcome> Expected = [];

    private static VerifiedProgram Reverts(uint with) => Code.Verify(Code.Single([Code.Op(Opcode.Ldi, 0, with), Code.Op(Opcode.Abort, 0)]));

    [Theory, InlineData(0), InlineData(1), InlineData(2)]
    public void No_sequence_of_six_steps_shows_the_cache(int capacity)
    {
        Bench bench = new();
        foreach (VerifiedProgram[] version in Versions)
        {
            for (uint fork = 0; fork < Forks.Count; fork++)
            {
                Compiled[(version[0].CodeHash, fork)] = CompiledProgram.Compile(version[0].CodeFor(Forks[fork]), JitCaps.Default);
                Expected[(version[0].CodeHash, fork)] = Run(bench.Interpreter, bench, version[0], fork);
            }
        }

        long size = Compiled[(Versions[0][0].CodeHash, 0)].Bytes;
        long compiledRuns = 0;
        long evictions = 0;
        int sequences = 1;
        for (int i = 0; i < Length; i++)
        {
            sequences *= Operations;
        }

        for (int sequence = 0; sequence < sequences; sequence++)
        {
            Model model = new(capacity * size);
            for (int step = 0, rest = sequence; step < Length; step++, rest /= Operations)
            {
                model.Do(rest % Operations);
                model.Check(bench, () => $"capacity {capacity} sequence {sequence} step {step}");
            }

            model.Queue.Drain();
            model.Check(bench, () => $"capacity {capacity} sequence {sequence} at the end");
            compiledRuns += model.CompiledRuns;
            evictions += model.Cache.Metrics.Evicted;
        }

        Assert.Equal(capacity > 0, compiledRuns > sequences);
        Assert.Equal(capacity > 0, evictions > 0);
    }

    private static Outcome Run(Interpreter interpreter, Bench bench, VerifiedProgram program, uint fork) =>
        interpreter.Run(bench.Message(program), [], Bench.Block with { Fork = fork, Forks = Forks });

    // A chain as far as the cache sees it: a current version, a fork, and a past to go back to.
    private sealed class Model
    {
        private readonly Stack<(int Version, uint Fork)> _past = new();
        private readonly Interpreter _interpreter;
        private int _version;
        private uint _fork;
        private int _copy;

        public Model(long maxBytes)
        {
            Cache = new CodeCache(
                new CodeCacheOptions { MaxBytes = maxBytes, ReentryUses = 2, FailsOnFault = true },
                Queue,
                TimeProvider.System,
                code => Compiled[(code.Program.CodeHash, code.Rules.Number)]);
            _interpreter = new Interpreter(Cache);
        }

        public CodeCache Cache { get; }

        public HandScheduler Queue { get; } = new();

        public int CompiledRuns { get; private set; }

        private VerifiedProgram Current => Versions[_version][_copy];

        public void Do(int operation)
        {
            switch (operation)
            {
                case 0:                                     // deploy again: the same code, another object
                    _copy ^= 1;
                    Cache.Request(Current, Forks[_fork]);
                    break;
                case 1:                                     // upgrade
                    _past.Push((_version, _fork));
                    _version ^= 1;
                    Cache.Request(Current, Forks[_fork]);
                    break;
                case 2:
                    Cache.EvictOldest();
                    break;
                case 3:                                     // request, and the compiler gets to run
                    Cache.Request(Current, Forks[_fork]);
                    Queue.RunOne();
                    break;
                case 4:                                     // fork
                    _past.Push((_version, _fork));
                    _fork = (_fork + 1) % (uint)Forks.Count;
                    break;
                default:                                    // rollback
                    if (_past.TryPop(out (int, uint) before))
                    {
                        (_version, _fork) = before;
                    }

                    break;
            }
        }

        public void Check(Bench bench, Func<string> where)
        {
            CompiledProgram? found = Current.CodeFor(Forks[_fork]).Link is { } link && link.Owner == Cache ? link.Code : null;
            if (found is not null)
            {
                Assert.True(ReferenceEquals(found, Compiled[(Current.CodeHash, _fork)]), where());         // K1
                CompiledRuns++;
            }

            if (Run(_interpreter, bench, Current, _fork) != Expected[(Current.CodeHash, _fork)])
            {
                Assert.Fail(where());
            }
        }
    }

    [Fact]
    public void The_least_recently_used_program_goes_first_and_a_full_cache_stays_within_its_bytes()
    {
        VerifiedProgram[] programs = new VerifiedProgram[6];
        for (uint i = 0; i < programs.Length; i++)
        {
            programs[i] = Reverts(100 + i);
        }

        long size = CompiledProgram.Compile(programs[0].CodeFor(ForkRules.Launch), JitCaps.Default).Bytes;
        CodeCache cache = new(new CodeCacheOptions { MaxBytes = 3 * size, FailsOnFault = true }, new JitAtOnce(), TimeProvider.System);
        for (int i = 0; i < 3; i++)
        {
            cache.Request(programs[i], ForkRules.Launch);
        }

        Assert.NotNull(cache.Find(programs[0].CodeFor(ForkRules.Launch)));         // 0 is used, 1 is now the oldest
        cache.Request(programs[3], ForkRules.Launch);
        Assert.Null(programs[1].CodeFor(ForkRules.Launch).Link!.Code);
        Assert.NotNull(programs[0].CodeFor(ForkRules.Launch).Link!.Code);
        foreach (VerifiedProgram program in programs)
        {
            cache.Request(program, ForkRules.Launch);
            Assert.InRange(cache.Metrics.Bytes, 1, 3 * size);
        }

        Assert.Equal(cache.Metrics.Compiled - 3, cache.Metrics.Evicted);
    }

    // Two programs that do not fit together, used in turn: the compiler must not be kept busy by that.
    [Fact]
    public void An_evicted_program_earns_its_place_again()
    {
        VerifiedProgram one = Reverts(7);
        VerifiedProgram two = Reverts(8);
        long size = CompiledProgram.Compile(one.CodeFor(ForkRules.Launch), JitCaps.Default).Bytes;
        CodeCache cache = new(
            new CodeCacheOptions { MaxBytes = size, ReentryUses = 100, FailsOnFault = true }, new JitAtOnce(), TimeProvider.System);
        Bench bench = new(new Interpreter(cache));
        for (int i = 0; i < 1_000; i++)
        {
            bench.Run(bench.Message(one));
            bench.Run(bench.Message(two));
        }

        Assert.InRange(cache.Metrics.Compiled, 3, 25);
    }

    [Fact]
    public void A_full_queue_and_a_missing_compiler_leave_the_interpreter()
    {
        VerifiedProgram program = Reverts(9);
        CodeCache cache = new(new CodeCacheOptions { ReentryUses = 3 }, new NoScheduler(), TimeProvider.System);
        Bench bench = new(new Interpreter(cache));
        for (int i = 0; i < 7; i++)
        {
            Assert.Equal((ushort)(256 + 9), bench.Run(bench.Message(program)).Code);
        }

        Assert.Equal(3, cache.Metrics.Dropped);             // at uses 1, 4 and 7
        Assert.Equal(0, cache.Metrics.Compiled);
    }

    [Fact]
    public void A_failed_compile_is_counted_and_the_interpreter_goes_on_or_the_test_ends()
    {
        VerifiedProgram program = Reverts(10);
        CodeCache tolerant = new(new CodeCacheOptions(), new JitAtOnce(), TimeProvider.System, _ => throw new InvalidProgramException("bad IL"));
        Bench bench = new(new Interpreter(tolerant));
        Assert.Equal((ushort)(256 + 10), bench.Run(bench.Message(program)).Code);
        Assert.Equal((ushort)(256 + 10), bench.Run(bench.Message(program)).Code);
        Assert.Equal(1, tolerant.Metrics.Refused[(int)JitRefusal.CompilerFault]);
        Assert.Contains("InvalidProgramException: bad IL", tolerant.Metrics.LastFault, StringComparison.Ordinal);

        CodeCache strict = new(
            new CodeCacheOptions { FailsOnFault = true }, new JitAtOnce(), TimeProvider.System, _ => throw new InvalidProgramException("bad IL"));
        Assert.Throws<InvariantException>(() => strict.Request(program, ForkRules.Launch));
    }

    [Fact]
    public void Code_larger_than_the_cache_is_refused_by_name_and_not_asked_for_again()
    {
        VerifiedProgram program = Reverts(11);
        CodeCache cache = new(new CodeCacheOptions { MaxBytes = 1_000, FailsOnFault = true }, new JitAtOnce(), TimeProvider.System);
        Bench bench = new(new Interpreter(cache));
        for (int i = 0; i < 20; i++)
        {
            bench.Run(bench.Message(program));
        }

        Assert.Equal(1, cache.Metrics.Refused[(int)JitRefusal.LargerThanCache]);
    }

    [Fact]
    public void Compiles_run_on_at_most_two_threads_below_normal_priority_and_dispose_waits_for_them()
    {
        using ManualResetEventSlim go = new();
        using CountdownEvent inside = new(JitThreads.MaxThreads);
        int running = 0;
        int most = 0;
        int done = 0;
        int wrong = 0;
        using (JitThreads threads = new())
        {
            for (int i = 0; i < 20; i++)
            {
                Assert.True(threads.TrySchedule(() =>
                {
                    int now = Interlocked.Increment(ref running);
                    most = Math.Max(most, now);
                    wrong += Thread.CurrentThread is { Priority: ThreadPriority.BelowNormal, IsBackground: true } ? 0 : 1;
                    if (!inside.IsSet)
                    {
                        inside.Signal();
                    }

                    go.Wait();
                    Interlocked.Decrement(ref running);
                    Interlocked.Increment(ref done);
                }));
            }

            inside.Wait();
            go.Set();
        }

        Assert.Equal((0, JitThreads.MaxThreads, 0), (running, most, wrong));
        Assert.InRange(done, JitThreads.MaxThreads, 20);
    }

    [Fact]
    public void A_closed_scheduler_takes_nothing()
    {
        JitThreads threads = new();
        threads.Dispose();
        Assert.False(threads.TrySchedule(() => { }));
    }

    internal sealed class HandScheduler : IJitScheduler
    {
        private readonly Queue<Action> _waiting = new();

        public bool TrySchedule(Action compile)
        {
            _waiting.Enqueue(compile);
            return true;
        }

        public void RunOne()
        {
            if (_waiting.TryDequeue(out Action? compile))
            {
                compile();
            }
        }

        public void Drain()
        {
            while (_waiting.Count > 0)
            {
                RunOne();
            }
        }
    }

    private sealed class NoScheduler : IJitScheduler
    {
        public bool TrySchedule(Action compile) => false;
    }
}
