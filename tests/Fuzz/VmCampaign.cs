// ./build.sh fuzz vm [--minutes N] [--seed S] [--count N] [--number K]
//
// Random programs and mutants of them through every engine, judged by the third evaluator, on all cores. A case is named
// by (seed, number): of 16 numbers, 12 are valid programs, 3 are mutants or noise, and 1 is a small program at every gas limit.
//
// A difference ends the campaign: its line replays it, and the program, shrunk by leaving out one instruction after the
// other as long as there is a difference, is kept in corpus/vm/ as assembly. The corpus is run first, every time.
//
// Threading: each worker owns its engines and takes the next number; a number's case does not depend on who runs it.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Fuzz;

internal sealed class VmCampaign
{
    private static readonly string Corpus = Path.Combine("tests", "Fuzz", "corpus", "vm");

    private readonly ulong _seed;
    private readonly int _end;
    private readonly TimeSpan _budget;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private int _next;
    private long _programs;
    private long _runs;
    private volatile string? _difference;

    private VmCampaign(ulong seed, int first, int end, TimeSpan budget)
    {
        _seed = seed;
        _next = first;
        _end = end;
        _budget = budget;
    }

    /// <returns>Exit code: 0 when no engine differed, 1 when one did, 2 for wrong options.</returns>
    public static int Run(string[] args)
    {
        Dictionary<string, long> options = new(StringComparer.Ordinal)
        {
            ["--minutes"] = 1,
            ["--seed"] = 1,
            ["--count"] = int.MaxValue,
            ["--number"] = -1,
        };
        for (int i = 1; i < args.Length; i += 2)
        {
            if (!options.ContainsKey(args[i]) || i + 1 == args.Length
                || !long.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out long value))
            {
                Console.WriteLine($"'{args[i]}' is not an option with a number; options are {string.Join(", ", options.Keys)}.");
                return 2;
            }

            options[args[i]] = value;
        }

        int kept = RunCorpus();
        if (kept < 0)
        {
            return 1;
        }

        long number = options["--number"];
        int workers = number >= 0 ? 1 : Environment.ProcessorCount;
        (int first, int end) = number >= 0 ? ((int)number, (int)number + 1) : (0, (int)Math.Min(int.MaxValue, options["--count"]));
        VmCampaign campaign = new((ulong)options["--seed"], first, end, TimeSpan.FromMinutes(options["--minutes"]));
        Thread[] threads = new Thread[workers];
        for (int i = 0; i < workers; i++)
        {
            threads[i] = new Thread(campaign.Work);
            threads[i].Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        string summary = string.Create(
            CultureInfo.InvariantCulture,
            $"vm: {campaign._programs} programs, {campaign._runs} runs, {Engines.All.Length} engines beside the evaluator, {kept} of the corpus, "
            + $"{campaign._watch.Elapsed.TotalSeconds:F0} s, seed {campaign._seed}, {(campaign._difference is null ? "no difference" : "a difference")}");
        Console.WriteLine(summary);
        Console.WriteLine(campaign._difference);
        return campaign._difference is null ? 0 : 1;
    }

    // every kept program in the world that its first line names; -1 when an engine still differs
    private static int RunCorpus()
    {
        int kept = 0;
        Engines engines = new();
        foreach (string file in Directory.Exists(Corpus) ? Directory.GetFiles(Corpus, "*.pvasm") : [])
        {
            string text = File.ReadAllText(file);
            string[] name = Path.GetFileNameWithoutExtension(file).Split('-');
            if (!Assembler.TryAssemble(text, out byte[] bytes, out Refusal refusal)
                || CaseOf(ulong.Parse(name[0], CultureInfo.InvariantCulture), int.Parse(name[1], CultureInfo.InvariantCulture), bytes) is not VmCase subject)
            {
                Console.WriteLine($"{file} no longer assembles and verifies: {refusal}");
                return -1;
            }

            if (engines.Judge(subject).Difference is string difference)
            {
                Console.WriteLine($"{file}: {difference}");
                return -1;
            }

            kept++;
        }

        return kept;
    }

    private void Work()
    {
        Engines engines = new();
        while (_difference is null && _watch.Elapsed < _budget)
        {
            int number = Interlocked.Increment(ref _next) - 1;
            if (number >= _end || number < 0)
            {
                return;
            }

            Check(engines, number);
        }
    }

