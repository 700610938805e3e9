// The wire is numbers: what the fact sheet says of tags, presence and zig-zag, on real bytes.

using Google.Protobuf;
using ParallelVm.Rpcchainvm.Protos.Vm;

namespace ParallelVm.Rpcchainvm.Tests;

public sealed class ProtoTests
{
    [Fact]
    public void An_absent_p_chain_height_and_a_height_of_zero_are_different_bytes()
    {
        Assert.Empty(new BuildBlockRequest().ToByteArray());
        Assert.Equal([0x08, 0x00], new BuildBlockRequest { PChainHeight = 0 }.ToByteArray());
        Assert.False(BuildBlockRequest.Parser.ParseFrom([]).HasPChainHeight);
        Assert.True(BlockVerifyRequest.Parser.ParseFrom([0x10, 0x00]).HasPChainHeight);
    }

    [Fact]
    public void An_error_code_is_zig_zag()
    {
        Assert.Equal([0x18, 0x01], new AppRequestFailedMsg { ErrorCode = -1 }.ToByteArray());
        Assert.Equal([0x18, 0x03], new Protos.AppSender.SendAppErrorMsg { ErrorCode = -2 }.ToByteArray());
    }

    [Fact]
    public void Numbers_that_the_sheet_leaves_out_stay_out()
    {
        Assert.Equal([0x20, 0x07], new ParseBlockResponse { Height = 7 }.ToByteArray());
        Assert.Equal([0x20, 0x07, 0x30, 0x02], new GetBlockResponse { Height = 7, Err = Error.NotFound }.ToByteArray());
        Assert.Equal([0x12, 0x01, 0x05], new Protos.Sdk.PullGossipRequest { Salt = ByteString.CopyFrom(5) }.ToByteArray());
    }
}
