// Signatures gathered to be verified together: one verdict each, the same as Ed25519.Verify gives, in less time than one by one.
//
// Threading: one owner; a worker keeps its own batch and uses it again after Clear. Nothing allocates once it has held its largest batch.

using System;

namespace ParallelVm.Primitives;

/// <summary>A reusable batch of Ed25519 signatures to verify under ZIP-215.</summary>
public sealed class SignatureBatch
{
    private Entry[] _entries;

    /// <summary>An empty batch.</summary>
    /// <param name="capacity">What fits without growing; at least 1.</param>
    public SignatureBatch(int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _entries = new Entry[capacity];
    }

    /// <summary>How many signatures were added since the last <see cref="Clear"/>.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a signature. Any bytes are welcome; the message is hashed now and not kept.</summary>
    public void Add(in PublicKey key, ReadOnlySpan<byte> message, in Signature signature)
    {
        if (Count == _entries.Length)
        {
            Array.Resize(ref _entries, 2 * Count);
        }

        ref Entry entry = ref _entries[Count++];
        entry.Key = key.Value;
        entry.R = signature.R;
        entry.S = Scalar.Load(signature.S);
        entry.K = Ed25519.Challenge(key.Value, signature.R, message);
    }

    /// <summary>Verifies all that was added; the batch stays as it is.</summary>
    /// <param name="valid">At least <see cref="Count"/> long; place i gets what Ed25519.Verify says of the i-th signature added.</param>
    /// <returns>True when all are valid, so also for an empty batch.</returns>
    /// <exception cref="ArgumentException"><paramref name="valid"/> is too short.</exception>
    public bool Verify(Span<bool> valid)
    {
        if (valid.Length < Count)
        {
            throw new ArgumentException($"{valid.Length} places for {Count} verdicts.", nameof(valid));
        }

        bool isAllValid = true;
        for (int i = 0; i < Count; i++)
        {
            ref readonly Entry entry = ref _entries[i];
            valid[i] = entry.S.IsCanonical() && Ed25519.Verify(entry.Key, entry.R, entry.S, entry.K);
            isAllValid &= valid[i];
        }

        return isAllValid;
    }

    /// <summary>Forgets all signatures.</summary>
    public void Clear() => Count = 0;

    private struct Entry
    {
        public Bytes32 Key;
        public Bytes32 R;
        public Scalar S;
        public Scalar K;
    }
}
