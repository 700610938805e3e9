// The data folder of a load: which world it belongs to, beside the store itself.
//
//   FOLDER/load.json   {"schema":"parallelvm.load/1","seed":1,"chain":"..."}    written first, whole
//   FOLDER/store/      the state store's
//
// The seed is all it takes to make the genesis again; the chain id says whether this build makes the same one.
//
// Threading: the caller's thread.

using System;
using System.IO;
using System.Text.Json;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>Finds out what a folder holds.</summary>
internal static class DataFolder
{
    private const string Schema = "parallelvm.load/1";
    private const string FileName = "load.json";

    /// <summary>Where the store of a data folder lives.</summary>
    public static string StoreOf(string folder) => Path.Combine(folder, "store");

    /// <summary>Makes a new folder the world's, or checks that an old one is.</summary>
    /// <exception cref="IOException">The folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static Refusal Claim(string folder, DexWorld world)
    {
        if (File.Exists(folder))
        {
            return new Refusal(RefusalCode.UnwritableFile, $"The data folder '{folder}' is a file.");
        }

        Directory.CreateDirectory(folder);
        if (File.Exists(Path.Combine(folder, FileName)))
        {
            return TryReadSeed(folder, out ulong seed, out string chain, out Refusal refusal) ? Check(folder, world, seed, chain) : refusal;
        }

        string draft = Path.Combine(folder, FileName + ".draft");
        foreach (string entry in Directory.EnumerateFileSystemEntries(folder))
        {
            if (Path.GetFileName(entry) != Path.GetFileName(draft))
            {
                return new Refusal(RefusalCode.ForeignDataFolder, $"The folder '{folder}' is not empty and holds no chain of this program.");
            }
        }

        File.WriteAllText(draft, $$"""{"schema":"{{Schema}}","seed":{{world.Seed}},"chain":"{{world.Genesis.ChainId}}"}""" + "\n");
        File.Move(draft, Path.Combine(folder, FileName));
        return Refusal.None;
    }

    /// <summary>The world of an existing folder.</summary>
    public static bool TryRead(string folder, out DexWorld? world, out Refusal refusal)
    {
        world = null;
        if (!Directory.Exists(folder))
        {
            refusal = new Refusal(RefusalCode.UnreadableFile, $"There is no folder '{folder}'.");
            return false;
        }

        if (!File.Exists(Path.Combine(folder, FileName)))
        {
            refusal = new Refusal(RefusalCode.ForeignDataFolder, $"The folder '{folder}' holds no chain of this program.");
            return false;
        }

        if (!TryReadSeed(folder, out ulong seed, out string chain, out refusal))
        {
            return false;
        }

        world = new DexWorld(seed);
        refusal = Check(folder, world, seed, chain);
        return !refusal.IsRefused;
    }

    private static Refusal Check(string folder, DexWorld world, ulong seed, string chain)
    {
        if (seed != world.Seed)
        {
            return new Refusal(RefusalCode.ForeignDataFolder, $"The folder '{folder}' holds the chain of seed {seed}, not of seed {world.Seed}.");
        }

        return chain == world.Genesis.ChainId.ToString()
            ? Refusal.None
            : new Refusal(RefusalCode.ForeignDataFolder, $"The folder '{folder}' holds chain '{Terse(chain)}'; seed {seed} makes {world.Genesis.ChainId} here.");
    }

    private static bool TryReadSeed(string folder, out ulong seed, out string chain, out Refusal refusal)
    {
        seed = 0;
        chain = "";
        refusal = new Refusal(RefusalCode.ForeignDataFolder, $"The file '{FileName}' in '{folder}' is not what this program wrote there.");
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, FileName)));
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object
                || !root.TryGetProperty("schema", out JsonElement schema) || schema.ValueKind != JsonValueKind.String || !schema.ValueEquals(Schema)
                || !root.TryGetProperty("seed", out JsonElement seedElement) || seedElement.ValueKind != JsonValueKind.Number || !seedElement.TryGetUInt64(out seed)
                || !root.TryGetProperty("chain", out JsonElement chainElement) || chainElement.ValueKind != JsonValueKind.String)
            {
                return false;
            }

            chain = chainElement.GetString() ?? "";
            refusal = Refusal.None;
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false; // not JSON, or text that is not Unicode; the refusal says so
        }
    }

    private static string Terse(string text) => text.Length <= 64 ? text : text[..64];
}
