// The SHA-256 compression function in our own code: what runs where there is no libcrypto, and the oracle of the one that is there.
//
//   schedule   w[0..15] = the block, big-endian; w[i] = s1(w[i-2]) + w[i-7] + s0(w[i-15]) + w[i-16]
//   round      h += S1(e) + ch(e, f, g) + k + w;   d += h;   h += S0(a) + maj(a, b, c);   then the names move by one
//
// Eight rounds are written out, after which every name is back at its place, so nothing is moved.
//
// Threading: pure.   Source: FIPS 180-4, sections 4.1.2, 4.2.2, 6.2.2.

using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives;

public static partial class Sha256
{
    private static ReadOnlySpan<uint> InitialState =>
    [
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
        0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    ];

    /// <summary>The first 32 bits of the fractional parts of the cube roots of the first 64 primes.</summary>
    private static ReadOnlySpan<uint> RoundConstants =>
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ];

    /// <summary>Compresses whole blocks into the state.</summary>
    /// <param name="state">Eight words.</param>
    /// <param name="blocks">A multiple of 64 bytes.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CompressManaged(Span<uint> state, ReadOnlySpan<byte> blocks)
    {
        Span<uint> w = stackalloc uint[64];
        ReadOnlySpan<uint> k = RoundConstants;
        for (; blocks.Length >= BlockBytes; blocks = blocks[BlockBytes..])
        {
            for (int i = 0; i < 16; i++)
            {
                w[i] = BinaryPrimitives.ReadUInt32BigEndian(blocks[(4 * i)..]);
            }

            for (int i = 16; i < w.Length; i++)
            {
                uint x = w[i - 15];
                uint y = w[i - 2];
                uint s0 = BitOperations.RotateRight(x, 7) ^ BitOperations.RotateRight(x, 18) ^ (x >> 3);
                uint s1 = BitOperations.RotateRight(y, 17) ^ BitOperations.RotateRight(y, 19) ^ (y >> 10);
                w[i] = w[i - 16] + s0 + w[i - 7] + s1;
            }

            uint a = state[0];
            uint b = state[1];
            uint c = state[2];
            uint d = state[3];
            uint e = state[4];
            uint f = state[5];
            uint g = state[6];
            uint h = state[7];
            for (int i = 0; i < w.Length; i += 8)
            {
                Round(a, b, c, ref d, e, f, g, ref h, k[i] + w[i]);
                Round(h, a, b, ref c, d, e, f, ref g, k[i + 1] + w[i + 1]);
                Round(g, h, a, ref b, c, d, e, ref f, k[i + 2] + w[i + 2]);
                Round(f, g, h, ref a, b, c, d, ref e, k[i + 3] + w[i + 3]);
                Round(e, f, g, ref h, a, b, c, ref d, k[i + 4] + w[i + 4]);
                Round(d, e, f, ref g, h, a, b, ref c, k[i + 5] + w[i + 5]);
                Round(c, d, e, ref f, g, h, a, ref b, k[i + 6] + w[i + 6]);
                Round(b, c, d, ref e, f, g, h, ref a, k[i + 7] + w[i + 7]);
            }

            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
            state[4] += e;
            state[5] += f;
            state[6] += g;
            state[7] += h;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(uint a, uint b, uint c, ref uint d, uint e, uint f, uint g, ref uint h, uint word)
    {
        uint s1 = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
        uint s0 = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
        h += s1 + (g ^ (e & (f ^ g))) + word;
        d += h;
        h += s0 + ((a & b) | (c & (a | b)));
    }
}
