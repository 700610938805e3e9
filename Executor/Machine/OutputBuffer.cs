// Events and return data of one run, in the canonical form that the receipt holds:
//
//   event count u16 | count x { schema u32 | length u16 | has emitter u16 | emitter 32 bytes if so | bytes } | length u32 | return data
//
// The emitter is named when it is not the program that the transaction calls: no program can speak for another.
// Empty (no bytes at all) when a run emitted nothing and returned nothing.
//
// Threading: owned by one interpreter.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Collects the output of a run, within its limits.</summary>
internal sealed class OutputBuffer
{
    /// <summary>Most events of a transaction.</summary>
    public const int MaxEvents = 64;

    /// <summary>Most event bytes of a transaction.</summary>
    public const int MaxEventBytes = 8 * 1024;

    /// <summary>Most bytes of return data.</summary>
    public const int MaxReturnBytes = 1024;

    private readonly byte[] _buffer = new byte[2 + MaxEventBytes + (MaxEvents * (8 + Bytes32.Size)) + 4 + MaxReturnBytes];
    private readonly byte[] _returned = new byte[MaxReturnBytes];
    private int _length;
    private int _events;
    private int _eventBytes;
    private int _returnedLength;

    /// <summary>The canonical form after <see cref="Seal"/>.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _length = 0;
        _events = 0;
        _eventBytes = 0;
        _returnedLength = 0;
    }

    /// <summary>Appends an event of the called program; false beyond a limit.</summary>
    public bool TryEmit(uint schema, ReadOnlySpan<byte> bytes)
    {
        if (_events == MaxEvents || bytes.Length > MaxEventBytes - _eventBytes)
        {
            return false;
        }

        Append(schema, bytes.Length, hasEmitter: false);
        return Finish(bytes);
    }

    /// <summary>Appends an event of another program; false beyond a limit.</summary>
    public bool TryEmit(uint schema, in ProgramId emitter, ReadOnlySpan<byte> bytes)
    {
        if (_events == MaxEvents || bytes.Length > MaxEventBytes - _eventBytes)
        {
            return false;
        }

        Append(schema, bytes.Length, hasEmitter: true);
        emitter.Value.CopyTo(_buffer.AsSpan(_length));
        _length += Bytes32.Size;
        return Finish(bytes);
    }

    /// <summary>Sets the return data; false beyond the limit.</summary>
    public bool TryReturn(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxReturnBytes)
        {
            return false;
        }

        bytes.CopyTo(_returned);
        _returnedLength = bytes.Length;
        return true;
    }

    /// <summary>Completes the canonical form at the end of a successful run.</summary>
    public void Seal()
    {
        if (_events == 0 && _returnedLength == 0)
        {
            return;
        }

        _length = Math.Max(_length, 2);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer, (ushort)_events);
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_length), _returnedLength);
        _returned.AsSpan(0, _returnedLength).CopyTo(_buffer.AsSpan(_length + 4));
        _length += 4 + _returnedLength;
    }

    private void Append(uint schema, int length, bool hasEmitter)
    {
        _length = Math.Max(_length, 2);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(_length), schema);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_length + 4), (ushort)length);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_length + 6), (ushort)(hasEmitter ? 1 : 0));
        _length += 8;
    }

    private bool Finish(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
        _eventBytes += bytes.Length;
        _events++;
        return true;
    }
}
