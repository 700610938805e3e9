// The part of the command line that explains parallelism.

using System.CommandLine;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <content><c>conflicts</c>.</content>
internal sealed partial class CommandLine
{
    private Command DefineConflicts()
    {
        Command command = new("conflicts", "Explains a block's span: critical path, width over time, hottest keys.");
        Argument<string?> file = new("FILE") { Description = "Trace, one JSON object a line.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> block = Text("--block", "Number of the trace's block (all of them).");
        Option<string?> data = Text("--data", "Data folder, instead of a trace.");
        Option<string?> height = Text("--height", "Height of the folder's block (1).");
        Option<string?> balances = Text("--balances", "Mode of a trace's balances: add or write (add).");
        Option<string?> costs = Text("--costs", "What a transaction costs: gas or unit (gas of a folder, unit of a trace).");
        Option<string?> keys = Text("--keys", "Hottest keys to report (16).");
        Option<string?> json = Text("--json", "Report file (none).");
        Option<string?> dot = Text("--dot", "Picture of one block in the DOT language (none).");
        command.Arguments.Add(file);
        AddAll(command, block, data, height, balances, costs, keys, json, dot);
        command.SetAction(parsed =>
        {
            string? trace = parsed.GetValue(file);
            string? folder = parsed.GetValue(data);
            if (trace is null == string.IsNullOrEmpty(folder))
            {
                return _terminal.Fail(new Refusal(RefusalCode.BadCommandLine, "conflicts takes a trace FILE, or --data FOLDER with --height H."));
            }

            Refusal refusal = Refusal.None;
            string mode = "add";
            string cost = trace is null ? "gas" : "unit";
            if (!OptionValues.TryInteger("--block", parsed.GetValue(block), 0, ulong.MaxValue, 0, out ulong number, ref refusal)
                || !OptionValues.TryInteger("--height", parsed.GetValue(height), 1, ulong.MaxValue, 1, out ulong heightValue, ref refusal)
                || !OptionValues.TryWord("--balances", parsed.GetValue(balances), ["add", "write"], ref mode, ref refusal)
                || !OptionValues.TryWord("--costs", parsed.GetValue(costs), ["gas", "unit"], ref cost, ref refusal)
                || !OptionValues.TryInteger("--keys", parsed.GetValue(keys), 0, 1_000, 16, out ulong keyCount, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal)
                || !TryTarget(parsed.GetValue(dot), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            ConflictsOptions options = new(
                trace, parsed.GetValue(block) is null ? null : number, folder, heightValue, mode == "add", cost == "gas", (int)keyCount,
                parsed.GetValue(json), parsed.GetValue(dot));
            return ConflictsJob.Run(options, _terminal);
        });
        return command;
    }
}
