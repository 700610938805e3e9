// The operator's commands on a folder that a run made.

using System;
using System.IO;
using ParallelVm.Loadtest.Cli;

namespace ParallelVm.Loadtest.Tests;

public sealed class DbTests
{
    private static Invocation Run(string data, int blocks) =>
        Invocation.Of("run", "--blocks", $"{blocks}", "--txs", "20", "--no-verify", "--data", data);

    private static string Line(Invocation of, string word) => Array.Find(of.Output.Split('\n'), line => line.StartsWith(word, StringComparison.Ordinal)) ?? "";

    [Fact]
    public void Folder_is_checked_described_taken_back_exported_and_imported()
    {
        using TemporaryFolder folder = new();
        string data = folder["data"];
        Assert.Equal(ExitCodes.Success, Run(data, 8).ExitCode);
        Invocation check = Invocation.Of("db", "check", "--data", data);
        Assert.True(check.ExitCode == ExitCodes.Success, check.Error);
        Assert.Equal("blocks 9", Line(check, "blocks"));
        Invocation info = Invocation.Of("db", "info", "--data", data);
        Assert.Equal("height 8", Line(info, "height"));
        Assert.Contains("\"height\": 8", Invocation.Of("db", "info", "--data", data, "--json").Output, StringComparison.Ordinal);

        Invocation export = Invocation.Of("db", "export", folder["state"], "--data", data);
        Assert.True(export.ExitCode == ExitCodes.Success, export.Error);
        Invocation import = Invocation.Of("db", "import", folder["state"], "--data", folder["copy"]);
        Assert.True(import.ExitCode == ExitCodes.Success, import.Error);
        Assert.Equal(Line(info, "root"), Line(Invocation.Of("db", "info", "--data", folder["copy"]), "root"));

        Assert.Equal(ExitCodes.Success, Invocation.Of("db", "rewind", "--height", "3", "--data", data).ExitCode);
        Assert.Equal("height 3", Line(Invocation.Of("db", "info", "--data", data), "height"));
        Assert.Equal(ExitCodes.Success, Run(data, 2).ExitCode);
        Assert.Equal(ExitCodes.Success, Invocation.Of("db", "check", "--data", data).ExitCode);
    }

    [Fact]
    public void What_is_wrong_is_one_line_and_its_exit_code()
    {
        using TemporaryFolder folder = new();
        string data = folder["data"];
        Assert.Equal(ExitCodes.Success, Run(data, 3).ExitCode);
        File.WriteAllBytes(folder["bad"], [1, 2, 3]);
        (int Code, string[] Words)[] cases =
        [
            (ExitCodes.BadInput, ["db", "check"]),
            (ExitCodes.BadInput, ["db", "check", "--data", folder["none"]]),
            (ExitCodes.BadInput, ["db", "rewind", "--data", data]),
            (ExitCodes.BadInput, ["db", "rewind", "--height", "x", "--data", data]),
            (ExitCodes.BadInput, ["db", "rewind", "--height", "4", "--data", data]),
            (ExitCodes.BadInput, ["db", "import", folder["bad"], "--data", folder["new"]]),
            (ExitCodes.BadInput, ["db", "import", folder["none"], "--data", folder["new"]]),
            (ExitCodes.LocalFailure, ["db", "import", folder["bad"], "--data", data]),
        ];
        foreach ((int code, string[] words) in cases)
        {
            Invocation invocation = Invocation.Of(words);
            Assert.True(code == invocation.ExitCode, $"{string.Join(' ', words)}: {invocation.ExitCode} {invocation.Error}");
            Assert.Single(invocation.ErrorLines);
        }

        string log = Directory.GetFiles(Path.Combine(data, "store", "blocks"), "*.log")[0];
        byte[] bytes = File.ReadAllBytes(log);
        bytes[^40] ^= 1;
        File.WriteAllBytes(log, bytes);
        Invocation damaged = Invocation.Of("db", "check", "--data", data);
        Assert.Equal(ExitCodes.LocalFailure, damaged.ExitCode);
        Assert.Contains("705", damaged.Error, StringComparison.Ordinal);
    }
}
