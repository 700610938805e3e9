// The one equation that many signatures share, ZIP-215's with a coefficient before each:
//
//   [8] ( sum of z_i R_i  +  sum of (z_i k_i) A_i  -  [sum of z_i s_i] B )  is neutral
//
// Every valid signature drops out of it. With the cofactor 8 all parts lie in the group of prime order L, where a set with an invalid
// signature passes for one choice of its z in 2^128 at most. Single and batch therefore agree, low orders and all.
//
// The z must not be known when the signatures are made, and every node must reach the same verdict: they are the BLAKE3 output of
// all k and s. k is SHA-512 of R, A and the message mod L, so whoever changes any of them has other coefficients.
//
// A set that fails is quartered until the rest is small, and each of the rest is verified alone (eight side by side, LaneVerifier). The z stay: a part that is valid
// under them is as sure as the whole.
//
// Threading: one owner. Nothing allocates after the largest set.   Source: ZIP 215; RFC 8032, section 8.2 (batch verification).

using System;
using System.Buffers.Binary;

namespace ParallelVm.Primitives;

/// <summary>What is left of a signature when R, A and s are decoded.</summary>
internal struct DecodedSignature
{
    public Scalar S;
    public Scalar K;
    public int Place;
}

/// <summary>Verifies up to <see cref="CountMax"/> decoded signatures together.</summary>
/// <param name="usesVectors">Whether the sums may use vectors.</param>
internal sealed class BatchEquation(bool usesVectors)
{
    /// <summary>More would not get cheaper per signature, and the tables would leave the cache.</summary>
    public const int CountMax = 1024;

    /// <summary>So many are verified each for itself: eight side by side cost no more than their equation.</summary>
    private const int AloneMax = 16;

    /// <summary>Four parts make one bad signature cost 1 + 1 + 1/4 + 1/16 ... sums, where two make it 1 + 1 + 1/2 + 1/4 ...; eight are too small.</summary>
    private const int Parts = 4;

    private const int MaterialBytes = 2 * Bytes32.Size;
    private const int CoefficientBytes = 16;

    private readonly MultiScalar _sums = new(usesVectors);
    private readonly LaneVerifier? _lanes = usesVectors ? new LaneVerifier() : null;
    private DecodedSignature[] _signatures = [];
    private Niels[] _keys = [];
    private Niels[] _rs = [];
    private Scalar[] _keyScalars = [];
    private Coefficient[] _coefficients = [];
    private byte[] _material = [];

    public int Count { get; private set; }

    /// <summary>Signatures that were summed or verified alone so far, each as often as it was: what verdicts have cost.</summary>
    public long Summed { get; private set; }

    /// <summary>Empties it, and makes room.</summary>
    /// <param name="capacity">At most <see cref="CountMax"/>.</param>
    public void Start(int capacity)
    {
        Count = 0;
        if (_signatures.Length < capacity)
        {
            _signatures = new DecodedSignature[capacity];
            _keys = new Niels[capacity];
            _rs = new Niels[capacity];
            _keyScalars = new Scalar[capacity];
            _coefficients = new Coefficient[capacity];
            _material = new byte[capacity * MaterialBytes];
        }
    }

    /// <summary>Adds a signature with s below L.</summary>
    public void Add(in Niels key, in Niels r, in DecodedSignature signature)
    {
        _keys[Count] = key;
        _rs[Count] = r;
        _signatures[Count] = signature;
        Count++;
    }

    /// <summary>Sets the verdict at every signature's place.</summary>
    public void Verify(Span<bool> valid)
    {
        if (Count > AloneMax)
        {
            Choose();
        }

        Verify(0, Count, isBad: false, valid);
    }

    /// <summary>Verdicts of a part; true when all are valid.</summary>
    /// <param name="isBad">The part is known to fail, because a larger one does and the rest of that holds.</param>
    private bool Verify(int start, int count, bool isBad, Span<bool> valid)
    {
        if (count <= AloneMax)
        {
            return VerifyAlone(start, count, valid);
        }

        if (!isBad && Holds(start, count))
        {
            for (int i = start; i < start + count; i++)
            {
                valid[_signatures[i].Place] = true;
            }

            return true;
        }

        bool holds = true;
        int end = start + count;
        for (int left = Parts; left > 0; left--)
        {
            int size = (end - start + left - 1) / left;
            holds &= Verify(start, size, isBad: left == 1 && holds, valid);
            start += size;
        }

        return holds;
    }

    private bool VerifyAlone(int start, int count, Span<bool> valid)
    {
        Summed += count;
        bool holds = true;
        for (int done = 0; done < count;)
        {
            int some = Math.Min(LaneVerifier.Lanes, count - done);
            int at = start + done;
            int found = 0;
            if (_lanes is not null && some > 1)
            {
                found = _lanes.Verify(_keys.AsSpan(at, some), _rs.AsSpan(at, some), _signatures.AsSpan(at, some));
            }
            else
            {
                for (int i = 0; i < some; i++)
                {
                    ref readonly DecodedSignature signature = ref _signatures[at + i];
                    found |= Ed25519.Verify(_keys[at + i], _rs[at + i], signature.S, signature.K) ? 1 << i : 0;
                }
            }

            for (int i = 0; i < some; i++)
            {
                valid[_signatures[at + i].Place] = (found >> i & 1) != 0;
            }

            holds &= found == (1 << some) - 1;
            done += some;
        }

        return holds;
    }

    /// <summary>The coefficients, and what they make of the k.</summary>
    private void Choose()
    {
        Span<byte> material = _material.AsSpan(0, Count * MaterialBytes);
        for (int i = 0; i < Count; i++)
        {
            _signatures[i].K.Store().CopyTo(material[(i * MaterialBytes)..]);
            _signatures[i].S.Store().CopyTo(material[((i * MaterialBytes) + Bytes32.Size)..]);
        }

        Bytes32 seed = Blake3.Hash(material);
        Span<byte> coefficients = material[..(Count * CoefficientBytes)];
        Span<byte> seedBytes = stackalloc byte[Bytes32.Size];
        seed.CopyTo(seedBytes);
        Blake3.Hash(seedBytes, coefficients);
        for (int i = 0; i < Count; i++)
        {
            ReadOnlySpan<byte> bytes = coefficients.Slice(i * CoefficientBytes, CoefficientBytes);
            Coefficient z = new(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
            _coefficients[i] = z;
            _keyScalars[i] = Scalar.MultiplyAdd(z.Value, _signatures[i].K, default);
        }
    }

    private bool Holds(int start, int count)
    {
        Summed += count;
        Scalar scalar = default;
        for (int i = start; i < start + count; i++)
        {
            scalar = Scalar.MultiplyAdd(_coefficients[i].Value, _signatures[i].S, scalar);
        }

        _sums.Sum(
            _keys.AsSpan(start, count),
            _keyScalars.AsSpan(start, count),
            _rs.AsSpan(start, count),
            _coefficients.AsSpan(start, count),
            MultiScalar.Width(count),
            out Point sum);
        BaseTable.Multiply(scalar, out Point product);
        product.ToCached(out Cached cached);
        Point.Subtract(out Completed completed, sum, cached);
        completed.ToProjective(ref sum);
        return sum.IsSmallOrder();
    }
}
