// Keccak-256 as Ethereum uses it: the sponge of SHA-3 with the padding of the submission (first pad byte 0x01, where the
// standard has 0x06), so the framework's SHA3_256 is another function. Programs reach it through a syscall.
//
//   state     25 lanes of 64 bits, lane (x, y) at 5y + x; rate 136 bytes, capacity 64
//
// Cost: one permutation of 24 rounds per 136 bytes; one more when the length is a multiple of 136. Nothing allocates.
// Threading: pure.   Source: the Keccak reference, version 3.0; round constants and turns as it derives them.

using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives;

/// <summary>Keccak-256 with the padding of Ethereum.</summary>
public static class Keccak256
{
    private const int RateBytes = 136;

    private static ReadOnlySpan<ulong> RoundConstants =>
    [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
        0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
        0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
        0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
        0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ];

    /// <summary>The 32-byte hash of <paramref name="input"/>.</summary>
    public static Bytes32 Hash(ReadOnlySpan<byte> input)
    {
        Span<ulong> state = stackalloc ulong[25];
        state.Clear();
        for (; input.Length >= RateBytes; input = input[RateBytes..])
        {
            Absorb(input[..RateBytes], state);
        }

        Span<byte> last = stackalloc byte[RateBytes];
        last.Clear();
        input.CopyTo(last);
        last[input.Length] = 0x01;
        last[RateBytes - 1] |= 0x80;
        Absorb(last, state);
        return new Bytes32(
            BinaryPrimitives.ReverseEndianness(state[0]),
            BinaryPrimitives.ReverseEndianness(state[1]),
            BinaryPrimitives.ReverseEndianness(state[2]),
            BinaryPrimitives.ReverseEndianness(state[3]));
    }

    private static void Absorb(ReadOnlySpan<byte> block, Span<ulong> state)
    {
        for (int i = 0; i < RateBytes / 8; i++)
        {
            state[i] ^= BinaryPrimitives.ReadUInt64LittleEndian(block[(8 * i)..]);
        }

        Permute(state);
    }

