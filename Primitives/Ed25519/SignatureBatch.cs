// Signatures gathered to be verified together: one verdict each, the same as Ed25519.Verify gives, in less time than one by one.
//
//   Add      hashes the message, keeps key, R, S and k
//   Verify   refuses S >= L; decodes keys (or finds them in the cache) and R, eight at a time; then one equation for all
//
// Threading: one owner; a worker keeps its own batch and uses it again after Clear. Nothing allocates once it has held its largest batch.

using System;

namespace ParallelVm.Primitives;

/// <summary>A reusable batch of Ed25519 signatures to verify under ZIP-215.</summary>
public sealed class SignatureBatch
{
    private readonly BatchEquation _equation;
    private readonly PointDecoder _decoder;
    private readonly KeyCache _cache = new();
    private Entry[] _entries;

    // R of entry i at 2i, its key at 2i + 1
    private Niels[] _points = [];
    private bool[] _isPoint = [];

    /// <summary>An empty batch.</summary>
    /// <param name="capacity">What fits without growing; at least 1.</param>
    public SignatureBatch(int capacity = 64)
        : this(capacity, FieldVector.IsSupported)
    {
    }

    /// <param name="usesVectors">False takes the path of machines without them.</param>
    internal SignatureBatch(int capacity, bool usesVectors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _entries = new Entry[capacity];
        _equation = new BatchEquation(usesVectors);
        _decoder = new PointDecoder(usesVectors);
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

        for (int start = 0; start < Count; start += BatchEquation.CountMax)
        {
            int count = Math.Min(Count - start, BatchEquation.CountMax);
            VerifyPart(_entries.AsSpan(start, count), valid.Slice(start, count));
        }

        return !valid[..Count].Contains(false);
    }

    /// <summary>What verdicts have cost so far; see <see cref="BatchEquation.Summed"/>.</summary>
    internal long Summed => _equation.Summed;

    /// <summary>Forgets all signatures.</summary>
    public void Clear() => Count = 0;

    /// <summary>Empties the cache of decoded keys.</summary>
    internal void Forget() => _cache.Clear();

    private void VerifyPart(ReadOnlySpan<Entry> entries, Span<bool> valid)
    {
        if (_points.Length < 2 * entries.Length)
        {
            int capacity = Math.Min(BatchEquation.CountMax, _entries.Length);
            _points = new Niels[2 * capacity];
            _isPoint = new bool[2 * capacity];
        }

        for (int i = 0; i < entries.Length; i++)
        {
            ref readonly Entry entry = ref entries[i];
            _isPoint[2 * i] = false; // also when it waits in the decoder
            if (!entry.S.IsCanonical())
            {
                continue;
            }

            Decode(entry.R, 2 * i);
            _isPoint[(2 * i) + 1] = _cache.TryGet(entry.Key, ref _points[(2 * i) + 1]);
            if (!_isPoint[(2 * i) + 1])
            {
                Decode(entry.Key, (2 * i) + 1);
            }
        }

        _decoder.Flush(_points, _isPoint, _cache);
        _equation.Start(entries.Length);
        for (int i = 0; i < entries.Length; i++)
        {
            valid[i] = false;
            if (_isPoint[2 * i] && _isPoint[(2 * i) + 1])
            {
                DecodedSignature signature = new() { S = entries[i].S, K = entries[i].K, Place = i };
                _equation.Add(_points[(2 * i) + 1], _points[2 * i], signature);
            }
        }

        _equation.Verify(valid);
    }

    private void Decode(in Bytes32 encoding, int target)
    {
        if (_decoder.Add(encoding, target))
        {
            _decoder.Flush(_points, _isPoint, _cache);
        }
    }

    private struct Entry
    {
        public Bytes32 Key;
        public Bytes32 R;
        public Scalar S;
        public Scalar K;
    }
}
