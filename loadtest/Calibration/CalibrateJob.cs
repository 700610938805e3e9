// calibrate: what each opcode costs in the interpreter, beside what it is charged.
//
//   worst operands of each opcode (OpcodeSearch) --> a block full of it --\
//   the same far from the caches (ReachProbe) ----------------------------+--> the slower of both: Mgas/s, share of the target time
//   200 random mixes of 5 to 20 of them ----------> non-negative least squares --> fitted times, residuals
//   whole contracts ------------------------------> measured against the sum of fitted times
//
// A gas unit stands for 2.5 ns: at 400 Mgas/s a block full of any one opcode takes half to all of the time that its gas stands for (the
// share). Gas is here what pays for time (GasPrices.ForTime): what is paid for keeping records and output comes on top of it.
// Exit code 1 when a block runs below the floor.
//
// Threading: the caller's thread.   Cost: some tens of seconds. Only a quiet machine gives numbers that mean something.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>The command <c>calibrate</c>.</summary>
internal static class CalibrateJob
{
    /// <summary>What gas is priced for: a unit stands for 2.5 ns.</summary>
    public const double TargetMgasPerSecond = 400;

    /// <summary>What a worker's interpreter has to reach for any single-opcode block.</summary>
    public const double FloorMgasPerSecond = 300;

    private const int Mixes = 200;
    private const int ReachRounds = 4;
    private const double MixMicroseconds = 150;

    /// <summary>Measures, prints, writes.</summary>
    public static int Run(CalibrateOptions options, Terminal terminal)
    {
        TextWriter output = terminal.Output;
        output.WriteLine("searching for worst operands");
        List<WorstCase> cases = OpcodeSearch.All(options.Seed, static _ => { });
        output.WriteLine($"{cases.Count} opcodes; measuring {options.Runs} rounds");
        double[] times = MeasureInTurn(cases.ConvertAll(worst => worst.Program), options.Runs);
        List<ReachProbe> reaches = ReachProbe.All();
        double[] reachTimes = [.. reaches.ConvertAll(probe => probe.Time(options.Runs * ReachRounds))];
        List<ProbeProgram> mixes = MakeMixes(cases, new SeededRandom(options.Seed).Fork(1));
        output.WriteLine($"{mixes.Count} mixes");
        double[] mixTimes = MeasureInTurn(mixes, options.Runs);

        CalibrationReport report = Report(options, cases, times, mixes, mixTimes, reaches, reachTimes);
        foreach (OpcodeCost row in report.Opcodes)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{row.Opcode,-12} {row.Gas,9:F1} gas {row.WorstNs,10:F2} ns {row.FittedNs,10:F2} fitted {row.MgasPerSecond,7:F0} Mgas/s  share {row.Share:F2}  {(row.Verdict == "ok" ? "" : row.Verdict)}"));
        }

        foreach (ContractCost row in report.Contracts)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{row.Name,-16} {row.Gas,6} gas {row.Ns,8:F0} ns, {row.FittedNs:F0} ns by its instructions, {row.MgasPerSecond:F0} Mgas/s"));
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"mixes: relative error median {report.ResidualMedian:P1}, 90th percentile {report.ResidualP90:P1}, most {report.ResidualMax:P1}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"floor: {report.FloorMgasPerSecond:F0} Mgas/s ({report.FloorOpcode})"));
        if (options.Json is not null)
        {
            ReportFile.Write(options.Json, ReportFile.ToJson(report));
        }

        if (options.Markdown is not null)
        {
            ReportFile.Write(options.Markdown, report.ToMarkdown());
        }

