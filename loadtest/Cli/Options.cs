// The commands' settings after the command line was understood, and the rules for their values. A value that is not in
// its range is refused with the option's name, what it takes, and what was given.

using System;
using System.Globalization;
using ParallelVm.Engine;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <summary>The main job.</summary>
/// <param name="Jit">How programs run.</param>
internal sealed record MainOptions(ulong Seed, int Workers, int Seconds, int Txs, string Json, JitMode Jit);

/// <summary><c>run</c>.</summary>
/// <param name="Data">Data folder to create or continue; null for a temporary one.</param>
/// <param name="Json">Report to write; null for none.</param>
/// <param name="Verify">Execute the blocks again with the serial twin.</param>
/// <param name="Lines">Print a line per accepted block, also on a terminal.</param>
/// <param name="Jit">How programs run; the bytes are the same.</param>
/// <param name="SignsFirst">All is signed before the first block: the node has the cores to itself.</param>
/// <param name="WarmUp">Blocks before those that are measured.</param>
internal sealed record RunOptions(
    ulong Seed, int Workers, int Blocks, int Txs, WorkloadMix Mix, int ConflictPermyriad, string? Data, string? Json, bool Verify, bool Lines, JitMode Jit, bool SignsFirst, int WarmUp)
{
    /// <summary>Blocks in all.</summary>
    public int AllBlocks => WarmUp + Blocks;
}

/// <summary><c>replay</c>.</summary>
internal sealed record ReplayOptions(string File, bool BalancesAdd, int Workers, string? Json);

/// <summary><c>bench</c>.</summary>
internal sealed record BenchOptions(string Suite, string? Json, int Runs, int Workers);

/// <summary><c>trace</c>.</summary>
/// <param name="Seed">Of the load; a data folder knows its own.</param>
/// <param name="Data">Data folder whose blocks are meant; null for the load's own transactions.</param>
/// <param name="Json">File to write; null for none.</param>
internal sealed record TraceOptions(
    ulong Seed, ulong Height, int Index, int Txs, WorkloadMix Mix, int ConflictPermyriad, string? Data, string? Json);

/// <summary><c>conflicts</c>.</summary>
/// <param name="File">Trace; null for a folder.</param>
/// <param name="Block">Number of the trace's block; null for all.</param>
/// <param name="Data">Data folder; null for a trace.</param>
/// <param name="CostsGas">A transaction costs the gas that it used; otherwise one.</param>
/// <param name="Keys">Most keys reported.</param>
/// <param name="Json">Report to write; null for none.</param>
/// <param name="Dot">Picture to write; null for none.</param>
internal sealed record ConflictsOptions(
    string? File, ulong? Block, string? Data, ulong Height, bool BalancesAdd, bool CostsGas, int Keys, string? Json, string? Dot);

/// <summary><c>simulate</c>.</summary>
/// <param name="File">Trace; null for the load of a seed, or a batch.</param>
/// <param name="Batch">A workload of the engine suite; null for a trace or a load.</param>
/// <param name="Microseconds">What a transaction of a trace is busy for; 0 for touching its keys only.</param>
/// <param name="Rounds">Rounds of measuring.</param>
/// <param name="Anyway">Show what validation does not support.</param>
/// <param name="Json">Report to write; null for none.</param>
internal sealed record SimulateOptions(
    string? File, string? Batch, int Microseconds, ulong Seed, int Blocks, int Txs, WorkloadMix Mix, int ConflictPermyriad, int Rounds, bool Anyway, string? Json);

/// <summary><c>calibrate</c>.</summary>
/// <param name="Runs">Rounds over all programs; the least time of each counts.</param>
/// <param name="Json">File to write; null for none.</param>
/// <param name="Markdown">Page to write; null for none.</param>
internal sealed record CalibrateOptions(ulong Seed, int Runs, string? Json, string? Markdown);

/// <summary>Values of options.</summary>
internal static class OptionValues
{
    /// <summary>The most workers that may be asked for.</summary>
    public const int WorkersMax = 64;

    /// <summary>An integer in [<paramref name="min"/>, <paramref name="max"/>]; <paramref name="fallback"/> when the option is absent.</summary>
    public static bool TryInteger(string option, string? text, ulong min, ulong max, ulong fallback, out ulong value, ref Refusal refusal)
    {
        value = fallback;
        if (text is null)
        {
            return true;
        }

        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max)
        {
            return true;
        }

        refusal = new Refusal(RefusalCode.BadOption, $"{option} takes an integer from {min} to {max}, not '{text}'.");
        return false;
    }

    /// <summary>A share in [0, 1] with at most four decimals, as an integer of ten-thousandths.</summary>
    public static bool TryShare(string option, string? text, int fallback, out int permyriad, ref Refusal refusal)
    {
        permyriad = fallback;
        if (text is null)
        {
            return true;
        }

        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal share)
            && share <= 1 && decimal.IsInteger(share * 10_000))
        {
            permyriad = (int)(share * 10_000);
            return true;
        }

        refusal = new Refusal(RefusalCode.BadOption, $"{option} takes a share from 0 to 1 with at most four decimals, not '{text}'.");
        return false;
    }

    /// <summary>A mix such as <c>transfers=50,swaps=40,failing=10</c>: whole percents that sum to 100; what is absent is 0.</summary>
    public static bool TryMix(string option, string? text, out WorkloadMix mix, ref Refusal refusal)
    {
        mix = WorkloadMix.Default;
        if (text is null)
        {
            return true;
        }

        int[] percents = [0, 0, 0];
        bool[] given = [false, false, false];
        foreach (string part in text.Split(','))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            int kind = equals < 0 ? -1 : Array.IndexOf(WorkloadMix.Names, part[..equals]);
            if (kind < 0
                || given[kind]
                || !int.TryParse(part[(equals + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out percents[kind])
                || percents[kind] > 100)
            {
                refusal = new Refusal(
                    RefusalCode.BadOption, $"{option} takes percents such as transfers=50,swaps=40,failing=10; '{part}' is not one of them.");
                return false;
            }

            given[kind] = true;
        }

        int sum = percents[0] + percents[1] + percents[2];
        if (sum != 100)
        {
            refusal = new Refusal(RefusalCode.BadOption, $"{option} takes percents that sum to 100; '{text}' sums to {sum}.");
            return false;
        }

        mix = new WorkloadMix(percents[0], percents[1], percents[2]);
        return true;
    }

    /// <summary>One of a few words.</summary>
    public static bool TryWord(string option, string? text, string[] words, ref string word, ref Refusal refusal)
    {
        if (text is null)
        {
            return true;
        }

        if (Array.IndexOf(words, text) >= 0)
        {
            word = text;
            return true;
        }

        refusal = new Refusal(RefusalCode.BadOption, $"{option} takes {string.Join(" or ", words)}, not '{text}'.");
        return false;
    }
}
