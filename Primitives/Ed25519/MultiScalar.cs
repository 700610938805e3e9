// Sums of many multiples of points, for the one equation of a batch:  sum of z_i R_i  +  sum of a_i A_i,  z of 128 bits, a of 253.
//
// Pippenger's way. Every scalar is written in signed digits of c bits. For one digit place, each point is added to the bucket of
// its digit's size (subtracted when the digit is negative); then the sum of j * bucket[j] comes from two running sums; then the places
// are put together with c doublings between them. No table per point, and a point is added once per place and scalar.
//
//   lane:  0      1      ...  7           eight places at once, each with buckets of its own, so two lanes never meet
//   place: 8 g    8 g+1       8 g+7       in one bucket; points of both kinds share the buckets of a place
//
// Cost per batch of n, in vector additions: n * (groups of a + groups of z) + 2 * buckets * groups of a; the width is the one that
// makes this smallest (Width). The doublings, about 250, are paid once.
// Scalars are public: digits are indices. Threading: one owner; the buckets are reused. Source: Bernstein, Doumen, Lange, Oosterwijk,
// "Faster batch forgery identification" (2012), section 4, describes Pippenger's method for this sum.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives;

/// <summary>A 128-bit coefficient: a magnitude below 2^127 and, in the top bit of <paramref name="High"/>, its sign.</summary>
/// <param name="Low">Bits 0..63 of the magnitude.</param>
/// <param name="High">Bits 64..126 of the magnitude, then the sign.</param>
internal readonly record struct Coefficient(ulong Low, ulong High)
{
    public bool IsNegative => High >> 63 != 0;

    public Scalar Magnitude => new(Low, High & (ulong.MaxValue >> 1), 0, 0);

    /// <summary>The value mod L.</summary>
    public Scalar Value => IsNegative ? Magnitude.Negate() : Magnitude;
}

/// <summary>The sum of multiples of points.</summary>
/// <param name="usesVectors">Eight places at once; else one after the other, which is the oracle.</param>
internal sealed class MultiScalar(bool usesVectors)
{
    private const int Lanes = FieldVector.Lanes;
    private const int WidthMax = 8;
    private const int RowWords = 24; // a Point in 20 words, rounded up to whole vectors
    private const int LaneWords = ((1 << (WidthMax - 1)) + 1) * RowWords;

    // bit lengths that the digits have to cover, with room for the last carry
    private const int LongBits = 254;
    private const int ShortBits = 128;

    private readonly ulong[] _buckets = GC.AllocateUninitializedArray<ulong>(((usesVectors ? Lanes : 1) * LaneWords) + 8, pinned: true);
    private readonly Point[] _places = new Point[(LongBits / 4) + 2 * Lanes];
    private short[] _longDigits = [];
    private short[] _shortDigits = [];

    /// <summary>Digit width for <paramref name="count"/> pairs.</summary>
    public static int Width(int count) => count < 80 ? 4 : count < 300 ? 6 : 8;

    /// <summary>Sum of shortScalars[i] * shortPoints[i] + longScalars[i] * longPoints[i]; all spans of one length.</summary>
    /// <param name="longScalars">Below L.</param>
    [SkipLocalsInit]
    public void Sum(
        ReadOnlySpan<Niels> longPoints,
        ReadOnlySpan<Scalar> longScalars,
        ReadOnlySpan<Niels> shortPoints,
        ReadOnlySpan<Coefficient> shortScalars,
        int width,
        out Point sum)
    {
        int count = longPoints.Length;
        int longGroups = Groups(LongBits, width);
        int shortGroups = Groups(ShortBits, width);
        Grow(ref _longDigits, count * longGroups * Lanes);
        Grow(ref _shortDigits, count * shortGroups * Lanes);
        for (int i = 0; i < count; i++)
        {
            Digits(longScalars[i], false, width, _longDigits, i, count, longGroups);
            Digits(shortScalars[i].Magnitude, shortScalars[i].IsNegative, width, _shortDigits, i, count, shortGroups);
        }

        int step = count * Lanes;
        for (int group = 0; group < longGroups; group++)
        {
            ReadOnlySpan<short> longDigits = _longDigits.AsSpan(group * step, step);
            ReadOnlySpan<short> shortDigits = group < shortGroups ? _shortDigits.AsSpan(group * step, step) : [];
            Span<Point> places = _places.AsSpan(group * Lanes, Lanes);
            if (usesVectors)
            {
                SumGroup(longPoints, longDigits, shortPoints, shortDigits, 1 << (width - 1), places);
            }
            else
            {
                SumGroupPlain(longPoints, longDigits, shortPoints, shortDigits, 1 << (width - 1), places);
            }
        }

        Combine(longGroups * Lanes, width, out sum);
    }

