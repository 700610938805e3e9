// What stands behind the VM in the real process: gossip and warp for app messages, JSON-RPC for the API.

using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.PluginHost.Serving;

/// <summary>Puts the parts of the plugin together.</summary>
internal static class Parts
{
    /// <summary>The parts; who owns the process adds how it ends.</summary>
    public static VmOptions Of(uint protocol) => new()
    {
        Version = PluginFacts.VersionLine(protocol),
        Peers = NodePeers.Attach,
        Api = static open => new ApiHost(open.Chain, open.Time, open.OnSubmitted, door: open.FromClients),
    };
}