    private void Check(Engines engines, int number)
    {
        SeededRandom draws = RandomCase.Draws(_seed, number);
        byte[] bytes = (number % 16) switch
        {
            0 => ProgramGenerator.Make(draws, isSmall: true).Encode(),
            1 or 2 => HostileContainers.Mutant(draws),
            3 => HostileContainers.Noise(draws),
            _ => ProgramGenerator.Make(draws).Encode(),
        };
        Interlocked.Increment(ref _programs);
        try
        {
            if (CaseOf(_seed, number, bytes) is not VmCase subject)
            {
                return;
            }

            string? difference = number % 16 == 0 ? Sweep(engines, subject) : Judge(engines, subject);
            if (difference is not null)
            {
                Report(number, subject, difference);
            }
        }
        catch (Exception exception)
        {
            _difference = $"seed {_seed} number {number}: {exception}";
        }
    }

    private string? Judge(Engines engines, VmCase subject)
    {
        Interlocked.Increment(ref _runs);
        return engines.Judge(subject).Difference;
    }

    private string? Sweep(Engines engines, VmCase subject)
    {
        (Verdict full, string? difference) = engines.Judge(subject);
        for (ulong limit = 0; limit <= full.Outcome.GasUsed + 1 && difference is null; limit++)
        {
            difference = engines.DifferenceAt(subject, VmCase.WithLimit(subject.Message, limit), full.AtLimit(subject, limit));
            Interlocked.Increment(ref _runs);
        }

        return difference;
    }

    // null when the verifier refuses the bytes
    private static VmCase? CaseOf(ulong seed, int number, byte[] bytes)
    {
        if (!Verifier.TryVerify(bytes, VerifierLimits.Default, out VerifiedProgram? program, out _))
        {
            return null;
        }

        Container.TryDecode(bytes, out Container container, out _);
        bool isHostile = number % 16 is >= 1 and <= 3;
        VmCase subject = RandomCase.Around(RandomCase.Draws(seed, number), container, program, isLimited: number % 16 != 0);
        return isHostile ? subject with { Message = VmCase.WithLimit(subject.Message, Math.Min(subject.Message.GasLimit, 5_000)) } : subject;
    }

    private void Report(int number, VmCase subject, string difference)
    {
        Container smallest = subject.Container;
        for (int before = int.MaxValue; smallest.Code.Length < before;)
        {
            before = smallest.Code.Length;
            for (int at = before - 1; at >= 0; at--)
            {
                Container candidate = Without(smallest, at);
                Engines fresh = new();
                if (CaseOf(_seed, number, candidate.Encode()) is VmCase shrunk && fresh.Judge(shrunk).Difference is not null)
                {
                    smallest = candidate;
                }
            }
        }

        Directory.CreateDirectory(Corpus);
        string file = Path.Combine(Corpus, string.Create(CultureInfo.InvariantCulture, $"{_seed}-{number}.pvasm"));
        File.WriteAllText(file, Disassembler.Disassemble(smallest.Encode()));
        _difference = $"{difference}\nshrunk from {subject.Container.Code.Length} to {smallest.Code.Length} instructions: {file}\n"
            + $"replay: ./build.sh fuzz vm --seed {_seed} --number {number}";
    }

    // the container less one instruction, with every branch over it one shorter
    private static Container Without(Container container, int at)
    {
        int function = 0;
        int start = 0;
        while (start + container.Functions[function].Length <= at)
        {
            start += container.Functions[function++].Length;
        }

        List<ulong> code = [.. container.Code];
        code.RemoveAt(at);
        FunctionHeader[] functions = (FunctionHeader[])container.Functions.Clone();
        functions[function] = functions[function] with { Length = (ushort)(functions[function].Length - 1) };
        ushort[][] tables = (ushort[][])container.Tables.Clone();
        for (int i = start; i < start + functions[function].Length; i++)
        {
            foreach (Operand operand in OpcodeTable.Find((byte)code[i])?.Operands ?? [])
            {
                uint value = operand.Read(code[i]);
                if (operand.Kind == OperandKind.Target && value > at - start)
                {
                    code[i] = operand.Write(code[i], value - 1);
                }
                else if (operand.Kind == OperandKind.Table)
                {
                    tables[value] = Array.ConvertAll(tables[value], target => (ushort)(target - (target > at - start ? 1 : 0)));
                }
            }
        }

        return new Container
        {
            Fork = container.Fork,
            Constants = container.Constants,
            Data = container.Data,
            Tables = tables,
            Functions = functions,
            Code = [.. code],
            Programs = container.Programs,
            Imports = container.Imports,
            Sites = container.Sites,
            Entries = container.Entries,
        };
    }
}
