// What Initialize says about where this chain lives, checked once: everything later may rely on lengths and presence.
//
// Threading: immutable.

using System;
using System.Globalization;
using System.Net;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The network, the chain and the node.</summary>
/// <param name="NetworkId">1 mainnet, 5 fuji, others local.</param>
/// <param name="SubnetId">Who validates this chain.</param>
/// <param name="ChainId">The network's id of this chain: warp messages come from it. Not the id that transactions are signed for.</param>
/// <param name="NodeId">The local node.</param>
/// <param name="PublicKey">The local node's BLS key, 48 bytes compressed.</param>
/// <param name="DataFolder">A folder that is this chain's alone.</param>
internal sealed record VmContext(
    uint NetworkId, Bytes32 SubnetId, Bytes32 ChainId, NodeId NodeId, ReadOnlyMemory<byte> PublicKey, string DataFolder)
{
    private const int PublicKeyBytes = 48;

    /// <summary>Reads what a request says.</summary>
    /// <exception cref="RpcException">A field is missing or has another length than it must.</exception>
    public static VmContext Of(InitializeRequest request)
    {
        if (request.NetworkUpgrades is null)
        {
            throw new RpcException(RpcCode.InvalidArgument, "network_upgrades is missing.");
        }

        if (request.ChainDataDir.Length == 0 || request.DbServerAddr.Length == 0 || request.ServerAddr.Length == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, "One of chain_data_dir, db_server_addr, server_addr is empty.");
        }

        if (request.PublicKey.Length != PublicKeyBytes)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"public_key is {request.PublicKey.Length} bytes long; a compressed key has {PublicKeyBytes}.");
        }

        CheckAddress(request.DbServerAddr, "db_server_addr");
        CheckAddress(request.ServerAddr, "server_addr");
        Wire.Id(request.XChainId, "x_chain_id");                        // not used here; a request that is odd anywhere is not believed elsewhere
        Wire.Id(request.CChainId, "c_chain_id");
        Wire.Id(request.AvaxAssetId, "avax_asset_id");
        return new VmContext(
            request.NetworkId,
            Wire.Id(request.SubnetId, "subnet_id"),
            Wire.Id(request.ChainId, "chain_id"),
            Wire.Node(request.NodeId, "node_id"),
            request.PublicKey.Memory,
            request.ChainDataDir);
    }

    // An address that cannot be one would be dialled for ever: calls wait for their server.
    private static void CheckAddress(string address, string field)
    {
        int colon = address.LastIndexOf(':');
        if (colon <= 0 || !IPAddress.TryParse(address.AsSpan(0, colon).Trim("[]"), out _)
            || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) || port == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"{field} is '{address}'; an address is host:port.");
        }
    }
}
