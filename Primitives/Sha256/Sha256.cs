// SHA-256: block ids, because the node's ids are SHA-256 too, and an instruction of programs.
//
// The framework's one call fetches an algorithm, makes a context and frees it: five times what two compressions of a short message
// take. So the padding is ours, and a compression is libcrypto's (Sha256.Libcrypto.cs: processors have instructions for it that .NET
// does not expose) or, where there is none, our own (Sha256.Compression.cs), the oracle of the other. Long inputs go to the framework.
//
//   padding   0x80, zeros, the length in bits as 8 bytes big-endian; one more block when fewer than 9 bytes are left in the last
//
// Cost: row sha256.64 of the crypto suite; docs/adr/0010. Nothing allocates.   Threading: pure.   Source: FIPS 180-4, section 5.1.1.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace ParallelVm.Primitives;

/// <summary>SHA-256.</summary>
public static partial class Sha256
{
    private const int BlockBytes = 64;

    // up to here libcrypto's compression block by block is faster than the framework's one call
    private const int LongestForBlocks = 2048;

    // up to here, which is one block with its padding, our own compression is
    private const int LongestForOurOwn = BlockBytes - 1 - sizeof(ulong);

    /// <summary>The 32-byte hash of <paramref name="input"/>.</summary>
    public static Bytes32 Hash(ReadOnlySpan<byte> input)
    {
        bool native = Libcrypto.IsThere;
        return input.Length <= (native ? LongestForBlocks : LongestForOurOwn) ? Hash(input, native) : HashByFramework(input);
    }

    /// <summary>As the public one, by the compression that is asked for.</summary>
    /// <param name="native">libcrypto's, which must be there.</param>
    [SkipLocalsInit]
    internal static Bytes32 Hash(ReadOnlySpan<byte> input, bool native)
    {
        Span<uint> state = stackalloc uint[Libcrypto.ContextWords];
        InitialState.CopyTo(state);
        int whole = input.Length & -BlockBytes;
        Compress(state, input[..whole], native);

        int rest = input.Length - whole;
        int padded = rest + 1 + sizeof(ulong) <= BlockBytes ? BlockBytes : 2 * BlockBytes;
        Span<byte> last = stackalloc byte[2 * BlockBytes];
        last.Clear();
        input[whole..].CopyTo(last);
        last[rest] = 0x80;
        BinaryPrimitives.WriteUInt64BigEndian(last[(padded - sizeof(ulong))..], (ulong)input.Length * 8);
        Compress(state, last[..padded], native);
        return new Bytes32(Word(state[0], state[1]), Word(state[2], state[3]), Word(state[4], state[5]), Word(state[6], state[7]));
    }

    private static Bytes32 HashByFramework(ReadOnlySpan<byte> input)
    {
        Span<byte> digest = stackalloc byte[Bytes32.Size];
        SHA256.HashData(input, digest);
        return Bytes32.From(digest);
    }

    private static void Compress(Span<uint> state, ReadOnlySpan<byte> blocks, bool native)
    {
        if (native)
        {
            Libcrypto.Compress(state, blocks);
        }
        else
        {
            CompressManaged(state, blocks);
        }
    }

    private static ulong Word(uint first, uint second) => ((ulong)first << 32) | second;
}
