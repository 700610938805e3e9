// Blocks: built, parsed (and then looked at ahead), verified, accepted, rejected, looked up; and the state sync calls, which say that there is none.

using System;
using System.Diagnostics;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <content>Blocks.</content>
internal sealed partial class VmService
{
    /// <summary>GetAncestors counts this much for each block besides its bytes.</summary>
    private const int AncestorOverheadBytes = 4;

    /// <summary>The last millisecond of year 9999: the node refuses a reply with a later time.</summary>
    private const ulong MaxTimestampMs = 253_402_300_799_999;

    private void AddBlocks(RpcService service)
    {
        service
            .On<BuildBlockRequest, BuildBlockResponse>("BuildBlock", (_, cancelled) => LockedAsync(open => Task.FromResult(BuildBlock(open)), cancelled))
            .On<ParseBlockRequest, ParseBlockResponse>("ParseBlock", (request, cancelled) => LockedAsync(open => Task.FromResult(ParseBlock(open, request)), cancelled))
            .On<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", (request, cancelled) => LockedAsync(open => Task.FromResult(ParseBlocks(open, request)), cancelled))
            .On<GetBlockRequest, GetBlockResponse>("GetBlock", (request, cancelled) => _shut.IsCancellationRequested
                ? Task.FromResult(new GetBlockResponse { Err = Error.Closed })
                : LockedAsync(open => Task.FromResult(GetBlock(open, request)), cancelled))
            .On<GetBlockIDAtHeightRequest, GetBlockIDAtHeightResponse>("GetBlockIDAtHeight", (request, cancelled) => _shut.IsCancellationRequested
                ? Task.FromResult(new GetBlockIDAtHeightResponse { Err = Error.Closed })
                : LockedAsync(open => Task.FromResult(GetBlockId(open, request)), cancelled))
            .On<GetAncestorsRequest, GetAncestorsResponse>("GetAncestors", (request, cancelled) => LockedAsync(open => Task.FromResult(GetAncestors(open, request)), cancelled))
            .On<SetPreferenceRequest, Empty>("SetPreference", (request, cancelled) => LockedAsync(open => Task.FromResult(SetPreference(open, request)), cancelled))
            .On<BlockVerifyRequest, BlockVerifyResponse>("BlockVerify", (request, cancelled) => LockedAsync(open => Task.FromResult(Verify(open, request)), cancelled))
            .On<BlockAcceptRequest, Empty>("BlockAccept", (request, cancelled) => LockedAsync(open => AcceptAsync(open, request), cancelled))
            .On<BlockRejectRequest, Empty>("BlockReject", (request, cancelled) => LockedAsync(open => Task.FromResult(Reject(open, request)), cancelled))
            .On<Empty, StateSyncEnabledResponse>("StateSyncEnabled", (_, _) => Task.FromResult(new StateSyncEnabledResponse()))
            .On<Empty, GetOngoingSyncStateSummaryResponse>(
                "GetOngoingSyncStateSummary", (_, _) => Task.FromResult(new GetOngoingSyncStateSummaryResponse { Err = Error.StateSyncNotImplemented }))
            .On<Empty, GetLastStateSummaryResponse>(
                "GetLastStateSummary", (_, _) => Task.FromResult(new GetLastStateSummaryResponse { Err = Error.StateSyncNotImplemented }))
            .On<ParseStateSummaryRequest, ParseStateSummaryResponse>(
                "ParseStateSummary", (_, _) => Task.FromResult(new ParseStateSummaryResponse { Err = Error.StateSyncNotImplemented }))
            .On<GetStateSummaryRequest, GetStateSummaryResponse>(
                "GetStateSummary", (_, _) => Task.FromResult(new GetStateSummaryResponse { Err = Error.StateSyncNotImplemented }))
            .On<StateSummaryAcceptRequest, StateSummaryAcceptResponse>(
                "StateSummaryAccept", (_, _) => Task.FromResult(new StateSummaryAcceptResponse { Err = Error.StateSyncNotImplemented }));
    }

    // No block of this chain depends on the P-chain, so a P-chain height, zero or absent, changes nothing and no block asks for one.
    private BuildBlockResponse BuildBlock(OpenChain open)
    {
        if (_state != State.NormalOp)
        {
            throw new RpcException(RpcCode.FailedPrecondition, "Blocks are built in normal operation only.");
        }

        if (!open.Chain.TryBuild(out Block? block))
        {
            _events!.FoundNothing();
            throw new RpcException(RpcCode.FailedPrecondition, "There is nothing to build a block of.");
        }

        Metrics.Built.Add();
        return new BuildBlockResponse
        {
            Id = Wire.Of(block.Id.Value),
            ParentId = Wire.Of(block.Header.ParentId.Value),
            Bytes = Wire.Bytes(block.Bytes),
            Height = block.Header.Height.Value,
            Timestamp = Wire.Of(block.Header.TimestampMs),
        };
    }

