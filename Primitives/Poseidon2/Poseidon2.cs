// Poseidon2 over Goldilocks, width 8: the hash that proofs can check cheaply. Programs reach it through two instructions.
//
//   permutation   first M_E, then 4 full rounds, 22 partial rounds, 4 full rounds
//   full round    every element: + its constant, ^7; then M_E
//   partial       the first element: + constant, ^7; then M_I
//   M_E           each half times the circulant of (2 3 1 1), then every element + the sum of its place over both halves
//   M_I           every element: times its entry of (-2, 1, 2, 1/2, 3, -1/2, -3, -4), + the sum of all
//
// Invariant: elements are canonical between the steps; a word that is not is reduced first.
// Cost: 86 powers of seven (four products each), of which 22 wait for each other. Nothing allocates.
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
        for (int i = 0; i < Width; i++)
        {
            s[i] = Goldilocks.Reduce(s[i]);
        }

        MixFull(s);
        FullRounds(s, FullConstants[..(HalfFullRounds * Width)]);
        foreach (ulong constant in PartialConstants)
        {
            s[0] = Power7(Goldilocks.Add(s[0], constant));
            MixPartial(s);
        }

        FullRounds(s, FullConstants[(HalfFullRounds * Width)..]);
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

    private static void FullRounds(Span<ulong> s, ReadOnlySpan<ulong> constants)
    {
        for (; constants.Length >= Width; constants = constants[Width..])
        {
            for (int i = 0; i < Width; i++)
            {
                s[i] = Power7(Goldilocks.Add(s[i], constants[i]));
            }

            MixFull(s);
        }
    }

    private static void MixFull(Span<ulong> s)
    {
        MixHalf(s[..4]);
        MixHalf(s[4..]);
        for (int i = 0; i < 4; i++)
        {
            ulong sum = Goldilocks.Add(s[i], s[i + 4]);
            s[i] = Goldilocks.Add(s[i], sum);
            s[i + 4] = Goldilocks.Add(s[i + 4], sum);
        }
    }

    private static void MixHalf(Span<ulong> x)
    {
        ulong first = Goldilocks.Add(x[0], x[1]);
        ulong second = Goldilocks.Add(x[2], x[3]);
        ulong all = Goldilocks.Add(first, second);
        ulong with1 = Goldilocks.Add(all, x[1]);
        ulong with3 = Goldilocks.Add(all, x[3]);
        ulong twice0 = Goldilocks.Add(x[0], x[0]);
        ulong twice2 = Goldilocks.Add(x[2], x[2]);
        x[0] = Goldilocks.Add(with1, first);
        x[1] = Goldilocks.Add(with1, twice2);
        x[2] = Goldilocks.Add(with3, second);
        x[3] = Goldilocks.Add(with3, twice0);
    }

    private static void MixPartial(Span<ulong> s)
    {
        ulong sum = 0;
        for (int i = 0; i < Width; i++)
        {
            sum = Goldilocks.Add(sum, s[i]);
        }

        ulong twice6 = Goldilocks.Add(s[6], s[6]);
        ulong twice7 = Goldilocks.Add(s[7], s[7]);
        s[0] = Goldilocks.Subtract(sum, Goldilocks.Add(s[0], s[0]));
        s[1] = Goldilocks.Add(sum, s[1]);
        s[2] = Goldilocks.Add(sum, Goldilocks.Add(s[2], s[2]));
        s[3] = Goldilocks.Add(sum, Half(s[3]));
        s[4] = Goldilocks.Add(sum, Goldilocks.Add(Goldilocks.Add(s[4], s[4]), s[4]));
        s[5] = Goldilocks.Subtract(sum, Half(s[5]));
        s[6] = Goldilocks.Subtract(sum, Goldilocks.Add(twice6, s[6]));
        s[7] = Goldilocks.Subtract(sum, Goldilocks.Add(twice7, twice7));
    }

    /// <summary>x / 2: an odd x is the even x + p, whose half does not wrap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Half(ulong x) => (x >> 1) + ((x & 1) * ((Goldilocks.Modulus + 1) / 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Power7(ulong x)
    {
        ulong x2 = Goldilocks.MultiplyLoose(x, x);
        ulong x3 = Goldilocks.MultiplyLoose(x2, x);
        ulong x4 = Goldilocks.MultiplyLoose(x2, x2);
        return Goldilocks.Multiply(x3, x4);
    }
}
