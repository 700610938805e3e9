// One VM behind its server, called over loopback as the node calls it, on a temporary data folder and a NodeStub that both outlive a restart.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;
using ParallelVm.Toolchain;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

internal sealed class VmKit : IAsyncDisposable
{
    public static readonly ProgramId Counter = new(Blake3.Hash("counter"u8));
    public static readonly SigningKey Payer = new(Blake3.Hash("payer"u8));
    public static readonly Genesis Genesis = MakeGenesis();
    public static readonly byte[] NodeId = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

    private static int _serial;

    private readonly VmOptions _options;
    private readonly string _folder;
    private VmService _vm = null!;
    private RpcServer _server = null!;
    private int _sent;

    private VmKit(VmOptions options, NodeStub node, string folder)
    {
        _options = options;
        Node = node;
        _folder = folder;
    }

    public NodeStub Node { get; }

    public RpcChannel Channel { get; private set; } = null!;

    public Exception? Broken { get; private set; }

    /// <summary>Sees the end of every call on the serving side.</summary>
    public RpcObserver? Ended { get; set; }

    /// <summary>The chain inside.</summary>
    public ChainService Chain => _vm.Chain!.Chain;

    /// <summary>What looks at blocks before they are verified.</summary>
    public AheadThread? Ahead => _vm.Ahead;

    /// <summary>A VM that has no chain yet.</summary>
    public static async Task<VmKit> StartAsync(Func<VmOptions, VmOptions>? with = null)
    {
        string folder = Path.Combine(Path.GetTempPath(), $"parallelvm-rpc-{Environment.ProcessId}-{Interlocked.Increment(ref _serial)}");
        VmOptions options = new() { Version = "test" };
        VmKit kit = new(with?.Invoke(options) ?? options, await NodeStub.StartAsync(), folder);
        await kit.RestartAsync();
        return kit;
    }

    /// <summary>A VM in normal operation on a fresh chain.</summary>
    public static async Task<VmKit> OpenAsync(Func<VmOptions, VmOptions>? with = null)
    {
        VmKit kit = await StartAsync(with);
        await kit.InitializeAsync();
        await kit.GoAsync();
        return kit;
    }

