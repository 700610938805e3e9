// The life of blocks over the wire, in the node's order and in odd ones.

using System.Collections.Generic;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class VmBlockTests
{
    [Fact]
    public async Task A_block_is_built_verified_accepted_and_found_with_the_same_identity_everywhere()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse built = await kit.BuildAsync(3);
        Assert.Equal((1UL, false), (built.Height, built.VerifyWithContext));
        Assert.Equal(Sha256.Hash(built.Bytes.Span).ToArray(), built.Id.ToByteArray());
        Assert.Equal((await kit.IdAtAsync(0)).BlkId, built.ParentId);
        Assert.Equal(Error.NotFound, (await kit.GetAsync(built.Id)).Err);

        ParseBlockResponse parsed = await kit.CallAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", new ParseBlockRequest { Bytes = built.Bytes });
        Assert.Equal((built.Id, built.ParentId, built.Height, built.Timestamp, false), (parsed.Id, parsed.ParentId, parsed.Height, parsed.Timestamp, parsed.VerifyWithContext));
        Assert.Equal(Error.NotFound, (await kit.GetAsync(built.Id)).Err);

        Assert.Equal(built.Timestamp, (await kit.VerifyAsync(built.Bytes)).Timestamp);
        GetBlockResponse processing = await kit.GetAsync(built.Id);
        Assert.Equal((built.Bytes, built.ParentId, built.Height, built.Timestamp), (processing.Bytes, processing.ParentId, processing.Height, processing.Timestamp));
        Assert.Equal(Error.NotFound, (await kit.IdAtAsync(1)).Err);

        await kit.PreferAsync(built.Id);
        await kit.AcceptAsync(built.Id);
        Assert.Equal(processing, await kit.GetAsync(built.Id));
        Assert.Equal(built.Id, (await kit.IdAtAsync(1)).BlkId);
        Assert.Equal(Error.NotFound, (await kit.IdAtAsync(2)).Err);
        Assert.Equal(Error.NotFound, (await kit.IdAtAsync(ulong.MaxValue)).Err);
    }

    [Fact]
    public async Task A_block_verifies_again_with_any_p_chain_height_or_none()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse built = await kit.BuildAsync();
        foreach (ulong? height in (ulong?[])[null, 0, 7, ulong.MaxValue, 0, null])
        {
            Assert.Equal(built.Timestamp, (await kit.VerifyAsync(built.Bytes, height)).Timestamp);
        }

        await kit.AcceptAsync(built.Id);
        Assert.Equal(built.Id, (await kit.IdAtAsync(1)).BlkId);
        kit.Submit();
        Assert.Equal(2UL, (await kit.CallAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest { PChainHeight = 0 })).Height);
    }

    [Fact]
    public async Task Of_two_siblings_one_is_accepted_and_the_others_transactions_wait_again()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse first = await kit.BuildAsync();
        BuildBlockResponse second = await kit.BuildAsync();
        Assert.Equal(first.ParentId, second.ParentId);
        Assert.NotEqual(first.Id, second.Id);
        await kit.VerifyAsync(first.Bytes);
        await kit.VerifyAsync(second.Bytes);
        await kit.PreferAsync(second.Id);
        await kit.AcceptAsync(first.Id);
        await kit.RejectAsync(second.Id);
        Assert.Equal(Error.NotFound, (await kit.GetAsync(second.Id)).Err);
        await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(second.Bytes));

        await kit.PreferAsync(first.Id);
        BuildBlockResponse next = await kit.CallAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest());
        Assert.Equal(first.Id, next.ParentId);
        await kit.VerifyAsync(next.Bytes);
        await kit.AcceptAsync(next.Id);
    }

    [Fact]
    public async Task Odd_orders_are_errors_and_change_nothing()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse first = await kit.BuildAsync();
        await Assert.ThrowsAsync<RpcException>(() => kit.AcceptAsync(first.Id));                                // not verified
        await Assert.ThrowsAsync<RpcException>(() => kit.RejectAsync(first.Id));
        await Assert.ThrowsAsync<RpcException>(() => kit.PreferAsync(first.Id));
        await kit.VerifyAsync(first.Bytes);
        await kit.PreferAsync(first.Id);
        BuildBlockResponse second = await kit.BuildAsync();
        Assert.Equal(first.Id, second.ParentId);
        await kit.VerifyAsync(second.Bytes);
        await Assert.ThrowsAsync<RpcException>(() => kit.AcceptAsync(second.Id));                               // its parent is not accepted
        await kit.AcceptAsync(first.Id);
        await Assert.ThrowsAsync<RpcException>(() => kit.AcceptAsync(first.Id));
        await Assert.ThrowsAsync<RpcException>(() => kit.RejectAsync(first.Id));
        await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(first.Bytes));                             // at or below the last accepted
        await kit.AcceptAsync(second.Id);
        Assert.Equal(second.Id, (await kit.IdAtAsync(2)).BlkId);
        Assert.Null(kit.Broken);
    }

    [Fact]
    public async Task Nothing_is_built_outside_normal_operation_or_of_nothing()
    {
        await using VmKit kit = await VmKit.StartAsync();
        await kit.InitializeAsync();
        kit.Submit();
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest())).Code);
        await kit.GoAsync(State.Bootstrapping);
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest())).Code);
        await kit.GoAsync();
        BuildBlockResponse block = await kit.CallAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest());
        await kit.VerifyAsync(block.Bytes);
        await kit.PreferAsync(block.Id);
        Assert.Equal(RpcCode.FailedPrecondition, (await kit.FailsAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest())).Code);
    }

    // Every byte is covered by the id, so a changed block may parse; it never verifies.
    [Theory, InlineData(3), InlineData(4)]
    public async Task Bytes_that_are_cut_lengthened_changed_or_made_up_are_refused(int seed)
    {
        await using VmKit kit = await VmKit.OpenAsync();
        SeededRandom random = new((ulong)seed);
        BuildBlockResponse block = await kit.BuildAsync(2);
        byte[] good = block.Bytes.ToByteArray();
        for (int round = 0; round < 60; round++)
        {
            byte[] bad;
            switch (round % 4)
            {
                case 0:
                    bad = good[..random.Next(good.Length)];
                    break;
                case 1:
                    bad = [.. good, .. new byte[1 + random.Next(4)]];
                    break;
                case 2:
                    bad = new byte[random.Next(300)];
                    random.Fill(bad);
                    break;
                default:
                    bad = [.. good];
                    bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
                    break;
            }

            ByteString bytes = ByteString.CopyFrom(bad);
            if (round % 4 != 3)
            {
                RpcException parse = await kit.FailsAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", new ParseBlockRequest { Bytes = bytes });
                Assert.True(parse.Code == RpcCode.InvalidArgument, $"seed {seed} round {round}: {parse.Message}");
            }

            RpcException verify = await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(bytes));
            Assert.True(verify.Code is RpcCode.InvalidArgument or RpcCode.FailedPrecondition, $"seed {seed} round {round}: {verify.Message}");
        }

        Assert.Null(kit.Broken);
        await kit.VerifyAsync(block.Bytes);
        await kit.AcceptAsync(block.Id);
    }

    [Fact]
    public async Task Ids_of_another_length_are_errors_and_unknown_ones_are_answers()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        foreach (int length in (int[])[0, 1, 31, 33, 64])
        {
            ByteString id = ByteString.CopyFrom(new byte[length]);
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<GetBlockRequest, GetBlockResponse>("GetBlock", new GetBlockRequest { Id = id })).Code);
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<BlockAcceptRequest, Empty>("BlockAccept", new BlockAcceptRequest { Id = id })).Code);
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<BlockRejectRequest, Empty>("BlockReject", new BlockRejectRequest { Id = id })).Code);
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<SetPreferenceRequest, Empty>("SetPreference", new SetPreferenceRequest { Id = id })).Code);
            Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<GetAncestorsRequest, GetAncestorsResponse>("GetAncestors", new GetAncestorsRequest { BlkId = id })).Code);
        }

        GetBlockResponse unknown = await kit.GetAsync(VmKit.Filled(9));
        Assert.Equal(new GetBlockResponse { Err = Error.NotFound }, unknown);
        Assert.Equal(Error.NotFound, (await kit.GetAsync(VmKit.Filled(0))).Err);
        await Assert.ThrowsAsync<RpcException>(() => kit.PreferAsync(VmKit.Filled(9)));
    }

    [Fact]
    public async Task A_batch_is_parsed_in_order_and_one_bad_entry_refuses_it()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        List<BuildBlockResponse> grown = await kit.GrowManyAsync(3);
        BatchedParseBlockRequest request = new();
        request.Request.AddRange([grown[2].Bytes, grown[0].Bytes, grown[0].Bytes, grown[1].Bytes]);
        BatchedParseBlockResponse reply = await kit.CallAsync<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", request);
        Assert.Equal((ulong[])[3, 1, 1, 2], System.Linq.Enumerable.Select(reply.Response, block => block.Height));
        Assert.Equal(grown[0].Id, reply.Response[1].Id);
        Assert.Empty((await kit.CallAsync<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", new BatchedParseBlockRequest())).Response);

        request.Request.Add(ByteString.CopyFrom(1, 2, 3));
        Assert.Equal(RpcCode.InvalidArgument, (await kit.FailsAsync<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", request)).Code);
    }

    [Fact]
    public async Task Ancestors_stop_at_each_limit_and_the_first_always_comes()
    {
        await using VmKit kit = await VmKit.OpenAsync();
        List<BuildBlockResponse> grown = await kit.GrowManyAsync(4);
        ByteString genesis = (await kit.GetAsync(grown[0].ParentId)).Bytes;
        ByteString[] all = [grown[3].Bytes, grown[2].Bytes, grown[1].Bytes, grown[0].Bytes, genesis];
        const long Minute = 60_000_000_000;
        int two = grown[3].Bytes.Length + grown[2].Bytes.Length + 8;

        Assert.Equal(all, await Ask(grown[3].Id, 2000, int.MaxValue, Minute));
        Assert.Equal(all[..3], await Ask(grown[3].Id, 3, int.MaxValue, Minute));
        Assert.Equal(all[..2], await Ask(grown[3].Id, 2000, two, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 2000, two - 1, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 2000, 0, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 2000, -5, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 0, int.MaxValue, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, -1, int.MaxValue, Minute));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 2000, int.MaxValue, 0));
        Assert.Equal(all[..1], await Ask(grown[3].Id, 2000, int.MaxValue, long.MinValue));
        Assert.Equal(all[4..], await Ask(grown[0].ParentId, 2000, int.MaxValue, Minute));
        Assert.Empty(await Ask(VmKit.Filled(7), 2000, int.MaxValue, Minute));

        async Task<ByteString[]> Ask(ByteString id, int count, int bytes, long nanoseconds) =>
            [.. (await kit.CallAsync<GetAncestorsRequest, GetAncestorsResponse>(
                "GetAncestors", new GetAncestorsRequest { BlkId = id, MaxBlocksNum = count, MaxBlocksSize = bytes, MaxBlocksRetrivalTime = nanoseconds })).BlksBytes];
    }
}
