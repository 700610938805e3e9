// The command line: its grammar, and the way from words to a command that runs.
//
//   loadtest                                        the main job
//   loadtest run | info | replay FILE | bench SUITE | db COMMAND | soak | kill | flood | trace | conflicts | simulate | calibrate
//   loadtest genesis new
//
// The grammar takes every value as text; OptionValues judges it, so that a refusal is one sentence of ours. No input
// reaches a stack trace: what is wrong with the input is a Refusal, what is wrong with the machine is caught in Run by
// its type, and the rest is our defect: one line too, the trace only with --debug.
//
// Threading: commands run on the caller's thread.

using System;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.IO;
using ParallelVm.Engine;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Loadtest.Calibration;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Remote;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Loadtest.Traces;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Cli;

/// <summary>The program behind its command line.</summary>
internal sealed partial class CommandLine
{
    private readonly Terminal _terminal;
    private readonly RootCommand _root;
    private readonly Option<bool> _debug = new("--debug") { Description = "Print the stack trace of an unexpected failure.", Recursive = true };

    private CommandLine(Terminal terminal)
    {
        _terminal = terminal;
        _root = new RootCommand("Load generator of ParallelVm. Without a command it runs the main job: about ten seconds of a mixed DEX load.");
        _root.Directives.Clear();
        _root.Options.Add(_debug);
        DefineMain();
        _root.Subcommands.Add(DefineRun());
        _root.Subcommands.Add(DefineInfo());
        _root.Subcommands.Add(DefineReplay());
        _root.Subcommands.Add(DefineBench());
        _root.Subcommands.Add(DefineDb());
        _root.Subcommands.Add(DefineSoak());
        _root.Subcommands.Add(DefineKill());
        _root.Subcommands.Add(DefineFlood());
        _root.Subcommands.Add(DefineTrace());
        _root.Subcommands.Add(DefineConflicts());
        _root.Subcommands.Add(DefineSimulate());
        _root.Subcommands.Add(DefineCalibrate());
        _root.Subcommands.Add(DefineGenesis());
    }

    /// <summary>Runs the program.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static int Run(string[] args, Terminal terminal)
    {
        bool isDebug = Array.IndexOf(args, "--debug") >= 0;
        try
        {
            CommandLine line = new(terminal);
            ParseResult parsed = line._root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Errors.Count > 0)
            {
                return terminal.Fail(new Refusal(RefusalCode.BadCommandLine, Terminal.OneLine(parsed.Errors[0].Message)));
            }

            foreach (Token token in parsed.Tokens)
            {
                if (token.Type == TokenType.Directive)
                {
                    return terminal.Fail(new Refusal(RefusalCode.BadCommandLine, $"There are no directives such as '{token.Value}'."));
                }
            }

            return parsed.Invoke(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
            });
        }
        catch (StateStoreException e)
        {
            Trace(terminal, isDebug, e);
            return terminal.Fail(e.Refusal, ExitCodes.LocalFailure);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Trace(terminal, isDebug, e);
            return terminal.Fail(new Refusal(RefusalCode.LocalFailure, e.Message), ExitCodes.LocalFailure);
        }
#pragma warning disable CA1031 // the process's last line: an unexpected failure is reported in one line, then the process ends
        catch (Exception e)
        {
            Trace(terminal, isDebug, e);
            return terminal.Fail(new Refusal(RefusalCode.Unexpected, $"{e.GetType().Name}: {e.Message}"), ExitCodes.Unexpected);
        }
