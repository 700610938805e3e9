// Puts this executable where the node finds it, after looking at what would stop the node.
//
// The node takes every plain file of its plugin folder for a plugin, and does not start when a file's name, without one extension, is neither an alias of a VM
// nor an id: a forgotten archive or library is enough. Sub-directories and names that begin with a dot are skipped.
//
// The file is written into a sub-directory first and renamed: the node may look at the folder at any time.

using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.PluginHost.Commands;

/// <summary>vmid and install.</summary>
internal static class InstallCommand
{
    private const UnixFileMode Executable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Prints the VM id of a name.</summary>
    public static int PrintVmId(string name)
    {
        if (!IdText.TryVmId(name, out Bytes32 id, out Refusal refusal))
        {
            Console.Error.WriteLine(refusal.ToString());
            return 1;
        }

        Console.WriteLine(IdText.Of(id));
        return 0;
    }

    /// <summary>Installs this executable.</summary>
    /// <param name="protocol">Null: the default, and no settings file.</param>
    public static int Run(string folder, uint? protocol)
    {
        if (!Directory.Exists(folder))
        {
            return Fail($"there is no folder '{folder}': AvalancheGo does not start with a --plugin-dir that does not exist, so create it first");
        }

        string? self = Environment.ProcessPath;
        if (self is null || !IsSingleFile(self))
        {
            return Fail("this is not the single file that './build.sh plugin' makes: its libraries would have to lie in the plugin folder, where they stop the node");
        }

        foreach (string path in Directory.EnumerateFiles(folder))
        {
            string name = Path.GetFileName(path);
            if (!IsHarmless(name))
            {
                return Fail($"'{name}' in '{folder}' stops the node, because it is no VM id and perhaps no alias: move it away");
            }
        }

        string target = Path.Combine(folder, PluginFacts.VmId);
        string own = Path.Combine(folder, PluginFacts.Name);
        try
        {
            Directory.CreateDirectory(own);
            string draft = Path.Combine(own, "plugin.draft");
            File.Copy(self, draft, overwrite: true);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(draft, Executable);
            }

            File.Move(draft, target, overwrite: true);
            if (protocol is { } number)
            {
                File.WriteAllText(Path.Combine(folder, PluginFacts.SettingsPath), $$"""{"protocol": {{number}}}""" + "\n", Encoding.ASCII);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Fail(e.Message);
        }

        Console.WriteLine($"installed {target} ({RuntimeInformation.RuntimeIdentifier}, protocol {protocol ?? PluginFacts.DefaultProtocol}); check it with: {target} doctor");
        return 0;
    }

    /// <summary>True when a plain file of this name in the plugin folder does not stop the node.</summary>
    public static bool IsHarmless(string name)
    {
        string stripped = Path.GetFileNameWithoutExtension(name);
        return stripped.Length == 0 || IdText.TryParse(stripped, out _, out _);
    }

    /// <summary>True when nothing but this file is needed.</summary>
    public static bool IsSingleFile(string self) =>
        !File.Exists(Path.Combine(Path.GetDirectoryName(self) ?? ".", "ParallelVm.PluginHost.dll")) && Path.GetFileNameWithoutExtension(self) != "dotnet";

    private static int Fail(string why)
    {
        Console.Error.WriteLine("parallelvm: " + why);
        return 1;
    }
}
