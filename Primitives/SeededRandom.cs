// The one source of chance below the hosts: xoshiro256** seeded by splitmix64, integers only, so that a seed
// replays the same run on every machine and every version of the runtime. Not for keys or secrets.
//
// Threading: one owner. Give each thread or part its own Fork, then no order of calls can change what another sees.
// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2019); splitmix64 by Vigna.

using System;
using System.Buffers.Binary;
using System.Numerics;

namespace ParallelVm.Primitives;

/// <summary>A deterministic generator. The sequence of a seed is pinned by a test and never changes.</summary>
public sealed class SeededRandom
{
    private readonly ulong _seed;
    private ulong _s0;
    private ulong _s1;
    private ulong _s2;
    private ulong _s3;

    /// <summary>Starts the sequence of <paramref name="seed"/>; every seed is as good as any other, 0 too.</summary>
    public SeededRandom(ulong seed)
    {
        _seed = seed;
        ulong mixer = seed;
        _s0 = SplitMix(ref mixer);
        _s1 = SplitMix(ref mixer);
        _s2 = SplitMix(ref mixer);
        _s3 = SplitMix(ref mixer);
    }

    /// <summary>The next 64 uniform bits.</summary>
    public ulong NextU64()
    {
        ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        ulong shifted = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= shifted;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>A uniform integer of [0, <paramref name="exclusiveMax"/>).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="exclusiveMax"/> is below 1.</exception>
    /// <remarks>Multiply and reject (Lemire): no bias; a second draw happens less than once in 2^32 calls for small ranges.</remarks>
    public int Next(int exclusiveMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(exclusiveMax, 1);
        ulong range = (ulong)exclusiveMax;
        ulong high = Math.BigMul(NextU64(), range, out ulong low);
        if (low < range)
        {
            ulong threshold = (0UL - range) % range;
            while (low < threshold)
            {
                high = Math.BigMul(NextU64(), range, out low);
            }
        }

        return (int)high;
    }

    /// <summary>True <paramref name="numerator"/> times out of <paramref name="denominator"/>, on average.</summary>
    /// <param name="numerator">At most 0 is never, at least <paramref name="denominator"/> always; one draw in any case.</param>
    /// <param name="denominator">At least 1.</param>
    public bool Chance(int numerator, int denominator) => Next(denominator) < numerator;

    /// <summary>Fills <paramref name="target"/> with uniform bytes: little-endian draws, the last one cut.</summary>
    public void Fill(Span<byte> target)
    {
        Span<byte> word = stackalloc byte[8];
        while (!target.IsEmpty)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, NextU64());
            int take = Math.Min(8, target.Length);
            word[..take].CopyTo(target);
            target = target[take..];
        }
    }

    /// <summary>An independent generator, named by <paramref name="stream"/>.</summary>
    /// <remarks>Depends on the seed and the stream only, not on what was drawn so far, and draws nothing.</remarks>
    public SeededRandom Fork(ulong stream)
    {
        ulong name = stream ^ 0xD1B54A32D192ED03;
        ulong mixer = _seed ^ SplitMix(ref name);
        return new SeededRandom(SplitMix(ref mixer));
    }

    private static ulong SplitMix(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
