// Reads the node's linear codec: big-endian integers, byte strings with a u32 length, fixed arrays as they stand, and a u32
// type number before a value of an interface. One way to write any value.
//
// The first failure latches, as in CanonicalReader: a decoder reads straight down and asks once at the end.
//
// Cost: O(bytes read), nothing allocates.   Threading: a ref struct on one stack.
// Source: the fact sheet's section 13.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Warp;

/// <summary>A forward reader of linear-codec bytes that never throws on input.</summary>
internal ref struct PackReader
{
    private readonly ReadOnlySpan<byte> _source;
    private int _position;
    private Refusal _refusal;

    /// <summary>Starts at the first byte; refuses at once when there are more than <paramref name="maxBytes"/>.</summary>
    public PackReader(ReadOnlySpan<byte> source, int maxBytes)
    {
        _source = source;
        if (source.Length > maxBytes)
        {
            Refuse(RefusalCode.TooLong, $"The message has {source.Length} bytes; at most {maxBytes} are allowed.");
        }
    }

    /// <summary>Bytes read so far.</summary>
    public readonly int Position => _position;

    private readonly bool Ok => !_refusal.IsRefused;

    /// <summary>Refuses, unless something was refused before.</summary>
    public void Refuse(RefusalCode code, string sentence)
    {
        if (Ok)
        {
            _refusal = new Refusal(code, sentence);
        }
    }

    /// <summary>Two bytes that say the codec's version, which is 0.</summary>
    public void ReadVersion()
    {
        ushort version = TryTake(2, out ReadOnlySpan<byte> b) ? BinaryPrimitives.ReadUInt16BigEndian(b) : (ushort)0;
        if (version != 0)
        {
            Refuse(RefusalCode.UnknownVersion, $"Codec version {version} is not known; it is 0.");
        }
    }

    /// <summary>Four bytes, big-endian.</summary>
    public uint ReadU32() => TryTake(4, out ReadOnlySpan<byte> b) ? BinaryPrimitives.ReadUInt32BigEndian(b) : 0;

    /// <summary>A type number that has to be <paramref name="expected"/>.</summary>
    public void ReadType(uint expected)
    {
        uint type = ReadU32();
        if (Ok && type != expected)
        {
            Refuse(RefusalCode.WarpUnknownType, $"A value of type {type} stands at byte {_position - 4}; {expected} is expected.");
        }
    }

    /// <summary>Thirty-two bytes as they stand.</summary>
    public Bytes32 ReadBytes32() => TryTake(Bytes32.Size, out ReadOnlySpan<byte> b) ? Bytes32.From(b) : Bytes32.Zero;

    /// <summary>Exactly <paramref name="length"/> bytes, a slice of the input; empty after a refusal.</summary>
    public ReadOnlySpan<byte> ReadFixed(int length) => TryTake(length, out ReadOnlySpan<byte> b) ? b : default;

    /// <summary>A byte string: u32 length, then the bytes.</summary>
    public ReadOnlySpan<byte> ReadCounted()
    {
        uint length = ReadU32();
        return Ok && length <= int.MaxValue ? ReadFixed((int)length) : Overlong(length);
    }

    /// <summary>Ends the input: refuses when bytes are left.</summary>
    public bool TryEnd(out Refusal refusal)
    {
        if (Ok && _position != _source.Length)
        {
            Refuse(RefusalCode.TrailingBytes, $"{_source.Length - _position} bytes are left after the last field at byte {_position}.");
        }

        refusal = _refusal;
        return Ok;
    }

    private ReadOnlySpan<byte> Overlong(uint length)
    {
        Refuse(RefusalCode.Truncated, $"A byte string of {length} bytes cannot stand at byte {_position}.");
        return default;
    }

    private bool TryTake(int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (Ok && length > _source.Length - _position)
        {
            Refuse(RefusalCode.Truncated, $"The input ends at byte {_source.Length}; a field at byte {_position} needs {length}.");
        }

        if (!Ok)
        {
            return false;
        }

        bytes = _source.Slice(_position, length);
        _position += length;
        return true;
    }
}
