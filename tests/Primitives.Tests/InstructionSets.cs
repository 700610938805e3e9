// The same work with instruction sets switched off, each in a process of its own: the runtime reads the switches once, at its start.
//
//   this test assembly is also a program:   dotnet ParallelVm.Primitives.Tests.dll <probe>
//   it prints                               what the runtime says is there, then what the probe says (digests, one a line)
//
// A probe is deterministic and covers every fast path of its algorithms, so its text must be the same at every level; and what the
// runtime says proves that a switch was understood: an unknown name (EnableAVX512F was one until .NET 9) switches nothing off.
//
// Threading: any.   Cost: a process per call, about a tenth of a second and the probe.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ParallelVm.Primitives.Tests.Hashes;
using ParallelVm.Primitives.Tests.Signatures;

namespace ParallelVm.Primitives.Tests;

internal static class InstructionSets
{
    /// <summary>Probes by name; each gives the text that must not depend on the instruction sets.</summary>
    private static readonly Dictionary<string, Func<string>> Probes = new()
    {
        ["hashes"] = HashProbe.Run,
        ["signatures"] = SignatureProbe.Run,
    };

    /// <summary>The switches of .NET 10, from everything to nothing. Each takes with it what builds on it.</summary>
    public static TheoryData<string> Levels => ["", "DOTNET_EnableAVX512=0", "DOTNET_EnableAVX2=0", "DOTNET_EnableAVX=0", "DOTNET_EnableHWIntrinsic=0"];

    /// <summary>Runs a probe in a new process and requires that it says the same as in this one.</summary>
    /// <param name="probe">A name in <see cref="Probes"/>.</param>
    /// <param name="level">One of <see cref="Levels"/>: NAME=VALUE, or nothing.</param>
    public static void ProveEqual(string probe, string level)
    {
        string[] lines = Start(probe, level).Split('\n', 2);
        Assert.Equal(Expected(level), lines[0]);
        string expected = Probes[probe]();
        Assert.NotEqual("", expected.Trim());
        Assert.Equal(expected.Trim(), lines[1].Trim());
    }

    /// <summary>The program behind this assembly.</summary>
    private static int Main(string[] arguments)
    {
        if (arguments.Length != 1 || !Probes.TryGetValue(arguments[0], out Func<string>? probe))
        {
            Console.Error.WriteLine("usage: <probe>, one of: " + string.Join(", ", Probes.Keys));
            return 2;
        }

        Console.Out.Write(Seen(Vector512.IsHardwareAccelerated, Avx2.IsSupported, Vector128.IsHardwareAccelerated) + "\n" + probe());
        return 0;
    }

    private static string Start(string probe, string level)
    {
        // the host that runs this process, wherever it is installed: <root>/shared/Microsoft.NETCore.App/<version>/
        string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));
        ProcessStartInfo start = new(Path.Combine(root, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(typeof(InstructionSets).Assembly.Location);
        start.ArgumentList.Add(probe);
        if (level.Length != 0)
        {
            string[] pair = level.Split('=');
            start.Environment[pair[0]] = pair[1];
        }

        // optimized code from the first call: it is what runs in a node, and a probe in code of the first tier takes seconds
        start.Environment["DOTNET_TieredCompilation"] = "0";
        using Process process = Process.Start(start)!;
        System.Threading.Tasks.Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{probe} with '{level}' ended with {process.ExitCode}: {error.Result}");
        return output;
    }

    /// <summary>What a process at this level must see, given what this one sees.</summary>
    private static string Expected(string level) => level switch
    {
        "" => Seen(Vector512.IsHardwareAccelerated, Avx2.IsSupported, Vector128.IsHardwareAccelerated),
        "DOTNET_EnableAVX512=0" => Seen(false, Avx2.IsSupported, Vector128.IsHardwareAccelerated),
        "DOTNET_EnableAVX2=0" or "DOTNET_EnableAVX=0" => Seen(false, false, Vector128.IsHardwareAccelerated),
        _ => Seen(false, false, false),
    };

    private static string Seen(bool wide, bool avx2, bool narrow) => $"vector512 {wide}, avx2 {avx2}, vector128 {narrow}";
}
