// The hash profile of a tree: which functions make leaves and nodes, and what stands for nothing.
//
// The shape of the tree does not depend on it, so published vectors of other trees of the same shape (SHA-256, other
// domain tags, another constant for the empty tree) can be run against the one that keeps the state.
//
// Profiles are objects and not static members, because the keys of the state's hashes belong to a chain; a call hashes up
// to hundreds of messages, so its dispatch costs nothing that can be measured.
//
// Threading: implementations are pure and called from many threads.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>The hash functions of one tree.</summary>
public interface ITreeHash
{
    /// <summary>Names the profile in what is stored or sent. Test profiles have numbers from 128.</summary>
    byte Version { get; }

    /// <summary>The hash of a tree without keys.</summary>
    Bytes32 Empty { get; }

    /// <summary>Hashes leaves.</summary>
    /// <param name="pairs">Path, value hash, path, value hash, ...</param>
    /// <param name="leaves">Half as many; never 32 zero bytes.</param>
    void Leaves(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> leaves);

    /// <summary>Hashes nodes.</summary>
    /// <param name="pairs">Left, right, left, right, ...</param>
    /// <param name="nodes">Half as many.</param>
    void Nodes(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> nodes);
}

/// <summary>The production profile: <see cref="StateHashing"/> of one chain.</summary>
/// <param name="hashing">The chain's hashing.</param>
public sealed class StateTreeHash(StateHashing hashing) : ITreeHash
{
    /// <summary>The chain's hashing.</summary>
    public StateHashing Hashing { get; } = hashing;

    /// <inheritdoc/>
    public byte Version => StateHashing.Format;

    /// <inheritdoc/>
    public Bytes32 Empty => StateHashing.Empty;

    /// <inheritdoc/>
    public void Leaves(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> leaves) => Hashing.Leaves(pairs, leaves);

    /// <inheritdoc/>
    public void Nodes(ReadOnlySpan<Bytes32> pairs, Span<Bytes32> nodes) => Hashing.Nodes(pairs, nodes);
}
