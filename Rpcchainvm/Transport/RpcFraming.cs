// A message on the wire: one byte that says whether it is compressed, four bytes of length (big-endian), then the message.
//
//   00 00 00 00 02 08 01
//   |  \----------/ \---/ message
//   |  length
//   0: not compressed. We never agree to a compression, so 1 is an error of the sender, and so is any other value.
//
// A unary body holds exactly one message. The reader is total: what is odd is a RpcException with a sentence, and it waits with no more memory than has arrived.
//
// Threading: none of its own.

using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>Reads and writes length-prefixed messages.</summary>
internal static class RpcFraming
{
    /// <summary>Bytes before the message.</summary>
    public const int PrefixBytes = 5;

    /// <summary>Appends one message. The writer is not flushed.</summary>
    public static void Write(IBufferWriter<byte> target, IMessage message)
    {
        Span<byte> prefix = target.GetSpan(PrefixBytes);
        prefix[0] = 0;
        BinaryPrimitives.WriteInt32BigEndian(prefix[1..], message.CalculateSize());
        target.Advance(PrefixBytes);
        message.WriteTo(target);
    }

    /// <summary>Reads the only message of a body, to the body's end.</summary>
    /// <returns>Null when the body is empty.</returns>
    /// <exception cref="RpcException">The framing is odd, or the message is not the parser's.</exception>
    public static async ValueTask<T?> ReadOnlyMessageAsync<T>(PipeReader body, Func<ReadOnlySequence<byte>, T> parse, CancellationToken cancelled)
        where T : class, IMessage
    {
        while (true)
        {
            ReadResult read = await body.ReadAsync(cancelled).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = read.Buffer;
            try
            {
                if (read.IsCanceled)
                {
                    throw new OperationCanceledException(cancelled);
                }

                long need = Need(buffer);
                if (buffer.Length > need)
                {
                    throw new RpcException(RpcCode.Internal, "More bytes follow the message of a unary call.");
                }

                if (read.IsCompleted)
                {
                    return buffer.Length switch
                    {
                        0 => null,
                        long have when have == need => Parse(buffer.Slice(PrefixBytes), parse),
                        _ => throw new RpcException(RpcCode.Internal, $"The body ended after {buffer.Length} bytes of a message of {need}."),
                    };
                }
            }
            finally
            {
                body.AdvanceTo(buffer.Start, buffer.End);
            }
        }
    }

    // Bytes of prefix and message, as far as it can be said yet.
    private static long Need(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < PrefixBytes)
        {
            return PrefixBytes;
        }

        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        if (prefix[0] != 0)
        {
            throw new RpcException(
                RpcCode.Internal, prefix[0] == 1 ? "The message is compressed, and no compression was agreed on." : $"The compressed-flag is {prefix[0]}.");
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        return length <= int.MaxValue
            ? PrefixBytes + (long)length
            : throw new RpcException(RpcCode.ResourceExhausted, $"A message of {length} bytes cannot be held.");
    }

    private static T Parse<T>(in ReadOnlySequence<byte> bytes, Func<ReadOnlySequence<byte>, T> parse)
    {
        try
        {
            return parse(bytes);
        }
        catch (InvalidProtocolBufferException malformed)
        {
            throw new RpcException(RpcCode.Internal, $"The message is not of its type: {malformed.Message}", malformed);
        }
    }
}
