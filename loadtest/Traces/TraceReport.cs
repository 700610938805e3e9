// What trace prints and writes: the outcome, the call tree, gas by instruction, use of keys.
//
// Threading: immutable.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Traces;

/// <summary>How the transaction ended. Instruction gas and unowned gas and intrinsic gas sum to what was used.</summary>
internal sealed record TraceOutcome(
    string Halt, string Code, int Function, int Instruction, ulong GasLimit, ulong GasUsed, ulong IntrinsicGas, ulong InstructionGas, ulong UnownedGas);

/// <summary>A node of the call tree.</summary>
internal sealed record TraceCall(
    string Program, int Function, uint? Selector, long Times, long Instructions, ulong OwnGas, ulong TotalGas, TraceCall[] Calls);

/// <summary>An instruction of the code and what its runs cost together.</summary>
internal sealed record TraceInstruction(string Program, int Function, int Instruction, string Text, long Times, ulong Gas);

/// <summary>A key of the access list.</summary>
internal sealed record TraceKey(string Program, string Key, string Mode, long Reads, long Writes, long Adds);

/// <summary>The file's shape.</summary>
internal sealed record TraceReport(
    string Schema,
    ulong Seed,
    ulong Height,
    int Index,
    string Transaction,
    string Payer,
    TraceOutcome Outcome,
    TraceCall? Call,
    TraceInstruction[] Instructions,
    TraceKey[] Keys)
{
    /// <summary>Instructions that the text shows.</summary>
    private const int Shown = 20;

    /// <summary>Puts together what a watched run left.</summary>
    public static TraceReport Make(ulong seed, Height height, int index, Message message, in Outcome outcome, TransactionTrace trace)
    {
        List<TraceInstruction> instructions = [];
        foreach ((CodePlace place, PlaceCost cost) in trace.Places)
        {
            instructions.Add(new TraceInstruction(
                place.Program.ToString(), place.Function, place.Instruction, TransactionTrace.Show(cost.Word), cost.Times, cost.Gas));
        }

        instructions.Sort(static (x, y) => x.Gas != y.Gas ? y.Gas.CompareTo(x.Gas)
            : x.Program != y.Program ? string.CompareOrdinal(x.Program, y.Program)
            : (x.Function, x.Instruction).CompareTo((y.Function, y.Instruction)));
        TraceKey[] keys = new TraceKey[message.Accesses.Count];
        for (int i = 0; i < keys.Length; i++)
        {
            Access access = message.Accesses[i];
            KeyUse use = trace.Keys.GetValueOrDefault(i) ?? new KeyUse();
            keys[i] = new TraceKey(
                message.Programs[access.ProgramIndex].ToString(), access.Key.ToString(), access.Mode.ToString(), use.Reads, use.Writes, use.Adds);
        }

        ulong unowned = outcome.GasUsed - message.IntrinsicGas - trace.Counted;
        string code = outcome.Code >= (ushort)TrapCode.UserBase
            ? string.Create(CultureInfo.InvariantCulture, $"{outcome.Code - (ushort)TrapCode.UserBase}")
            : ((TrapCode)outcome.Code).ToString();
        return new TraceReport(
            "parallelvm.trace/1", seed, height.Value, index, message.Id.ToString(), message.Payer.ToString(),
            new TraceOutcome(
                outcome.Halt.ToString(), code, outcome.Function, outcome.Instruction,
                message.GasLimit, outcome.GasUsed, message.IntrinsicGas, trace.Counted, unowned),
            trace.Root is null ? null : CallOf(trace.Root), [.. instructions], keys);
    }

    /// <summary>Prints it for people.</summary>
    public void Print(TextWriter output)
    {
        void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
        Line($"transaction   {Transaction}, {Index} of height {Height}, seed {Seed}");
        Line($"payer         {Payer}");
        string place = Outcome.Halt == nameof(Executor.Halt.Success) ? "" : $" {Outcome.Code} at instruction {Outcome.Instruction} of function {Outcome.Function}";
        Line($"outcome       {Outcome.Halt}{place}");
        Line($"gas           {Outcome.GasUsed} of {Outcome.GasLimit} = intrinsic {Outcome.IntrinsicGas} + instructions {Outcome.InstructionGas} + charged and not run {Outcome.UnownedGas}");
        output.WriteLine();
        Line($"{"calls",-46} {"times",8} {"instructions",12} {"own gas",10} {"gas",10}");
        if (Call is not null)
        {
            PrintCall(Call, 0, Line);
        }

        output.WriteLine();
        Line($"gas by instruction, {Math.Min(Shown, Instructions.Length)} of {Instructions.Length}");
        foreach (TraceInstruction row in Instructions.AsSpan(0, Math.Min(Shown, Instructions.Length)))
        {
            Line($"{row.Gas,10} {row.Times,8}x  {Short(row.Program)} f{row.Function}:{row.Instruction,-5} {row.Text}");
        }

        output.WriteLine();
        Line($"{"keys",-24} {"mode",-6} {"reads",6} {"writes",6} {"adds",6}");
        foreach (TraceKey key in Keys)
        {
            Line($"{Short(key.Program)}/{Short(key.Key),-14} {key.Mode,-6} {key.Reads,6} {key.Writes,6} {key.Adds,6}");
        }
    }

    private static void PrintCall(TraceCall call, int depth, Action<FormattableString> line)
    {
        string name = call.Selector is uint selector
            ? string.Create(CultureInfo.InvariantCulture, $"{Short(call.Program)} entry {selector:x8}, f{call.Function}")
            : string.Create(CultureInfo.InvariantCulture, $"f{call.Function}");
        name = new string(' ', 2 * depth) + name;
        line($"{name,-46} {call.Times,8} {call.Instructions,12} {call.OwnGas,10} {call.TotalGas,10}");
        foreach (TraceCall child in call.Calls)
        {
            PrintCall(child, depth + 1, line);
        }
    }

    private static string Short(string hex) => hex.Length <= 9 ? hex : hex[..4] + ".." + hex[^4..];

    private static TraceCall CallOf(CallNode node) => new(
        node.Program.ToString(), node.Function, node.Selector, node.Times, node.Instructions, node.OwnGas, node.TotalGas,
        [.. node.Children.ConvertAll(CallOf)]);
}
