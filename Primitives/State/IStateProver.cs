// The seam between whoever answers questions about a state and the store that can prove the answers.

namespace ParallelVm.Primitives.State;

/// <summary>A store that keeps a tree over its records and can show what it holds. One caller thread at a time, as the store itself.</summary>
public interface IStateProver
{
    /// <summary>The oldest accepted height whose state can still be read; null before the first block.</summary>
    Height? OldestState { get; }

    /// <summary>A record as it was after an accepted block, copied to <paramref name="target"/>.</summary>
    /// <param name="target">At least <see cref="StateLimits.MaxRecordBytes"/> long.</param>
    /// <returns>Its length, or -1.</returns>
    /// <exception cref="StateStoreException">The state of the height is not kept, or is damaged.</exception>
    int ReadAt(Height height, in StateKey key, System.Span<byte> target);

    /// <summary>A proof under the root of an accepted block that the key has its value, or that it is not there.</summary>
    /// <exception cref="StateStoreException">The state of the height is not kept, or is damaged.</exception>
    byte[] ProveAt(Height height, in StateKey key);
}
