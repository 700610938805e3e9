// Makes hostile inputs out of valid ones. Every mutation is drawn from the seeded generator, so a run is replayed by
// its seed and a single input by (seed, number).

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Fuzz;

/// <summary>Draws inputs: noise, valid samples, and damaged samples.</summary>
internal sealed class Mutator(byte[][] samples, int maxLength)
{
    private static readonly ulong[] Corners =
        [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, ulong.MaxValue >> 1, ulong.MaxValue];

    /// <summary>The next input; owned by the caller.</summary>
    public byte[] Next(SeededRandom random)
    {
        if (samples.Length == 0 || random.Chance(1, 20))
        {
            byte[] noise = new byte[random.Next(Math.Min(maxLength, 600) + 1)];
            random.Fill(noise);
            return noise;
        }

        byte[] input = (byte[])samples[random.Next(samples.Length)].Clone();
        int damages = random.Next(5);
        for (int i = 0; i < damages; i++)
        {
            input = Damage(input, random);
        }

        return input.Length > maxLength ? input[..maxLength] : input;
    }

    private byte[] Damage(byte[] input, SeededRandom random)
    {
        if (input.Length == 0)
        {
            return [(byte)random.Next(256)];
        }

        int at = random.Next(input.Length);
        switch (random.Next(7))
        {
            case 0:
                input[at] ^= (byte)(1 << random.Next(8));
                return input;
            case 1:
                input[at] = (byte)random.Next(256);
                return input;
            case 2:
                return input[..at];
            case 3:
                int length = Math.Min(1 << random.Next(4), input.Length - at);
                ulong corner = Corners[random.Next(Corners.Length)];
                for (int i = 0; i < length; i++)
                {
                    input[at + i] = i < 8 ? (byte)(corner >> (8 * i)) : (byte)0;
                }

                return input;
            case 4:
                byte[] inserted = new byte[1 + random.Next(16)];
                random.Fill(inserted);
                return [.. input[..at], .. inserted, .. input[at..]];
            case 5:
                int end = Math.Min(input.Length, at + 1 + random.Next(32));
                return [.. input[..at], .. input[end..]];
            default:
                byte[] other = samples[random.Next(samples.Length)];
                return [.. input[..at], .. other.AsSpan(Math.Min(at, other.Length))];
        }
    }
}