        return report.FloorMgasPerSecond >= FloorMgasPerSecond ? ExitCodes.Success : ExitCodes.Divergence;
    }

    // round after round over all programs, the least of each: a machine that is busy for a while disturbs all of them alike
    internal static double[] MeasureInTurn(List<ProbeProgram> programs, int runs)
    {
        double[] least = new double[programs.Count];
        Array.Fill(least, double.MaxValue);
        for (int run = 0; run < runs; run++)
        {
            for (int i = 0; i < least.Length; i++)
            {
                least[i] = Math.Min(least[i], programs[i].Time(3));
            }
        }

        return least;
    }

    private static List<ProbeProgram> MakeMixes(List<WorstCase> cases, SeededRandom random)
    {
        List<ProbeProgram> mixes = [];
        while (mixes.Count < Mixes)
        {
            List<ProbeInstruction> body = [];
            for (int left = 5 + random.Next(16); left > 0; left--)
            {
                body.AddRange(cases[random.Next(cases.Count)].Body);
            }

            if (ProbeProgram.TryMake(body, out ProbeProgram? program))
            {
                program.Fit(MixMicroseconds);
                mixes.Add(program);
            }
        }

        return mixes;
    }

    private static CalibrationReport Report(
        CalibrateOptions options, List<WorstCase> cases, double[] times, List<ProbeProgram> mixes, double[] mixTimes, List<ReachProbe> reaches, double[] reachTimes)
    {
        double[] fitted = Fit(cases, times, mixes, mixTimes);
        double[] errors = new double[mixes.Count];
        HashSet<Opcode> mixed = [];
        for (int i = 0; i < errors.Length; i++)
        {
            errors[i] = Math.Abs((Predict(fitted, mixes[i].PerRound) * mixes[i].Rounds / mixTimes[i]) - 1);
            mixed.UnionWith(mixes[i].PerRound.Keys);
        }

        Array.Sort(errors);
        OpcodeCost[] opcodes = new OpcodeCost[cases.Count];
        OpcodeCost? slowest = null;
        for (int i = 0; i < opcodes.Length; i++)
        {
            opcodes[i] = CostOf(cases[i], times[i], mixed.Contains(cases[i].Opcode) ? fitted[(byte)cases[i].Opcode] : null);
            for (int j = 0; j < reaches.Count; j++)
            {
                if (reaches[j].Opcode == cases[i].Opcode && FarFrom(opcodes[i], reaches[j], reachTimes[j]) is { } far && far.Share > opcodes[i].Share)
                {
                    opcodes[i] = far;
                }
            }

            slowest = slowest is null || opcodes[i].MgasPerSecond < slowest.MgasPerSecond ? opcodes[i] : slowest;
        }

        ContractCost[] contracts = Array.ConvertAll(ContractProbe.All(), probe =>
        {
            double ns = probe.Time(options.Runs);
            return new ContractCost(probe.Name, probe.Gas, ns, PredictContract(fitted, probe, cases), probe.Gas * 1_000 / ns);
        });
        return new CalibrationReport(
            "parallelvm.calibration/1", options.Seed, EnvironmentProbe.Read(), TargetMgasPerSecond, slowest!.MgasPerSecond, slowest.Opcode,
            mixes.Count, errors[errors.Length / 2], errors[errors.Length * 9 / 10], errors[^1], opcodes, contracts);
    }

    private static OpcodeCost CostOf(WorstCase worst, double time, double? fitted)
    {
        double instructions = worst.Program.Rounds * (double)ProbeProgram.Copies * worst.Body.Length;
        double mgas = worst.Program.Gas * 1_000 / time;
        double share = TargetMgasPerSecond / mgas;
        string name = string.Join('+', Array.ConvertAll(worst.Body, instruction => OpcodeTable.Get(instruction.Opcode).Mnemonic));
        string body = string.Join("; ", Array.ConvertAll(worst.Body, static instruction =>
            $"{OpcodeTable.Get(instruction.Opcode).Mnemonic} {string.Join(' ', Array.ConvertAll(instruction.Values, static value => $"{value:x}"))}{(instruction.IsDependent ? " dependent" : "")}"));
        return new OpcodeCost(name, worst.Program.Gas / instructions, time / instructions, fitted, mgas, share, VerdictOf(share), "near", body);
    }

    private static OpcodeCost FarFrom(OpcodeCost near, ReachProbe reach, double time)
    {
        double mgas = reach.Gas * 1_000 / time;
        double share = TargetMgasPerSecond / mgas;
        return near with
        {
            Gas = reach.Gas / (double)reach.Instructions,
            WorstNs = time / reach.Instructions,
            MgasPerSecond = mgas,
            Share = share,
            Verdict = VerdictOf(share),
            Where = reach.Kind,
        };
    }

    private static string VerdictOf(double share) => share > 1 ? "tooCheap" : share < 0.5 ? "dear" : "ok";

    // one unknown per opcode byte; rows are scaled to a right side of 1, so that relative errors count
    private static double[] Fit(List<WorstCase> cases, double[] times, List<ProbeProgram> mixes, double[] mixTimes)
    {
        List<double[]> rows = [];
        void AddRow(ProbeProgram program, double time)
        {
            double[] row = new double[256];
            foreach ((Opcode opcode, int count) in program.PerRound)
            {
                row[(byte)opcode] = count * (double)program.Rounds / time;
            }

            rows.Add(row);
        }

        for (int i = 0; i < mixes.Count; i++)
        {
            AddRow(mixes[i], mixTimes[i]);
        }

        for (int i = 0; i < cases.Count; i++)
        {
            AddRow(cases[i].Program, times[i]);
        }

        double[] ones = new double[rows.Count];
        Array.Fill(ones, 1);
        return LeastSquares.SolveNonNegative([.. rows], ones);
    }

    private static double Predict(double[] fitted, Dictionary<Opcode, int> counts)
    {
        double sum = 0;
        foreach ((Opcode opcode, int count) in counts)
        {
            sum += fitted[(byte)opcode] * count;
        }

        return sum;
    }

    // an instruction that is charged by length takes its fitted time in proportion to its charge
    private static double PredictContract(double[] fitted, ContractProbe probe, List<WorstCase> cases)
    {
        double sum = Predict(fitted, probe.PerRun);
        foreach ((Opcode opcode, int count) in probe.PerRun)
        {
            WorstCase? worst = OpcodeTable.Get(opcode).Variable.Length > 0 ? cases.Find(candidate => candidate.Opcode == opcode) : null;
            if (worst is not null)
            {
                double worstGas = worst.Program.Gas / (worst.Program.Rounds * (double)ProbeProgram.Copies * worst.Body.Length);
                sum += fitted[(byte)opcode] * ((probe.GasPerRun[opcode] / worstGas) - count);
            }
        }

        return sum;
    }
}
