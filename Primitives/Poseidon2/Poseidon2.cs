// Poseidon2 over Goldilocks, width 8: the hash that proofs can check cheaply. Programs reach it through two instructions.
//
//   permutation   first M_E, then 4 full rounds, 22 partial rounds, 4 full rounds
//   full round    every element: + its constant, ^7; then M_E
//   partial       the first element: + constant, ^7; then M_I
//   M_E           each half times the circulant of (2 3 1 1), then every element + the sum of its place over both halves
//   M_I           every element: times its entry of (-2, 1, 2, 1/2, 3, -1/2, -3, -4), + the sum of all
//
// Between the steps any word stands for its residue. The matrices work on the upper and the lower halves of the words apart, where
// 32 bits are free for sums, and join them once per element: joining repairs one carry, adding in the field would repair each.
//
// Invariants
//   P1  the result is canonical, whatever words come in
//   P2  sums of halves stay below 2^38, so a join never wraps twice
//
// Cost: 86 powers of seven (four products each), of which 22 wait for each other; no branch depends on a value. Nothing allocates.
// Threading: pure.   Source: eprint 2023/323; constants and vector: Plonky3, goldilocks/src/poseidon2.rs (Grain LFSR, width 8).

using System;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives;

/// <summary>The Poseidon2 permutation of eight Goldilocks elements, and the compression of two digests built on it.</summary>
public static class Poseidon2
{
    /// <summary>Elements in a state.</summary>
    public const int Width = 8;

    /// <summary>Elements in a digest.</summary>
    public const int DigestElements = 4;

    private const int HalfFullRounds = 4;

    /// <summary>Row r: what full round r adds to the eight elements.</summary>
    private static ReadOnlySpan<ulong> FullConstants =>
    [
        0xDD5743E7F2A5A5D9, 0xCB3A864E58ADA44B, 0xFFA2449ED32F8CDC, 0x42025F65D6BD13EE,
        0x7889175E25506323, 0x34B98BB03D24B737, 0xBDCC535ECC4FAA2A, 0x5B20AD869FC0D033,
        0xF1DDA5B9259DFCB4, 0x27515210BE112D59, 0x4227D1718C766C3F, 0x26D333161A5BD794,
        0x49B938957BF4B026, 0x4A56B5938B213669, 0x1120426B48C8353D, 0x6B323C3F10A56CAD,
        0xCE57D6245DDCA6B2, 0xB1FC8D402BBA1EB1, 0xB5C5096CA959BD04, 0x6DB55CD306D31F7F,
        0xC49D293A81CB9641, 0x1CE55A4FE979719F, 0xA92E60A9D178A4D1, 0x002CC64973BCFD8C,
        0xCEA721CCE82FB11B, 0xE5B55EB8098ECE81, 0x4E30525C6F1DDD66, 0x43C6702827070987,
        0xACA68430A7B5762A, 0x3674238634DF9C93, 0x88CEE1C825E33433, 0xDE99AE8D74B57176,
        0x014EF1197D341346, 0x9725E20825D07394, 0xFDB25AEF2C5BAE3B, 0xBE5402DC598C971E,
        0x93A5711F04CDCA3D, 0xC45A9A5B2F8FB97B, 0xFE8946A924933545, 0x2AF997A27369091C,
        0xAA62C88E0B294011, 0x058EB9D810CE9F74, 0xB3CB23ECED349AE4, 0xA3648177A77B4A84,
        0x43153D905992D95D, 0xF4E2A97CDA44AA4B, 0x5BAA2702B908682F, 0x082923BDF4F750D1,
        0x98AE09A325893803, 0xF8A6475077968838, 0xCEB0735BF00B2C5F, 0x0A1A5D953888E072,
        0x2FCB190489F94475, 0xB5BE06270DEC69FC, 0x739CB934B09ACF8B, 0x537750B75EC7F25B,
        0xE9DD318BAE1F3961, 0xF7462137299EFE1A, 0xB1F6B8EEE9ADB940, 0xBDEBCC8A809DFE6B,
        0x40FC1F791B178113, 0x3AC1C3362D014864, 0x9A016184BDB8AEBA, 0x95F2394459FBC25E,
    ];

