// A queue of encodings before the square root: eight wait for each other and are decoded together.
//
// Where a point lands and whether it is one is known after Flush only.
// Threading: one owner. Nothing allocates after the constructor.

using System;

namespace ParallelVm.Primitives;

/// <summary>Decodes points eight at a time.</summary>
/// <param name="usesVectors">Eight square roots at once; else one after the other, which is the oracle.</param>
internal sealed class PointDecoder(bool usesVectors)
{
    private const int Lanes = FieldVector.Lanes;

    private readonly Bytes32[] _encodings = new Bytes32[Lanes];
    private readonly Niels[] _points = new Niels[Lanes];
    private readonly int[] _targets = new int[Lanes];
    private int _count;

    /// <summary>Queues an encoding; its point goes to <paramref name="target"/> of the results given here or to a later call.</summary>
    /// <returns>True when the queue is full and <see cref="Flush"/> is due.</returns>
    public bool Add(in Bytes32 encoding, int target)
    {
        _encodings[_count] = encoding;
        _targets[_count] = target;
        _count++;
        return _count == Lanes;
    }

    /// <summary>Decodes what is queued.</summary>
    /// <param name="points">By target.</param>
    /// <param name="isPoint">By target; false where the encoding is no point.</param>
    /// <param name="keys">Gets the points with an odd target: those of keys.</param>
    public void Flush(Span<Niels> points, Span<bool> isPoint, KeyCache keys)
    {
        int found = Decode();
        for (int i = 0; i < _count; i++)
        {
            int target = _targets[i];
            isPoint[target] = (found >> i & 1) != 0;
            points[target] = _points[i];
            if ((target & 1) != 0 && isPoint[target])
            {
                keys.Put(_encodings[i], _points[i]);
            }
        }

        _count = 0;
    }

    private int Decode()
    {
        if (usesVectors && _count > 1)
        {
            return PointVector.Decode(_encodings, _points); // lanes beyond the count hold what was there before
        }

        int found = 0;
        for (int i = 0; i < _count; i++)
        {
            if (Point.TryDecode(_encodings[i], out Point point))
            {
                point.ToNiels(Field.One, out _points[i]);
                found |= 1 << i;
            }
        }

        return found;
    }
}
