// Every wrong command line gets one line, a code and a sentence, and exit code 2; never a stack trace.

using System;
using System.IO;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("650 BadCommandLine", "dance")]
    [InlineData("650 BadCommandLine", "--dance")]
    [InlineData("650 BadCommandLine", "run", "--dance")]
    [InlineData("650 BadCommandLine", "run", "--seed")]
    [InlineData("650 BadCommandLine", "run", "surplus")]
    [InlineData("650 BadCommandLine", "simulate", "trace.jsonl", "--batch", "counter")]
    [InlineData("651 BadOption", "simulate", "--batch", "nothing")]
    [InlineData("650 BadCommandLine", "run", "--sign-first", "--blocks", "501")]
    [InlineData("650 BadCommandLine", "run", "--sign-first", "--plugin")]
    [InlineData("650 BadCommandLine", "run", "--seed", "1", "--seed", "2")]
    [InlineData("650 BadCommandLine", "run", "@nothing.rsp")]
    [InlineData("650 BadCommandLine", "[diagram]")]
    [InlineData("650 BadCommandLine", "info")]
    [InlineData("650 BadCommandLine", "replay")]
    [InlineData("650 BadCommandLine", "bench")]
    [InlineData("651 BadOption", "--seconds", "0")]
    [InlineData("651 BadOption", "--workers", "two")]
    [InlineData("651 BadOption", "run", "--workers", "0")]
    [InlineData("651 BadOption", "run", "--workers", "65")]
    [InlineData("651 BadOption", "run", "--seed", "-1")]
    [InlineData("651 BadOption", "run", "--seed", "18446744073709551616")]
    [InlineData("651 BadOption", "run", "--seed", "1e3")]
    [InlineData("651 BadOption", "run", "--seed", " 1")]
    [InlineData("651 BadOption", "run", "--blocks", "0")]
    [InlineData("651 BadOption", "run", "--txs", "100001")]
    [InlineData("651 BadOption", "run", "--mix", "")]
    [InlineData("651 BadOption", "run", "--mix", "transfers=50,swaps=40,failing=11")]
    [InlineData("651 BadOption", "run", "--mix", "transfers=50,transfers=50")]
    [InlineData("651 BadOption", "run", "--mix", "mints=100")]
    [InlineData("651 BadOption", "run", "--mix", "transfers=100,")]
    [InlineData("651 BadOption", "run", "--conflict", "1.1")]
    [InlineData("651 BadOption", "run", "--conflict", "-0.1")]
    [InlineData("651 BadOption", "run", "--conflict", "0.00001")]
    [InlineData("651 BadOption", "run", "--conflict", "NaN")]
    [InlineData("651 BadOption", "run", "--json", "")]
    [InlineData("651 BadOption", "run", "--data", "")]
    [InlineData("654 UnwritableFile", "run", "--json", "no/such/folder/report.json")]
    [InlineData("654 UnwritableFile", "run", "--json", ".")]
    [InlineData("651 BadOption", "replay", "trace.jsonl", "--balances", "read")]
    [InlineData("653 UnreadableFile", "replay", "no-such-trace.jsonl")]
    [InlineData("652 UnknownSuite", "bench", "everything")]
    [InlineData("651 BadOption", "bench", "engine", "--runs", "0")]
    public void Wrong_command_line_gets_one_sentence_and_exit_code_2(string expected, params string[] args)
    {
        Invocation invocation = Invocation.Of(args);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        string line = Assert.Single(invocation.ErrorLines);
        Assert.StartsWith($"error {expected}: ", line, StringComparison.Ordinal);
        Assert.EndsWith(".", line, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", invocation.Error, StringComparison.Ordinal);
        Assert.Empty(invocation.Output);
    }

    [Theory]
    [InlineData("653 UnreadableFile", "info", "--data", "no-such-folder")]
    public void Wrong_folder_gets_one_sentence(string expected, params string[] args)
    {
        Invocation invocation = Invocation.Of(args);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        Assert.StartsWith($"error {expected}: ", Assert.Single(invocation.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Help_names_every_command()
    {
        Invocation invocation = Invocation.Of("--help");
        Assert.Equal(ExitCodes.Success, invocation.ExitCode);
        foreach (string command in new[] { "run", "info", "replay", "bench" })
        {
            Assert.Contains(command, invocation.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{", "it is not JSON")]
    [InlineData("[]", "it is not an object")]
    [InlineData("{}", "'block' is not")]
    [InlineData("""{"block":-1}""", "'block' is not")]
    [InlineData("""{"block":1,"kinds":"sx"}""", "'kinds' is not")]
    [InlineData("""{"block":1,"kinds":"\ud800","account":[0],"writes":[]}""", "text that is not Unicode")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0]}""", "'account' is not")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,-1]}""", "'account' is not")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,1]}""", "'writes' is not")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,1],"writes":[[0],7]}""", "transaction 1 of 'writes'")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,1],"writes":[[2]]}""", "transaction 0 of 'writes' names key 2")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,1],"writes":[[1,0]]}""", "transaction 0 of 'writes' names key 0")]
    [InlineData("""{"block":1,"kinds":"sb","account":[0,1],"writes":[[0,0]]}""", "transaction 0 of 'writes' names key 0")]
    public void Malformed_trace_is_refused_with_its_line(string line, string expected)
    {
        using TemporaryFolder folder = new();
        string good = """{"block":1,"kinds":"sb","account":[0,1],"readOnlySlots":0,"writes":[[0,1]]}""";
        File.WriteAllText(folder["trace.jsonl"], good + "\n\n" + line + "\n");
        Invocation invocation = Invocation.Of("replay", folder["trace.jsonl"]);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        string error = Assert.Single(invocation.ErrorLines);
        Assert.StartsWith("error 655 MalformedReplay: Line 3 of ", error, StringComparison.Ordinal);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Trace_without_a_block_is_refused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["trace.jsonl"], "\n\n");
        Invocation invocation = Invocation.Of("replay", folder["trace.jsonl"]);
        Assert.Equal(ExitCodes.BadInput, invocation.ExitCode);
        Assert.Contains("655 MalformedReplay", invocation.Error, StringComparison.Ordinal);
    }
}
