// Ed25519 signatures: signing as RFC 8032 says, verification as ZIP-215 says, because RFC 8032 leaves room for two nodes to disagree
// about one signature and a chain has no such room.
//
//   accept iff  S < L,  A and R decode (y may be p or more, x = 0 may have either sign),
//               and [8]([S]B - [k]A - R) is neutral, with k = SHA-512(R bytes | A bytes | message) mod L
//
// The bytes of R and A are hashed as they came. The equation has the cofactor 8, so it agrees with batch verification.
//
// Constant time: what touches a seed (PublicKeyOf, Sign). Verify handles public values and is not.
// Cost: verify is two square roots and about 250 doublings; sign is two fixed-base products. Nothing allocates up to 1 KiB of
// message; a longer one is hashed from a rented buffer, cleared before it goes back.
// Threading: pure.   Source: RFC 8032; ZIP 215.

using System;
using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace ParallelVm.Primitives;

/// <summary>Ed25519 with the verification rule of ZIP-215.</summary>
public static class Ed25519
{
    private const int DigestBytes = 64;
    private const int StackBytes = 1024;

    // 8 odd multiples of a public key: windows of width 5.
    private const int KeyWindow = 5;
    private const int BaseWindow = 8;

    /// <summary>True when the signature is valid under ZIP-215.</summary>
    /// <param name="key">Any 32 bytes; false when they are no point.</param>
    /// <param name="message">The message itself, not a digest of it.</param>
    /// <param name="signature">Any 64 bytes.</param>
    [SkipLocalsInit]
    public static bool Verify(in PublicKey key, ReadOnlySpan<byte> message, in Signature signature)
    {
        Scalar s = Scalar.Load(signature.S);
        return s.IsCanonical() && Verify(key.Value, signature.R, s, Challenge(key.Value, signature.R, message));
    }

    /// <summary>k of the equation: SHA-512 of R, A and the message, mod L.</summary>
    [SkipLocalsInit]
    internal static Scalar Challenge(in Bytes32 key, in Bytes32 r, ReadOnlySpan<byte> message)
    {
        Span<byte> digest = stackalloc byte[DigestBytes];
        HashAll(r, key, message, digest);
        return Scalar.Reduce(digest);
    }

    /// <summary>The rule for an <paramref name="s"/> below L, with k computed already.</summary>
    [SkipLocalsInit]
    internal static bool Verify(in Bytes32 key, in Bytes32 encodedR, in Scalar s, in Scalar k)
    {
        if (!Point.TryDecode(key, out Point a) || !Point.TryDecode(encodedR, out Point r))
        {
            return false;
        }

        r.ToCached(out Cached cachedR);
        return Holds(a, cachedR, s, k);
    }

    /// <summary>The same with both points decoded.</summary>
    internal static bool Verify(in Niels key, in Niels r, in Scalar s, in Scalar k)
    {
        key.ToPoint(out Point a);
        r.ToPoint(out Point point);
        point.ToCached(out Cached cachedR);
        return Holds(a, cachedR, s, k);
    }

    private static bool Holds(Point a, in Cached r, in Scalar s, in Scalar k)
    {
        a.Negate();
        DoubleMultiply(k, a, s, out Point sum);
        Point.Subtract(out Completed completed, sum, r);
        completed.ToProjective(ref sum);
        return sum.IsSmallOrder();
    }

    /// <summary>The public key of a seed (RFC 8032 calls the seed the private key).</summary>
    public static PublicKey PublicKeyOf(in Bytes32 seed)
    {
        Span<byte> expanded = stackalloc byte[DigestBytes];
        Scalar secret = Expand(seed, expanded);
        CryptographicOperations.ZeroMemory(expanded);
        BaseTable.Multiply(secret, out Point point);
        return new PublicKey(point.Encode());
    }

    /// <summary>Signs <paramref name="message"/>: the same signature every time, no randomness.</summary>
    /// <remarks>The public key is computed again from the seed, because a wrong one passed in would give the seed away.</remarks>
    public static Signature Sign(in Bytes32 seed, ReadOnlySpan<byte> message)
    {
        Span<byte> expanded = stackalloc byte[DigestBytes];
        Span<byte> digest = stackalloc byte[DigestBytes];
        Scalar secret = Expand(seed, expanded);
        BaseTable.Multiply(secret, out Point keyPoint);
        HashPrefixed(expanded[Bytes32.Size..], message, digest);
        Scalar nonce = Scalar.Reduce(digest);
        BaseTable.Multiply(nonce, out Point noncePoint);
        Point.Encode(keyPoint, noncePoint, out Bytes32 key, out Bytes32 r);

        HashAll(r, key, message, digest);
        Scalar k = Scalar.Reduce(digest);
        Scalar s = Scalar.MultiplyAdd(k, secret, nonce);
        CryptographicOperations.ZeroMemory(expanded);
        return new Signature(r, s.Store());
    }

