// What conflicts prints and writes: schema parallelvm.conflicts/1.
//
// Threading: immutable.

using System;
using System.Globalization;
using System.IO;
using System.Linq;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Conflicts;

/// <summary>A step of the critical path: it waits for the step before it with this key; the first has none.</summary>
internal sealed record ConflictStep(int Tx, ulong Start, uint Cost, string? Key, string? Mode);

/// <summary>A key and its part of the span; see <see cref="KeyHeat"/>.</summary>
internal sealed record ConflictKey(string Key, ulong OnPath, ulong Alone, ulong Saves, int Reads, int Writes, int Adds);

/// <summary>One block.</summary>
/// <param name="Ceiling">Work over span: no number of workers is faster.</param>
/// <param name="WidthOverTime">Transactions that run at once, on endless workers, on average over each slice of the span.</param>
internal sealed record ConflictBlock(
    ulong Block, int Transactions, int Keys, ulong Work, ulong Span, double Ceiling, int Levels, int Width,
    ulong SliceLength, double[] WidthOverTime, ConflictStep[] CriticalPath, ConflictKey[] HottestKeys)
{
    /// <summary>Names what an analysis found.</summary>
    public static ConflictBlock Of(ulong block, AccessTable table, ConflictAnalysis analysis) => new(
        block, table.TxCount, table.Keys.Count, analysis.Shape.Work, analysis.Shape.Span,
        analysis.Shape.Span == 0 ? 1 : analysis.Shape.Work / (double)analysis.Shape.Span, analysis.Shape.Levels, analysis.Shape.Width,
        analysis.SliceLength,
        Array.ConvertAll(analysis.Busy.ToArray(), busy => Math.Round(busy / (double)analysis.SliceLength, 3)),
        Array.ConvertAll(analysis.CriticalPath.ToArray(), step => new ConflictStep(
            step.Tx, step.Start, step.Cost, step.Key < 0 ? null : table.Keys[step.Key].Name, step.Key < 0 ? null : step.Mode.ToString())),
        Array.ConvertAll(analysis.HottestKeys.ToArray(), heat => new ConflictKey(
            table.Keys[heat.Key].Name, heat.OnPath, heat.Alone, heat.Saves, heat.Reads, heat.Writes, heat.Adds)));
}

/// <summary>The file's shape.</summary>
/// <param name="Costs">What a transaction costs: <c>unit</c> (one) or <c>gas</c> (what it used).</param>
internal sealed record ConflictsReport(string Schema, string Source, string Costs, ConflictBlock[] Blocks)
{
    /// <summary>The schema's name.</summary>
    public const string SchemaName = "parallelvm.conflicts/1";

    private const int StepsShown = 24;
    private const int BarMax = 40;

    /// <summary>Prints one block in full, or several with a line each and their sums.</summary>
    public void Print(TextWriter output)
    {
        if (Blocks.Length == 1)
        {
            Print(Blocks[0], output);
            return;
        }

        Line(output, $"{"block",-10} {"txs",5} {"keys",6} {"work",9} {"span",9} {"ceiling",8} {"width",6}  hottest key");
        foreach (ConflictBlock block in Blocks)
        {
            string hottest = block.HottestKeys.Length == 0 ? "" : $"{block.HottestKeys[0].Key}, {block.HottestKeys[0].OnPath} of the span";
            Line(output, $"{block.Block,-10} {block.Transactions,5} {block.Keys,6} {block.Work,9} {block.Span,9} {block.Ceiling,7:F2}x {block.Width,6}  {hottest}");
        }

        ulong work = Blocks.Aggregate(0UL, (sum, block) => sum + block.Work);
        ulong span = Blocks.Aggregate(0UL, (sum, block) => sum + block.Span);
        Line(output, $"{"together",-10} {Blocks.Sum(b => b.Transactions),5} {"",6} {work,9} {span,9} {work / (double)Math.Max(1, span),7:F2}x");
    }

    private void Print(ConflictBlock block, TextWriter output)
    {
        Line(output, $"block         {block.Block}, {block.Transactions} transactions, {block.Keys} keys, costs in {Costs}");
        Line(output, $"work          {block.Work}");
        Line(output, $"span          {block.Span}, {block.CriticalPath.Length} transactions one after another");
        Line(output, $"ceiling       {block.Ceiling:F2}x");
        Line(output, $"width         at most {block.Width} on one of {block.Levels} levels");
        double widest = block.WidthOverTime.DefaultIfEmpty(0).Max();
        for (int slice = 0; slice < block.WidthOverTime.Length; slice++)
        {
            double width = block.WidthOverTime[slice];
            Line(output, $"  from {(ulong)slice * block.SliceLength,9} {width,9:F2} {new string('#', (int)Math.Ceiling(width / Math.Max(widest, 1e-9) * BarMax))}");
        }

        Line(output, $"hottest keys  {"on path",9} {"alone",9} {"saves",9} {"reads",6} {"writes",6} {"adds",6}");
        foreach (ConflictKey key in block.HottestKeys)
        {
            Line(output, $"              {key.OnPath,9} {key.Alone,9} {key.Saves,9} {key.Reads,6} {key.Writes,6} {key.Adds,6}  {key.Key}");
        }

        output.WriteLine("critical path");
        for (int i = 0; i < Math.Min(StepsShown, block.CriticalPath.Length); i++)
        {
            ConflictStep step = block.CriticalPath[i];
            string edge = step.Key is null ? "waits for nobody" : $"{step.Mode} of {step.Key}";
            Line(output, $"  at {step.Start,9}  tx {step.Tx,5}  cost {step.Cost,7}  {edge}");
        }

        if (block.CriticalPath.Length > StepsShown)
        {
            Line(output, $"  and {block.CriticalPath.Length - StepsShown} more (--json has all)");
        }
    }

    private static void Line(TextWriter output, FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
