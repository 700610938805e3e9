// Who a node of ours is: an id, a key that signs nothing real, and the chain that all nodes of a network share.
//
// The signature is a function of the message, 96 bytes, the same on every run; it is no BLS signature, and nobody here checks one.
//
// Threading: immutable.

using System;
using System.Text;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.NodeHost;

/// <summary>One node of a network.</summary>
/// <param name="Index">Its number, from 0.</param>
internal sealed record NodeIdentity(int Index)
{
    /// <summary>Length of a signature.</summary>
    public const int SignatureBytes = 96;

    /// <summary>A local network, as the node numbers them.</summary>
    public const uint NetworkId = 12345;

    /// <summary>The subnet that validates the chain.</summary>
    public static readonly Bytes32 SubnetId = Sha256.Hash("parallelvm node host: subnet"u8);

    /// <summary>The chain.</summary>
    public static readonly Bytes32 ChainId = Sha256.Hash("parallelvm node host: chain"u8);

    /// <summary>The node's id.</summary>
    public NodeId NodeId { get; } = Derive(Index);

    /// <summary>The deterministic stand-in for a BLS signature.</summary>
    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        byte[] signature = new byte[SignatureBytes];
        for (int part = 0; part < 3; part++)
        {
            byte[] input = [(byte)part, (byte)Index, .. Sha256.Hash(message).ToArray()];
            Sha256.Hash(input).CopyTo(signature.AsSpan(32 * part));
        }

        return signature;
    }

    private static NodeId Derive(int index)
    {
        byte[] hash = Sha256.Hash(Encoding.ASCII.GetBytes($"parallelvm node host: node {index}")).ToArray();
        return NodeId.TryFrom(hash.AsSpan(0, NodeId.Size), out NodeId id) ? id : default;
    }
}
