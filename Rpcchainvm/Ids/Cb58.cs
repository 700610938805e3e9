// CB58: how the network prints bytes. Base58 with Bitcoin's alphabet over the bytes and a checksum.
//
//   text = Base58( bytes | last 4 bytes of SHA-256(bytes) )
//
// Base58 reads the bytes as one big-endian number and writes a '1' per leading zero byte, so each text has one reading and each
// byte string one text: what decodes encodes to the same text.
//
// Cost: quadratic in the length, which is bounded; nothing here is hot.   Threading: pure.
// Source: AvalancheGo's cb58 package, as the fact sheet's section 12 says it.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Ids;

/// <summary>CB58 text of bytes.</summary>
public static class Cb58
{
    /// <summary>The longest byte string that has a text here; ids are 32 bytes, private keys too.</summary>
    public const int MaxBytes = 128;

    private const int ChecksumBytes = 4;
    private const int MaxChars = 1 + ((MaxBytes + ChecksumBytes) * 138 / 100);      // log 256 / log 58 < 1.38
    private const string Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    /// <summary>The text of <paramref name="bytes"/>.</summary>
    /// <param name="bytes">At most <see cref="MaxBytes"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">More bytes than that.</exception>
    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxBytes);
        Span<byte> number = stackalloc byte[MaxBytes + ChecksumBytes];
        number = number[..(bytes.Length + ChecksumBytes)];
        bytes.CopyTo(number);
        ChecksumOf(bytes, number[bytes.Length..]);

        int zeros = LeadingZeros(number);
        Span<char> text = stackalloc char[MaxChars];
        int at = text.Length;
        for (int first = zeros; first < number.Length;)
        {
            int remainder = 0;
            for (int i = first; i < number.Length; i++)
            {
                int value = (remainder << 8) | number[i];
                number[i] = (byte)(value / 58);
                remainder = value % 58;
            }

            text[--at] = Alphabet[remainder];
            first += LeadingZeros(number[first..]);
        }

        at -= zeros;
        text.Slice(at, zeros).Fill(Alphabet[0]);
        return new string(text[at..]);
    }

    /// <summary>Reads a text of exactly <paramref name="target"/>'s length in bytes.</summary>
    /// <returns>False, and a target that is to be ignored, when the text is anything else.</returns>
    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> target, out Refusal refusal)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(target.Length, MaxBytes);
        Span<byte> number = stackalloc byte[MaxBytes + ChecksumBytes];
        number = number[..(target.Length + ChecksumBytes)];
        number.Clear();
        if (text.Length > MaxChars)
        {
            refusal = new Refusal(RefusalCode.TooLong, $"A text of {text.Length} characters is no CB58 of {target.Length} bytes.");
            return false;
        }

        int ones = 0;
        while (ones < text.Length && text[ones] == Alphabet[0])
        {
            ones++;
        }

        foreach (char c in text[ones..])
        {
            int digit = Alphabet.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0)
            {
                refusal = new Refusal(RefusalCode.TextNotBase58, $"Character U+{(int)c:X4} is not of the Base58 alphabet.");
                return false;
            }

            for (int i = number.Length - 1; i >= 0; i--)
            {
                digit += number[i] * 58;
                number[i] = (byte)digit;
                digit >>= 8;
            }

            if (digit != 0)
            {
                return WrongLength(text.Length, target.Length, out refusal);
            }
        }

        // the number's own length is exactly what the ones leave: fewer or more of them are another byte string
        if (LeadingZeros(number) != ones)
        {
            return WrongLength(text.Length, target.Length, out refusal);
        }

        Span<byte> checksum = stackalloc byte[ChecksumBytes];
        ChecksumOf(number[..target.Length], checksum);
        if (!checksum.SequenceEqual(number[target.Length..]))
        {
            refusal = new Refusal(
                RefusalCode.TextBadChecksum,
                $"The text ends in checksum {Convert.ToHexStringLower(number[target.Length..])}; its bytes have {Convert.ToHexStringLower(checksum)}.");
            return false;
        }

        number[..target.Length].CopyTo(target);
        refusal = Refusal.None;
        return true;
    }

    private static bool WrongLength(int chars, int bytes, out Refusal refusal)
    {
        refusal = new Refusal(RefusalCode.IdWrongLength, $"A text of {chars} characters is not of {bytes} bytes and their checksum.");
        return false;
    }

    private static void ChecksumOf(ReadOnlySpan<byte> bytes, Span<byte> target)
    {
        Span<byte> hash = stackalloc byte[Bytes32.Size];
        Sha256.Hash(bytes).CopyTo(hash);
        hash[^ChecksumBytes..].CopyTo(target);
    }

    private static int LeadingZeros(ReadOnlySpan<byte> bytes)
    {
        int first = bytes.IndexOfAnyExcept((byte)0);
        return first < 0 ? bytes.Length : first;
    }
}
