// What this plugin is: name, version, protocol number, and how the number is chosen.
//
// The node compares the number for equality and sets no environment, so it comes from an argument (of a wrapper script) or from a settings file. A file in the
// plugin folder itself would stop the node ("invalid vmID"), but sub-directories are skipped, so the file lies in one:
//
//   plugins/<vm id>                              this executable
//   plugins/parallelvm/settings.json             {"protocol": 46}

using System;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Text.Json;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.PluginHost;

/// <summary>Name and numbers.</summary>
internal static class PluginFacts
{
    /// <summary>The VM's name; its id is this, padded with zeros.</summary>
    public const string Name = "parallelvm";

    /// <summary>AvalancheGo 1.14.2; 46 is wire-equal.</summary>
    public const uint DefaultProtocol = 45;

    /// <summary>Where settings lie, from the executable's folder.</summary>
    public static readonly string SettingsPath = Path.Combine(Name, "settings.json");

    /// <summary>The package's version.</summary>
    public static string Version { get; } =
        (typeof(PluginFacts).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0").Split('+')[0];

    /// <summary>CB58 of the name's id: the file name in the plugin folder.</summary>
    public static string VmId { get; } = VmIdOf(Name)!;

    /// <summary>One line for people, and for the node's list of VM versions.</summary>
    public static string VersionLine(uint protocol) => string.Create(CultureInfo.InvariantCulture, $"{Name}/{Version} [rpcchainvm={protocol}]");

    /// <summary>For tools: the fields that tmpnet and xsvm's users know.</summary>
    public static string VersionJson(uint protocol) =>
        string.Create(CultureInfo.InvariantCulture, $$"""{"name":"{{Name}}","vmid":"{{VmId}}","version":"{{Version}}","rpcchainvm":{{protocol}}}""");

    /// <summary>The VM id of a name; null when it is none.</summary>
    public static string? VmIdOf(string name) => IdText.TryVmId(name, out Bytes32 id, out _) ? IdText.Of(id) : null;

    /// <summary>The number of the settings file beside the executable, or the default. A file that cannot be read is said so, on the way to the default.</summary>
    public static uint ProtocolOfSettings()
    {
        string path = Path.Combine(Path.GetDirectoryName(Environment.ProcessPath) ?? ".", SettingsPath);
        try
        {
            if (!File.Exists(path))
            {
                return DefaultProtocol;
            }

            using JsonDocument settings = JsonDocument.Parse(File.ReadAllBytes(path));
            return settings.RootElement.GetProperty("protocol").GetUInt32();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or FormatException or System.Collections.Generic.KeyNotFoundException)
        {
            Console.Error.WriteLine($"parallelvm: '{path}' is not {{\"protocol\": N}} ({e.Message}); protocol {DefaultProtocol} is used");
            return DefaultProtocol;
        }
    }
}
