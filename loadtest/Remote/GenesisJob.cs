// genesis new: the genesis of a seed's world, as the file that a chain is created with.

using System.IO;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Remote;

/// <summary><c>genesis new</c>.</summary>
internal static class GenesisJob
{
    /// <summary>Of genesis that a chain of AvalancheGo is created with (the fact sheet's section 3), less the line break.</summary>
    public const int MaxBytes = (1 << 20) - 1;

    /// <summary>Writes the genesis of a seed.</summary>
    /// <param name="file">Where to; null is the output.</param>
    public static int New(ulong seed, string? file, Terminal terminal)
    {
        Genesis genesis = new DexWorld(seed).Genesis;
        byte[] json = GenesisJson.Write(genesis);
        if (json.Length > MaxBytes)
        {
            return terminal.Fail(new Refusal(RefusalCode.TooLong, $"The genesis is {json.Length} bytes long; a chain is created with at most {MaxBytes}."));
        }

        if (string.IsNullOrEmpty(file))
        {
            terminal.Output.WriteLine(System.Text.Encoding.UTF8.GetString(json));
            return ExitCodes.Success;
        }

        File.WriteAllBytes(file, [.. json, (byte)'\n']);
        terminal.Output.WriteLine($"chain {genesis.ChainId}");
        return ExitCodes.Success;
    }
}
