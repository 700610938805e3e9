// A chain on the real store with the reference programs, and its API: asked directly, or over Kestrel on the loopback.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Vm;
using ParallelVm.Toolchain;

namespace ParallelVm.Rpcchainvm.Tests.Api;

internal sealed class ManualClock(ulong nowMs) : TimeProvider
{
    public ulong NowMs { get; set; } = nowMs;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds((long)NowMs);
}

internal sealed class ApiKit : IDisposable
{
    public const ulong StartMs = 1_800_000_000_000;
    public static readonly ProgramId Token = new(new Bytes32(0, 0, 0, 0x100));
    public static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
    public static readonly ProgramId Counter = new(new Bytes32(0, 0, 0, 0x102));
    public static readonly Bytes32 AssetA = Blake3.Hash("asset a"u8);
    public static readonly Bytes32 AssetB = Blake3.Hash("asset b"u8);
    public static readonly LocalKey Pool = AmmLayout.PoolKey(AssetA, AssetB);
    public static readonly SigningKey[] Accounts = MakeAccounts();

    private readonly string _folder = Directory.CreateTempSubdirectory("parallelvm-api-").FullName;
    private readonly ApiContext _api;
    private readonly RpcServer _server;
    private int _id;

    public ApiKit(int receiptBlocksKept = 64, MempoolOptions? mempool = null)
    {
        Genesis = MakeGenesis();
        Engine = new ParallelEngine(Clock, 2, jit: JitMode.Off);
        Store = StateStore.Open(new StateStoreOptions { Folder = _folder, Hashing = Genesis.Hashing, TableMemoryBytes = 16L << 20, CheckpointOnDispose = false });
        ChainOptions options = new()
        {
            Genesis = Genesis,
            Store = Store,
            Engine = Engine,
            Time = Clock,
            ReceiptBlocksKept = receiptBlocksKept,
            Mempool = mempool ?? new MempoolOptions(),
        };
        Chain = ChainService.TryOpen(options, out ChainService? chain, out Refusal refusal) ? chain : throw new InvalidOperationException(refusal.ToString());
        Simulator = new Simulator(Chain, Clock);
        _api = new ApiContext
        {
            Chain = Chain,
            Door = new Admission(Chain, Clock),
            Simulator = Simulator,
            Discovery = new KeyDiscovery(Chain, Simulator),
            Time = Clock,
            Submitted = taken => SubmittedCount += taken.Count,
        };
        _server = new RpcServer(_api, MethodTable.All);
    }

    public ManualClock Clock { get; } = new(StartMs + 1_000);

    public Genesis Genesis { get; }

    public StateStore Store { get; }

    public ParallelEngine Engine { get; }

    public ChainService Chain { get; }

    public Simulator Simulator { get; }

    public RpcServer Server => _server;

    public ApiContext Api => _api;

    public int SubmittedCount { get; private set; }

    public TransactionBuilder Builder(ulong gas = 100_000, ulong tip = 1) =>
        new(Genesis.ChainId) { ExpiryMs = Clock.NowMs + 30_000, GasLimit = gas, MaxPrice = 2 + tip, Tip = tip };

    public Transaction Sign(int payer, ProgramId program, ProgramCall call, ulong tip = 1, AccessMode? lastMode = null)
    {
        TransactionBuilder builder = Builder(tip: tip).Call(program, call.Selector, call.Arguments);
        for (int i = 0; i < call.Slots.Length; i++)
        {
            builder.Slot(program, call.Slots[i].Key, i == call.Slots.Length - 1 && lastMode is { } mode ? mode : call.Slots[i].Mode);
        }

        return builder.Sign(Accounts[payer]);
    }

    public Transaction Swap(int payer, ulong amount, ulong least = 1, ulong tip = 1, AccessMode? lastMode = null) =>
        Sign(payer, Amm, AmmCalls.Swap(Accounts[payer].PublicKey, Pool, AssetA, AssetB, amount, least, SwapDirection.AToB), tip, lastMode);

    public Transaction Transfer(int payer, int to, UInt128 amount, ulong tip = 1) =>
        Sign(payer, Token, TokenCalls.Transfer(Accounts[payer].PublicKey, Accounts[to].PublicKey, amount), tip);

    public Transaction Count(int payer, int counter, ulong tip = 1) =>
        Sign(payer, Counter, CounterCalls.IncrementAdd(new LocalKey(new Bytes32(9, 9, 9, (ulong)counter))), tip);

    public Block Build(params ReadOnlySpan<Transaction> transactions)
    {
        foreach (Transaction transaction in transactions)
        {
            Refusal refused = Chain.Submit(transaction.Bytes.Span);
            Assert.False(refused.IsRefused, refused.ToString());
        }

        Clock.NowMs += 1_000;
        Assert.True(Chain.TryBuild(out Block? block));
        Assert.True(Chain.TryVerify(block, out Refusal refusal), refusal.ToString());
        Chain.SetPreference(block.Id);
        return block;
    }

