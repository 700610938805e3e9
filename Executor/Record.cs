// One key's live value while a batch runs. The engine keeps one Record per interned key; a transaction reaches it
// only through a slot, and the conflict graph grants it: a writer alone, readers together, adders never touch it
// (their amounts go to per-worker shards and are folded before the next reader or writer runs).
//
// A missing record reads as zeros and has length 0. An accumulator is the first 16 bytes of a record, an unsigned
// little-endian 128-bit number; adding wraps modulo 2^128 so that order cannot change the outcome.
//
// Invariants
//   R1  Length is 0 when Exists is false, and at most StateLimits.MaxRecordBytes
//   R2  bytes at and beyond Length are zero up to Capacity, so growing needs no clearing
//
// Threading: no locks; the conflict graph is the lock.   Ownership: the engine's key table, reused between batches.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Executor;

/// <summary>A mutable record of the running batch.</summary>
public sealed class Record
{
    private byte[] _bytes = new byte[64];

    /// <summary>There is a record (its value may be empty).</summary>
    public bool Exists { get; private set; }

    /// <summary>Length in bytes, [0, 4096].</summary>
    public int Length { get; private set; }

    /// <summary>Some transaction of the batch wrote, created or deleted it (and was not rolled back).</summary>
    public bool IsTouched { get; set; }

    /// <summary>The value.</summary>
    public ReadOnlySpan<byte> Value => _bytes.AsSpan(0, Length);

    /// <summary>Becomes a copy of <paramref name="value"/>, existing, and keeps <see cref="IsTouched"/>.</summary>
    public void Set(ReadOnlySpan<byte> value)
    {
        Invariant.Require(value.Length <= StateLimits.MaxRecordBytes);      // R1
        Resize(value.Length);
        value.CopyTo(_bytes);
        Exists = true;
    }

    /// <summary>Becomes missing, and keeps <see cref="IsTouched"/>.</summary>
    public void Remove()
    {
        Resize(0);
        Exists = false;
    }

    /// <summary>A writable view of the value after making it exist with at least <paramref name="length"/> bytes (new bytes are zero).</summary>
    public Span<byte> Grow(int length)
    {
        Invariant.Require(length <= StateLimits.MaxRecordBytes);            // R1
        if (length > Length)
        {
            Resize(length);
        }

        Exists = true;
        return _bytes.AsSpan(0, Length);
    }

    /// <summary>The accumulator: the first 16 bytes as an unsigned little-endian number; missing bytes are zero.</summary>
    public UInt128 Accumulator
    {
        get
        {
            // R2: the buffer always holds 16 bytes, and those beyond Length are zero
            return BinaryPrimitives.ReadUInt128LittleEndian(_bytes);
        }
    }

    /// <summary>Adds to the accumulator modulo 2^128; creates the record, or extends it to 16 bytes, when needed.</summary>
    public void Accumulate(UInt128 amount)
    {
        Span<byte> value = Grow(16);
        BinaryPrimitives.WriteUInt128LittleEndian(value, unchecked(BinaryPrimitives.ReadUInt128LittleEndian(value) + amount));
    }

    private void Resize(int length)
    {
        if (length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Min(StateLimits.MaxRecordBytes, Math.Max(length, _bytes.Length * 2)));
        }
        else if (length < Length)
        {
            _bytes.AsSpan(length, Length - length).Clear();                 // R2
        }

        Length = length;
    }
}
