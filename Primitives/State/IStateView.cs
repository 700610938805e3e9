// The seam between execution and storage: what a batch reads, and what it becomes.

namespace ParallelVm.Primitives.State;

/// <summary>Where a record lies in a buffer.</summary>
/// <param name="Offset">Of its first byte.</param>
/// <param name="Length">In bytes; -1 when there is no record.</param>
public readonly record struct RecordPlace(int Offset, int Length);

/// <summary>A read-only state at one root: the accepted state, or a processing block's on top of it.</summary>
/// <remarks>A view that knows nothing of several readers is read by one thread at a time; see <see cref="Readers"/>.</remarks>
public interface IStateView
{
    /// <summary>The commitment to everything this view holds.</summary>
    StateRoot Root { get; }

    /// <summary>Copies the record at <paramref name="key"/> to the start of <paramref name="target"/>.</summary>
    /// <param name="key">Path of the record.</param>
    /// <param name="target">At least <see cref="StateLimits.MaxRecordBytes"/> long.</param>
    /// <returns>The record's length in bytes, [0, 4096]; -1 when there is no record.</returns>
    int Read(in StateKey key, System.Span<byte> target);

    /// <summary>How many threads may read at once, each under a number of its own in [0, Readers). At least 1.</summary>
    int Readers => 1;

    /// <summary><see cref="Read(in StateKey, System.Span{byte})"/> by one of several readers.</summary>
    /// <param name="reader">In [0, <see cref="Readers"/>); used by one thread at a time.</param>
    int Read(int reader, in StateKey key, System.Span<byte> target) => Read(in key, target);

    /// <summary>Reads many records for one of several readers. What lies on a disk comes side by side, not one record after the other.</summary>
    /// <param name="reader">In [0, <see cref="Readers"/>); used by one thread at a time.</param>
    /// <param name="keys">Any keys, repeats allowed.</param>
    /// <param name="places">As many as <paramref name="keys"/>; set for each to where its record lies in <paramref name="target"/>.</param>
    /// <param name="target">At least <see cref="StateLimits.MaxRecordBytes"/> for each key.</param>
    /// <returns>Bytes of <paramref name="target"/> that are used, from its start.</returns>
    int ReadMany(int reader, System.ReadOnlySpan<StateKey> keys, System.Span<RecordPlace> places, System.Span<byte> target)
    {
        int used = 0;
        for (int i = 0; i < keys.Length; i++)
        {
            int length = Read(reader, in keys[i], target[used..]);
            places[i] = new RecordPlace(used, length);
            used += System.Math.Max(length, 0);
        }

        return used;
    }

    /// <summary>The state after <paramref name="diff"/>, with its root computed. Nothing becomes durable.</summary>
    /// <remarks>Views made from the same parent are siblings and do not see each other.</remarks>
    IStateView Apply(StateDiff diff);
}
