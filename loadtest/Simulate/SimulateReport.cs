// What simulate prints and writes: schema parallelvm.simulate/1. Times are of the run stage: the transactions, without loading their
// keys before and settling after.
//
// Threading: immutable.

using System;
using System.Globalization;
using System.IO;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>Reality beside the simulation of it.</summary>
/// <param name="Error">Simulated less measured, over measured.</param>
internal sealed record Validation(int Workers, double MeasuredUs, double SimulatedUs, double Error);

/// <summary>One figure.</summary>
/// <param name="Kind"><c>validated</c> for as many workers as were measured beside it, <c>simulated</c> beyond.</param>
/// <param name="Speedup">Against the plain loop of the same transactions.</param>
internal sealed record ModelPoint(int Workers, double RunUs, double Speedup, string Kind);

/// <summary>A key model.</summary>
/// <param name="Ceiling">Work over span in measured time: no number of workers is faster.</param>
internal sealed record ModelRow(string Model, double WorkUs, double SpanUs, double Ceiling, ModelPoint[] Points);

/// <summary>The file's shape.</summary>
internal sealed record SimulateReport(
    string Schema, string Source, int Blocks, int Transactions, SchedulingCosts Costs, long ClockNs, CoreDistance Distance, Validation[] Validations, bool IsTrusted, ModelRow[] Models)
{
    /// <summary>The schema's name.</summary>
    public const string SchemaName = "parallelvm.simulate/1";

    /// <summary>Prints constants, validation and ladder.</summary>
    public void Print(TextWriter output)
    {
        Line(output, $"source        {Source}: {Blocks} blocks, {Transactions} transactions");
        Line(output, $"constants     measured in this run, ns: take {Costs.TakeNs}, complete a chain {Costs.CompleteNs}, parallel way {Costs.PathNs} a transaction, hand-off {Costs.HandOffNs}, wake {Costs.WakeNs} after {Costs.SpinNs} of spinning, enter {Costs.EnterNs}, line {Costs.LineNs}, clock {ClockNs}");
        Line(output, $"              two busy cores: each transaction takes {Costs.InterferencePermille / 1000.0:F3} of its time alone");
        Line(output, $"              {Distance.Near} of {Distance.Rounds} rounds count: the two cores were a line of {Distance.LeastNs} to {Distance.MostNs} ns apart");
        foreach (Validation validation in Validations)
        {
            Line(output, $"validation    P={validation.Workers}: measured {validation.MeasuredUs:F0} us, simulated {validation.SimulatedUs:F0} us, error {validation.Error:+0.0%;-0.0%}");
        }

        if (Models.Length == 0)
        {
            return;
        }

        output.Write("speed-up      model          ceiling");
        foreach (ModelPoint point in Models[0].Points)
        {
            output.Write($"{(point.Kind == "simulated" ? "*" : "") + "P=" + point.Workers,8}");
        }

        output.WriteLine();
        foreach (ModelRow model in Models)
        {
            output.Write(string.Create(CultureInfo.InvariantCulture, $"              {model.Model,-14} {model.Ceiling,6:F2}x"));
            foreach (ModelPoint point in model.Points)
            {
                output.Write(string.Create(CultureInfo.InvariantCulture, $"{point.Speedup,7:F2}x"));
            }

            output.WriteLine();
        }

        output.WriteLine("              * simulated: the scheduler's code on a virtual clock; run stage only");
    }

    private static void Line(TextWriter output, FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
