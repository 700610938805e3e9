// The plugin's executable. AvalancheGo starts it without arguments; everything else is for operators.
//
//   <plugin>                                 serve: the node's address comes in AVALANCHE_VM_RUNTIME_ENGINE_ADDR
//   <plugin> --protocol 46                   the same with another protocol number, for a wrapper script
//   <plugin> --version-json | --version      what this is
//   <plugin> vmid [name]                     the VM id of a name, which is the plugin's file name
//   <plugin> install --plugin-dir DIR        put this file where the node finds it
//   <plugin> doctor                          start this file as the node would, and report each step
//
// Arguments are read by hand: the process has five seconds from its start to its handshake, and a command-line library costs a part of them.

using System;
using System.Threading.Tasks;
using ParallelVm.PluginHost.Commands;
using ParallelVm.PluginHost.Serving;

namespace ParallelVm.PluginHost;

internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case []:
                return await PluginProcess.RunAsync(PluginFacts.ProtocolOfSettings()).ConfigureAwait(false);
            case ["--protocol", string number] when uint.TryParse(number, out uint protocol):
                return await PluginProcess.RunAsync(protocol).ConfigureAwait(false);
            case ["--version-json"] or ["version-json"]:
                Console.WriteLine(PluginFacts.VersionJson(PluginFacts.ProtocolOfSettings()));
                return 0;
            case ["--version"] or ["version"]:
                Console.WriteLine(PluginFacts.VersionLine(PluginFacts.ProtocolOfSettings()));
                return 0;
            case ["vmid"]:
                return InstallCommand.PrintVmId(PluginFacts.Name);
            case ["vmid", string name]:
                return InstallCommand.PrintVmId(name);
            case ["install", "--plugin-dir", string folder]:
                return InstallCommand.Run(folder, protocol: null);
            case ["install", "--plugin-dir", string folder, "--protocol", string number] when uint.TryParse(number, out uint protocol):
                return InstallCommand.Run(folder, protocol);
            case ["doctor"]:
                return await DoctorCommand.RunAsync().ConfigureAwait(false);
            default:
                await Console.Error.WriteLineAsync(
                    "usage: [--protocol N] | --version-json | --version | vmid [NAME] | install --plugin-dir DIR [--protocol N] | doctor").ConfigureAwait(false);
                return 2;
        }
    }
}
