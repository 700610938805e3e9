// SHA-256, from the framework: block ids, because the node's ids are SHA-256 too, and a syscall of programs.
// Threading: pure.   Cost: no allocation.

using System;
using System.Security.Cryptography;

namespace ParallelVm.Primitives;

/// <summary>SHA-256.</summary>
public static class Sha256
{
    /// <summary>The 32-byte hash of <paramref name="input"/>.</summary>
    public static Bytes32 Hash(ReadOnlySpan<byte> input)
    {
        Span<byte> digest = stackalloc byte[Bytes32.Size];
        SHA256.HashData(input, digest);
        return Bytes32.From(digest);
    }
}