    private static int Groups(int bits, int width) => (((bits + width - 1) / width) + Lanes - 1) / Lanes;

    private static void Grow(ref short[] array, int length)
    {
        if (array.Length < length)
        {
            array = new short[length];
        }
    }

    /// <summary>Signed digits of [-2^(width-1), 2^(width-1)], place p of scalar i at [p / 8][i][p % 8].</summary>
    [SkipLocalsInit]
    internal static void Digits(in Scalar scalar, bool isNegative, int width, Span<short> digits, int i, int count, int groups)
    {
        Span<ulong> words = [scalar.W0, scalar.W1, scalar.W2, scalar.W3, 0, 0, 0, 0];
        int mask = (1 << width) - 1;
        int half = 1 << (width - 1);
        int sign = isNegative ? -1 : 0;
        int carry = 0;
        int bit = 0;
        for (int group = 0; group < groups; group++)
        {
            Span<short> eight = digits.Slice(((group * count) + i) * Lanes, Lanes);
            for (int lane = 0; lane < eight.Length; lane++)
            {
                int word = bit >> 6;
                int shift = bit & 63;
                ulong bits = word < 4 ? (words[word] >> shift) | (words[word + 1] << 1 << (63 - shift)) : 0;
                int digit = ((int)bits & mask) + carry;
                carry = (half - digit) >>> 31; // digit > half
                digit -= carry << width;
                eight[lane] = (short)((digit ^ sign) - sign);
                bit += width;
            }
        }
    }

    /// <summary>Eight places at once.</summary>
    [SkipLocalsInit]
    private void SumGroup(
        ReadOnlySpan<Niels> longPoints,
        ReadOnlySpan<short> longDigits,
        ReadOnlySpan<Niels> shortPoints,
        ReadOnlySpan<short> shortDigits,
        int half,
        Span<Point> places)
    {
        ref ulong buckets = ref Aligned();
        int laneWords = (half + 1) * RowWords;
        Span<int> offsets = stackalloc int[Lanes];
        PointVector.Neutral(out PointVector neutral);
        for (int j = 0; j <= half; j++)
        {
            SetOffsets(offsets, j, laneWords);
            PointVector.Scatter(neutral, ref buckets, offsets);
        }

        AddAll(longPoints, longDigits, ref buckets, laneWords, offsets);
        if (!shortDigits.IsEmpty)
        {
            AddAll(shortPoints, shortDigits, ref buckets, laneWords, offsets);
        }

        // running = bucket[half] + ... + bucket[j]; their sum counts bucket j exactly j times
        PointVector running = neutral;
        PointVector total = neutral;
        for (int j = half; j > 0; j--)
        {
            SetOffsets(offsets, j, laneWords);
            PointVector.Gather(out PointVector bucket, ref buckets, offsets);
            PointVector.Add(ref running, bucket);
            PointVector.Add(ref total, running);
        }

        SetOffsets(offsets, 0, laneWords);
        PointVector.Scatter(total, ref buckets, offsets);
        for (int lane = 0; lane < Lanes; lane++)
        {
            places[lane] = Unsafe.As<ulong, Point>(ref Unsafe.Add(ref buckets, offsets[lane]));
        }
    }