    /// <summary>SHA-512 of the seed: the clamped secret scalar, and the nonce prefix in the second half of
    /// <paramref name="expanded"/>.</summary>
    private static Scalar Expand(in Bytes32 seed, Span<byte> expanded)
    {
        Span<byte> bytes = stackalloc byte[Bytes32.Size];
        seed.CopyTo(bytes);
        SHA512.HashData(bytes, expanded);
        CryptographicOperations.ZeroMemory(bytes);
        expanded[0] &= 0xF8;
        expanded[31] = (byte)((expanded[31] & 0x7F) | 0x40);
        return Scalar.Load(Bytes32.From(expanded));
    }

    /// <summary>k*A + s*B for public scalars: one chain of doublings for both, an addition where a window has a digit.</summary>
    [SkipLocalsInit]
    private static void DoubleMultiply(in Scalar k, in Point a, in Scalar s, out Point r)
    {
        Span<sbyte> keyDigits = stackalloc sbyte[256];
        Span<sbyte> baseDigits = stackalloc sbyte[256];
        k.Windows(keyDigits, KeyWindow);
        s.Windows(baseDigits, BaseWindow);

        Span<Cached> odd = stackalloc Cached[1 << (KeyWindow - 2)];
        Point multiple = a;
        multiple.ToCached(out odd[0]);
        Point.Double(out Completed completed, a);
        Point twice = default;
        completed.ToPoint(ref twice);
        twice.ToCached(out Cached step);
        for (int j = 1; j < odd.Length; j++)
        {
            Point.Add(out completed, multiple, step);
            completed.ToPoint(ref multiple);
            multiple.ToCached(out odd[j]);
        }

        int top = 255;
        while (top >= 0 && keyDigits[top] == 0 && baseDigits[top] == 0)
        {
            top--;
        }

        ReadOnlySpan<Niels> baseOdd = BaseTable.Odd;
        r = Point.Neutral;
        for (int i = top; i >= 0; i--)
        {
            Point.Double(out completed, r);
            int digit = keyDigits[i];
            if (digit != 0)
            {
                completed.ToPoint(ref r);
                if (digit > 0)
                {
                    Point.Add(out completed, r, odd[digit >> 1]);
                }
                else
                {
                    Point.Subtract(out completed, r, odd[-digit >> 1]);
                }
            }

            digit = baseDigits[i];
            if (digit != 0)
            {
                completed.ToPoint(ref r);
                if (digit > 0)
                {
                    Point.Add(out completed, r, baseOdd[digit >> 1]);
                }
                else
                {
                    Point.Subtract(out completed, r, baseOdd[-digit >> 1]);
                }
            }

            if (i == 0)
            {
                completed.ToPoint(ref r);
            }
            else
            {
                completed.ToProjective(ref r);
            }
        }
    }

    /// <summary>SHA-512 of R, A and the message.</summary>
    [SkipLocalsInit]
    private static void HashAll(in Bytes32 r, in Bytes32 key, ReadOnlySpan<byte> message, Span<byte> digest)
    {
        Span<byte> prefix = stackalloc byte[2 * Bytes32.Size];
        r.CopyTo(prefix);
        key.CopyTo(prefix[Bytes32.Size..]);
        HashPrefixed(prefix, message, digest);
    }

    /// <summary>SHA-512 of two parts. The framework's one-shot function takes one span and its incremental one is an object, so the
    /// parts are copied together.</summary>
    [SkipLocalsInit]
    private static void HashPrefixed(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> message, Span<byte> digest)
    {
        int length = checked(prefix.Length + message.Length);
        byte[]? rented = length <= StackBytes ? null : ArrayPool<byte>.Shared.Rent(length);
        Span<byte> joined = rented is null ? stackalloc byte[StackBytes] : rented;
        joined = joined[..length];
        prefix.CopyTo(joined);
        message.CopyTo(joined[prefix.Length..]);
        SHA512.HashData(joined, digest);
        CryptographicOperations.ZeroMemory(joined[..prefix.Length]); // may be the secret nonce prefix
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