    private ParseBlockResponse ParseBlock(OpenChain open, ParseBlockRequest request)
    {
        ParseBlockResponse response = ParseBlock(open, request.Bytes);
        LookAhead(open);
        return response;
    }

    private BatchedParseBlockResponse ParseBlocks(OpenChain open, BatchedParseBlockRequest request)
    {
        BatchedParseBlockResponse response = new();
        foreach (ByteString bytes in request.Request)
        {
            response.Response.Add(ParseBlock(open, bytes));
        }

        LookAhead(open);
        return response;
    }

    private static ParseBlockResponse ParseBlock(OpenChain open, ByteString bytes)
    {
        Block block = Parse(open, bytes);
        return new ParseBlockResponse
        {
            Id = Wire.Of(block.Id.Value),
            ParentId = Wire.Of(block.Header.ParentId.Value),
            Height = block.Header.Height.Value,
            Timestamp = Wire.Of(block.Header.TimestampMs),
        };
    }

    private void LookAhead(OpenChain open)
    {
        if (_ahead is { } ahead && open.Chain.ExpectParsed())
        {
            ahead.Wake();
        }
    }

    private static GetBlockResponse GetBlock(OpenChain open, GetBlockRequest request)
    {
        if (!open.Chain.TryGetBlock(IdOf(request.Id), out Block? block))
        {
            return new GetBlockResponse { Err = Error.NotFound };
        }

        return new GetBlockResponse
        {
            ParentId = Wire.Of(block.Header.ParentId.Value),
            Bytes = Wire.Bytes(block.Bytes),
            Height = block.Header.Height.Value,
            Timestamp = Wire.Of(block.Header.TimestampMs),
        };
    }

    private static GetBlockIDAtHeightResponse GetBlockId(OpenChain open, GetBlockIDAtHeightRequest request) =>
        open.Chain.TryGetBlockId(new Height(request.Height), out BlockId id)
            ? new GetBlockIDAtHeightResponse { BlkId = Wire.Of(id.Value) }
            : new GetBlockIDAtHeightResponse { Err = Error.NotFound };

    // The first block goes out whatever the limits say; a budget that is used up already is no error.
    private static GetAncestorsResponse GetAncestors(OpenChain open, GetAncestorsRequest request)
    {
        GetAncestorsResponse response = new();
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan most = TimeSpan.FromTicks(Math.Max(0, request.MaxBlocksRetrivalTime) / 100);
        long bytes = 0;
        BlockId id = IdOf(request.BlkId);
        while (open.Chain.TryGetBlock(id, out Block? block))
        {
            bytes += block.Bytes.Length + AncestorOverheadBytes;
            if (response.BlksBytes.Count > 0 && bytes > request.MaxBlocksSize)
            {
                break;
            }

            response.BlksBytes.Add(Wire.Bytes(block.Bytes));
            if (response.BlksBytes.Count >= request.MaxBlocksNum || watch.Elapsed >= most || block.Header.Height.Value == 0)
            {
                break;
            }

            id = block.Header.ParentId;
        }

        return response;
    }

    private Empty SetPreference(OpenChain open, SetPreferenceRequest request)
    {
        open.Chain.SetPreference(IdOf(request.Id));
        _events!.Wake();
        return new Empty();
    }

    private BlockVerifyResponse Verify(OpenChain open, BlockVerifyRequest request)
    {
        Block block = Parse(open, request.Bytes);
        if (!open.Chain.TryVerify(block, out Refusal refusal))
        {
            Metrics.Refused.Add();
            throw new RpcException(RpcCode.FailedPrecondition, refusal.ToString());
        }

        Metrics.Verified.Add();
        LookAhead(open);                                                    // its place is free
        return new BlockVerifyResponse { Timestamp = Wire.Of(block.Header.TimestampMs) };
    }

    private async Task<Empty> AcceptAsync(OpenChain open, BlockAcceptRequest request)
    {
        await open.AcceptAsync(IdOf(request.Id)).ConfigureAwait(false);
        _events!.Wake();
        return new Empty();
    }

    private Empty Reject(OpenChain open, BlockRejectRequest request)
    {
        open.Chain.Reject(IdOf(request.Id));
        Metrics.Rejected.Add();
        _events!.Wake();
        return new Empty();
    }

    private static Block Parse(OpenChain open, ByteString bytes)
    {
        if (!open.Chain.TryParse(bytes.Span, out Block? block, out Refusal refusal))
        {
            throw new RpcException(RpcCode.InvalidArgument, refusal.ToString());
        }

        return block.Header.TimestampMs <= MaxTimestampMs
            ? block
            : throw new RpcException(RpcCode.InvalidArgument, $"Block {block.Id} has a time of {block.Header.TimestampMs} ms, after year 9999.");
    }

    private static BlockId IdOf(ByteString bytes) => new(Wire.Id(bytes, "The block's id"));
}
