// The bodies of the p2p SDK's messages: three fields of bytes each at most, read and written here without copying or throwing.
//
//   AppRequest, AppGossip    handler number (LEB128) | body            AppResponse    body
//   PullGossipRequest        2 salt, 3 filter                          PullGossipResponse, PushGossip   1 repeated element
//   SignatureRequest         1 message, 2 justification                SignatureResponse                1 signature
//
// A reader of protobuf for outsiders: fields that are not known are skipped, of a field that stands twice the last counts, groups
// are refused. What Google.Protobuf makes of the same bytes is the oracle of its tests.
//
// Cost: O(bytes); elements are slices of the message.   Threading: pure.   Source: the fact sheet's section 11.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Encoding and decoding of peers' messages.</summary>
public static class SdkMessages
{
    /// <summary>The most elements that one message may bring.</summary>
    public const int MaxElements = 16_384;

    private const int Counted = 2;

    /// <summary>Splits a request or gossip into its handler's number and its body.</summary>
    /// <returns>False when it does not begin with a number.</returns>
    public static bool TryReadHandler(ReadOnlyMemory<byte> message, out ulong handler, out ReadOnlyMemory<byte> body)
    {
        int at = 0;
        bool reads = TryReadVarint(message.Span, ref at, out handler);
        body = reads ? message[at..] : default;
        return reads;
    }

    /// <summary>A body with its handler's number before it.</summary>
    public static byte[] WithHandler(ulong handler, ReadOnlySpan<byte> body)
    {
        byte[] message = new byte[VarintBytes(handler) + body.Length];
        body.CopyTo(message.AsSpan(WriteVarint(message, 0, handler)));
        return message;
    }

    /// <summary>Reads a message of byte fields.</summary>
    /// <param name="first">Last value of field <paramref name="firstField"/>; empty when it is absent.</param>
    /// <param name="second">Last value of the field after it.</param>
    public static bool TryReadPair(ReadOnlyMemory<byte> body, int firstField, out ReadOnlyMemory<byte> first, out ReadOnlyMemory<byte> second, out Refusal refusal)
    {
        first = default;
        second = default;
        int at = 0;
        while (at < body.Length)
        {
            if (!TryReadField(body, ref at, out int field, out ReadOnlyMemory<byte> value, out refusal))
            {
                return false;
            }

            if (field == firstField)
            {
                first = value;
            }
            else if (field == firstField + 1)
            {
                second = value;
            }
        }

        refusal = Refusal.None;
        return true;
    }

    /// <summary>Reads the elements of a push, or of a pull's response.</summary>
    public static bool TryReadElements(ReadOnlyMemory<byte> body, List<ReadOnlyMemory<byte>> elements, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(elements);
        int at = 0;
        while (at < body.Length)
        {
            if (!TryReadField(body, ref at, out int field, out ReadOnlyMemory<byte> value, out refusal))
            {
                return false;
            }

            if (field == 1)
            {
                if (elements.Count == MaxElements)
                {
                    refusal = new Refusal(RefusalCode.TooLong, $"The message brings more than {MaxElements} elements.");
                    return false;
                }

                elements.Add(value);
            }
        }

        refusal = Refusal.None;
        return true;
    }

    /// <summary>Writes two byte fields; an empty one is left out, as proto3 does.</summary>
    public static byte[] WritePair(int firstField, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        byte[] body = new byte[FieldBytes(first.Length) + FieldBytes(second.Length)];
        int at = WriteField(body, 0, firstField, first);
        at = WriteField(body, at, firstField + 1, second);
        return body[..at];
    }

    /// <summary>Writes elements: a push, or a pull's response.</summary>
    public static byte[] WriteElements(IReadOnlyList<ReadOnlyMemory<byte>> elements)
    {
        ArgumentNullException.ThrowIfNull(elements);
        int length = 0;
        foreach (ReadOnlyMemory<byte> element in elements)
        {
            length += 1 + VarintBytes((ulong)element.Length) + element.Length;
        }

        byte[] body = new byte[length];
        int at = 0;
        foreach (ReadOnlyMemory<byte> element in elements)
        {
            at = WriteCounted(body, at, 1, element.Span);           // an element of a repeated field stands also when it is empty
        }

        return body;
    }

    // One field. Those that are not byte strings come back as field 0.
    private static bool TryReadField(ReadOnlyMemory<byte> body, ref int at, out int field, out ReadOnlyMemory<byte> value, out Refusal refusal)
    {
        int start = at;
        value = default;
        field = 0;
        refusal = Refusal.None;
        if (!TryReadVarint(body.Span, ref at, out ulong tag) || tag > uint.MaxValue || tag >> 3 == 0)
        {
            refusal = new Refusal(RefusalCode.MessageMalformed, $"No field begins at byte {start}.");
            return false;
        }

        ulong length = 0;
        bool reads = (tag & 7) switch
        {
            0 => TryReadVarint(body.Span, ref at, out _),
            1 => (length = 8) > 0,
            Counted => TryReadVarint(body.Span, ref at, out length),
            5 => (length = 4) > 0,
            _ => false,
        };
        if (!reads || length > (ulong)(body.Length - at))
        {
            refusal = new Refusal(RefusalCode.MessageMalformed, $"The field at byte {start} is of no known kind, or longer than the message.");
            return false;
        }

        if ((tag & 7) == Counted)
        {
            field = (int)(tag >> 3);
            value = body.Slice(at, (int)length);
        }

        at += (int)length;
        return true;
    }

    private static bool TryReadVarint(ReadOnlySpan<byte> source, ref int at, out ulong value)
    {
        value = 0;
        for (int shift = 0; shift < 64 && at < source.Length; shift += 7)
        {
            byte b = source[at++];
            if (shift == 63 && b > 1)
            {
                return false;
            }

            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    private static int WriteField(byte[] target, int at, int field, ReadOnlySpan<byte> value) =>
        value.IsEmpty ? at : WriteCounted(target, at, field, value);

    private static int WriteCounted(byte[] target, int at, int field, ReadOnlySpan<byte> value)
    {
        target[at] = (byte)(field << 3 | Counted);                  // fields here are below 16
        at = WriteVarint(target, at + 1, (ulong)value.Length);
        value.CopyTo(target.AsSpan(at));
        return at + value.Length;
    }

    private static int WriteVarint(Span<byte> target, int at, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            target[at++] = (byte)(value | 0x80);
        }

        target[at] = (byte)value;
        return at + 1;
    }

    private static int FieldBytes(int length) => 1 + VarintBytes((ulong)length) + length;

    private static int VarintBytes(ulong value)
    {
        int bytes = 1;
        for (; value >= 0x80; value >>= 7)
        {
            bytes++;
        }

        return bytes;
    }
}