    /// <summary>What partial round r adds to the first element.</summary>
    private static ReadOnlySpan<ulong> PartialConstants =>
    [
        0x488897D85FF51F56, 0x1140737CCB162218, 0xA7EEB9215866ED35, 0x9BD2976FEE49FCC9,
        0xC0C8F0DE580A3FCC, 0x4FB2DAE6EE8FC793, 0x343A89F35F37395B, 0x223B525A77CA72C8,
        0x56CCB62574AAA918, 0xC4D507D8027AF9ED, 0xA080673CF0B7E95C, 0xF0184884EB70DCF8,
        0x044F10B0CB3D5C69, 0xE9E3F7993938F186, 0x1B761C80E772F459, 0x606CEC607A1B5FAC,
        0x14A0C2E1D45F03CD, 0x4EACE8855398574F, 0xF905CA7103EFF3E6, 0xF8C8F8D20862C059,
        0xB524FE8BDD678E5A, 0xFBB7865901A1EC41,
    ];

    /// <summary>Permutes a state in place.</summary>
    /// <param name="state">At least eight words; the first eight become canonical elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than eight words.</exception>
    public static void Permute(Span<ulong> state)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(state.Length, Width);
        Span<ulong> s = state[..Width];
        FullRounds(s, FullConstants[..(HalfFullRounds * Width)], mixFirst: true);
        PartialRounds(s);
        FullRounds(s, FullConstants[(HalfFullRounds * Width)..], mixFirst: false);
        for (int i = 0; i < s.Length; i++)
        {
            s[i] = Goldilocks.Reduce(s[i]);
        }
    }

    /// <summary>Two digests into one: the first four elements of the permutation of both.</summary>
    /// <param name="left">Four elements.</param>
    /// <param name="right">Four elements.</param>
    /// <param name="result">Filled with four elements; may be one of the others.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them has fewer than four words.</exception>
    [SkipLocalsInit]
    public static void Compress(ReadOnlySpan<ulong> left, ReadOnlySpan<ulong> right, Span<ulong> result)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(left.Length, DigestElements);
        ArgumentOutOfRangeException.ThrowIfLessThan(right.Length, DigestElements);
        ArgumentOutOfRangeException.ThrowIfLessThan(result.Length, DigestElements);
        Span<ulong> state = stackalloc ulong[Width];
        left[..DigestElements].CopyTo(state);
        right[..DigestElements].CopyTo(state[DigestElements..]);
        Permute(state);
        state[..DigestElements].CopyTo(result);
    }

    // Three methods and not one: the compiler stops inlining in one that holds all rounds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FullRounds(Span<ulong> state, ReadOnlySpan<ulong> constants, bool mixFirst)
    {
        _ = state[Width - 1];
        if (mixFirst)
        {
            MixFull(state);
        }

        for (; constants.Length >= Width; constants = constants[Width..])
        {
            for (int i = 0; i < Width; i++)
            {
                state[i] = Power7(state[i], constants[i]);
            }

            MixFull(state);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PartialRounds(Span<ulong> state)
    {
        _ = state[Width - 1];
        ulong s0 = state[0];
        ulong s1 = state[1];
        ulong s2 = state[2];
        ulong s3 = state[3];
        ulong s4 = state[4];
        ulong s5 = state[5];
        ulong s6 = state[6];
        ulong s7 = state[7];
        foreach (ulong constant in PartialConstants)
        {
            // the sums of the seven others do not wait for the power
            ulong low = Low(s1) + Low(s2) + Low(s3) + Low(s4) + Low(s5) + Low(s6) + Low(s7);
            ulong high = High(s1) + High(s2) + High(s3) + High(s4) + High(s5) + High(s6) + High(s7);
            s0 = Power7(s0, constant);
            low += Low(s0);
            high += High(s0);
            s0 = Minus(low, high, s0, 2);
            s1 = Plus(low, high, s1, 1);
            s2 = Plus(low, high, s2, 2);
            s3 = Plus(low, high, Half(s3), 1);
            s4 = Plus(low, high, s4, 3);
            s5 = Minus(low, high, Half(s5), 1);
            s6 = Minus(low, high, s6, 3);
            s7 = Minus(low, high, s7, 4);
        }

        state[0] = s0;
        state[1] = s1;
        state[2] = s2;
        state[3] = s3;
        state[4] = s4;
        state[5] = s5;
        state[6] = s6;
        state[7] = s7;
    }

    /// <summary>M_E.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixFull(Span<ulong> s)
    {
        _ = s[Width - 1];
        ulong l0 = Low(s[0]), l1 = Low(s[1]), l2 = Low(s[2]), l3 = Low(s[3]), l4 = Low(s[4]), l5 = Low(s[5]), l6 = Low(s[6]), l7 = Low(s[7]);
        MixHalves(ref l0, ref l1, ref l2, ref l3, ref l4, ref l5, ref l6, ref l7);
        ulong h0 = High(s[0]), h1 = High(s[1]), h2 = High(s[2]), h3 = High(s[3]);
        ulong h4 = High(s[4]), h5 = High(s[5]), h6 = High(s[6]), h7 = High(s[7]);
        MixHalves(ref h0, ref h1, ref h2, ref h3, ref h4, ref h5, ref h6, ref h7);
        s[0] = Join(l0, h0);
        s[1] = Join(l1, h1);
        s[2] = Join(l2, h2);
        s[3] = Join(l3, h3);
        s[4] = Join(l4, h4);
        s[5] = Join(l5, h5);
        s[6] = Join(l6, h6);
        s[7] = Join(l7, h7);
    }

    /// <summary>M_E on halves of 32 bits: at most 21 times as much comes out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MixHalves(
        ref ulong x0, ref ulong x1, ref ulong x2, ref ulong x3, ref ulong x4, ref ulong x5, ref ulong x6, ref ulong x7)
    {
        MixFour(ref x0, ref x1, ref x2, ref x3);
        MixFour(ref x4, ref x5, ref x6, ref x7);
        ulong sum0 = x0 + x4;
        ulong sum1 = x1 + x5;
        ulong sum2 = x2 + x6;
        ulong sum3 = x3 + x7;
        x0 += sum0;
        x1 += sum1;
        x2 += sum2;
        x3 += sum3;
        x4 += sum0;
        x5 += sum1;
        x6 += sum2;
        x7 += sum3;
    }

    /// <summary>The circulant of (2 3 1 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MixFour(ref ulong x0, ref ulong x1, ref ulong x2, ref ulong x3)
    {
        ulong all = x0 + x1 + x2 + x3;
        ulong y0 = all + x0 + (2 * x1);
        ulong y1 = all + x1 + (2 * x2);
        ulong y2 = all + x2 + (2 * x3);
        x3 = all + x3 + (2 * x0);
        x0 = y0;
        x1 = y1;
        x2 = y2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Plus(ulong low, ulong high, ulong x, ulong times) => Join(low + (times * Low(x)), high + (times * High(x)));

    /// <summary>A difference of halves; eight times p, split so that both of its halves are above 4 x 2^32, keeps it positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Minus(ulong low, ulong high, ulong x, ulong times)
    {
        const ulong spareLow = (8ul << 32) + 8;
        const ulong spareHigh = (8ul << 32) - 16;
        return Join(low + (spareLow - (times * Low(x))), high + (spareHigh - (times * High(x))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Low(ulong x) => (uint)x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong High(ulong x) => x >> 32;

    /// <summary>low + 2^32 high as a word, from sums of halves (P2): what is above 2^64 comes back as 2^32 - 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Join(ulong low, ulong high)
    {
        ulong small = low + ((high >> 32) * Goldilocks.Epsilon);
        return Goldilocks.AddLoose(high << 32, small);
    }

    /// <summary>x / 2: an odd x is the even x + p, and neither half of that wraps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Half(ulong x) => (x >> 1) + ((0 - (x & 1)) & ((Goldilocks.Modulus + 1) / 2));

    /// <summary>(x + constant)^7, from any word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Power7(ulong x, ulong constant)
    {
        x = Goldilocks.AddLoose(x, constant);
        ulong x2 = Goldilocks.MultiplyLoose(x, x);
        ulong x3 = Goldilocks.MultiplyLoose(x2, x);
        ulong x4 = Goldilocks.MultiplyLoose(x2, x2);
        return Goldilocks.MultiplyLoose(x3, x4);
    }
}
