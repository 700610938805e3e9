// The part of the command line that is about nodes that somebody else runs.

using System;
using System.CommandLine;
using ParallelVm.Loadtest.Remote;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Cli;

/// <content><c>genesis</c>, and what <c>run --url</c> takes.</content>
internal sealed partial class CommandLine
{
    private Command DefineGenesis()
    {
        Command command = new("genesis", "Makes genesis files.");
        Command fresh = new("new", "Writes the genesis of the load's chain: what a node's chain is created with for run --url.");
        Option<string?> seed = Text("--seed", "Seed of the chain (1).");
        Option<string?> json = new("--json") { Description = "File to write (the output).", Arity = ArgumentArity.ZeroOrOne };
        AddAll(fresh, seed, json);
        fresh.SetAction(parsed =>
        {
            Refusal refusal = Refusal.None;
            string? file = parsed.GetValue(json);
            return OptionValues.TryInteger("--seed", parsed.GetValue(seed), 0, ulong.MaxValue, 1, out ulong seedValue, ref refusal)
                && TryTarget(string.IsNullOrEmpty(file) ? null : file, ref refusal)
                ? GenesisJob.New(seedValue, file, _terminal)
                : _terminal.Fail(refusal);
        });
        command.Subcommands.Add(fresh);
        return command;
    }

    private static bool TryUrl(string? text, out Uri? url, ref Refusal refusal)
    {
        url = null;
        if (text is null)
        {
            return true;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps))
        {
            return true;
        }

        refusal = new Refusal(RefusalCode.BadOption, $"--url takes the URL of a chain, such as http://127.0.0.1:9650/ext/bc/ID, not '{text}'.");
        return false;
    }
}
