// What no analyzer says about the tree: the rooms of the per-transaction and per-instruction loops stay free of LINQ and
// concurrent dictionaries, every file says first what it is, and nothing unfinished is left behind.

using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;

namespace ParallelVm.Engine.Tests;

public sealed class TidyTests
{
    private static readonly string[] HotRooms = ["Primitives", "AccessLists", "Scheduler", "Executor", "Engine"];
    private static readonly string[] AllRooms = [.. HotRooms, "Faster", "Chain", "Toolchain", "Rpcchainvm", "PluginHost", "loadtest"];

    [Fact]
    public void Rooms_of_the_hot_loops_use_neither_linq_nor_concurrent_dictionaries() =>
        Expect(HotRooms, text => text.Contains("System.Linq", StringComparison.Ordinal) || text.Contains("ConcurrentDictionary", StringComparison.Ordinal));

    [Fact]
    public void Every_file_starts_by_saying_what_it_is() =>
        Expect(AllRooms, text => !text.TrimStart('\uFEFF').StartsWith("// ", StringComparison.Ordinal));

    [Fact]
    public void No_file_leaves_work_behind_or_hides_it() =>
        Expect(AllRooms, text =>
            text.Contains("NotImplementedException", StringComparison.Ordinal)
            || text.Contains("TO" + "DO", StringComparison.Ordinal)
            || text.Contains("#region", StringComparison.Ordinal)
            || text.Contains("catch {", StringComparison.Ordinal));

    private static void Expect(string[] rooms, Predicate<string> isWrong)
    {
        string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
        List<string> wrong = [];
        int seen = 0;
        foreach (string room in rooms)
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(root, room), "*.cs", SearchOption.AllDirectories))
            {
                string relative = Path.GetRelativePath(root, file).Replace('\\', '/');
                if (relative.Contains("/obj/", StringComparison.Ordinal) || relative.Contains("/bin/", StringComparison.Ordinal))
                {
                    continue;
                }

                seen++;
                if (isWrong(File.ReadAllText(file)))
                {
                    wrong.Add(relative);
                }
            }
        }

        Assert.True(seen > 20, $"only {seen} files were seen below {root}");
        Assert.True(wrong.Count == 0, string.Join(", ", wrong));
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