#pragma warning restore CA1031
    }

    private static void Trace(Terminal terminal, bool isDebug, Exception e)
    {
        if (isDebug)
        {
            terminal.Error.WriteLine(e.ToString());
        }
    }

    private static Option<bool> NoJit() => new("--no-jit") { Description = "Interpret every program; blocks, receipts and roots are the same." };

    private static JitMode ModeOf(bool noJit) => noJit ? JitMode.Off : JitMode.Background;

    private static Option<string?> Text(string name, string description) => new(name) { Description = description };

    private void DefineMain()
    {
        Option<string?> seed = Text("--seed", "Seed of the load (1).");
        Option<string?> workers = Text("--workers", "Worker interpreters (one per core).");
        Option<string?> seconds = Text("--seconds", "Length of the load in seconds (10).");
        Option<string?> txs = Text("--txs", "Transactions offered per block (1000).");
        Option<string?> json = Text("--json", "Report file (report.json).");
        Option<bool> noJit = NoJit();
        AddAll(_root, seed, workers, seconds, txs, json, noJit);
        _root.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            string target = parsed.GetValue(json) ?? "report.json";
            if (!OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                || !TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                || !OptionValues.TryInteger("--seconds", parsed.GetValue(seconds), 1, 3_600, 10, out ulong secondCount, ref refusal)
                || !OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 1_000, out ulong txCount, ref refusal)
                || !TryTarget(target, ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            return MainJob.Run(new MainOptions(seedValue, workerCount, (int)secondCount, (int)txCount, target, ModeOf(parsed.GetValue(noJit))), _terminal);
        });
    }

    private Command DefineRun()
    {
        Command command = new("run", "Runs a fixed number of blocks; the same seed makes the same blocks for any number of workers.");
        Option<string?> seed = Text("--seed", "Seed of the chain and its load (1).");
        Option<string?> workers = Text("--workers", "Worker interpreters, 1 to 64 (one per core); 1 is the serial order.");
        Option<string?> blocks = Text("--blocks", "Blocks to run (20).");
        Option<string?> warmUp = Text("--warm-up", "Blocks before those, which no figure of the report counts: by then a fresh process is compiled (0).");
        Option<string?> txs = Text("--txs", "Transactions offered per block (1000).");
        Option<string?> mix = Text("--mix", $"Percents of the load ({WorkloadMix.Default}).");
        Option<string?> conflict = Text("--conflict", "Share of the transactions that go to one hot pool and one hot sender, 0 to 1 (0).");
        Option<string?> data = Text("--data", "Data folder to create or continue (a temporary one).");
        Option<string?> json = Text("--json", "Report file (none).");
        Option<bool> noVerify = new("--no-verify") { Description = "Do not execute the blocks again with the serial twin." };
        Option<bool> lines = new("--lines") { Description = "Print a line per accepted block, also on a terminal." };
        Option<bool> noJit = NoJit();
        Option<bool> signFirst = new("--sign-first") { Description = $"Sign the whole load, at most {RunJob.SignedFirstMax} transactions, before the first block, and name the slowest stage." };
        Option<bool> plugin = new("--plugin") { Description = "Through plugin processes, driven as AvalancheGo drives them; always verified." };
        Option<string?> pluginPath = Text("--plugin-path", "Plugin to start (the one that was built with this program).");
        Option<string?> submit = Text("--submit", "How transactions reach a plugin: api or gossip (api).");
        Option<string?> nodes = Text("--nodes", "Plugin processes, which propose in turn and must agree, 1 to 16 (1).");
        Option<string?> url = Text("--url", "Against the node that serves this chain, http://HOST:PORT/ext/bc/ID, over its API alone; blocks are batches then.");
        AddAll(command, seed, workers, blocks, warmUp, txs, mix, conflict, data, json, noVerify, lines, noJit, signFirst, plugin, pluginPath, submit, nodes, url);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            string way = "api";
            if (!OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                || !TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                || !OptionValues.TryWord("--submit", parsed.GetValue(submit), ["api", "gossip"], ref way, ref refusal)
                || !OptionValues.TryInteger("--blocks", parsed.GetValue(blocks), 1, 1_000_000, 20, out ulong blockCount, ref refusal)
                || !OptionValues.TryInteger("--warm-up", parsed.GetValue(warmUp), 0, 1_000_000, 0, out ulong warmUpCount, ref refusal)
                || !OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 1_000, out ulong txCount, ref refusal)
                || !OptionValues.TryMix("--mix", parsed.GetValue(mix), out WorkloadMix workload, ref refusal)
                || !OptionValues.TryShare("--conflict", parsed.GetValue(conflict), 0, out int hot, ref refusal)
                || !OptionValues.TryInteger("--nodes", parsed.GetValue(nodes), 1, 16, 1, out ulong nodeCount, ref refusal)
                || !TryUrl(parsed.GetValue(url), out Uri? remote, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal)
                || !TryFolder(parsed.GetValue(data), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            if (remote is not null && (parsed.GetValue(plugin) || parsed.GetValue(data) is not null || warmUpCount > 0))
            {
                return _terminal.Fail(new Refusal(
                    RefusalCode.BadCommandLine, "run takes one of --url, --plugin; --data and --warm-up are not for --url, where the node keeps the chain and has run for long."));
            }

            if (parsed.GetValue(signFirst) && (remote is not null || parsed.GetValue(plugin) || (warmUpCount + blockCount) * txCount > RunJob.SignedFirstMax))
            {
                return _terminal.Fail(new Refusal(
                    RefusalCode.BadCommandLine, $"--sign-first is for chains in this process, and for at most {RunJob.SignedFirstMax} transactions: {warmUpCount + blockCount} blocks of {txCount} are more."));
            }

            RunOptions options = new(
                seedValue, workerCount, (int)blockCount, (int)txCount, workload, hot,
                parsed.GetValue(data), parsed.GetValue(json), !parsed.GetValue(noVerify), parsed.GetValue(lines), ModeOf(parsed.GetValue(noJit)), parsed.GetValue(signFirst), (int)warmUpCount);
            if (remote is not null)
            {
                return RemoteJob.Run(options, remote, _terminal);
            }

            return parsed.GetValue(plugin)
                ? PluginJob.Run(options, (int)nodeCount, parsed.GetValue(pluginPath) ?? NodeHost.PluginProcess.BuiltPlugin, way == "gossip", _terminal)
                : RunJob.Run(options, _terminal);
        });
        return command;
    }

    private Command DefineInfo()
    {
        Command command = new("info", "Prints the tip of a data folder.");
        Option<string?> data = Text("--data", "Data folder.");
        Option<bool> lines = new("--lines") { Description = "Print a line per accepted block, too." };
        AddAll(command, data, lines);
        command.SetAction(parsed => parsed.GetValue(data) is string folder
            ? RunJob.Info(folder, parsed.GetValue(lines), _terminal)
            : _terminal.Fail(new Refusal(RefusalCode.BadCommandLine, "info needs --data FOLDER.")));
        return command;
    }

    private Command DefineDb()
    {
        Command command = new("db", "Looks after a data folder that nobody has open.");
        Option<string?> data = new("--data") { Description = "Data folder.", Recursive = true };
        command.Options.Add(data);

        Command check = new("check", "Reads blocks, records, checkpoints and history again and recomputes the root.");
        check.SetAction(parsed => OnFolder(parsed.GetValue(data), folder => DbJob.Check(folder, _terminal)));

        Command info = new("info", "Prints height, root, what is kept and how large it is.");
        Option<bool> json = new("--json") { Description = "As JSON." };
        info.Options.Add(json);
        info.SetAction(parsed => OnFolder(parsed.GetValue(data), folder => DbJob.Info(folder, parsed.GetValue(json), _terminal)));

        Command rewind = new("rewind", "Takes the chain back to an older block; the later ones are forgotten.");
        Option<string?> height = Text("--height", "Height of the block to go back to.");
        rewind.Options.Add(height);
        rewind.SetAction(parsed => OnFolder(parsed.GetValue(data), folder =>
        {
            Refusal refusal = parsed.GetValue(height) is null ? new Refusal(RefusalCode.BadCommandLine, "db rewind needs --height H.") : Refusal.None;
            return !refusal.IsRefused && OptionValues.TryInteger("--height", parsed.GetValue(height), 0, ulong.MaxValue, 0, out ulong value, ref refusal)
                ? DbJob.Rewind(folder, value, _terminal)
                : _terminal.Fail(refusal);
        }));

        Command export = new("export", "Writes the state and the newest blocks to a file.");
        Argument<string> target = new("FILE") { Description = "File to write." };
        Option<string?> blocks = Text("--blocks", "Newest blocks that go with the state (1024).");
        export.Arguments.Add(target);
        export.Options.Add(blocks);
        export.SetAction(parsed => OnFolder(parsed.GetValue(data), folder =>
        {
            Refusal refusal = Refusal.None;
            return OptionValues.TryInteger("--blocks", parsed.GetValue(blocks), 1, 1 << 20, 1024, out ulong count, ref refusal)
                ? DbJob.Export(folder, parsed.GetValue(target)!, (int)count, _terminal)
                : _terminal.Fail(refusal);
        }));

        Command import = new("import", "Makes a new data folder of an exported file; trusted only when its records give its root.");
        Argument<string> source = new("FILE") { Description = "File that export wrote." };
        Option<string?> seed = Text("--seed", "Seed of the chain (1).");
        import.Arguments.Add(source);
        import.Options.Add(seed);
        import.SetAction(parsed => OnFolder(parsed.GetValue(data), folder =>
        {
            Refusal refusal = Refusal.None;
            return OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong value, ref refusal)
                ? DbJob.Import(folder, parsed.GetValue(source)!, value, _terminal)
                : _terminal.Fail(refusal);
        }));

        foreach (Command sub in new[] { check, info, rewind, export, import })
        {
            command.Subcommands.Add(sub);
        }

        return command;
    }

    private Command DefineSoak()
    {
        Command command = new("soak", "Loads a constant set of keys and prints what disk and memory grow to; exit 3 when they are not flat.");
        Option<string?> minutes = Text("--minutes", "Length of the load in minutes (10).");
        Option<string?> seed = Text("--seed", "Seed of the load (1).");
        Option<string?> txs = Text("--txs", "Transactions offered per block (500).");
        Option<string?> workers = Text("--workers", "Worker interpreters, 1 to 64 (one per core).");
        AddAll(command, minutes, seed, txs, workers);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            return OptionValues.TryInteger("--minutes", parsed.GetValue(minutes), 1, 10_000, 10, out ulong minuteCount, ref refusal)
                && OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                && OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 500, out ulong txCount, ref refusal)
                && TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                ? SoakJob.Run(seedValue, TimeSpan.FromMinutes(minuteCount), (int)txCount, workerCount, _terminal)
                : _terminal.Fail(refusal);
        });
        return command;
    }

    private Command DefineKill()
    {
        Command command = new("kill", "Kills a run again and again; no acknowledged block may be missing afterwards.");
        Option<string?> rounds = Text("--rounds", "Kills (20).");
        Option<string?> seed = Text("--seed", "Seed of the moments (1).");
        AddAll(command, rounds, seed);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            return OptionValues.TryInteger("--rounds", parsed.GetValue(rounds), 1, 1_000_000, 20, out ulong count, ref refusal)
                && OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                ? KillJob.Run((int)count, seedValue, _terminal)
                : _terminal.Fail(refusal);
        });
        return command;
    }

    private Command DefineFlood()
    {
        Command command = new("flood", "Floods a plugin with ten times what it includes, by gossip and by the API; memory must stay flat and blocks below twice their time.");
        Option<string?> seconds = Text("--seconds", "Length of the flood; before it half as long without one (60).");
        Option<string?> seed = Text("--seed", "Seed of the load and the flood (1).");
        Option<string?> txs = Text("--txs", "Transactions offered per block (500).");
        Option<string?> workers = Text("--workers", "Worker interpreters, 1 to 64 (one per core).");
        Option<string?> pluginPath = Text("--plugin-path", "Plugin to start (the one that was built with this program).");
        Option<string?> json = Text("--json", "File to write the report to.");
        AddAll(command, seconds, seed, txs, workers, pluginPath, json);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            return OptionValues.TryInteger("--seconds", parsed.GetValue(seconds), 1, 3_600, 60, out ulong secondCount, ref refusal)
                && OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                && OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 500, out ulong txCount, ref refusal)
                && TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                && TryTarget(parsed.GetValue(json), ref refusal)
                ? FloodJob.Run(
                    new FloodOptions(
                        seedValue, TimeSpan.FromSeconds(secondCount), (int)txCount, workerCount, parsed.GetValue(pluginPath) ?? NodeHost.PluginProcess.BuiltPlugin,
                        parsed.GetValue(json)),
                    _terminal)
                : _terminal.Fail(refusal);
        });
        return command;
    }

    private int OnFolder(string? folder, Func<string, int> act) => string.IsNullOrEmpty(folder)
        ? _terminal.Fail(new Refusal(RefusalCode.BadCommandLine, "db needs --data FOLDER."))
        : act(folder);

    private Command DefineReplay()
    {
        Command command = new("replay", "Replays a trace of which keys real transactions wrote.");
        Argument<string> file = new("FILE") { Description = "Trace, one JSON object a line." };
        Option<string?> balances = Text("--balances", "Mode of balances: add or write (add).");
        Option<string?> workers = Text("--workers", "Worker interpreters, 1 to 64 (one per core).");
        Option<string?> json = Text("--json", "Report file (none).");
        command.Arguments.Add(file);
        AddAll(command, balances, workers, json);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            string mode = "add";
            if (!OptionValues.TryWord("--balances", parsed.GetValue(balances), ["add", "write"], ref mode, ref refusal)
                || !TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            return ReplayJob.Run(new ReplayOptions(parsed.GetValue(file)!, mode == "add", workerCount, parsed.GetValue(json)), _terminal);
        });
        return command;
    }

    private Command DefineBench()
    {
        Command command = new("bench", "Runs a benchmark suite.");
        Argument<string> suite = new("SUITE") { Description = "Suite: " + string.Join(", ", BenchJob.Suites) + "." };
        Option<string?> json = Text("--json", "Report file (none).");
        Option<string?> runs = Text("--runs", "Runs per row (7).");
        Option<string?> workers = Text("--workers", "Workers of parallel rows, 1 to 64 (one per core).");
        command.Arguments.Add(suite);
        AddAll(command, json, runs, workers);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            string name = parsed.GetValue(suite)!;
            if (!BenchJob.Suites.Contains(name))
            {
                refusal = new Refusal(RefusalCode.UnknownSuite, $"There is no suite '{name}'; suites are {string.Join(", ", BenchJob.Suites)}.");
                return _terminal.Fail(refusal);
            }

            if (!OptionValues.TryInteger("--runs", parsed.GetValue(runs), 1, 1_000, 7, out ulong runCount, ref refusal)
                || !TryWorkers(parsed.GetValue(workers), out int workerCount, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            return BenchJob.Run(new BenchOptions(name, parsed.GetValue(json), (int)runCount, workerCount), _terminal);
        });
        return command;
    }

    private Command DefineTrace()
    {
        Command command = new("trace", "Shows one transaction instruction by instruction: call tree, gas, keys.");
        Option<string?> seed = Text("--seed", "Seed of the load (1).");
        Option<string?> height = Text("--height", "Height of its block (1).");
        Option<string?> index = Text("--index", "Its place in the block, from 0 (0).");
        Option<string?> txs = Text("--txs", "Transactions offered per block (1000).");
        Option<string?> mix = Text("--mix", $"Percents of the load ({WorkloadMix.Default}).");
        Option<string?> conflict = Text("--conflict", "Share of the transactions that go to one hot pool and one hot sender, 0 to 1 (0).");
        Option<string?> data = Text("--data", "Data folder whose accepted blocks are meant, instead of a load.");
        Option<string?> json = Text("--json", "File for everything, not only the dearest instructions (none).");
        AddAll(command, seed, height, index, txs, mix, conflict, data, json);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            if (!OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                || !OptionValues.TryInteger("--height", parsed.GetValue(height), 1, 1_000_000, 1, out ulong heightValue, ref refusal)
                || !OptionValues.TryInteger("--index", parsed.GetValue(index), 0, 99_999, 0, out ulong indexValue, ref refusal)
                || !OptionValues.TryInteger("--txs", parsed.GetValue(txs), 1, 100_000, 1_000, out ulong txCount, ref refusal)
                || !OptionValues.TryMix("--mix", parsed.GetValue(mix), out WorkloadMix workload, ref refusal)
                || !OptionValues.TryShare("--conflict", parsed.GetValue(conflict), 0, out int hot, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal)
                || !TryFolder(parsed.GetValue(data), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            return TraceJob.Run(
                new TraceOptions(seedValue, heightValue, (int)indexValue, (int)txCount, workload, hot, parsed.GetValue(data), parsed.GetValue(json)), _terminal);
        });
        return command;
    }

    private Command DefineCalibrate()
    {
        Command command = new("calibrate", "Measures what each opcode costs beside what it is charged.");
        Option<string?> seed = Text("--seed", "Seed of operands and mixes (1).");
        Option<string?> runs = Text("--runs", "Rounds of measurement (20).");
        Option<string?> json = Text("--json", "Report file (none).");
        Option<string?> markdown = Text("--markdown", "Page to write, for example docs/gas.md (none).");
        AddAll(command, seed, runs, json, markdown);
        command.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            if (!OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                || !OptionValues.TryInteger("--runs", parsed.GetValue(runs), 1, 1_000, 20, out ulong runCount, ref refusal)
                || !TryTarget(parsed.GetValue(json), ref refusal)
                || !TryTarget(parsed.GetValue(markdown), ref refusal))
            {
                return _terminal.Fail(refusal);
            }

            return CalibrateJob.Run(new CalibrateOptions(seedValue, (int)runCount, parsed.GetValue(json), parsed.GetValue(markdown)), _terminal);
        });
        return command;
    }

    private static void AddAll(Command command, params Option[] options)
    {
        foreach (Option option in options)
        {
            command.Options.Add(option);
        }
    }

    private static bool TryWorkers(string? text, out int workers, ref Refusal refusal)
    {
        ulong cores = (ulong)Math.Min(Environment.ProcessorCount, OptionValues.WorkersMax);
        bool ok = OptionValues.TryInteger("--workers", text, 1, OptionValues.WorkersMax, cores, out ulong value, ref refusal);
        workers = (int)value;
        return ok;
    }

    private static bool TryFolder(string? path, ref Refusal refusal)
    {
        if (path is "")
        {
            refusal = new Refusal(RefusalCode.BadOption, "--data takes the path of a folder.");
        }

        return !refusal.IsRefused;
    }

    private static bool TryTarget(string? path, ref Refusal refusal)
    {
        if (path is not null)
        {
            refusal = path.Length == 0
                ? new Refusal(RefusalCode.BadOption, "--json takes the path of a file.")
                : ReportFile.CheckTarget(path);
        }

        return !refusal.IsRefused;
    }
}
