// Up to eight signatures verified side by side, each for itself: lane i computes  [8] ([s]B - [k]A - R)  of signature i. For few
// signatures, and for what is left of a batch that failed.
//
// All lanes walk the same places: 252 doublings, a digit of 4 bits of k every four (a row of the lane's own multiples of A), one of
// 8 bits of s every eight (a row of the multiples of B). Digits are signed; zero takes the row of the neutral point.
//
// Cost: a little more than one verification alone, whatever the number.   Scalars are public: digits are indices.
// Only where FieldVector.IsSupported.   Threading: one owner. Nothing allocates after the constructor.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives;

/// <summary>Verifies up to eight decoded signatures at once.</summary>
internal sealed class LaneVerifier
{
    public const int Lanes = FieldVector.Lanes;

    private const int KeyWidth = 4;
    private const int BaseWidth = 2 * KeyWidth;
    private const int KeyPlaces = 64;
    private const int RowWords = 24;
    private const int LaneRows = (1 << (KeyWidth - 1)) + 1;

    private readonly ulong[] _rows = GC.AllocateUninitializedArray<ulong>(Lanes * LaneRows * RowWords);
    private readonly short[] _keyDigits = new short[Lanes * KeyPlaces];
    private readonly short[] _baseDigits = new short[Lanes * KeyPlaces / 2];
    private readonly ulong[] _addends = new ulong[Lanes * BaseTable.RowWords];

    /// <summary>Bit i of the result is set when signature i is valid.</summary>
    /// <param name="keys">One to eight; the spans are of one length.</param>
    [SkipLocalsInit]
    public int Verify(ReadOnlySpan<Niels> keys, ReadOnlySpan<Niels> rs, ReadOnlySpan<DecodedSignature> signatures)
    {
        for (int lane = 0; lane < signatures.Length; lane++)
        {
            Scalar k = signatures[lane].K;
            Scalar s = signatures[lane].S;
            MultiScalar.Digits(k, true, KeyWidth, _keyDigits.AsSpan(lane * KeyPlaces, KeyPlaces), 0, 1, KeyPlaces / Lanes);
            MultiScalar.Digits(s, false, BaseWidth, _baseDigits.AsSpan(lane * KeyPlaces / 2, KeyPlaces / 2), 0, 1, KeyPlaces / 2 / Lanes);
        }

        Span<int> offsets = stackalloc int[Lanes];
        FillRows(keys, offsets);

        Span<ulong> signs = stackalloc ulong[Lanes];
        ref ulong rows = ref MemoryMarshal.GetArrayDataReference(_rows);
        ref ulong multiples = ref MemoryMarshal.GetArrayDataReference(BaseTable.Multiples);
        PointVector.Neutral(out PointVector sum);
        for (int place = KeyPlaces - 1; place >= 0; place--)
        {
            for (int i = 0; i < KeyWidth; i++)
            {
                PointVector.Double(ref sum, withT: i == KeyWidth - 1);
            }

            for (int lane = 0; lane < Lanes; lane++)
            {
                int digit = _keyDigits[(lane * KeyPlaces) + place];
                signs[lane] = (ulong)(long)(digit >> 31);
                offsets[lane] = ((lane * LaneRows) + Math.Abs(digit)) * RowWords;
            }

            CachedVector addend;
            PointVector.Gather(out addend.Parts, ref rows, offsets);
            addend.Negate(Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(signs)));
            PointVector.Add(ref sum, addend);
            if (place % 2 == 0)
            {
                for (int lane = 0; lane < Lanes; lane++)
                {
                    int digit = _baseDigits[(lane * KeyPlaces / 2) + (place / 2)];
                    signs[lane] = (ulong)(long)(digit >> 31);
                    offsets[lane] = Math.Abs(digit) * BaseTable.RowWords;
                }

                NielsVector.Gather(out NielsVector multiple, ref multiples, offsets);
                multiple.Negate(Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(signs)));
                PointVector.Add(ref sum, multiple);
            }
        }

        Load(rs, offsets, out NielsVector r);
        r.Negate(Vector512<ulong>.AllBitsSet);
        PointVector.Add(ref sum, r);
        return PointVector.IsSmallOrder(sum);
    }

    /// <summary>0 to 8 times its key for each lane.</summary>
    [SkipLocalsInit]
    private void FillRows(ReadOnlySpan<Niels> keys, Span<int> offsets)
    {
        Load(keys, offsets, out NielsVector key);
        PointVector.Neutral(out PointVector multiple);
        for (int row = 0; row < LaneRows; row++)
        {
            for (int lane = 0; lane < Lanes; lane++)
            {
                offsets[lane] = ((lane * LaneRows) + row) * RowWords;
            }

            CachedVector.From(out CachedVector cached, multiple);
            PointVector.Scatter(cached.Parts, ref MemoryMarshal.GetArrayDataReference(_rows), offsets);
            PointVector.Add(ref multiple, key);
        }
    }

    /// <summary>A point per lane; lanes beyond the points keep what was there, a point too or zeros, and nobody asks for them.</summary>
    [SkipLocalsInit]
    private void Load(ReadOnlySpan<Niels> points, Span<int> offsets, out NielsVector r)
    {
        Span<ulong> words = _addends;
        for (int lane = 0; lane < Lanes; lane++)
        {
            offsets[lane] = lane * BaseTable.RowWords;
            if (lane < points.Length)
            {
                MemoryMarshal.Cast<Niels, ulong>(points.Slice(lane, 1)).CopyTo(words[offsets[lane]..]);
            }
        }

        NielsVector.Gather(out r, ref MemoryMarshal.GetArrayDataReference(_addends), offsets);
    }
}
