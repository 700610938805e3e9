// genesis new: the genesis of a seed's world, as the file that a chain is created with.

using System.IO;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Workloads;

namespace ParallelVm.Loadtest.Remote;

/// <summary><c>genesis new</c>.</summary>
internal static class GenesisJob
{
    /// <summary>Writes the genesis of a seed.</summary>
    /// <param name="file">Where to; null is the output.</param>
    public static int New(ulong seed, string? file, Terminal terminal)
    {
        Genesis genesis = new DexWorld(seed).Genesis;
        byte[] json = GenesisJson.Write(genesis);
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
