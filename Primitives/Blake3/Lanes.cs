// Vectors of 32-bit words, one lane per message, in three widths of one shape: 4 lanes (128 bits), 8 (AVX2), 16 (AVX-512).
//
// What crosses lanes is only the turn between messages and rows. It goes by pieces of 16 bytes:
//
//   gather   piece q of the messages i, i+4, i+8, i+12 side by side          one vector for each i of 0..3
//   turn     4x4 words within each 128 bits: two rounds of unpacking         row w = word 4q + w of every message, in their order
//
// and the same turn leads back. The widths differ in how many pieces stand side by side, so the kernel is written once.
//
// Threading: pure.   Cost: every member is one to four instructions.

using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Primitives;

/// <summary>The operations of the kernel on vectors of one width.</summary>
/// <typeparam name="TVector">A vector of 32-bit words.</typeparam>
internal interface ILanes<TVector>
    where TVector : struct
{
    /// <summary>Words in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>The same word in every lane.</summary>
    static abstract TVector Create(uint value);

    /// <summary>The <see cref="Count"/> words from <paramref name="row"/> on.</summary>
    static abstract TVector Load(ref uint row);

    /// <summary>Writes <see cref="Count"/> words from <paramref name="row"/> on.</summary>
    static abstract void Store(TVector value, ref uint row);

    /// <summary>Sum of each lane, modulo 2^32.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>Exclusive or.</summary>
    static abstract TVector Xor(TVector a, TVector b);

    /// <summary>Each lane turned right by a literal number of bits.</summary>
    static abstract TVector RotateRight(TVector value, [ConstantExpected] byte bits);

    /// <summary>Sixteen bytes each of every fourth message.</summary>
    /// <param name="input">Where offsets count from.</param>
    /// <param name="offsets">Offset in bytes of the first of these messages; those of the others stand 4, 8, 12 places further.</param>
    /// <param name="at">Offset in bytes within each message.</param>
    static abstract TVector Gather(ref byte input, ref nuint offsets, nuint at);

    /// <summary>Writes every 16 bytes to every fourth place of 32 bytes, from <paramref name="output"/> on.</summary>
    static abstract void Scatter(TVector value, ref byte output);

    /// <summary>Words 0 and 1 of each 128 bits, of both in turn.</summary>
    static abstract TVector UnpackLow(TVector a, TVector b);

    /// <summary>Words 2 and 3 of each 128 bits, of both in turn.</summary>
    static abstract TVector UnpackHigh(TVector a, TVector b);

    /// <summary>The lower half of each 128 bits, of <paramref name="a"/>, then of <paramref name="b"/>.</summary>
    static abstract TVector UnpackLowHalves(TVector a, TVector b);

    /// <summary>The upper half of each 128 bits, of <paramref name="a"/>, then of <paramref name="b"/>.</summary>
    static abstract TVector UnpackHighHalves(TVector a, TVector b);

    /// <summary>The bytes of each 8 in reverse order: between the memory of a <see cref="Bytes32"/> and its bytes.</summary>
    static abstract TVector ReverseEights(TVector value);
}

