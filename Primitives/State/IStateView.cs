// The seam between execution and storage: what a batch reads, and what it becomes.

namespace ParallelVm.Primitives.State;

/// <summary>A read-only state at one root: the accepted state, or a processing block's on top of it.</summary>
/// <remarks>Single reader at a time: the engine loads a batch's keys on one thread before workers start.</remarks>
public interface IStateView
{
    /// <summary>The commitment to everything this view holds.</summary>
    StateRoot Root { get; }

    /// <summary>Copies the record at <paramref name="key"/> to the start of <paramref name="target"/>.</summary>
    /// <param name="key">Path of the record.</param>
    /// <param name="target">At least <see cref="StateLimits.MaxRecordBytes"/> long.</param>
    /// <returns>The record's length in bytes, [0, 4096]; -1 when there is no record.</returns>
    int Read(in StateKey key, System.Span<byte> target);

    /// <summary>The state after <paramref name="diff"/>, with its root computed. Nothing becomes durable.</summary>
    /// <remarks>Views made from the same parent are siblings and do not see each other.</remarks>
    IStateView Apply(StateDiff diff);
}