    // Lanes live in locals for the 24 rounds; an array would cost a bounds check and a store for every step.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Permute(Span<ulong> s)
    {
        _ = s[24];
        ulong a0 = s[0];
        ulong a1 = s[1];
        ulong a2 = s[2];
        ulong a3 = s[3];
        ulong a4 = s[4];
        ulong a5 = s[5];
        ulong a6 = s[6];
        ulong a7 = s[7];
        ulong a8 = s[8];
        ulong a9 = s[9];
        ulong a10 = s[10];
        ulong a11 = s[11];
        ulong a12 = s[12];
        ulong a13 = s[13];
        ulong a14 = s[14];
        ulong a15 = s[15];
        ulong a16 = s[16];
        ulong a17 = s[17];
        ulong a18 = s[18];
        ulong a19 = s[19];
        ulong a20 = s[20];
        ulong a21 = s[21];
        ulong a22 = s[22];
        ulong a23 = s[23];
        ulong a24 = s[24];
        foreach (ulong constant in RoundConstants)
        {
            // theta: parity of the columns
            ulong p0 = a0 ^ a5 ^ a10 ^ a15 ^ a20;
            ulong p1 = a1 ^ a6 ^ a11 ^ a16 ^ a21;
            ulong p2 = a2 ^ a7 ^ a12 ^ a17 ^ a22;
            ulong p3 = a3 ^ a8 ^ a13 ^ a18 ^ a23;
            ulong p4 = a4 ^ a9 ^ a14 ^ a19 ^ a24;
            ulong t0 = p4 ^ BitOperations.RotateLeft(p1, 1);
            ulong t1 = p0 ^ BitOperations.RotateLeft(p2, 1);
            ulong t2 = p1 ^ BitOperations.RotateLeft(p3, 1);
            ulong t3 = p2 ^ BitOperations.RotateLeft(p4, 1);
            ulong t4 = p3 ^ BitOperations.RotateLeft(p0, 1);

            // rho and pi: each lane turned and moved
            ulong b0 = a0 ^ t0;
            ulong b1 = BitOperations.RotateLeft(a6 ^ t1, 44);
            ulong b2 = BitOperations.RotateLeft(a12 ^ t2, 43);
            ulong b3 = BitOperations.RotateLeft(a18 ^ t3, 21);
            ulong b4 = BitOperations.RotateLeft(a24 ^ t4, 14);
            ulong b5 = BitOperations.RotateLeft(a3 ^ t3, 28);
            ulong b6 = BitOperations.RotateLeft(a9 ^ t4, 20);
            ulong b7 = BitOperations.RotateLeft(a10 ^ t0, 3);
            ulong b8 = BitOperations.RotateLeft(a16 ^ t1, 45);
            ulong b9 = BitOperations.RotateLeft(a22 ^ t2, 61);
            ulong b10 = BitOperations.RotateLeft(a1 ^ t1, 1);
            ulong b11 = BitOperations.RotateLeft(a7 ^ t2, 6);
            ulong b12 = BitOperations.RotateLeft(a13 ^ t3, 25);
            ulong b13 = BitOperations.RotateLeft(a19 ^ t4, 8);
            ulong b14 = BitOperations.RotateLeft(a20 ^ t0, 18);
            ulong b15 = BitOperations.RotateLeft(a4 ^ t4, 27);
            ulong b16 = BitOperations.RotateLeft(a5 ^ t0, 36);
            ulong b17 = BitOperations.RotateLeft(a11 ^ t1, 10);
            ulong b18 = BitOperations.RotateLeft(a17 ^ t2, 15);
            ulong b19 = BitOperations.RotateLeft(a23 ^ t3, 56);
            ulong b20 = BitOperations.RotateLeft(a2 ^ t2, 62);
            ulong b21 = BitOperations.RotateLeft(a8 ^ t3, 55);
            ulong b22 = BitOperations.RotateLeft(a14 ^ t4, 39);
            ulong b23 = BitOperations.RotateLeft(a15 ^ t0, 41);
            ulong b24 = BitOperations.RotateLeft(a21 ^ t1, 2);

            // chi: the only step that is not linear; iota: the round constant
            a0 = b0 ^ (~b1 & b2) ^ constant;
            a1 = b1 ^ (~b2 & b3);
            a2 = b2 ^ (~b3 & b4);
            a3 = b3 ^ (~b4 & b0);
            a4 = b4 ^ (~b0 & b1);
            a5 = b5 ^ (~b6 & b7);
            a6 = b6 ^ (~b7 & b8);
            a7 = b7 ^ (~b8 & b9);
            a8 = b8 ^ (~b9 & b5);
            a9 = b9 ^ (~b5 & b6);
            a10 = b10 ^ (~b11 & b12);
            a11 = b11 ^ (~b12 & b13);
            a12 = b12 ^ (~b13 & b14);
            a13 = b13 ^ (~b14 & b10);
            a14 = b14 ^ (~b10 & b11);
            a15 = b15 ^ (~b16 & b17);
            a16 = b16 ^ (~b17 & b18);
            a17 = b17 ^ (~b18 & b19);
            a18 = b18 ^ (~b19 & b15);
            a19 = b19 ^ (~b15 & b16);
            a20 = b20 ^ (~b21 & b22);
            a21 = b21 ^ (~b22 & b23);
            a22 = b22 ^ (~b23 & b24);
            a23 = b23 ^ (~b24 & b20);
            a24 = b24 ^ (~b20 & b21);
        }

        s[0] = a0;
        s[1] = a1;
        s[2] = a2;
        s[3] = a3;
        s[4] = a4;
        s[5] = a5;
        s[6] = a6;
        s[7] = a7;
        s[8] = a8;
        s[9] = a9;
        s[10] = a10;
        s[11] = a11;
        s[12] = a12;
        s[13] = a13;
        s[14] = a14;
        s[15] = a15;
        s[16] = a16;
        s[17] = a17;
        s[18] = a18;
        s[19] = a19;
        s[20] = a20;
        s[21] = a21;
        s[22] = a22;
        s[23] = a23;
        s[24] = a24;
    }
}
