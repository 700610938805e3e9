// A chain for real processes: the load's own world, small, and folders that go away.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.NodeHost.Tests;

/// <summary>A folder of one test.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("parallelvm-nodehost-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>The world that the tests' chains run.</summary>
internal static class Setup
{
    public static readonly DexWorld World = new(7);

    private static readonly Lazy<byte[]> Json = new(() => GenesisJson.Write(World.Genesis));

    private static readonly byte[] Config = """{"workers":1,"tableMemoryMb":16}"""u8.ToArray();

    public static string Plugin => PluginProcess.BuiltPlugin;

    public static ChainHostOptions Options(string folder) => new(folder, Plugin, Json.Value, Config);

    public static Task<Cluster> ClusterAsync(int nodes, string folder) => Cluster.StartAsync(nodes, folder, Plugin, Json.Value, Config, seed: 1);

    /// <summary>Transactions that may enter a block now.</summary>
    public static List<ReadOnlyMemory<byte>> Transactions(int count, ulong height)
    {
        Workload workload = new(new WorkloadShape(7, DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0));
        TransactionFactory factory = new(World, TimeProvider.System);
        List<ReadOnlyMemory<byte>> transactions = [];
        foreach (Intent intent in workload.At(new Height(height), count))
        {
            transactions.Add(factory.Sign(intent, new Height(height)).Bytes);
        }

        return transactions;
    }
}