/// <summary>Four lanes.</summary>
internal readonly struct Lanes4 : ILanes<Vector128<uint>>
{
    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Create(uint value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Load(ref uint row) => Vector128.LoadUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<uint> value, ref uint row) => value.StoreUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Add(Vector128<uint> a, Vector128<uint> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Xor(Vector128<uint> a, Vector128<uint> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> RotateRight(Vector128<uint> value, [ConstantExpected] byte bits)
    {
        if (Avx512F.VL.IsSupported)
        {
            return Avx512F.VL.RotateRight(value, bits);
        }

        // whole bytes: one instruction where there is a byte shuffle
        if (bits == 16 && (Ssse3.IsSupported || AdvSimd.IsSupported))
        {
            return Vector128.Shuffle(
                value.AsByte(), Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)).AsUInt32();
        }

        if (bits == 8 && (Ssse3.IsSupported || AdvSimd.IsSupported))
        {
            return Vector128.Shuffle(
                value.AsByte(), Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)).AsUInt32();
        }

        return (value >>> bits) | (value << (32 - bits));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Gather(ref byte input, ref nuint offsets, nuint at) =>
        Vector128.LoadUnsafe(ref input, offsets + at).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(Vector128<uint> value, ref byte output) => value.AsByte().StoreUnsafe(ref output);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> UnpackLow(Vector128<uint> a, Vector128<uint> b)
    {
        if (Sse2.IsSupported)
        {
            return Sse2.UnpackLow(a, b);
        }

        return AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b) : Vector128.Create(a[0], b[0], a[1], b[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> UnpackHigh(Vector128<uint> a, Vector128<uint> b)
    {
        if (Sse2.IsSupported)
        {
            return Sse2.UnpackHigh(a, b);
        }

        return AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b) : Vector128.Create(a[2], b[2], a[3], b[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> UnpackLowHalves(Vector128<uint> a, Vector128<uint> b) => Sse2.IsSupported
        ? Sse2.UnpackLow(a.AsUInt64(), b.AsUInt64()).AsUInt32()
        : Vector128.Create(a.GetLower(), b.GetLower());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> UnpackHighHalves(Vector128<uint> a, Vector128<uint> b) => Sse2.IsSupported
        ? Sse2.UnpackHigh(a.AsUInt64(), b.AsUInt64()).AsUInt32()
        : Vector128.Create(a.GetUpper(), b.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> ReverseEights(Vector128<uint> value) => Vector128.Shuffle(
        value.AsByte(), Vector128.Create((byte)7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)).AsUInt32();
}

/// <summary>Eight lanes. Needs AVX2.</summary>
internal readonly struct Lanes8 : ILanes<Vector256<uint>>
{
    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Create(uint value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Load(ref uint row) => Vector256.LoadUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<uint> value, ref uint row) => value.StoreUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Add(Vector256<uint> a, Vector256<uint> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Xor(Vector256<uint> a, Vector256<uint> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> RotateRight(Vector256<uint> value, [ConstantExpected] byte bits)
    {
        if (Avx512F.VL.IsSupported)
        {
            return Avx512F.VL.RotateRight(value, bits);
        }

        if (bits == 16)
        {
            return Avx2.Shuffle(
                value.AsByte(),
                Vector256.Create(
                    (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))
                .AsUInt32();
        }

        if (bits == 8)
        {
            return Avx2.Shuffle(
                value.AsByte(),
                Vector256.Create(
                    (byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12))
                .AsUInt32();
        }

        return (value >>> bits) | (value << (32 - bits));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Gather(ref byte input, ref nuint offsets, nuint at) => Vector256.Create(
        Vector128.LoadUnsafe(ref input, offsets + at), Vector128.LoadUnsafe(ref input, Unsafe.Add(ref offsets, 4) + at)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(Vector256<uint> value, ref byte output)
    {
        value.GetLower().AsByte().StoreUnsafe(ref output);
        value.GetUpper().AsByte().StoreUnsafe(ref output, 4 * Bytes32.Size);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> UnpackLow(Vector256<uint> a, Vector256<uint> b) => Avx2.UnpackLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> UnpackHigh(Vector256<uint> a, Vector256<uint> b) => Avx2.UnpackHigh(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> UnpackLowHalves(Vector256<uint> a, Vector256<uint> b) =>
        Avx2.UnpackLow(a.AsUInt64(), b.AsUInt64()).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> UnpackHighHalves(Vector256<uint> a, Vector256<uint> b) =>
        Avx2.UnpackHigh(a.AsUInt64(), b.AsUInt64()).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> ReverseEights(Vector256<uint> value) => Avx2.Shuffle(
        value.AsByte(),
        Vector256.Create(
            (byte)7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8))
        .AsUInt32();
}

/// <summary>Sixteen lanes. Needs AVX-512 F and BW.</summary>
internal readonly struct Lanes16 : ILanes<Vector512<uint>>
{
    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Create(uint value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Load(ref uint row) => Vector512.LoadUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<uint> value, ref uint row) => value.StoreUnsafe(ref row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Add(Vector512<uint> a, Vector512<uint> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Xor(Vector512<uint> a, Vector512<uint> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> RotateRight(Vector512<uint> value, [ConstantExpected] byte bits) => Avx512F.RotateRight(value, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Gather(ref byte input, ref nuint offsets, nuint at) => Vector512.Create(
        Lanes8.Gather(ref input, ref offsets, at), Lanes8.Gather(ref input, ref Unsafe.Add(ref offsets, 8), at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(Vector512<uint> value, ref byte output)
    {
        Lanes8.Scatter(value.GetLower(), ref output);
        Lanes8.Scatter(value.GetUpper(), ref Unsafe.Add(ref output, 8 * Bytes32.Size));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> UnpackLow(Vector512<uint> a, Vector512<uint> b) => Avx512F.UnpackLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> UnpackHigh(Vector512<uint> a, Vector512<uint> b) => Avx512F.UnpackHigh(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> UnpackLowHalves(Vector512<uint> a, Vector512<uint> b) =>
        Avx512F.UnpackLow(a.AsUInt64(), b.AsUInt64()).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> UnpackHighHalves(Vector512<uint> a, Vector512<uint> b) =>
        Avx512F.UnpackHigh(a.AsUInt64(), b.AsUInt64()).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> ReverseEights(Vector512<uint> value)
    {
        Vector256<byte> order = Vector256.Create(
            (byte)7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
        return Avx512BW.Shuffle(value.AsByte(), Vector512.Create(order, order)).AsUInt32();
    }
}
