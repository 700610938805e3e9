// A server for tests of the transport: io.reader.Reader.Read answers as many bytes as it is asked for, io.writer.Writer.Write answers how many it got,
// and what a test puts into Handle.

using System;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Rpcchainvm.Protos.IoReader;
using ParallelVm.Rpcchainvm.Transport;
using Writer = ParallelVm.Rpcchainvm.Protos.IoWriter;

namespace ParallelVm.Rpcchainvm.Tests.Transport;

internal static class EchoServer
{
    public static readonly RpcMethod<ReadRequest, ReadResponse> Read =
        RpcMethod<ReadRequest, ReadResponse>.Of(ReaderReflection.Descriptor.Services[0], "Read");

    public static readonly RpcMethod<Writer.WriteRequest, Writer.WriteResponse> Write =
        RpcMethod<Writer.WriteRequest, Writer.WriteResponse>.Of(Writer.WriterReflection.Descriptor.Services[0], "Write");

    public static Task<RpcServer> StartAsync(Func<ReadRequest, CancellationToken, Task<ReadResponse>>? read = null, Action<Exception>? onFailure = null) =>
        RpcServer.StartAsync(
            [
                new RpcService(ReaderReflection.Descriptor.Services[0]).On("Read", read ?? ((request, _) => Task.FromResult(Answer(request.Length)))),
                new RpcService(Writer.WriterReflection.Descriptor.Services[0]).On<Writer.WriteRequest, Writer.WriteResponse>(
                    "Write", (request, _) => Task.FromResult(new Writer.WriteResponse { Written = request.Payload.Length })),
            ],
            onFailure);

    public static ReadResponse Answer(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)((i * 31) + length);
        }

        return new ReadResponse { Read = UnsafeByteOperations.UnsafeWrap(bytes) };
    }
}