    [SkipLocalsInit]
    private static void AddAll(
        ReadOnlySpan<Niels> points, ReadOnlySpan<short> digits, ref ulong buckets, int laneWords, Span<int> offsets)
    {
        for (int i = 0; i < points.Length; i++)
        {
            Vector128<short> digit = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(digits), (nuint)(i * Lanes));
            (Vector256<int> low, _) = Vector256.Widen(digit.ToVector256());
            Vector256<int> rows = (Vector256.Abs(low) * RowWords) + (Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7) * laneWords);
            rows.CopyTo(offsets);
            (Vector512<long> signs, _) = Vector512.Widen((low >> 31).ToVector512());
            NielsVector.Broadcast(out NielsVector addend, points[i], signs.AsUInt64());
            PointVector.Gather(out PointVector bucket, ref buckets, offsets);
            PointVector.Add(ref bucket, addend);
            PointVector.Scatter(bucket, ref buckets, offsets);
        }
    }

    private static void SetOffsets(Span<int> offsets, int row, int laneWords)
    {
        for (int lane = 0; lane < offsets.Length; lane++)
        {
            offsets[lane] = (lane * laneWords) + (row * RowWords);
        }
    }

    /// <summary>The first word of the buckets that is at a multiple of 64 bytes; the array is pinned.</summary>
    private unsafe ref ulong Aligned()
    {
        ref ulong start = ref MemoryMarshal.GetArrayDataReference(_buckets);
        nuint address = (nuint)Unsafe.AsPointer(ref start); // SAFETY: pinned, and only its low bits are used
        return ref Unsafe.Add(ref start, (int)((64 - (address & 63)) & 63) / sizeof(ulong));
    }

    /// <summary>The same places one after the other, without vectors.</summary>
    private void SumGroupPlain(
        ReadOnlySpan<Niels> longPoints,
        ReadOnlySpan<short> longDigits,
        ReadOnlySpan<Niels> shortPoints,
        ReadOnlySpan<short> shortDigits,
        int half,
        Span<Point> places)
    {
        Span<Point> buckets = MemoryMarshal.Cast<ulong, Point>(_buckets.AsSpan())[..(half + 1)];
        for (int lane = 0; lane < Lanes; lane++)
        {
            buckets.Fill(Point.Neutral);
            AddAllPlain(longPoints, longDigits[lane..], buckets);
            if (!shortDigits.IsEmpty)
            {
                AddAllPlain(shortPoints, shortDigits[lane..], buckets);
            }

            Point running = Point.Neutral;
            ref Point total = ref places[lane];
            total = Point.Neutral;
            for (int j = half; j > 0; j--)
            {
                buckets[j].ToCached(out Cached addend);
                Point.Add(out Completed completed, running, addend);
                completed.ToPoint(ref running);
                running.ToCached(out addend);
                Point.Add(out completed, total, addend);
                completed.ToPoint(ref total);
            }
        }
    }

    private static void AddAllPlain(ReadOnlySpan<Niels> points, ReadOnlySpan<short> digits, Span<Point> buckets)
    {
        for (int i = 0; i < points.Length; i++)
        {
            int digit = digits[i * Lanes];
            if (digit == 0)
            {
                continue;
            }

            ref Point bucket = ref buckets[Math.Abs(digit)];
            Completed completed;
            if (digit > 0)
            {
                Point.Add(out completed, bucket, points[i]);
            }
            else
            {
                Point.Subtract(out completed, bucket, points[i]);
            }

            completed.ToPoint(ref bucket);
        }
    }

    /// <summary>The sum of places[p] * 2^(width * p), from the top.</summary>
    private void Combine(int placeCount, int width, out Point sum)
    {
        sum = _places[placeCount - 1];
        for (int place = placeCount - 2; place >= 0; place--)
        {
            for (int i = 0; i < width; i++)
            {
                Point.Double(out Completed twice, sum);
                if (i == width - 1)
                {
                    twice.ToPoint(ref sum);
                }
                else
                {
                    twice.ToProjective(ref sum);
                }
            }

            _places[place].ToCached(out Cached addend);
            Point.Add(out Completed completed, sum, addend);
            completed.ToPoint(ref sum);
        }
    }
}
