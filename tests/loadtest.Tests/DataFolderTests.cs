// A data folder that is not what it should be gets a code and a sentence, and stays as it was.

using System;
using System.IO;
using System.Linq;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class DataFolderTests
{
    [Fact]
    public void Folder_of_another_seed_is_refused()
    {
        using TemporaryFolder folder = new();
        Run(folder.Folder, seed: 1);
        AssertRefused(ExitCodes.BadInput, "656 ForeignDataFolder", "run", "--seed", "2", "--data", folder.Folder);
        AssertTip(folder.Folder, 1);
    }

    [Fact]
    public void Folder_with_other_things_in_it_is_refused_and_left_alone()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["letter.txt"], "dear");
        AssertRefused(ExitCodes.BadInput, "656 ForeignDataFolder", "run", "--data", folder.Folder);
        AssertRefused(ExitCodes.BadInput, "656 ForeignDataFolder", "info", "--data", folder.Folder);
        Assert.Equal([folder["letter.txt"]], Directory.GetFileSystemEntries(folder.Folder));
    }

    [Fact]
    public void File_in_place_of_a_folder_is_refused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["data"], "");
        AssertRefused(ExitCodes.BadInput, "654 UnwritableFile", "run", "--data", folder["data"]);
        AssertRefused(ExitCodes.LocalFailure, "690 LocalFailure", "run", "--data", Path.Combine(folder["data"], "below"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"schema":"parallelvm.load/2","seed":1,"chain":""}""")]
    [InlineData("""{"schema":"parallelvm.load/1","seed":-1,"chain":""}""")]
    [InlineData("""{"schema":"parallelvm.load/1","seed":1}""")]
    [InlineData("""{"schema":"parallelvm.load/1","seed":1,"chain":"\ud800"}""")]
    [InlineData("""{"schema":"parallelvm.load/1","seed":1,"chain":"00"}""")]
    public void Folder_whose_description_was_changed_is_refused(string text)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["load.json"], text);
        AssertRefused(ExitCodes.BadInput, "656 ForeignDataFolder", "run", "--data", folder.Folder);
        AssertRefused(ExitCodes.BadInput, "656 ForeignDataFolder", "info", "--data", folder.Folder);
    }

    // Every file of the store in turn, a byte at a drawn place: the chain opens to the same tip, or is refused in one line.
    [Theory, InlineData(1), InlineData(2)]
    public void Flipped_byte_is_refused_or_harmless_and_never_another_tip(int seed)
    {
        using TemporaryFolder folder = new();
        string tip = Run(folder.Folder, seed: 1);
        SeededRandom random = new((ulong)seed);
        int refused = 0;
        foreach (string file in Directory.GetFiles(folder["store"], "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.Length == 0)
            {
                continue;
            }

            int place = random.Next(bytes.Length);
            byte[] flipped = [.. bytes];
            flipped[place] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(file, flipped);
            Invocation info = Invocation.Of("info", "--data", folder.Folder);
            bool isRefused = info.ExitCode is ExitCodes.LocalFailure or ExitCodes.BadInput && info.ErrorLines.Length == 1;
            bool isSame = info.ExitCode == ExitCodes.Success && info.Output.Contains(tip, StringComparison.Ordinal);
            Assert.True(isRefused || isSame, $"seed {seed}, {file} byte {place}: exit {info.ExitCode} {info.Output} {info.Error}");
            refused += isRefused ? 1 : 0;
            File.WriteAllBytes(file, bytes);
        }

        Assert.True(refused > 0, $"seed {seed}: no flipped byte was noticed");
    }

    private static string Run(string folder, int seed)
    {
        Invocation run = Invocation.Of("run", "--seed", $"{seed}", "--blocks", "1", "--txs", "30", "--data", folder);
        Assert.True(run.ExitCode == ExitCodes.Success, run.Output + run.Error);
        string accepted = run.Output.Split('\n').Single(line => line.StartsWith("accepted ", StringComparison.Ordinal));
        return "tip " + accepted["accepted ".Length..];
    }

    private static void AssertTip(string folder, int height)
    {
        Invocation info = Invocation.Of("info", "--data", folder);
        Assert.True(info.ExitCode == ExitCodes.Success, info.Error);
        Assert.Contains($"tip {height} ", info.Output, StringComparison.Ordinal);
    }

    private static void AssertRefused(int exitCode, string expected, params string[] args)
    {
        Invocation invocation = Invocation.Of(args);
        Assert.StartsWith($"error {expected}: ", Assert.Single(invocation.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(exitCode, invocation.ExitCode);
    }
}
