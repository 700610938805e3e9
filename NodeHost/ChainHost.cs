// One node's side of one chain: the plugin's process, the node's database and services, and the calls of a chain's life in the order that
// the node makes them.
//
//   StartAsync      handshake, Initialize, CreateHandlers, NewHTTPHandler, StateSyncEnabled, SetState(bootstrapping),
//                   SetPreference(last accepted), SetState(normal operation), Connected for every node
//   AcceptAsync     the node's own index first (height -> block), then BlockAccept: as proposervm does
//   StopAsync       Shutdown, then the services go, then SIGTERM
//
// Invariants
//   H1  calls under the chain lock are made one at a time
//   H2  a plugin that reports a block above the node's index is refused at Initialize: the node would stop the chain for good
//   H3  a block that was verified, or reported as last accepted, is remembered and not asked for again
//
// Threading: any; one lock per chain.   Source: the fact sheet's section 8.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>A block as the node knows it.</summary>
internal sealed record HostBlock(Bytes32 Id, Bytes32 ParentId, ulong Height, ByteString Bytes);

/// <summary>What a chain is started from.</summary>
/// <param name="Folder">The node's database and the plugin's data; kept.</param>
/// <param name="Plugin">Executable or .dll.</param>
/// <param name="HandshakeTries">The node tries once; on a machine that is busy with other tests five seconds are sometimes not enough for a process that is compiled as it starts.</param>
internal sealed record ChainHostOptions(string Folder, string Plugin, byte[] Genesis, byte[] Config, int HandshakeTries = 3);

/// <summary>The plugin is ahead of the node: fatal.</summary>
internal sealed class PluginAheadException(string message) : Exception(message);

/// <summary>A chain of a node.</summary>
internal sealed class ChainHost : IAsyncDisposable
{
    private static readonly byte[] PluginPrefix = "vm/"u8.ToArray();
    private static readonly byte[] IndexKey = "proposervm/last"u8.ToArray();

    private readonly SemaphoreSlim _lock = new(1);
    private readonly Dictionary<Bytes32, HostBlock> _known = [];
    private readonly HostNetwork _network;
    private readonly DiskMap _map;
    private readonly RpcServer _database;
    private readonly RpcServer _services;
    private readonly RpcChannel _channel;

    private ChainHost(NodeIdentity self, HostNetwork network, DiskMap map, RpcServer database, RpcServer services, PluginProcess process, RpcMeter meter)
    {
        Self = self;
        _network = network;
        _map = map;
        _database = database;
        _services = services;
        Process = process;
        Meter = meter;
        _channel = new RpcChannel(process.Address);
        Vm = new VmClient(_channel, meter);
    }

    /// <summary>The node.</summary>
    public NodeIdentity Self { get; }

    /// <summary>The plugin's process.</summary>
    public PluginProcess Process { get; }

    /// <summary>Durations of calls.</summary>
    public RpcMeter Meter { get; }

    /// <summary>Raw calls, for tests of what no node does.</summary>
    public VmClient Vm { get; }

    /// <summary>The newest block that the node accepted.</summary>
    public HostBlock LastAccepted { get; private set; } = null!;

    /// <summary>Addresses of http.HTTP by prefix.</summary>
    public IReadOnlyDictionary<string, string> Handlers { get; private set; } = new Dictionary<string, string>();

    /// <summary>A client of its API; null when it serves none.</summary>
    public ApiClient? Api { get; private set; }