    public Block Accept(params ReadOnlySpan<Transaction> transactions)
    {
        Block block = Build(transactions);
        Chain.Accept(block.Id);
        return block;
    }

    /// <summary>The answer to a body; null when there is none.</summary>
    public JsonNode? Answer(ReadOnlySpan<byte> body)
    {
        ArrayBufferWriter<byte> answer = new();
        bool isAnswered = _server.Handle(body.ToArray(), answer);
        Assert.Equal(isAnswered, answer.WrittenCount > 0);
        return isAnswered ? JsonNode.Parse(answer.WrittenSpan) : null;
    }

    public JsonNode? Answer(string body) => Answer(Encoding.UTF8.GetBytes(body));

    /// <summary>The result of a method.</summary>
    public JsonNode Call(string method, JsonNode? parameters = null)
    {
        JsonNode answer = Ask(method, parameters);
        Assert.True(answer["error"] is null, $"{method}: {answer}");
        return answer["result"]!;
    }

    /// <summary>The error code of a method.</summary>
    public int Fail(string method, JsonNode? parameters = null)
    {
        JsonNode answer = Ask(method, parameters);
        Assert.True(answer["error"] is not null, $"{method}: {answer}");
        return (int)answer["error"]!["code"]!;
    }

    public static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);

    /// <summary>Serves the API on the loopback.</summary>
    public async Task<ServedApi> ServeAsync(ApiLimits? limits = null)
    {
        ApiHost host = new(Chain, Clock, limits: limits);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        app.UseWebSockets();
        foreach (ApiRoute route in host.Routes)
        {
            app.Map("/ext/bc/test" + route.Prefix, branch => branch.Run(route.Handle));
        }

        await app.StartAsync();
        string url = "";
        foreach (string address in app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses)
        {
            url = address;
        }

        return new ServedApi(host, app, url + "/ext/bc/test");
    }

    public void Dispose()
    {
        _server.Dispose();
        Simulator.Dispose();
        Engine.Dispose();
        Store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private JsonNode Ask(string method, JsonNode? parameters)
    {
        JsonObject request = new() { ["jsonrpc"] = "2.0", ["id"] = ++_id, ["method"] = method };
        if (parameters is not null)
        {
            request["params"] = parameters;
        }

        JsonNode answer = Answer(request.ToJsonString())!;
        Assert.Equal(_id, (int)answer["id"]!);
        Assert.Equal("2.0", (string)answer["jsonrpc"]!);
        return answer;
    }

    private static SigningKey[] MakeAccounts()
    {
        SigningKey[] accounts = new SigningKey[16];
        for (int i = 0; i < accounts.Length; i++)
        {
            accounts[i] = new SigningKey(Blake3.Hash([(byte)i, 0x41]));
        }

        return accounts;
    }

    private static Genesis MakeGenesis()
    {
        List<GenesisBalance> balances = [];
        List<GenesisRecord> records = [new(Amm, Pool, new PoolRecord(AssetA, AssetB, 1_000_000, 1_000_000, 1_000_000, 30).Encode())];
        foreach (SigningKey account in Accounts)
        {
            balances.Add(new GenesisBalance(account.PublicKey, 1_000_000_000_000));
            records.Add(new GenesisRecord(Token, TokenLayout.AccountKey(account.PublicKey), BalanceRecord.Encode(100_000)));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(account.PublicKey, AssetA), BalanceRecord.Encode(100_000)));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(account.PublicKey, AssetB), BalanceRecord.Encode(100_000)));
        }

        GenesisSpec spec = new()
        {
            Name = "api",
            TimestampMs = StartMs,
            BaseFee = 2,
            Treasury = new PublicKey(Blake3.Hash("treasury"u8)),
            Programs =
            [
                new GenesisProgram(Token, ReferencePrograms.Token), new GenesisProgram(Amm, ReferencePrograms.Amm), new GenesisProgram(Counter, ReferencePrograms.Counter),
            ],
            Records = records,
            Balances = balances,
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal) ? genesis : throw new InvalidOperationException(refusal.ToString());
    }
}

/// <summary>An API on the loopback.</summary>
internal sealed class ServedApi(ApiHost host, WebApplication app, string url) : IAsyncDisposable
{
    public ApiHost Host => host;

    public string Url => url;

    public HttpClient Client { get; } = new();

    public Task<HttpResponseMessage> PostAsync(string body, string type = "application/json") =>
        Client.PostAsync(new Uri(url + "/rpc"), new StringContent(body, Encoding.UTF8, type));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        host.Dispose();
        using CancellationTokenSource late = new(TimeSpan.FromSeconds(5));
        await app.StopAsync(late.Token);
        await app.DisposeAsync();
    }
}
