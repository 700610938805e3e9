// The part of the command line that explains parallelism.

using System.CommandLine;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Loadtest.Simulate;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <content><c>conflicts</c> and <c>simulate</c>.</content>
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

    private Command DefineSimulate()
    {
        Command command = new("simulate", "The scheduler on more cores than there are, under several models of what a key is; validated in the same run.");
        Argument<string?> file = new("FILE") { Description = "Trace, one JSON object a line (the load of a seed).", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> batch = Text("--batch", "A workload of the engine suite instead, as counter.add (none); --blocks, --txs and --rounds apply.");
        Option<string?> microseconds = Text("--us", "What a transaction of a trace is busy for, in microseconds; 0: it touches its keys, no more (10).");
        Option<string?> seed = Text("--seed", "Seed of the load (1).");
        Option<string?> blocks = Text("--blocks", "Blocks of the load (5).");
        Option<string?> txs = Text("--txs", "Transactions per block of the load (2000).");
        Option<string?> mix = Text("--mix", $"Percents of the load ({WorkloadMix.Default}).");
        Option<string?> conflict = Text("--conflict", "Share of the load that goes to one hot pool and one hot sender, 0 to 1 (0).");
        Option<string?> rounds = Text("--rounds", "Rounds of measuring (9).");
        Option<bool> anyway = new("--anyway") { Description = "Show more than two workers though the simulation is off at one or two." };
        Option<string?> json = Text("--json", "Report file (none).");
        command.Arguments.Add(file);
        AddAll(command, batch, microseconds, seed, blocks, txs, mix, conflict, rounds, anyway, json);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            if (!OptionValues.TryInteger("--us", parsed.GetValue(microseconds), 0, 1_000, 10, out ulong busy, ref refusal)
                || !OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                || !OptionValues.TryInteger("--blocks", parsed.GetValue(blocks), 1, 1_000, 5, out ulong blockCount, ref refusal)
                || !OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 2_000, out ulong txCount, ref refusal)
                || !OptionValues.TryMix("--mix", parsed.GetValue(mix), out WorkloadMix workload, ref refusal)
                || !OptionValues.TryShare("--conflict", parsed.GetValue(conflict), 0, out int hot, ref refusal)
                || !OptionValues.TryInteger("--rounds", parsed.GetValue(rounds), 1, 1_000, 9, out ulong roundCount, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            if (parsed.GetValue(file) is not null && parsed.GetValue(batch) is not null)
            {
                return _terminal.Fail(new Refusal(RefusalCode.BadCommandLine, "simulate takes a trace or --batch, not both."));
            }

            SimulateOptions options = new(
                parsed.GetValue(file), parsed.GetValue(batch), (int)busy, seedValue, (int)blockCount, (int)txCount, workload, hot, (int)roundCount, parsed.GetValue(anyway), parsed.GetValue(json));
            return SimulateJob.Run(options, _terminal);
        });
        return command;
    }
}
