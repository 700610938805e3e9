// Blocks that the node has parsed are looked at before it asks: nobody waits for it, nothing answers otherwise, and it ends with the chain.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class VmAheadTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Blocks_that_were_parsed_in_a_batch_are_looked_at_before_they_are_verified()
    {
        List<ByteString> blocks = await GrowAsync(6, 40);
        await using VmKit kit = await VmKit.OpenAsync();
        await ParseAsync(kit, blocks);
        Assert.True(SpinWait.SpinUntil(() => kit.Chain.SignaturesChecked == 6 * 40, Patience));
        await FollowAsync(kit, blocks);
        Assert.Equal((6 * 40L, 0), (kit.Chain.SignaturesChecked, kit.Chain.BlocksAheadCount));
        Assert.Null(kit.Broken);
    }

    [Fact]
    public async Task Without_it_the_same_blocks_verify_to_the_same_end()
    {
        List<ByteString> blocks = await GrowAsync(3, 10);
        await using VmKit kit = await VmKit.OpenAsync(static options => options with { LooksAhead = false });
        await ParseAsync(kit, blocks);
        Assert.Null(kit.Ahead);
        Assert.Equal(0, kit.Chain.SignaturesChecked);
        await FollowAsync(kit, blocks);
        Assert.Equal(3 * 10, kit.Chain.SignaturesChecked);
    }

    // Forged in the second block: what is refused, and with which words, does not depend on who found it first.
    [Fact]
    public async Task A_forged_block_is_refused_in_the_same_words_with_and_without()
    {
        List<ByteString> blocks = await GrowAsync(3, 10);
        byte[] forged = blocks[1].ToByteArray();
        forged[^1] ^= 1;
        List<ByteString> offered = [blocks[0], ByteString.CopyFrom(forged), blocks[2]];
        List<string> words = [];
        foreach (bool looksAhead in (bool[])[true, false])
        {
            await using VmKit kit = await VmKit.OpenAsync(options => options with { LooksAhead = looksAhead });
            await ParseAsync(kit, offered);
            Assert.True(!looksAhead || SpinWait.SpinUntil(() => kit.Chain.SignaturesChecked == 20, Patience));
            await kit.VerifyAsync(offered[0]);
            words.Add((await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(offered[1]))).Message);
            words.Add((await Assert.ThrowsAsync<RpcException>(() => kit.VerifyAsync(offered[2]))).Message);
        }

        Assert.Equal(words[..2], words[2..]);
        Assert.Contains("signature", words[0], StringComparison.Ordinal);
    }

    // H2. Whatever it is at.
    [Theory, InlineData(0), InlineData(1), InlineData(2)]
    public async Task The_thread_ends_with_the_chain_in_the_midst_of_its_work(int verified)
    {
        List<ByteString> blocks = await GrowAsync(6, 40);
        VmKit kit = await VmKit.OpenAsync();
        AheadThread thread = kit.Ahead!;
        await ParseAsync(kit, blocks);
        await FollowAsync(kit, blocks[..verified]);
        await kit.DisposeAsync();
        Assert.True(thread.HasEnded);
        Assert.Null(kit.Broken);
        thread.Wake();                                                                              // and stays so
    }

    private static async Task<List<ByteString>> GrowAsync(int blocks, int transactions)
    {
        await using VmKit author = await VmKit.OpenAsync();
        List<ByteString> grown = [];
        for (int i = 0; i < blocks; i++)
        {
            grown.Add((await author.GrowAsync(transactions)).Bytes);
        }

        return grown;
    }

    private static Task<BatchedParseBlockResponse> ParseAsync(VmKit kit, List<ByteString> blocks)
    {
        BatchedParseBlockRequest request = new();
        request.Request.AddRange(blocks);
        return kit.CallAsync<BatchedParseBlockRequest, BatchedParseBlockResponse>("BatchedParseBlock", request);
    }

    private static async Task FollowAsync(VmKit kit, List<ByteString> blocks)
    {
        foreach (ByteString block in blocks)
        {
            ParseBlockResponse parsed = await kit.CallAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", new ParseBlockRequest { Bytes = block });
            await kit.VerifyAsync(block);
            await kit.PreferAsync(parsed.Id);
            await kit.AcceptAsync(parsed.Id);
        }
    }
}
