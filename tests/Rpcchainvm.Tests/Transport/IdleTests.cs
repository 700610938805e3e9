// A connection on which nothing happens stays: the node dials once, and a GOAWAY that meets a call on its way fails the call.

using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Transport;

public sealed class IdleTests
{
    private const int FrameHeaderBytes = 9;
    private const int GoAway = 7;

    [Fact]
    public async Task An_idle_connection_gets_no_goaway_and_is_not_closed()
    {
        await using RpcServer server = await RpcServer.StartAsync([]);
        using TcpClient tcp = new();
        await tcp.ConnectAsync(IPEndPoint.Parse(server.Address));
        NetworkStream stream = tcp.GetStream();
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await stream.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0 });          // our settings: none

        // Kestrel looks at its timeouts once a second
        using CancellationTokenSource quiet = new(TimeSpan.FromMilliseconds(2_500));
        byte[] header = new byte[FrameHeaderBytes];
        try
        {
            while (true)
            {
                await stream.ReadExactlyAsync(header, quiet.Token);
                Assert.NotEqual(GoAway, header[3]);
                await stream.ReadExactlyAsync(new byte[(header[0] << 16) | (header[1] << 8) | header[2]], quiet.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // it stayed quiet, and open
        }
        catch (EndOfStreamException)
        {
            Assert.Fail("the server closed the connection");
        }
    }
}
