// Keccak-256 as its reference defines it: bytes into a 5x5 array, five steps a round, constants and turns derived and not listed.
// It shares nothing with the code that runs.

using System;
using System.Buffers.Binary;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Hashes;

internal static class KeccakDefinition
{
    private const int RateBytes = 136;

    /// <param name="pad">First byte of the padding: 0x01 for Keccak, 0x06 for SHA-3.</param>
    public static byte[] Hash(ReadOnlySpan<byte> input, byte pad = 0x01)
    {
        byte[] padded = new byte[((input.Length / RateBytes) + 1) * RateBytes];
        input.CopyTo(padded);
        padded[input.Length] ^= pad;
        padded[^1] ^= 0x80;

        ulong[,] a = new ulong[5, 5];
        for (int block = 0; block < padded.Length; block += RateBytes)
        {
            for (int i = 0; i < RateBytes / 8; i++)
            {
                a[i % 5, i / 5] ^= BinaryPrimitives.ReadUInt64LittleEndian(padded.AsSpan(block + (8 * i)));
            }

            Permute(a);
        }

        byte[] output = new byte[32];
        for (int i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(output.AsSpan(8 * i), a[i, 0]);
        }

        return output;
    }

    private static void Permute(ulong[,] a)
    {
        int register = 1;
        for (int round = 0; round < 24; round++)
        {
            // theta
            ulong[] c = new ulong[5];
            for (int x = 0; x < 5; x++)
            {
                c[x] = a[x, 0] ^ a[x, 1] ^ a[x, 2] ^ a[x, 3] ^ a[x, 4];
            }

            for (int x = 0; x < 5; x++)
            {
                for (int y = 0; y < 5; y++)
                {
                    a[x, y] ^= c[(x + 4) % 5] ^ BitOperations.RotateLeft(c[(x + 1) % 5], 1);
                }
            }

            // rho and pi
            ulong[,] b = new ulong[5, 5];
            b[0, 0] = a[0, 0];
            (int u, int v) = (1, 0);
            for (int t = 0; t < 24; t++)
            {
                b[v, ((2 * u) + (3 * v)) % 5] = BitOperations.RotateLeft(a[u, v], (t + 1) * (t + 2) / 2);
                (u, v) = (v, ((2 * u) + (3 * v)) % 5);
            }

            // chi
            for (int x = 0; x < 5; x++)
            {
                for (int y = 0; y < 5; y++)
                {
                    a[x, y] = b[x, y] ^ (~b[(x + 1) % 5, y] & b[(x + 2) % 5, y]);
                }
            }

            // iota: bits of a shift register at the places 2^j - 1
            for (int j = 0; j < 7; j++)
            {
                a[0, 0] ^= (ulong)(register & 1) << ((1 << j) - 1);
                register = (register << 1) ^ ((register >> 7) * 0x171);
            }
        }
    }
}
