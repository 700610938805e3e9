// Reads the canonical encoding: fixed-width little-endian integers, fixed-length fields, counted fields with a
// fixed-width count. There is one way to write any value, so what decodes re-encodes to the same bytes.
//
// The first failure latches: later reads return zeros and change nothing, so a decoder reads straight down
// and asks once at the end. No read allocates; a counted field is a slice of the input.
//
// Cost: O(bytes read).   Threading: a ref struct on one stack.

using System;
using System.Buffers.Binary;

namespace ParallelVm.Primitives;

/// <summary>A forward reader of canonical bytes that never throws on input.</summary>
public ref struct CanonicalReader
{
    private readonly ReadOnlySpan<byte> _source;
    private int _position;
    private Refusal _refusal;

    /// <summary>Starts at the first byte of <paramref name="source"/>, which must outlive the reader.</summary>
    public CanonicalReader(ReadOnlySpan<byte> source)
    {
        _source = source;
    }

    /// <summary>Bytes read so far.</summary>
    public readonly int Position => _position;

    /// <summary>Bytes left.</summary>
    public readonly int Remaining => _source.Length - _position;

    /// <summary>The first refusal, or <see cref="Refusal.None"/>.</summary>
    public readonly Refusal Refusal => _refusal;

    /// <summary>True until something is refused.</summary>
    public readonly bool Ok => !_refusal.IsRefused;

    /// <summary>Refuses, unless something was refused before.</summary>
    /// <returns>False, so that a decoder can return it.</returns>
    public bool Refuse(RefusalCode code, string sentence)
    {
        if (Ok)
        {
            _refusal = new Refusal(code, sentence);
        }

        return false;
    }

    /// <summary>One byte.</summary>
    public byte ReadU8() => TryTake(1, out ReadOnlySpan<byte> b) ? b[0] : (byte)0;

    /// <summary>Two bytes, little-endian.</summary>
    public ushort ReadU16() => TryTake(2, out ReadOnlySpan<byte> b) ? BinaryPrimitives.ReadUInt16LittleEndian(b) : (ushort)0;

    /// <summary>Four bytes, little-endian.</summary>
    public uint ReadU32() => TryTake(4, out ReadOnlySpan<byte> b) ? BinaryPrimitives.ReadUInt32LittleEndian(b) : 0;

    /// <summary>Eight bytes, little-endian.</summary>
    public ulong ReadU64() => TryTake(8, out ReadOnlySpan<byte> b) ? BinaryPrimitives.ReadUInt64LittleEndian(b) : 0;

    /// <summary>Thirty-two bytes as they stand.</summary>
    public Bytes32 ReadBytes32() => TryTake(Bytes32.Size, out ReadOnlySpan<byte> b) ? Bytes32.From(b) : Bytes32.Zero;

    /// <summary>Exactly <paramref name="length"/> bytes, a slice of the input; empty after a refusal.</summary>
    public ReadOnlySpan<byte> ReadBytes(int length) => TryTake(length, out ReadOnlySpan<byte> b) ? b : default;

    /// <summary>A counted field: u32 length, then the bytes; refused when longer than <paramref name="maxLength"/>.</summary>
    public ReadOnlySpan<byte> ReadCounted(int maxLength)
    {
        uint length = ReadU32();
        if (length > (uint)maxLength)
        {
            Refuse(RefusalCode.TooLong, $"A counted field at byte {_position - 4} says {length} bytes; at most {maxLength} are allowed.");
            return default;
        }

        return ReadBytes((int)length);
    }

    /// <summary>Ends the input: refuses when bytes are left.</summary>
    /// <returns>True when nothing was refused from the first field to the last byte.</returns>
    public bool TryEnd(out Refusal refusal)
    {
        if (Ok && Remaining != 0)
        {
            Refuse(RefusalCode.TrailingBytes, $"{Remaining} bytes are left after the last field at byte {_position}.");
        }

        refusal = _refusal;
        return Ok;
    }

    private bool TryTake(int length, out ReadOnlySpan<byte> bytes)
    {
        if (!Ok || length > Remaining)
        {
            if (Ok)
            {
                Refuse(RefusalCode.Truncated, $"The input ends at byte {_source.Length}; a field at byte {_position} needs {length}.");
            }

            bytes = default;
            return false;
        }

        bytes = _source.Slice(_position, length);
        _position += length;
        return true;
    }
}
