// Many keyed hashes of 64 bytes at once: what the tree of a block's changes needs, level by level.
//
// One lane of a 256-bit vector per message, eight messages per round of work: the 16 state words of the compression are
// 16 vectors, and no word ever crosses its lane. The message words are turned first (word w of lane l at [8 w + l]).
// Fewer than three messages, or a machine without 256-bit vectors, take the single path, which is also the oracle.
//
// Cost: measured 3-4 times less per hash than one at a time. Nothing allocates.
// Threading: pure.   Source: the BLAKE3 specification, section 2.2.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    private const int Lanes = 8;

    /// <summary>Keyed hashes of pairs: output i is <see cref="KeyedPair"/> of inputs 2i and 2i + 1.</summary>
    /// <param name="key">The key of all of them.</param>
    /// <param name="pairs">Left, right, left, right, ...: twice as many as <paramref name="hashes"/>.</param>
    /// <param name="hashes">Filled from the first to the last.</param>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    [SkipLocalsInit]
    public static void KeyedPairs(in Bytes32 key, ReadOnlySpan<Bytes32> pairs, Span<Bytes32> hashes)
    {
        if (pairs.Length != 2 * hashes.Length)
        {
            throw new ArgumentException($"{pairs.Length} values are not the pairs of {hashes.Length} hashes.", nameof(pairs));
        }

        int done = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Span<uint> message = stackalloc uint[16 * Lanes];
            Span<uint> keyWords = stackalloc uint[8];
            WordsOf(key, keyWords);
            while (hashes.Length - done >= 3)
            {
                int lanes = Math.Min(Lanes, hashes.Length - done);
                for (int lane = 0; lane < lanes; lane++)
                {
                    Turn(pairs[2 * (done + lane)], message, lane);
                    Turn(pairs[(2 * (done + lane)) + 1], message[(8 * Lanes)..], lane);
                }

                CompressLanes(keyWords, message);
                for (int lane = 0; lane < lanes; lane++)
                {
                    hashes[done + lane] = new Bytes32(
                        Word(message[lane], message[Lanes + lane]),
                        Word(message[(2 * Lanes) + lane], message[(3 * Lanes) + lane]),
                        Word(message[(4 * Lanes) + lane], message[(5 * Lanes) + lane]),
                        Word(message[(6 * Lanes) + lane], message[(7 * Lanes) + lane]));
                }

                done += lanes;
            }
        }

        for (; done < hashes.Length; done++)
        {
            hashes[done] = KeyedPair(key, pairs[2 * done], pairs[(2 * done) + 1]);
        }
    }

    /// <summary>Writes the eight words of a value into one lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn(in Bytes32 value, Span<uint> message, int lane)
    {
        _ = message[(7 * Lanes) + lane];
        ulong w = BinaryPrimitives.ReverseEndianness(value.W0);
        message[lane] = (uint)w;
        message[Lanes + lane] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W1);
        message[(2 * Lanes) + lane] = (uint)w;
        message[(3 * Lanes) + lane] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W2);
        message[(4 * Lanes) + lane] = (uint)w;
        message[(5 * Lanes) + lane] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W3);
        message[(6 * Lanes) + lane] = (uint)w;
        message[(7 * Lanes) + lane] = (uint)(w >> 32);
    }

    /// <summary>Eight compressions of one whole block each; the first half of <paramref name="message"/> becomes the results, turned.</summary>
    private static void CompressLanes(ReadOnlySpan<uint> key, Span<uint> message)
    {
        ref uint m = ref MemoryMarshal.GetReference(message);
        ReadOnlySpan<byte> schedule = Schedule;
        Vector256<uint> v0 = Vector256.Create(key[0]);
        Vector256<uint> v1 = Vector256.Create(key[1]);
        Vector256<uint> v2 = Vector256.Create(key[2]);
        Vector256<uint> v3 = Vector256.Create(key[3]);
        Vector256<uint> v4 = Vector256.Create(key[4]);
        Vector256<uint> v5 = Vector256.Create(key[5]);
        Vector256<uint> v6 = Vector256.Create(key[6]);
        Vector256<uint> v7 = Vector256.Create(key[7]);
        Vector256<uint> v8 = Vector256.Create(Iv0);
        Vector256<uint> v9 = Vector256.Create(Iv1);
        Vector256<uint> v10 = Vector256.Create(Iv2);
        Vector256<uint> v11 = Vector256.Create(Iv3);
        Vector256<uint> v12 = Vector256<uint>.Zero;
        Vector256<uint> v13 = Vector256<uint>.Zero;
        Vector256<uint> v14 = Vector256.Create((uint)BlockBytes);
        Vector256<uint> v15 = Vector256.Create(FlagKeyed | OneBlock);

        for (int round = 0; round < 7 * 16; round += 16)
        {
            ReadOnlySpan<byte> s = schedule.Slice(round, 16);
            Mix(ref v0, ref v4, ref v8, ref v12, Load(ref m, s[0]), Load(ref m, s[1]));
            Mix(ref v1, ref v5, ref v9, ref v13, Load(ref m, s[2]), Load(ref m, s[3]));
            Mix(ref v2, ref v6, ref v10, ref v14, Load(ref m, s[4]), Load(ref m, s[5]));
            Mix(ref v3, ref v7, ref v11, ref v15, Load(ref m, s[6]), Load(ref m, s[7]));
            Mix(ref v0, ref v5, ref v10, ref v15, Load(ref m, s[8]), Load(ref m, s[9]));
            Mix(ref v1, ref v6, ref v11, ref v12, Load(ref m, s[10]), Load(ref m, s[11]));
            Mix(ref v2, ref v7, ref v8, ref v13, Load(ref m, s[12]), Load(ref m, s[13]));
            Mix(ref v3, ref v4, ref v9, ref v14, Load(ref m, s[14]), Load(ref m, s[15]));
        }

        (v0 ^ v8).StoreUnsafe(ref m);
        (v1 ^ v9).StoreUnsafe(ref m, Lanes);
        (v2 ^ v10).StoreUnsafe(ref m, 2 * Lanes);
        (v3 ^ v11).StoreUnsafe(ref m, 3 * Lanes);
        (v4 ^ v12).StoreUnsafe(ref m, 4 * Lanes);
        (v5 ^ v13).StoreUnsafe(ref m, 5 * Lanes);
        (v6 ^ v14).StoreUnsafe(ref m, 6 * Lanes);
        (v7 ^ v15).StoreUnsafe(ref m, 7 * Lanes);
    }

    // SAFETY: word is below 16, and the message has 16 words of 8 lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Load(ref uint message, byte word) => Vector256.LoadUnsafe(ref message, (nuint)word * Lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(
        ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d, Vector256<uint> x, Vector256<uint> y)
    {
        a = a + b + x;
        d ^= a;
        d = Vector256.Shuffle(d.AsByte(), RotateBy16).AsUInt32();
        c += d;
        b ^= c;
        b = (b >>> 12) | (b << 20);
        a = a + b + y;
        d ^= a;
        d = Vector256.Shuffle(d.AsByte(), RotateBy8).AsUInt32();
        c += d;
        b ^= c;
        b = (b >>> 7) | (b << 25);
    }

    /// <summary>Byte order that turns each 32-bit word right by 16 bits.</summary>
    private static Vector256<byte> RotateBy16
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create(
            (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 18, 19, 16, 17, 22, 23, 20, 21, 26, 27, 24, 25, 30, 31, 28, 29);
    }

    /// <summary>Byte order that turns each 32-bit word right by 8 bits.</summary>
    private static Vector256<byte> RotateBy8
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create(
            (byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 17, 18, 19, 16, 21, 22, 23, 20, 25, 26, 27, 24, 29, 30, 31, 28);
    }
}