    /// <summary>The process ends in good order and another begins.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        _vm = new VmService(_options with { OnBroken = e => Broken = e });
        _server = await RpcServer.StartAsync([_vm.ToRpc()], _vm.OnFailure, (path, code, took) =>
        {
            _vm.Metrics.Observe(path, code, took);
            Ended?.Invoke(path, code, took);
        });
        Channel = new RpcChannel(_server.Address);
    }

    public InitializeRequest Request() => new()
    {
        NetworkId = 12345,
        SubnetId = Filled(1),
        ChainId = Filled(2),
        NodeId = ByteString.CopyFrom(NodeId),
        PublicKey = ByteString.CopyFrom(new byte[48]),
        XChainId = Filled(3),
        CChainId = Filled(4),
        AvaxAssetId = Filled(5),
        ChainDataDir = _folder,
        GenesisBytes = ByteString.CopyFrom(GenesisJson.Write(Genesis)),
        ConfigBytes = ByteString.CopyFromUtf8("""{ "workers": 2, "tableMemoryMb": 16, "jit": false }"""),
        DbServerAddr = Node.Server.Address,
        ServerAddr = Node.Server.Address,
        NetworkUpgrades = new NetworkUpgrades(),
    };

    public Task<InitializeResponse> InitializeAsync() => CallAsync<InitializeRequest, InitializeResponse>("Initialize", Request());

    public Task<SetStateResponse> GoAsync(State state = State.NormalOp) => CallAsync<SetStateRequest, SetStateResponse>("SetState", new SetStateRequest { State = state });

    public Task<TResponse> CallAsync<TRequest, TResponse>(string method, TRequest request, CancellationToken cancelled = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        Channel.CallAsync(RpcMethod<TRequest, TResponse>.Of(VmReflection.Descriptor.Services[0], method), request, cancelled: cancelled);

    public Task<TResponse> AskAsync<TResponse>(string method, CancellationToken cancelled = default)
        where TResponse : class, IMessage<TResponse> =>
        CallAsync<Empty, TResponse>(method, new Empty(), cancelled);

    public Task<RpcException> FailsAsync<TRequest, TResponse>(string method, TRequest request)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        Assert.ThrowsAsync<RpcException>(() => CallAsync<TRequest, TResponse>(method, request));

    /// <summary>Puts transactions into the mempool, as gossip or the API would.</summary>
    public void Submit(int count = 1)
    {
        for (int i = 0; i < count; i++)
        {
            int n = _sent++;
            ProgramCall call = CounterCalls.Increment(new LocalKey(new Bytes32(0xC0, 0, 0, (ulong)n)));
            Transaction transaction = new TransactionBuilder(Genesis.ChainId)
            {
                ExpiryMs = (ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 50_000,
                GasLimit = 60_000,
                MaxPrice = 2,
            }.Call(Counter, call.Selector, call.Arguments).Slot(Counter, call.Slots[0].Key, call.Slots[0].Mode).Sign(Payer);
            Refusal refusal = _vm.Chain!.Chain.Submit(transaction.Bytes.Span);
            Assert.False(refusal.IsRefused, refusal.ToString());
        }
    }

    public async Task<BuildBlockResponse> BuildAsync(int transactions = 1)
    {
        Submit(transactions);
        return await CallAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", new BuildBlockRequest());
    }

    public Task<BlockVerifyResponse> VerifyAsync(ByteString bytes, ulong? pChainHeight = null)
    {
        BlockVerifyRequest request = new() { Bytes = bytes };
        if (pChainHeight is { } height)
        {
            request.PChainHeight = height;
        }

        return CallAsync<BlockVerifyRequest, BlockVerifyResponse>("BlockVerify", request);
    }

    public Task PreferAsync(ByteString id) => CallAsync<SetPreferenceRequest, Empty>("SetPreference", new SetPreferenceRequest { Id = id });

    public Task AcceptAsync(ByteString id) => CallAsync<BlockAcceptRequest, Empty>("BlockAccept", new BlockAcceptRequest { Id = id });

    public Task RejectAsync(ByteString id) => CallAsync<BlockRejectRequest, Empty>("BlockReject", new BlockRejectRequest { Id = id });

    public Task<GetBlockResponse> GetAsync(ByteString id) => CallAsync<GetBlockRequest, GetBlockResponse>("GetBlock", new GetBlockRequest { Id = id });

    public Task<GetBlockIDAtHeightResponse> IdAtAsync(ulong height) =>
        CallAsync<GetBlockIDAtHeightRequest, GetBlockIDAtHeightResponse>("GetBlockIDAtHeight", new GetBlockIDAtHeightRequest { Height = height });

    /// <summary>Built, verified, preferred and accepted.</summary>
    public async Task<BuildBlockResponse> GrowAsync(int transactions = 1)
    {
        BuildBlockResponse block = await BuildAsync(transactions);
        await VerifyAsync(block.Bytes);
        await PreferAsync(block.Id);
        await AcceptAsync(block.Id);
        return block;
    }

    public async Task<List<BuildBlockResponse>> GrowManyAsync(int blocks)
    {
        List<BuildBlockResponse> grown = [];
        for (int i = 0; i < blocks; i++)
        {
            grown.Add(await GrowAsync());
        }

        return grown;
    }

    public static ByteString Filled(byte value)
    {
        byte[] bytes = new byte[Bytes32.Size];
        Array.Fill(bytes, value);
        return ByteString.CopyFrom(bytes);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Node.DisposeAsync();
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private static Genesis MakeGenesis()
    {
        GenesisSpec spec = new()
        {
            Name = "vm tests",
            TimestampMs = 1_700_000_000_123,
            BaseFee = 2,
            Treasury = new PublicKey(Blake3.Hash("treasury"u8)),
            Programs = [new GenesisProgram(Counter, ReferencePrograms.Counter)],
            Balances = [new GenesisBalance(Payer.PublicKey, 1_000_000_000_000)],
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal) ? genesis : throw new InvalidOperationException(refusal.ToString());
    }

    private async Task StopAsync()
    {
        if (_server is not null)
        {
            Channel.Dispose();
            await _server.DisposeAsync();
            await _vm.DisposeAsync();
        }
    }
}