    /// <summary>Starts the process and brings the chain to normal operation.</summary>
    /// <exception cref="HandshakeException">There was no handshake.</exception>
    /// <exception cref="PluginAheadException">H2.</exception>
    /// <exception cref="RpcException">The plugin refuses.</exception>
    public static async Task<ChainHost> StartAsync(NodeIdentity self, HostNetwork network, ChainHostOptions options, RpcMeter? meter = null)
    {
        Directory.CreateDirectory(options.Folder);
        DiskMap map = new(Path.Combine(options.Folder, "node.db"));
        RpcServer database = await RpcServer.StartAsync([new DatabaseService(map, PluginPrefix).ToRpc()]).ConfigureAwait(false);
        RpcServer services = await RpcServer.StartAsync([.. new NodeServices(self, network).ToRpc(), new SharedMemoryPool().ToRpc(NodeIdentity.ChainId, map, PluginPrefix)])
            .ConfigureAwait(false);
        ChainHost? host = null;
        try
        {
            PluginProcess process = await StartProcessAsync(options).ConfigureAwait(false);
            host = new ChainHost(self, network, map, database, services, process, meter ?? new RpcMeter());
            await host.OpenAsync(options).ConfigureAwait(false);
            ChainHost open = host;
            host = null;
            return open;
        }
        catch (HandshakeException)
        {
            await services.DisposeAsync().ConfigureAwait(false);
            await database.DisposeAsync().ConfigureAwait(false);
            map.Dispose();
            throw;
        }
        finally
        {
            if (host is not null)
            {
                await host.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Runs a call under the chain lock.</summary>
    public async Task<T> LockedAsync<T>(Func<Task<T>> call)
    {
        await _lock.WaitAsync().ConfigureAwait(false);
        try
        {
            return await call().ConfigureAwait(false);
        }
        finally
        {
            _lock.Release();
        }
    }

    /// <summary>Waits until the plugin wants to build.</summary>
    public async Task<Message> WaitForEventAsync(CancellationToken cancelled = default) =>
        (await Vm.CallAsync<WaitForEventResponse>("WaitForEvent", cancelled).ConfigureAwait(false)).Message;

    /// <summary>Builds on the preference.</summary>
    /// <exception cref="RpcException">There is nothing to build.</exception>
    public Task<HostBlock> BuildAsync(ulong? pChainHeight = NodeServices.PChainHeight) => LockedAsync(async () =>
    {
        BuildBlockRequest request = new();
        if (pChainHeight is { } height)
        {
            request.PChainHeight = height;
        }

        BuildBlockResponse built = await Vm.CallAsync<BuildBlockRequest, BuildBlockResponse>("BuildBlock", request).ConfigureAwait(false);
        return new HostBlock(IdOf(built.Id), IdOf(built.ParentId), built.Height, built.Bytes);
    });

    /// <summary>Parses what a peer sent.</summary>
    /// <exception cref="RpcException">It is no block.</exception>
    public Task<HostBlock> ParseAsync(ByteString bytes) => LockedAsync(async () =>
    {
        ParseBlockResponse parsed = await Vm.CallAsync<ParseBlockRequest, ParseBlockResponse>("ParseBlock", new ParseBlockRequest { Bytes = bytes }).ConfigureAwait(false);
        return new HostBlock(IdOf(parsed.Id), IdOf(parsed.ParentId), parsed.Height, bytes);
    });

    /// <summary>Verifies a block; afterwards it must be accepted or rejected.</summary>
    /// <exception cref="RpcException">It is invalid here and now.</exception>
    public Task VerifyAsync(HostBlock block, ulong? pChainHeight = null) => LockedAsync(async () =>
    {
        BlockVerifyRequest request = new() { Bytes = block.Bytes };
        if (pChainHeight is { } height)
        {
            request.PChainHeight = height;
        }

        await Vm.CallAsync<BlockVerifyRequest, BlockVerifyResponse>("BlockVerify", request).ConfigureAwait(false);
        _known[block.Id] = block;
        return true;
    });

    /// <summary>Makes a block the one to build on.</summary>
    public Task PreferAsync(Bytes32 id) => LockedAsync(async () =>
    {
        await Vm.CallAsync("SetPreference", new SetPreferenceRequest { Id = BytesOf(id) }).ConfigureAwait(false);
        return true;
    });

    /// <summary>Accepts a verified block: the node's index first, then the plugin.</summary>
    public Task AcceptAsync(HostBlock block) => LockedAsync(async () =>
    {
        WriteIndex(block);
        await Vm.CallAsync("BlockAccept", new BlockAcceptRequest { Id = BytesOf(block.Id) }).ConfigureAwait(false);
        LastAccepted = block;
        _known.Remove(block.ParentId);                                  // an older accepted block is asked of the plugin again
        return true;
    });

    /// <summary>Rejects a verified block.</summary>
    public Task RejectAsync(HostBlock block) => LockedAsync(async () =>
    {
        await Vm.CallAsync("BlockReject", new BlockRejectRequest { Id = BytesOf(block.Id) }).ConfigureAwait(false);
        _known.Remove(block.Id);
        return true;
    });

    /// <summary>A block: remembered (H3), or the plugin's; null when it says that there is none.</summary>
    public Task<HostBlock?> FindAsync(Bytes32 id) => LockedAsync(async () =>
    {
        if (_known.TryGetValue(id, out HostBlock? known))
        {
            return known;
        }

        GetBlockResponse found = await Vm.CallAsync<GetBlockRequest, GetBlockResponse>("GetBlock", new GetBlockRequest { Id = BytesOf(id) }).ConfigureAwait(false);
        return found.Err == Error.Unspecified ? new HostBlock(id, IdOf(found.ParentId), found.Height, found.Bytes) : null;
    });

    /// <summary>Stops the chain as the node does.</summary>
    /// <returns>The process's exit code; null when it had to be killed.</returns>
    public async Task<int?> StopAsync()
    {
        _network.Detach(Self);
        await LockedAsync(() => Vm.CallAsync<Empty>("Shutdown")).ConfigureAwait(false);
        await _database.DisposeAsync().ConfigureAwait(false);
        await _services.DisposeAsync().ConfigureAwait(false);
        _channel.Dispose();
        bool ended = await Process.StopAsync().ConfigureAwait(false);
        return ended ? Process.ExitCode : null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _network.Detach(Self);
        await Process.DisposeAsync().ConfigureAwait(false);
        Api?.Dispose();
        _channel.Dispose();
        await _database.DisposeAsync().ConfigureAwait(false);
        await _services.DisposeAsync().ConfigureAwait(false);
        _map.Dispose();
        _lock.Dispose();
    }

    private static async Task<PluginProcess> StartProcessAsync(ChainHostOptions options)
    {
        for (int left = options.HandshakeTries; ; left--)
        {
            try
            {
                return await PluginProcess.StartAsync(options.Plugin).ConfigureAwait(false);
            }
            catch (HandshakeException) when (left > 1)
            {
                // once more
            }
        }
    }

    private static ByteString BytesOf(Bytes32 id) => ByteString.CopyFrom(id.ToArray());

    private static Bytes32 IdOf(ByteString bytes) =>
        bytes.Length == Bytes32.Size ? Bytes32.From(bytes.Span) : throw new InvariantException($"The plugin gave an id of {bytes.Length} bytes.");

    private async Task OpenAsync(ChainHostOptions options)
    {
        string data = Path.Combine(options.Folder, "chainData");
        Directory.CreateDirectory(data);
        InitializeRequest request = new()
        {
            NetworkId = NodeIdentity.NetworkId,
            SubnetId = BytesOf(NodeIdentity.SubnetId),
            ChainId = BytesOf(NodeIdentity.ChainId),
            NodeId = ByteString.CopyFrom(Self.NodeId.ToArray()),
            PublicKey = ByteString.CopyFrom(new byte[48]),
            XChainId = BytesOf(default),
            CChainId = BytesOf(default),
            AvaxAssetId = BytesOf(default),
            ChainDataDir = data,
            GenesisBytes = ByteString.CopyFrom(options.Genesis),
            ConfigBytes = ByteString.CopyFrom(options.Config),
            DbServerAddr = _database.Address,
            ServerAddr = _services.Address,
            NetworkUpgrades = Upgrades(),
        };
        InitializeResponse opened = await LockedAsync(() => Vm.CallAsync<InitializeRequest, InitializeResponse>("Initialize", request)).ConfigureAwait(false);
        HostBlock last = new(IdOf(opened.LastAcceptedId), IdOf(opened.LastAcceptedParentId), opened.Height, opened.Bytes);
        _ = opened.Timestamp ?? throw new InvariantException("Initialize answered without a timestamp.");
        (ulong height, Bytes32 id) = ReadIndex(last);
        if (last.Height > height || (last.Height == height && last.Id != id))
        {
            throw new PluginAheadException($"The plugin is at block {last.Height} {last.Id}, the node's index at {height} {id}.");
        }

        LastAccepted = last;
        _known[last.Id] = last;
        WriteIndex(last);                                               // the plugin is behind: the node rolls back

        CreateHandlersResponse handlers = await LockedAsync(() => Vm.CallAsync<CreateHandlersResponse>("CreateHandlers")).ConfigureAwait(false);
        Dictionary<string, string> addresses = [];
        foreach (Handler handler in handlers.Handlers)
        {
            addresses.Add(handler.Prefix, handler.ServerAddr);
        }

        Handlers = addresses;
        Api = addresses.TryGetValue(ApiClient.Prefix, out string? api) ? new ApiClient(new NodeWay(api), Meter) : null;
        await LockedAsync(() => Vm.CallAsync<NewHTTPHandlerResponse>("NewHTTPHandler")).ConfigureAwait(false);
        await Vm.CallAsync<StateSyncEnabledResponse>("StateSyncEnabled").ConfigureAwait(false);
        await SetStateAsync(State.Bootstrapping).ConfigureAwait(false);
        await PreferAsync(last.Id).ConfigureAwait(false);
        await SetStateAsync(State.NormalOp).ConfigureAwait(false);
        _network.Attach(Self, Vm);
        foreach (NodeIdentity node in _network.Identities)
        {
            ConnectedRequest connected = new() { NodeId = ByteString.CopyFrom(node.NodeId.ToArray()), Name = "avalanchego", Major = 1, Minor = 14, Patch = 2 };
            await LockedAsync(() => Vm.CallAsync<ConnectedRequest, Empty>("Connected", connected)).ConfigureAwait(false);
        }
    }

    private Task<SetStateResponse> SetStateAsync(State state) =>
        LockedAsync(() => Vm.CallAsync<SetStateRequest, SetStateResponse>("SetState", new SetStateRequest { State = state }));

    private void WriteIndex(HostBlock block)
    {
        byte[] value = new byte[8 + Bytes32.Size];
        BinaryPrimitives.WriteUInt64BigEndian(value, block.Height);
        block.Id.CopyTo(value.AsSpan(8));
        _map.Write([(IndexKey, value)]);
    }

    // A node that has no index yet is at the genesis block, whatever that is.
    private (ulong Height, Bytes32 Id) ReadIndex(HostBlock last) => _map.TryGet(IndexKey, out byte[]? value)
        ? (BinaryPrimitives.ReadUInt64BigEndian(value), Bytes32.From(value.AsSpan(8)))
        : (0, last.Height == 0 ? last.Id : default);

    // Everything up to Granite is active, as on a local network.
    private static NetworkUpgrades Upgrades()
    {
        Timestamp active = Timestamp.FromDateTime(new DateTime(2020, 12, 5, 5, 0, 0, DateTimeKind.Utc));
        return new NetworkUpgrades
        {
            ApricotPhase1Time = active,
            ApricotPhase2Time = active,
            ApricotPhase3Time = active,
            ApricotPhase4Time = active,
            ApricotPhase5Time = active,
            ApricotPhasePre6Time = active,
            ApricotPhase6Time = active,
            ApricotPhasePost6Time = active,
            BanffTime = active,
            CortinaTime = active,
            CortinaXChainStopVertexId = BytesOf(default),
            DurangoTime = active,
            EtnaTime = active,
            FortunaTime = active,
            GraniteTime = active,
            GraniteEpochDuration = Duration.FromTimeSpan(TimeSpan.FromSeconds(30)),
            HeliconTime = Timestamp.FromDateTime(new DateTime(9999, 12, 1, 0, 0, 0, DateTimeKind.Utc)),
        };
    }
}
