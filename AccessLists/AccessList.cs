// A transaction's declared accesses: which records it may touch, and how.
//
// Wire form (canonical, little-endian):  count u8 | count x { program index u8 | local key 32 | mode u8 }
//
// Invariants
//   A1  accesses are strictly ascending by (program index, local key): sorted, no key twice
//   A2  at most MaxAccesses of them
//   A3  every program index is inside the transaction's program table
//
// Why sorted and unique on the wire: one encoding per list (canonical), linear merging, and no place to hide
// a second mode for the same key.
//
// Threading: immutable.   Cost: decoding is O(count), one array.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.AccessLists;

/// <summary>One declared access.</summary>
/// <param name="ProgramIndex">Index of the owner in the transaction's program table.</param>
/// <param name="Key">Key below that owner.</param>
/// <param name="Mode">Covers every use of the key.</param>
public readonly record struct Access(byte ProgramIndex, LocalKey Key, AccessMode Mode) : IComparable<Access>
{
    /// <summary>Canonical order: by (program index, local key); the mode does not take part.</summary>
    public int CompareTo(Access other) =>
        ProgramIndex != other.ProgramIndex ? ProgramIndex.CompareTo(other.ProgramIndex) : Key.CompareTo(other.Key);
}

/// <summary>A canonical access list (A1..A3 hold).</summary>
public sealed class AccessList
{
    /// <summary>The most accesses that a transaction may declare.</summary>
    public const int MaxAccesses = 64;

    /// <summary>Bytes of one access on the wire.</summary>
    public const int AccessBytes = 1 + Bytes32.Size + 1;

    private readonly Access[] _accesses;

    private AccessList(Access[] accesses)
    {
        _accesses = accesses;
    }

    /// <summary>No accesses.</summary>
    public static AccessList Empty { get; } = new([]);

    /// <summary>Number of accesses.</summary>
    public int Count => _accesses.Length;

    /// <summary>The accesses in canonical order.</summary>
    public ReadOnlySpan<Access> Accesses => _accesses;

    /// <summary>The access at <paramref name="index"/>.</summary>
    public ref readonly Access this[int index] => ref _accesses[index];

    /// <summary>Checks and takes ownership of a list built by our own side.</summary>
    /// <param name="accesses">In canonical order.</param>
    /// <param name="programCount">Length of the transaction's program table.</param>
    /// <param name="maxAccesses">The wire allows <see cref="MaxAccesses"/>; replays of foreign traces may allow more.</param>
    public static bool TryCreate(Access[] accesses, int programCount, out AccessList list, out Refusal refusal, int maxAccesses = MaxAccesses)
    {
        ArgumentNullException.ThrowIfNull(accesses);
        refusal = Check(accesses, programCount, maxAccesses);
        list = refusal.IsRefused ? Empty : new AccessList(accesses);
        return !refusal.IsRefused;
    }

    /// <summary>Sorts accesses and joins the modes of equal keys: what a client does before it signs.</summary>
    /// <returns>A new array in canonical order without duplicates, owned by the caller.</returns>
    public static Access[] Normalise(ReadOnlySpan<Access> accesses)
    {
        Access[] sorted = accesses.ToArray();
        Array.Sort(sorted);
        int kept = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            if (kept > 0 && sorted[kept - 1].CompareTo(sorted[i]) == 0)
            {
                sorted[kept - 1] = sorted[kept - 1] with { Mode = AccessModes.Join(sorted[kept - 1].Mode, sorted[i].Mode) };
            }
            else
            {
                sorted[kept++] = sorted[i];
            }
        }

        return sorted[..kept];
    }

    /// <summary>The index of a key in the list.</summary>
    /// <returns>[0, Count), or -1 when the key is not declared.</returns>
    public int IndexOf(byte programIndex, in LocalKey key) => Math.Max(-1, Array.BinarySearch(_accesses, new Access(programIndex, key, AccessMode.Read)));

    /// <summary>Decodes a list; the reader holds the refusal when it returns false.</summary>
    public static bool TryDecode(ref CanonicalReader reader, int programCount, out AccessList list)
    {
        list = Empty;
        int count = reader.ReadU8();
        if (count > MaxAccesses)
        {
            return reader.Refuse(RefusalCode.TooManyAccesses, $"The access list declares {count} accesses; at most {MaxAccesses} are allowed.");
        }

        if (reader.Remaining < count * AccessBytes)
        {
            return reader.Refuse(RefusalCode.Truncated, $"The access list declares {count} accesses but only {reader.Remaining} bytes follow.");
        }

        Access[] accesses = new Access[count];
        for (int i = 0; i < count; i++)
        {
            byte programIndex = reader.ReadU8();
            LocalKey key = new(reader.ReadBytes32());
            byte mode = reader.ReadU8();
            if (!AccessModes.IsDefined(mode))
            {
                return reader.Refuse(RefusalCode.UnknownAccessMode, $"Access {i} has mode {mode}; modes are 0 Read, 1 Write, 2 Add.");
            }

            accesses[i] = new Access(programIndex, key, (AccessMode)mode);
        }

        if (!reader.Ok)
        {
            return false;
        }

        Refusal refusal = Check(accesses, programCount, MaxAccesses);
        if (refusal.IsRefused)
        {
            return reader.Refuse(refusal.Code, refusal.Sentence);
        }

        list = new AccessList(accesses);
        return true;
    }

    /// <summary>Writes the wire form.</summary>
    public void Encode(CanonicalWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Invariant.Require(_accesses.Length <= MaxAccesses);
        writer.WriteU8((byte)_accesses.Length);
        foreach (ref readonly Access access in _accesses.AsSpan())
        {
            writer.WriteU8(access.ProgramIndex);
            writer.WriteBytes32(access.Key.Value);
            writer.WriteU8((byte)access.Mode);
        }
    }

    private static Refusal Check(ReadOnlySpan<Access> accesses, int programCount, int maxAccesses)
    {
        if (accesses.Length > maxAccesses)
        {
            return new Refusal(RefusalCode.TooManyAccesses, $"The access list declares {accesses.Length} accesses; at most {maxAccesses} are allowed.");
        }

        for (int i = 0; i < accesses.Length; i++)
        {
            if (accesses[i].ProgramIndex >= programCount)
            {
                return new Refusal(RefusalCode.ProgramIndexOutOfRange, $"Access {i} names program {accesses[i].ProgramIndex} of a table of {programCount}.");
            }

            int order = i == 0 ? -1 : accesses[i - 1].CompareTo(accesses[i]);
            if (order == 0)
            {
                return new Refusal(RefusalCode.DuplicateAccess, $"Accesses {i - 1} and {i} declare the same key {accesses[i].Key}.");
            }

            if (order > 0)
            {
                return new Refusal(RefusalCode.UnsortedAccesses, $"Access {i} sorts before access {i - 1}; a list is ascending by (program index, key).");
            }
        }

        return Refusal.None;
    }
}
