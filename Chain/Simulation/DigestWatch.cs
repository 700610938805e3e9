// What a run hashed, and which key a comparison of hashes is about. A hash of a slot's key that is compared with something says which key is wanted in two cases:
//
//   the other side was hashed in this run too, from bytes that differ in the place of the key only       -> the bytes in that place
//   one of the 32-byte values that the caller said (signers, given keys, arguments) hashes to it         -> that value
//
// Anything else is a hash that nobody can turn round.
//
// Threading: one run on one thread.   Cost: a copy of what is hashed, bounded; a hash for each value that was said, at most SearchesMax times a run.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Remembers hashes.</summary>
/// <param name="said">What the caller said: what a wanted key may be.</param>
internal sealed class DigestWatch(IReadOnlyList<Bytes32> said)
{
    /// <summary>Longest input that is remembered.</summary>
    public const int InputMax = 1024;

    private const int DigestsMax = 256;
    private const int SearchesMax = 32;

    private readonly Dictionary<Bytes32, (Opcode Kind, byte[] Input)> _digests = [];
    private int _searches;

    /// <summary>The run hashed these bytes to that.</summary>
    public void Note(Opcode kind, byte[] input, in Bytes32 digest)
    {
        if (_digests.Count < DigestsMax)
        {
            _digests.TryAdd(digest, (kind, input));
        }
    }

    /// <summary>What should stand for a key, so that its hash becomes another one.</summary>
    /// <param name="hash">A hash that the run made, perhaps of the key.</param>
    /// <param name="wanted">What it was compared with.</param>
    /// <param name="key">The key's bytes.</param>
    public bool TryFind(in Bytes32 hash, in Bytes32 wanted, ReadOnlySpan<byte> key, [NotNullWhen(true)] out Bytes32? value)
    {
        value = null;
        if (!_digests.TryGetValue(hash, out (Opcode Kind, byte[] Input) ours) || ours.Input.AsSpan().IndexOf(key) is var place && place < 0)
        {
            return false;
        }

        if (_digests.TryGetValue(wanted, out (Opcode Kind, byte[] Input) theirs))
        {
            if (theirs.Kind == ours.Kind && theirs.Input.Length == ours.Input.Length
                && theirs.Input.AsSpan(0, place).SequenceEqual(ours.Input.AsSpan(0, place))
                && theirs.Input.AsSpan(place + key.Length).SequenceEqual(ours.Input.AsSpan(place + key.Length)))
            {
                value = Bytes32.From(theirs.Input.AsSpan(place, key.Length));
            }

            return value is not null;
        }

        byte[] input = [.. ours.Input];
        for (int i = 0; i < said.Count && value is null && _searches < SearchesMax; i++)
        {
            said[i].CopyTo(input.AsSpan(place));
            value = HashOf(ours.Kind, input) == wanted ? said[i] : null;
        }

        _searches++;
        return value is not null;
    }

    private static Bytes32 HashOf(Opcode kind, ReadOnlySpan<byte> input) => kind switch
    {
        Opcode.Keccak => Keccak256.Hash(input),
        Opcode.Sha256 => Sha256.Hash(input),
        _ => Blake3.Hash(input),
    };
}
