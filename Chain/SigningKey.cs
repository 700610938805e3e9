// A client's key in memory: the 32-byte seed and the public key that belongs to it, derived once.
// Nodes never hold one; it lives here so that wallets, tests and the load generator sign in the same way.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>An Ed25519 seed with its public key.</summary>
public sealed class SigningKey : ISigner
{
    private readonly Bytes32 _seed;

    /// <summary>Derives the public key. Where the seed comes from is the caller's matter.</summary>
    public SigningKey(in Bytes32 seed)
    {
        _seed = seed;
        PublicKey = Ed25519.PublicKeyOf(seed);
    }

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <inheritdoc/>
    public Signature Sign(ReadOnlySpan<byte> payload) => Ed25519.Sign(_seed, payload);
}

/// <content>The checking side.</content>
public sealed partial class Transaction
{
    /// <summary>True when every signer's signature verifies. Callers do it off the consensus path and remember it.</summary>
    public bool VerifySignatures()
    {
        Span<byte> payload = stackalloc byte[SigningPayload.Length];
        SigningPayload.Write(Chain, Id, payload);
        for (int i = 0; i < Signers.Length; i++)
        {
            if (!Ed25519.Verify(Signers[i], payload, Signatures[i]))
            {
                return false;
            }
        }

        return true;
    }
}
