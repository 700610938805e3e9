// What calibrate found, as data and as a page.
//
// Threading: immutable.

using System;
using System.Globalization;
using System.Text;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>One opcode.</summary>
/// <param name="Gas">Gas of an instruction in its worst program, variable charges included.</param>
/// <param name="WorstNs">Time of an instruction there.</param>
/// <param name="FittedNs">Its share of mixed programs, by least squares; null when no mix held it.</param>
/// <param name="MgasPerSecond">Of a block full of it.</param>
/// <param name="Share">Of the time that its gas stands for at the target; the law is [0.5, 1].</param>
/// <param name="Verdict">ok, tooCheap, dear (below half of its time), or least (below half, and 1 gas is the least there is).</param>
internal sealed record OpcodeCost(
    string Opcode, double Gas, double WorstNs, double? FittedNs, double MgasPerSecond, double Share, string Verdict, string WorstBody);

/// <summary>A whole program, against the sum of its instructions' fitted times.</summary>
internal sealed record ContractCost(string Name, ulong Gas, double Ns, double FittedNs, double MgasPerSecond);

/// <summary>The file's shape.</summary>
internal sealed record CalibrationReport(
    string Schema,
    ulong Seed,
    EnvironmentInfo Environment,
    double TargetMgasPerSecond,
    double FloorMgasPerSecond,
    string FloorOpcode,
    int Mixes,
    double ResidualMedian,
    double ResidualP90,
    double ResidualMax,
    OpcodeCost[] Opcodes,
    ContractCost[] Contracts)
{
    /// <summary>The page: a table of opcodes, the residuals, the contracts.</summary>
    public string ToMarkdown()
    {
        StringBuilder page = new();
        void Line(FormattableString text) => page.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
        Line($"# What gas buys");
        Line($"");
        Line($"Made by `loadtest calibrate`. Interpreter, one thread, {Environment.Cpu}, {Environment.Dotnet}, commit {Environment.Commit}.");
        Line($"");
        Line($"Target: {TargetMgasPerSecond} Mgas/s. `share` is the time of a block full of one opcode, on the worst operands found, over the time that its gas stands for");
        Line($"at the target; above 1 the opcode is too cheap. Below 0.5 it is `dear`: what costs more than time (state that grows, output that is kept,");
        Line($"divisions and hashes that other machines do slower, memory that is in no cache, calls that compiled code pays for) belongs there; or it is charged 1 gas, the `least`. Floor: **{FloorMgasPerSecond:F0} Mgas/s** ({FloorOpcode}).");
        Line($"");
        Line($"`fitted` is the opcode's share of {Mixes} random mixes of 5 to 20 opcodes by non-negative least squares. Relative error of a mix's predicted time:");
        Line($"median {ResidualMedian:P1}, 90th percentile {ResidualP90:P1}, most {ResidualMax:P1}.");
        Line($"");
        Line($"| opcode | gas | worst ns | fitted ns | Mgas/s | share | |");
        Line($"|---|---|---|---|---|---|---|");
        foreach (OpcodeCost row in Opcodes)
        {
            string fitted = row.FittedNs is double ns ? ns.ToString("F2", CultureInfo.InvariantCulture) : "";
            Line($"| {row.Opcode} | {row.Gas:F1} | {row.WorstNs:F2} | {fitted} | {row.MgasPerSecond:F0} | {row.Share:F2} | {(row.Verdict == "ok" ? "" : row.Verdict)} |");
        }

        Line($"");
        Line($"| program | gas | ns | sum of fitted ns | Mgas/s |");
        Line($"|---|---|---|---|---|");
        foreach (ContractCost row in Contracts)
        {
            Line($"| {row.Name} | {row.Gas} | {row.Ns:F0} | {row.FittedNs:F0} | {row.MgasPerSecond:F0} |");
        }

        return page.ToString();
    }
}
