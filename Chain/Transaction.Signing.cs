// What a signature covers, and how a client makes and a node checks one.
//
//   payload = "ParallelVm/transaction/1" | chain id 32 | transaction id 32
//
// Ed25519 under the ZIP-215 rule, so every node accepts the same set of signatures, alone or in batches.
//
// Threading: pure.   Cost: about 0.1 ms per signature either way.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Somebody who can sign: a key in memory, a device, a remote service.</summary>
public interface ISigner
{
    /// <summary>The account.</summary>
    PublicKey PublicKey { get; }

    /// <summary>Signs a payload with Ed25519.</summary>
    Signature Sign(ReadOnlySpan<byte> payload);
}

/// <summary>What a signature of a transaction covers: a domain, the chain, the transaction.</summary>
public static class SigningPayload
{
    /// <summary>Bytes of the payload.</summary>
    public const int Length = 24 + Bytes32.Size + Bytes32.Size;

    // 24 ASCII bytes: a signature made for another purpose never starts like this
    private static ReadOnlySpan<byte> Domain => "ParallelVm/transaction/1"u8;

    /// <summary>Writes domain, chain id and transaction id.</summary>
    /// <param name="target">At least <see cref="Length"/> bytes long.</param>
    public static void Write(in ChainId chain, in TxId id, Span<byte> target)
    {
        Domain.CopyTo(target);
        chain.Value.CopyTo(target[24..]);
        id.Value.CopyTo(target[(24 + Bytes32.Size)..]);
    }
}
