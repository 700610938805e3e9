// What calibrate found, as data and as a page.
//
// Threading: immutable.

using System;
using System.Globalization;
using System.Text;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>One opcode.</summary>
/// <param name="Gas">Gas for time of an instruction in its worst program, variable charges included.</param>
/// <param name="WorstNs">Time of an instruction there.</param>
/// <param name="FittedNs">Its share of mixed programs, by least squares; null when no mix held it.</param>
/// <param name="MgasPerSecond">Of a block full of it.</param>
/// <param name="Share">Of the time that its gas stands for at the target; the law is [0.5, 1].</param>
/// <param name="Verdict">ok, tooCheap, or dear (below half of its time).</param>
/// <param name="Where">near: in a loop, everything in the first cache; else the kind of <see cref="ReachProbe"/> that was slower.</param>
/// <param name="WorstBody">The operands found near.</param>
internal sealed record OpcodeCost(
    string Opcode, double Gas, double WorstNs, double? FittedNs, double MgasPerSecond, double Share, string Verdict, string Where, string WorstBody);

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
        Line($"Target: {TargetMgasPerSecond} Mgas/s, so that one gas stands for {1_000 / TargetMgasPerSecond:F1} ns. `share` is the time of a block full of one opcode, on the worst operands found,");
        Line($"over the time that its gas stands for; the law is 0.5 to 1: above 1 an opcode is too cheap, below 0.5 it is `dear`. Only gas that pays for time counts here: what a");
        Line($"record pays for coming into being or growing, and output for being kept, comes on top. `where` says what was slowest: `near`, a loop in the first cache; `chase`,");
        Line($"every load giving the address of the next over 1 MiB; `walk`, stores all over that; `cold`, records that no cache holds; `map`, pages one by one.");
        Line($"");
        Line($"Floor: **{FloorMgasPerSecond:F0} Mgas/s** ({FloorOpcode}).");
        Line($"");
        Line($"`fitted` is the opcode's share of {Mixes} random mixes of 5 to 20 opcodes by non-negative least squares. Relative error of a mix's predicted time:");
        Line($"median {ResidualMedian:P1}, 90th percentile {ResidualP90:P1}, most {ResidualMax:P1}.");
        Line($"");
        Line($"| opcode | gas | worst ns | where | fitted ns | Mgas/s | share | |");
        Line($"|---|---|---|---|---|---|---|---|");
        foreach (OpcodeCost row in Opcodes)
        {
            string fitted = row.FittedNs is double ns ? ns.ToString("F2", CultureInfo.InvariantCulture) : "";
            Line($"| {row.Opcode} | {row.Gas:F1} | {row.WorstNs:F2} | {row.Where} | {fitted} | {row.MgasPerSecond:F0} | {row.Share:F2} | {(row.Verdict == "ok" ? "" : row.Verdict)} |");
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
