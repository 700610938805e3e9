// The manifests of a data folder: written atomically, listed newest first, old ones deleted only after a new one is
// durable. Two generations are kept, so that one damaged checkpoint costs a longer replay and nothing else.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The folder of manifests.</summary>
internal sealed class ManifestFolder(IFileSystem files, string folder, Bytes32 key, ChainId chain, long memoryBytes)
{
    /// <summary>Checkpoints kept.</summary>
    public const int Generations = 2;

    private const string Extension = ".manifest";

    /// <summary>The folder.</summary>
    public string Folder => folder;

    /// <summary>The manifests that can be trusted, newest first. What cannot be is described in <paramref name="notes"/>.</summary>
    public List<Manifest> ReadAll(List<string> notes, out bool anyDamaged)
    {
        List<Manifest> manifests = [];
        anyDamaged = false;
        foreach (string name in files.ListFiles(folder))
        {
            if (!IsManifestName(name))
            {
                continue;
            }

            Manifest? manifest = null;
            string problem = "its checksum is wrong";
            if (SealedFile.TryRead(files, Path.Combine(folder, name), key, out byte[] body)
                && !Manifest.TryDecode(body, memoryBytes, out manifest, out Refusal refusal))
            {
                problem = refusal.Sentence;
            }

            if (manifest is not null && manifest.Chain == chain && NameOf(manifest.Height) == name)
            {
                manifests.Add(manifest);
                continue;
            }

            anyDamaged = true;
            notes.Add($"Checkpoint manifest {name} is not used: {problem}.");
        }

        manifests.Reverse();   // names are 20 digits, listed in ordinal order
        return manifests;
    }

    /// <summary>Makes a checkpoint count.</summary>
    public void Write(Manifest manifest) =>
        SealedFile.Write(files, folder, NameOf(manifest.Height), key, manifest.Encode());

    /// <summary>Deletes every manifest but <paramref name="kept"/>, and leftovers of interrupted writes.</summary>
    public void DeleteAllBut(IReadOnlyList<Manifest> kept)
    {
        HashSet<string> keep = new(StringComparer.Ordinal);
        foreach (Manifest manifest in kept)
        {
            keep.Add(NameOf(manifest.Height));
        }

        bool changed = false;
        foreach (string name in files.ListFiles(folder))
        {
            bool ours = IsManifestName(name) || name.EndsWith(Extension + SealedFile.TemporaryEnding, StringComparison.Ordinal);
            if (ours && !keep.Contains(name))
            {
                files.DeleteFile(Path.Combine(folder, name));
                changed = true;
            }
        }

        if (changed)
        {
            files.SyncFolder(folder);
        }
    }

    /// <summary>Deletes the manifests above a height, newest first, so that a crash in between leaves the older of them.</summary>
    public void DeleteAbove(Height height)
    {
        string[] names = files.ListFiles(folder);
        for (int i = names.Length - 1; i >= 0; i--)
        {
            if (IsManifestName(names[i]) && string.CompareOrdinal(names[i], NameOf(height)) > 0)
            {
                files.DeleteFile(Path.Combine(folder, names[i]));
                files.SyncFolder(folder);
            }
        }
    }

    private static bool IsManifestName(string name) =>
        name.Length == 20 + Extension.Length && name.EndsWith(Extension, StringComparison.Ordinal);

    private static string NameOf(Height height) => height.Value.ToString("D20", CultureInfo.InvariantCulture) + Extension;
}
