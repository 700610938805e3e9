// Client against server, over loopback.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Rpcchainvm.Protos.GrpcHealth;
using ParallelVm.Rpcchainvm.Protos.IoReader;
using ParallelVm.Rpcchainvm.Transport;
using Writer = ParallelVm.Rpcchainvm.Protos.IoWriter;

namespace ParallelVm.Rpcchainvm.Tests.Transport;

public sealed class RpcTests
{
    [Theory, InlineData(0), InlineData(1), InlineData(16_383), InlineData(70_000), InlineData(3 << 20), InlineData(16 << 20)]
    public async Task A_message_of_any_size_comes_back_whole(int length)
    {
        await using RpcServer server = await EchoServer.StartAsync();
        using RpcChannel channel = new(server.Address);

        ReadResponse down = await channel.CallAsync(EchoServer.Read, new ReadRequest { Length = length });
        Assert.Equal(EchoServer.Answer(length), down);

        Writer.WriteResponse up = await channel.CallAsync(EchoServer.Write, new Writer.WriteRequest { Payload = down.Read });
        Assert.Equal(length, up.Written);
    }

    [Fact]
    public async Task Five_hundred_calls_at_once_share_a_connection_and_are_not_mixed_up()
    {
        await using RpcServer server = await EchoServer.StartAsync(async (request, cancelled) =>
        {
            await Task.Yield();
            return EchoServer.Answer(request.Length);
        });
        using RpcChannel channel = new(server.Address);
        List<Task<ReadResponse>> calls = [];
        for (int i = 0; i < 500; i++)
        {
            calls.Add(channel.CallAsync(EchoServer.Read, new ReadRequest { Length = i }));
        }

        for (int i = 0; i < calls.Count; i++)
        {
            Assert.Equal(EchoServer.Answer(i), await calls[i]);
        }
    }

    [Fact]
    public async Task A_hundred_calls_that_wait_do_not_hold_up_another()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RpcServer server = await EchoServer.StartAsync(async (request, cancelled) =>
        {
            await gate.Task.WaitAsync(cancelled);
            return EchoServer.Answer(request.Length);
        });
        using RpcChannel channel = new(server.Address);
        List<Task<ReadResponse>> waiting = [];
        for (int i = 0; i < 150; i++)
        {
            waiting.Add(channel.CallAsync(EchoServer.Read, new ReadRequest { Length = i }));
        }

        Assert.Equal(3, (await channel.CallAsync(EchoServer.Write, new Writer.WriteRequest { Payload = ByteString.CopyFrom(1, 2, 3) })).Written);
        Assert.DoesNotContain(waiting, call => call.IsCompleted);
        gate.SetResult();
        await Task.WhenAll(waiting);
    }

    [Fact]
    public async Task What_a_handler_throws_becomes_a_status_with_its_sentence()
    {
        Exception? seen = null;
        await using RpcServer server = await EchoServer.StartAsync(
            (request, _) => request.Length switch
            {
                1 => throw new RpcException(RpcCode.FailedPrecondition, "grün 100 %\n"),
                2 => throw new InvalidOperationException("our mistake"),
                _ => throw new OperationCanceledException("of another token"),
            },
            e => seen = e);
        using RpcChannel channel = new(server.Address);

        RpcException status = await Fails(channel, EchoServer.Read, new ReadRequest { Length = 1 });
        Assert.Equal((RpcCode.FailedPrecondition, "grün 100 %\n"), (status.Code, status.Detail));
        Assert.Null(seen);

        status = await Fails(channel, EchoServer.Read, new ReadRequest { Length = 2 });
        Assert.Equal((RpcCode.Unknown, "our mistake"), (status.Code, status.Detail));
        Assert.IsType<InvalidOperationException>(seen);

        Assert.Equal(RpcCode.Unknown, (await Fails(channel, EchoServer.Read, new ReadRequest { Length = 3 })).Code);
    }

    [Fact]
    public async Task A_method_that_nobody_handles_is_unimplemented()
    {
        await using RpcServer server = await RpcServer.StartAsync([]);
        using RpcChannel channel = new(server.Address);
        Assert.Equal(RpcCode.Unimplemented, (await Fails(channel, EchoServer.Read, new ReadRequest())).Code);
    }

    [Fact]
    public async Task The_health_service_serves()
    {
        await using RpcServer server = await RpcServer.StartAsync([]);
        using RpcChannel channel = new(server.Address);
        RpcMethod<HealthCheckRequest, HealthCheckResponse> check = RpcMethod<HealthCheckRequest, HealthCheckResponse>.Of(HealthReflection.Descriptor.Services[0], "Check");
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await channel.CallAsync(check, new HealthCheckRequest())).Status);
        Assert.Equal(RpcCode.NotFound, (await Fails(channel, check, new HealthCheckRequest { Service = "vm.VM" })).Code);
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_once_on_both_sides()
    {
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RpcServer server = await EchoServer.StartAsync(async (request, cancelled) =>
        {
            using CancellationTokenRegistration told = cancelled.Register(ended.SetResult);
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancelled);
            return new ReadResponse();
        });
        using RpcChannel channel = new(server.Address);
        using CancellationTokenSource source = new();
        Task<ReadResponse> call = channel.CallAsync(EchoServer.Read, new ReadRequest(), cancelled: source.Token);
        await begun.Task;
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_deadline_ends_the_call_and_reaches_the_handler()
    {
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RpcServer server = await EchoServer.StartAsync(async (request, cancelled) =>
        {
            using CancellationTokenRegistration told = cancelled.Register(ended.SetResult);
            await Task.Delay(Timeout.Infinite, cancelled);
            return new ReadResponse();
        });
        using RpcChannel channel = new(server.Address);
        RpcException status = await Assert.ThrowsAsync<RpcException>(
            () => channel.CallAsync(EchoServer.Read, new ReadRequest(), new RpcCallOptions(TimeSpan.FromMilliseconds(200))));
        Assert.Equal(RpcCode.DeadlineExceeded, status.Code);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_call_waits_for_a_server_that_is_not_there_yet()
    {
        int port;
        using (Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)probe.LocalEndPoint!).Port;             // bound but not listening: connections are refused

            using RpcChannel channel = new($"127.0.0.1:{port}");
            Assert.Equal(RpcCode.Unavailable, (await Fails(channel, EchoServer.Read, new ReadRequest(), new RpcCallOptions(FailsFast: true))).Code);

            Stopwatch watch = Stopwatch.StartNew();
            RpcException status = await Fails(channel, EchoServer.Read, new ReadRequest(), new RpcCallOptions(TimeSpan.FromMilliseconds(150)));
            Assert.Equal(RpcCode.DeadlineExceeded, status.Code);
            Assert.True(watch.ElapsedMilliseconds >= 140, $"gave up after {watch.ElapsedMilliseconds} ms");
        }
    }

    [Fact]
    public async Task A_restarted_server_at_another_connection_answers_the_next_call()
    {
        RpcServer first = await EchoServer.StartAsync();
        using RpcChannel channel = new(first.Address);
        Assert.Equal(EchoServer.Answer(9), await channel.CallAsync(EchoServer.Read, new ReadRequest { Length = 9 }));
        await first.DisposeAsync();                                     // GOAWAY, then the connection ends
        Assert.Equal(RpcCode.Unavailable, (await Fails(channel, EchoServer.Read, new ReadRequest(), new RpcCallOptions(FailsFast: true))).Code);
    }

    private static Task<RpcException> Fails<TRequest, TResponse>(
        RpcChannel channel, RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        Assert.ThrowsAsync<RpcException>(() => channel.CallAsync(method, request, options));
}
