// Messages of peers reach the handler as they are, and nothing that they hold or do becomes an error.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class VmPeerTests
{
    private static readonly ByteString Peer = ByteString.CopyFrom(VmKit.NodeId);

    [Fact]
    public async Task Every_message_arrives_as_it_was_sent()
    {
        Recorder seen = new();
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Peers = (_, _) => seen });
        await kit.CallAsync<ConnectedRequest, Empty>("Connected", new ConnectedRequest { NodeId = Peer, Name = "avalanchego", Major = 1, Minor = 14, Patch = 2 });
        await kit.CallAsync<AppRequestMsg, Empty>("AppRequest", new AppRequestMsg
        {
            NodeId = Peer,
            RequestId = 7,
            Deadline = new Timestamp { Seconds = 1_700_000_000 },
            Request = ByteString.CopyFrom(1, 2),
        });
        await kit.CallAsync<AppRequestFailedMsg, Empty>("AppRequestFailed", new AppRequestFailedMsg { NodeId = Peer, RequestId = 9, ErrorCode = -1, ErrorMessage = "timed out" });
        await kit.CallAsync<AppResponseMsg, Empty>("AppResponse", new AppResponseMsg { NodeId = Peer, RequestId = 11, Response = ByteString.CopyFrom(3) });
        await kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = Peer, Msg = ByteString.CopyFrom(4) });
        await kit.CallAsync<DisconnectedRequest, Empty>("Disconnected", new DisconnectedRequest { NodeId = Peer });
        await kit.AskAsync<Empty>("Shutdown");
        Assert.Equal(
            [
                "normal True", "connected 14 avalanchego 1.14.2", "request 7 2023-11-14T22:13:20.0000000Z 0102", "failed 9 -1 timed out", "response 11 03", "gossip 04",
                "disconnected 14", "closed",
            ],
            seen.Lines);
    }

    [Fact]
    public async Task Odd_node_ids_odd_deadlines_and_a_handler_that_throws_are_no_errors()
    {
        Recorder seen = new() { Throws = true };
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Peers = (_, _) => seen });
        foreach (int length in (int[])[0, 19, 20, 21, 32])
        {
            ByteString id = ByteString.CopyFrom(new byte[length]);
            foreach (Timestamp? deadline in (Timestamp?[])[null, new Timestamp { Seconds = long.MaxValue, Nanos = -1 }])
            {
                await kit.CallAsync<AppRequestMsg, Empty>("AppRequest", new AppRequestMsg { NodeId = id, Deadline = deadline });
            }

            await kit.CallAsync<ConnectedRequest, Empty>("Connected", new ConnectedRequest { NodeId = id });
            await kit.CallAsync<DisconnectedRequest, Empty>("Disconnected", new DisconnectedRequest { NodeId = id });
            await kit.CallAsync<AppRequestFailedMsg, Empty>("AppRequestFailed", new AppRequestFailedMsg { NodeId = id });
            await kit.CallAsync<AppResponseMsg, Empty>("AppResponse", new AppResponseMsg { NodeId = id });
            await kit.CallAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = id });
        }

        Assert.Equal(7, seen.Thrown);                                   // those with 20 bytes
        Assert.Null(kit.Broken);
        Assert.NotNull((await kit.AskAsync<HealthResponse>("Health")).Details);
    }

    [Fact]
    public async Task A_broken_invariant_is_shown_to_the_process()
    {
        await using VmKit kit = await VmKit.OpenAsync(options => options with { Peers = (_, _) => new Recorder { Breaks = true } });
        await kit.FailsAsync<AppGossipMsg, Empty>("AppGossip", new AppGossipMsg { NodeId = Peer });
        Assert.IsType<InvariantException>(kit.Broken);
    }

    private sealed class Recorder : IAppHandler
    {
        public List<string> Lines { get; } = [];

        public bool Throws { get; init; }

        public bool Breaks { get; init; }

        public int Thrown { get; private set; }

        public void Connected(ReadOnlyMemory<byte> nodeId, PeerVersion version) =>
            Write($"connected {nodeId.Span[^1]:x2} {version.Name} {version.Major}.{version.Minor}.{version.Patch}");

        public void Disconnected(ReadOnlyMemory<byte> nodeId) => Write($"disconnected {nodeId.Span[^1]:x2}");

        public void SetNormalOp(bool isNormalOp) => Lines.Add($"normal {isNormalOp}");

        public ValueTask AppRequestAsync(ReadOnlyMemory<byte> nodeId, uint requestId, DateTime deadline, ReadOnlyMemory<byte> request, CancellationToken cancelled) =>
            Note($"request {requestId} {deadline:o} {Convert.ToHexString(request.Span)}");

        public ValueTask AppRequestFailedAsync(ReadOnlyMemory<byte> nodeId, uint requestId, int errorCode, string message, CancellationToken cancelled) =>
            Note($"failed {requestId} {errorCode} {message}");

        public ValueTask AppResponseAsync(ReadOnlyMemory<byte> nodeId, uint requestId, ReadOnlyMemory<byte> response, CancellationToken cancelled) =>
            Note($"response {requestId} {Convert.ToHexString(response.Span)}");

        public ValueTask AppGossipAsync(ReadOnlyMemory<byte> nodeId, ReadOnlyMemory<byte> message, CancellationToken cancelled) =>
            Note($"gossip {Convert.ToHexString(message.Span)}");

        public ValueTask DisposeAsync()
        {
            Lines.Add("closed");
            return default;
        }

        private ValueTask Note(string line)
        {
            Write(line);
            return default;
        }

        private void Write(string line)
        {
            Invariant.Require(!Breaks);
            if (Throws)
            {
                Thrown++;
                throw new FormatException("a peer's bytes");
            }

            Lines.Add(line);
        }
    }
}
