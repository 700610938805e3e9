// Poseidon2 as its paper defines it, on integers of any size: matrices written out, constants drawn from their generator. It shares
// nothing with the code that runs, not even the constants.
//
// The generator is the Grain shift register of the Poseidon paper (eprint 2019/458, appendix F): 80 bits that name the instance,
// 160 steps thrown away, then pairs of bits, of which a pair that begins with 1 gives its second bit.

using System.Collections.Generic;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Hashes;

internal static class Poseidon2Definition
{
    private const int Width = 8;
    private const int FullRounds = 8;
    private const int PartialRounds = 22;

    private static readonly BigInteger P = (BigInteger.One << 64) - (BigInteger.One << 32) + 1;
    private static readonly BigInteger Half = (P + 1) / 2;
    private static readonly BigInteger[] Diagonal = [-2, 1, 2, Half, 3, -Half, -3, -4];
    private static readonly int[][] Block = [[2, 3, 1, 1], [1, 2, 3, 1], [1, 1, 2, 3], [3, 1, 1, 2]];
    private static readonly BigInteger[] Constants = Grain();

    public static ulong[] Permute(ulong[] input)
    {
        BigInteger[] state = new BigInteger[Width];
        for (int i = 0; i < Width; i++)
        {
            state[i] = input[i] % P;
        }

        BigInteger[][] external = External();
        BigInteger[][] @internal = Internal();
        int next = 0;
        state = Times(external, state);
        for (int round = 0; round < FullRounds + PartialRounds; round++)
        {
            bool full = round is < FullRounds / 2 or >= (FullRounds / 2) + PartialRounds;
            for (int i = 0; i < (full ? Width : 1); i++)
            {
                state[i] = BigInteger.ModPow(state[i] + Constants[next++], 7, P);
            }

            state = Times(full ? external : @internal, state);
        }

        ulong[] output = new ulong[Width];
        for (int i = 0; i < Width; i++)
        {
            output[i] = (ulong)state[i];
        }

        return output;
    }

    private static BigInteger[][] External()
    {
        BigInteger[][] matrix = new BigInteger[Width][];
        for (int row = 0; row < Width; row++)
        {
            matrix[row] = new BigInteger[Width];
            for (int column = 0; column < Width; column++)
            {
                matrix[row][column] = Block[row % 4][column % 4] * (row / 4 == column / 4 ? 2 : 1);
            }
        }

        return matrix;
    }

    private static BigInteger[][] Internal()
    {
        BigInteger[][] matrix = new BigInteger[Width][];
        for (int row = 0; row < Width; row++)
        {
            matrix[row] = new BigInteger[Width];
            for (int column = 0; column < Width; column++)
            {
                matrix[row][column] = 1 + (row == column ? Diagonal[row] : 0);
            }
        }

        return matrix;
    }

    private static BigInteger[] Times(BigInteger[][] matrix, BigInteger[] vector)
    {
        BigInteger[] product = new BigInteger[Width];
        for (int row = 0; row < Width; row++)
        {
            BigInteger sum = 0;
            for (int column = 0; column < Width; column++)
            {
                sum += matrix[row][column] * vector[column];
            }

            product[row] = ((sum % P) + P) % P;
        }

        return product;
    }

    private static BigInteger[] Grain()
    {
        // field of a prime, power map, bits of the prime, width, full rounds, partial rounds, ones
        Queue<int> register = new();
        foreach ((int value, int bits) in new[] { (1, 2), (0, 4), (64, 12), (Width, 12), (FullRounds, 10), (PartialRounds, 10), ((1 << 30) - 1, 30) })
        {
            for (int bit = bits - 1; bit >= 0; bit--)
            {
                register.Enqueue((value >> bit) & 1);
            }
        }

        int Step()
        {
            int[] b = register.ToArray();
            int bit = b[62] ^ b[51] ^ b[38] ^ b[23] ^ b[13] ^ b[0];
            register.Dequeue();
            register.Enqueue(bit);
            return bit;
        }

        for (int i = 0; i < 160; i++)
        {
            Step();
        }

        List<BigInteger> constants = [];
        while (constants.Count < (FullRounds * Width) + PartialRounds)
        {
            BigInteger value = 0;
            for (int bits = 0; bits < 64;)
            {
                bool taken = Step() == 1;
                int bit = Step();
                if (taken)
                {
                    value = (value * 2) + bit;
                    bits++;
                }
            }

            if (value < P)
            {
                constants.Add(value);
            }
        }

        return [.. constants];
    }
}
