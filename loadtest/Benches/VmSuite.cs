// Suite "vm". Question: what does a program cost in the interpreter and compiled, beside plain C# of the same, and what does compiling
// it cost?
// Decides: what is compiled at all (JitCaps), what a unit of gas is worth, which instructions deserve an arm of their own.
//
//   interp.* jit.* csharp.*        ns per iteration of a kernel (VmKernels), gas on; the twin is plain C#
//   interp.op                      ns per simple instruction: xorshift64, nine of them an iteration
//   *.gasOverhead                  all kernels with block charges over the same without
//   *.ammSwap                      us per swap of the reference pool: binding, three hashes, the journal, all of it
//   jit.compile20 200 500          us to compile a program of so many instructions, another one each time; the spread holds the worst
//   jit.compileWorstPerInstruction us per instruction over JitShapes, as large as admitted; each shape's best of three
//   verifier.1MiB                  ms for 1 MiB of the control flow that is hardest to verify
//   gas.floor                      Mgas/s of the slowest block full of one opcode, interpreted, on the worst operands found
//
// Threading: the caller's thread; compiles happen on it.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Jit;
using ParallelVm.Loadtest.Calibration;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Benches;

/// <summary>The virtual machine alone.</summary>
internal static class VmSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "vm";

    private const int SimpleInstructions = 9;           // of an iteration of xorshift64, LOOP included
    private const int Swaps = 500;
    private const int Compiles = 7;
    private const int ShapeTries = 3;
    private const ulong Plenty = 1_000_000_000_000;

    private static readonly ForkSchedule Unmetered = new(ForkRules.Unmetered);

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        List<BenchRow> rows = [];
        foreach (VmKernel kernel in VmKernels.All)
        {
            VmRun interpreted = new(kernel, isCompiled: false);
            VmRun compiled = new(kernel, isCompiled: true);
            rows.Add(new BenchRow("csharp." + kernel.Name, "ns", "", () => MeasureTwin(kernel)));
            rows.Add(new BenchRow("interp." + kernel.Name, "ns", "csharp." + kernel.Name, () => interpreted.Measure() / kernel.Iterations));
            rows.Add(new BenchRow("jit." + kernel.Name, "ns", "csharp." + kernel.Name, () => compiled.Measure() / kernel.Iterations));
        }

        VmRun simple = new(VmKernels.Xorshift64, isCompiled: false);
        rows.Add(new BenchRow("interp.op", "ns", "", () => simple.Measure() / VmKernels.Xorshift64.Iterations / SimpleInstructions));
        rows.Add(new BenchRow("interp.gasOverhead", "ratio", "", Overhead(isCompiled: false)));
        rows.Add(new BenchRow("jit.gasOverhead", "ratio", "", Overhead(isCompiled: true)));
        SwapRun interpretedSwap = new(isCompiled: false);
        SwapRun compiledSwap = new(isCompiled: true);
        rows.Add(new BenchRow("interp.ammSwap", "us", "", interpretedSwap.Measure));
        rows.Add(new BenchRow("jit.ammSwap", "us", "interp.ammSwap", compiledSwap.Measure));
        Dictionary<string, double> worst = [];
        foreach (int instructions in new[] { 20, 200, 500 })
        {
            rows.Add(new BenchRow($"jit.compile{instructions}", "us", "", CompileOf(instructions, $"jit.compile{instructions}", worst)));
        }

        rows.Add(new BenchRow("jit.compileWorstPerInstruction", "us", "", WorstPerInstruction));
        rows.Add(new BenchRow("verifier.1MiB", "ms", "", VerifyMiB()));
        rows.Add(new BenchRow("gas.floor", "Mgas/s", "", new GasFloor().Measure));
        BenchReport report = BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
        return report with
        {
            Rows = Array.ConvertAll(
                report.Rows, row => worst.TryGetValue(row.Name, out double most) ? row with { Spread = [row.Spread[0], Math.Max(most, row.Spread[1])] } : row),
        };
    }

    /// <summary>The program of <c>jit.compileN</c>: arithmetic, branches forward, a loop, in the proportions of a contract.</summary>
    internal static Container Typical(int instructions, ulong seed)
    {
        SeededRandom random = new(seed);
        Opcode[] simple = [Opcode.Add, Opcode.Wadd, Opcode.Sub, Opcode.Xor, Opcode.And, Opcode.Mul, Opcode.Lt, Opcode.Min];
        const uint cells = 16;
        List<ulong> code = [Op(Opcode.Ldi, 0, 100), Op(Opcode.Ldi, 1, 7), Op(Opcode.Ldi, 2, 3), Op(Opcode.Ldi, 3, 10)];
        uint defined = 4;
        int head = code.Count;
        code.Add(Op(Opcode.Loop, defined));
        while (code.Count < instructions - 3)
        {
            uint Source() => (uint)random.Next((int)defined);
            if (code.Count % 9 == 0 && code.Count + 6 < instructions)
            {
                code.Add(Op(Opcode.Jlt, Source(), Source(), (uint)code.Count + 3));
            }

            if (code.Count % 25 == 24)
            {
                code.Add(Op(Opcode.MulDiv, 1, Source(), Source(), 2, 0));
            }

            code.Add(Op(simple[random.Next(simple.Length)], 1 + (uint)random.Next(2), Source(), Source()));
        }

        code.Add(Op(Opcode.Subi, 3, 3, 1));
        code.Add(Op(Opcode.Jnz, 3, (uint)head));
        code.Add(Op(Opcode.Halt));
        return new Container
        {
            Code = [.. code],
            Functions = [new FunctionHeader((byte)cells, 0, 0, (ushort)code.Count)],
            Entries = [new ContainerEntry(1, 0, 0, [])],
        };
    }

    private static double MeasureTwin(VmKernel kernel)
    {
        TimeProvider time = TimeProvider.System;
        long start = time.GetTimestamp();
        ulong answer = kernel.Twin(kernel.Seed, kernel.Iterations);
        double elapsed = time.GetElapsedTime(start).TotalNanoseconds;
        Invariant.Require(answer != 0);
        return elapsed / kernel.Iterations;
    }

    // the kernels in turn, with and without, five times; the least of each counts
    private static Func<double> Overhead(bool isCompiled)
    {
        (VmRun On, VmRun Off)[] runs = Array.ConvertAll(VmKernels.All, kernel => (new VmRun(kernel, isCompiled), new VmRun(kernel, isCompiled, Unmetered)));
        return () =>
        {
            double on = 0;
            double off = 0;
            foreach ((VmRun metered, VmRun free) in runs)
            {
                double leastOn = double.MaxValue;
                double leastOff = double.MaxValue;
                for (int i = 0; i < 5; i++)
                {
                    leastOn = Math.Min(leastOn, metered.Measure());
                    leastOff = Math.Min(leastOff, free.Measure());
                }

                on += leastOn;
                off += leastOff;
            }

            return on / off;
        };
    }

    private static Func<double> CompileOf(int instructions, string row, Dictionary<string, double> worst)
    {
        ulong seed = 0;
        return () =>
        {
            double[] times = new double[Compiles];
            for (int i = 0; i < times.Length; i++)
            {
                times[i] = Compile(Typical(instructions, seed++), JitCaps.Default, out _);
            }

            Array.Sort(times);
            if (seed > Compiles)                            // the first round warms the compiler itself
            {
                worst[row] = Math.Max(worst.GetValueOrDefault(row), times[^1]);
            }

            return BenchRunner.Median(times);
        };
    }

    private static double WorstPerInstruction()
    {
        JitCaps caps = JitCaps.Default;
        double worst = 0;
        foreach (string shape in JitShapes.Names)
        {
            foreach (int instructions in new[] { 128, LargestAdmitted(shape, caps) })
            {
                double least = double.MaxValue;
                for (int i = 0; i < ShapeTries; i++)
                {
                    Container container = JitShapes.Draw(shape, (ulong)i, instructions, caps.MaxBlocks, caps.MaxLiveCells);
                    least = Math.Min(least, Compile(container, caps, out int compiled) / container.Functions[0].Length);
                    Invariant.Require(compiled == container.Functions.Length);
                }

                worst = Math.Max(worst, least);
            }
        }

        return worst;
    }

    private static int LargestAdmitted(string shape, JitCaps caps)
    {
        int instructions = caps.MaxInstructions;
        while (true)
        {
            bool isAdmitted = true;
            for (ulong seed = 0; seed < ShapeTries; seed++)
            {
                LoadedCode code = Verify(JitShapes.Draw(shape, seed, instructions, caps.MaxBlocks, caps.MaxLiveCells).Encode()).CodeFor(ForkRules.Launch);
                isAdmitted &= JitAdmission.Check(code, 0, caps) == JitRefusal.None;
            }

            if (isAdmitted)
            {
                return instructions;
            }

            instructions -= 16;
        }
    }

    private static double Compile(Container container, JitCaps caps, out int functions)
    {
        LoadedCode code = Verify(container.Encode()).CodeFor(ForkRules.Launch);
        TimeProvider time = TimeProvider.System;
        long start = time.GetTimestamp();
        CompiledProgram compiled = CompiledProgram.Compile(code, caps);
        double elapsed = time.GetElapsedTime(start).TotalMicroseconds;
        functions = compiled.Count;
        return elapsed;
    }

    private static Func<double> VerifyMiB()
    {
        IReadOnlyList<(string Name, byte[] Container)> corpus = AdversarialPrograms.Corpus(Container.MaxInstructions);
        return () =>
        {
            TimeProvider time = TimeProvider.System;
            double worst = 0;
            foreach ((_, byte[] container) in corpus)
            {
                long start = time.GetTimestamp();
                Verifier.TryVerify(container, VerifierLimits.Default, out _, out _);
                worst = Math.Max(worst, time.GetElapsedTime(start).TotalMilliseconds * (1 << 20) / container.Length);
            }

            return worst;
        };
    }

    private static ulong Op(Opcode opcode, params ReadOnlySpan<uint> values)
    {
        OpcodeInfo info = OpcodeTable.Get(opcode);
        ulong word = (byte)opcode;
        for (int i = 0; i < values.Length; i++)
        {
            word = info.Operands[i].Write(word, values[i]);
        }

        return word;
    }

    private static VerifiedProgram Verify(byte[] container) =>
        Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal)
            ? program
            : throw new InvariantException($"A program of the suite is refused: {refusal}");

    private static Interpreter Engine(bool isCompiled) =>
        new(isCompiled ? new CodeCache(new CodeCacheOptions { FailsOnFault = true }, new JitAtOnce(), TimeProvider.System) : null);

    // One kernel on one engine.
    private sealed class VmRun
    {
        private readonly Interpreter _interpreter;
        private readonly Message _message;
        private readonly BlockContext _context;

        public VmRun(VmKernel kernel, bool isCompiled, ForkSchedule? forks = null)
        {
            _interpreter = Engine(isCompiled);
            _message = kernel.Call(kernel.Verify());
            _context = new BlockContext(new Height(1), 1, default, 0, 0) { Forks = forks };
        }

        /// <summary>Nanoseconds of one run.</summary>
        public double Measure()
        {
            TimeProvider time = TimeProvider.System;
            long start = time.GetTimestamp();
            Outcome outcome = _interpreter.Run(_message, [], in _context);
            double elapsed = time.GetElapsedTime(start).TotalNanoseconds;
            Invariant.Require(outcome.Halt == Halt.Success);
            return elapsed;
        }
    }

    // Swaps of the reference pool, there and back, so that its reserves stay where they are.
    private sealed class SwapRun
    {
        private static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
        private static readonly Bytes32 AssetA = new(0, 0, 1, 0);
        private static readonly Bytes32 AssetB = new(0, 0, 2, 0);

        private readonly Interpreter _interpreter;
        private readonly Message[] _messages = new Message[2];
        private readonly Record[][] _records = new Record[2][];

        public SwapRun(bool isCompiled)
        {
            _interpreter = Engine(isCompiled);
            StateHashing hashing = new(default);
            VerifiedProgram program = Verify(ReferencePrograms.Amm);
            PublicKey payer = new(new Bytes32(1, 0, 0, 1));
            LocalKey pool = AmmLayout.PoolKey(AssetA, AssetB);
            Dictionary<LocalKey, Record> state = [];
            for (int i = 0; i < 2; i++)
            {
                ProgramCall call = AmmCalls.Swap(payer, pool, AssetA, AssetB, 1_000, 0, i == 0 ? SwapDirection.AToB : SwapDirection.BToA);
                (LocalKey, AccessMode)[] slots = Array.ConvertAll(call.Slots, slot => (slot.Key, slot.Mode));
                Message message = Message.ForCall(
                    hashing, new TxId(Bytes32.Zero), Amm, program, call.Selector, call.Arguments, slots, payer, 1_000_000);
                _messages[i] = message;
                _records[i] = new Record[message.Accesses.Count];
                for (int k = 0; k < message.Accesses.Count; k++)
                {
                    LocalKey key = message.Accesses[k].Key;
                    if (!state.TryGetValue(key, out Record? record))
                    {
                        record = new Record();
                        record.Set(key.Equals(pool)
                            ? new PoolRecord(AssetA, AssetB, ReserveA: Plenty, ReserveB: Plenty, Shares: Plenty, FeeBps: 30).Encode()
                            : BalanceRecord.Encode(Plenty));
                        state.Add(key, record);
                    }

                    _records[i][k] = record;
                }
            }
        }

        /// <summary>Microseconds of one swap.</summary>
        public double Measure()
        {
            TimeProvider time = TimeProvider.System;
            BlockContext context = new(new Height(1), 1, default, 0, 0);
            long start = time.GetTimestamp();
            for (int i = 0; i < Swaps; i++)
            {
                Outcome outcome = _interpreter.Run(_messages[i & 1], _records[i & 1], in context);
                Invariant.Require(outcome.Halt == Halt.Success);
            }

            return time.GetElapsedTime(start).TotalMicroseconds / Swaps;
        }
    }
}
