// A stream whose bytes are with the node: a request's body (read only), or a connection that was taken over. Every read and write is one call.
//
// The end of the stream is a read of zero bytes. What the other side calls an error is an IOException with its sentence. Disposal closes a connection, once, and
// does not wait for a node that is gone.
//
// Threading: one reader and one writer at a time.

using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.IoReader;
using ParallelVm.Rpcchainvm.Protos.NetConn;
using ParallelVm.Rpcchainvm.Transport;
using Reader = ParallelVm.Rpcchainvm.Protos.IoReader;

namespace ParallelVm.Rpcchainvm.Http;

/// <summary>Bytes of the node, by calls.</summary>
internal sealed class NodeStream : Stream
{
    /// <summary>Bytes of one write at most.</summary>
    private const int WriteMax = 64 << 10;

    private static readonly RpcMethod<Reader.ReadRequest, Reader.ReadResponse> ReadMethod =
        RpcMethod<Reader.ReadRequest, Reader.ReadResponse>.Of(ReaderReflection.Descriptor.Services[0], "Read");

    private static readonly RpcMethod<WriteRequest, WriteResponse> WriteMethod = RpcMethod<WriteRequest, WriteResponse>.Of(ConnReflection.Descriptor.Services[0], "Write");
    private static readonly RpcMethod<Empty, Empty> CloseMethod = RpcMethod<Empty, Empty>.Of(ConnReflection.Descriptor.Services[0], "Close");

    private readonly RpcChannel _node;
    private readonly bool _isConnection;
    private bool _isAtEnd;
    private bool _isClosed;

    private NodeStream(RpcChannel node, bool isConnection)
    {
        _node = node;
        _isConnection = isConnection;
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => _isConnection;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>A request's body. The channel stays the caller's.</summary>
    public static NodeStream ReadOnly(RpcChannel node) => new(node, isConnection: false);

    /// <summary>A connection. The channel stays the caller's.</summary>
    public static NodeStream Connection(RpcChannel node) => new(node, isConnection: true);

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isAtEnd || buffer.Length == 0)
        {
            return 0;
        }

        Reader.ReadResponse response = await CallAsync(ReadMethod, new Reader.ReadRequest { Length = buffer.Length }, cancellationToken).ConfigureAwait(false);
        if (response.Read.Length > buffer.Length)
        {
            throw new IOException($"The node answered a read of {buffer.Length} bytes with {response.Read.Length}.");
        }

        _isAtEnd = response.Error is { ErrorCode: Reader.ErrorCode.Eof };
        if (response.Error is { } error && !_isAtEnd && response.Read.IsEmpty)
        {
            throw new IOException($"The node cannot read on: {error.Message}");
        }

        response.Read.Span.CopyTo(buffer.Span);
        return response.Read.Length;
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            WriteRequest request = new() { Payload = Wire.Bytes(buffer[..Math.Min(buffer.Length, WriteMax)]) };
            WriteResponse response = await CallAsync(WriteMethod, request, cancellationToken).ConfigureAwait(false);
            if (response.HasError || response.Length <= 0 || response.Length > request.Payload.Length)
            {
                throw new IOException($"The node wrote {response.Length} of {request.Payload.Length} bytes: {response.Error}");
            }

            buffer = buffer[response.Length..];
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Flush()
    {
        // every write is sent
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_isConnection && !_isClosed)
        {
            _isClosed = true;
            try
            {
                await _node.CallAsync(CloseMethod, new Empty(), new RpcCallOptions(TimeSpan.FromSeconds(2), FailsFast: true)).ConfigureAwait(false);
            }
            catch (RpcException)
            {
                // the node has closed it, or is gone
            }
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<TResponse> CallAsync<TRequest, TResponse>(RpcMethod<TRequest, TResponse> method, TRequest request, CancellationToken cancelled)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>
        where TResponse : class, Google.Protobuf.IMessage<TResponse>
    {
        try
        {
            return await _node.CallAsync(method, request, cancelled: cancelled).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw new IOException(e.Message, e);
        }
    }
}
