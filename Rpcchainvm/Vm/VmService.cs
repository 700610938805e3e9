// vm.VM: what AvalancheGo calls. One process is one chain; a process that is only being registered answers Version and Shutdown and has no chain.
//
//   (nothing) --Initialize--> open --SetState--> bootstrapping --SetState--> normal operation --Shutdown--> shut
//
// Invariants
//   V1  the calls that the node makes under its chain lock run one at a time here too, whatever the caller does
//   V2  WaitForEvent, App*, Gather, Version, StateSyncEnabled and HTTP take no lock of ours
//   V3  nothing that a peer sends becomes an error of App*: the chain would stop for good
//   V4  every id in a reply has 32 bytes, every block has a timestamp, and an unknown block is an answer (err = NOT_FOUND), not a failed call
//   V5  when Shutdown returns, everything is on disk; later calls are refused, GetBlock and GetBlockIDAtHeight by err = CLOSED
//
// Failures. A refusal is a status with its sentence. A broken invariant or a failed store is shown to VmOptions.OnBroken first, which ends the process: a node
// that cannot trust itself must not vote, and the node waits for ever on a plugin that hangs.
//
// Threading: any thread.   Files: VmService.cs (life of the process), .Blocks.cs, .Peers.cs, Health.cs, VmMetrics.cs.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Http;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>One VM.</summary>
internal sealed partial class VmService : IAsyncDisposable
{
    private readonly VmOptions _options;
    private readonly SemaphoreSlim _lock = new(1);                      // V1
    private readonly CancellationTokenSource _shut = new();
    private readonly List<RpcServer> _apiServers = [];
    private IApiHandler? _api;
    private RpcChannel? _databaseChannel;
    private RpcChannel? _nodeChannel;
    private OpenChain? _open;
    private IAppHandler _peers = new NoPeers();
    private EventGate? _events;
    private AheadThread? _ahead;
    private State _state;
    private bool _isDisposed;

    /// <summary>A VM without a chain.</summary>
    public VmService(VmOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        Metrics = new VmMetrics(options.Time);
    }

    /// <summary>What Gather reports.</summary>
    public VmMetrics Metrics { get; }

    /// <summary>The chain, once it is open.</summary>
    public OpenChain? Chain => _open;

    /// <summary>What looks at blocks before they are verified, while a chain is open.</summary>
    public AheadThread? Ahead => _ahead;

    /// <summary>The service's table.</summary>
    public RpcService ToRpc()
    {
        RpcService service = new(VmReflection.Descriptor.Services[0]);
        service
            .On<InitializeRequest, InitializeResponse>("Initialize", InitializeAsync)
            .On<SetStateRequest, SetStateResponse>("SetState", (request, cancelled) => LockedAsync(open => Task.FromResult(SetState(open, request)), cancelled))
            .On<Empty, Empty>("Shutdown", (_, _) => ShutdownAsync())
            .On<Empty, CreateHandlersResponse>("CreateHandlers", (_, cancelled) => LockedAsync(CreateHandlersAsync, cancelled))
            .On<Empty, NewHTTPHandlerResponse>("NewHTTPHandler", (_, cancelled) => LockedAsync(_ => Task.FromResult(new NewHTTPHandlerResponse()), cancelled))
            .On<Empty, WaitForEventResponse>("WaitForEvent", (_, cancelled) => WaitForEventAsync(cancelled))
            .On<Empty, HealthResponse>("Health", (_, cancelled) => LockedAsync(open => Task.FromResult(CheckHealth(open)), cancelled))
            .On<Empty, VersionResponse>("Version", (_, _) => Task.FromResult(new VersionResponse { Version = _options.Version }))
            .On<Empty, GatherResponse>("Gather", (_, _) => Task.FromResult(Gather()));
        AddBlocks(service);
        AddPeers(service);
        return service;
    }

    /// <summary>For <see cref="RpcServer"/>: what a handler threw that is not a status.</summary>
    public void OnFailure(Exception failure)
    {
        if (failure is InvariantException or StateStoreException)
        {
            _options.OnBroken?.Invoke(failure);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_isDisposed)
        {
            await ShutdownAsync().ConfigureAwait(false);
            _isDisposed = true;
            _lock.Dispose();
            _shut.Dispose();
        }
    }

    private async Task<InitializeResponse> InitializeAsync(InitializeRequest request, CancellationToken cancelled)
    {
        await _lock.WaitAsync(cancelled).ConfigureAwait(false);
        try
        {
            if (_open is not null || _shut.IsCancellationRequested)
            {
                throw new RpcException(RpcCode.FailedPrecondition, "This process has had its chain: one process is one chain.");
            }

            VmContext context = VmContext.Of(request);
            if (!ChainSettings.TryRead(request.ConfigBytes.Span, out ChainSettings settings, out Refusal refusal)
                || !Genesis.TryParse(request.GenesisBytes.Span, out Genesis? genesis, out refusal))
            {
                throw new RpcException(RpcCode.InvalidArgument, refusal.ToString());
            }

            if (request.UpgradeBytes.Length != 0)
            {
                throw new RpcException(RpcCode.InvalidArgument, "upgrade_bytes is not empty, and this version knows no upgrades: a node that ignores one would leave the chain.");
            }

            _databaseChannel ??= new RpcChannel(request.DbServerAddr);
            _nodeChannel ??= new RpcChannel(request.ServerAddr);
            NodeDatabase database = new(_databaseChannel);
            OpenChain open = await OpenChain.OpenAsync(context, settings, genesis, new AcceptedMarker(database), _options.Time).ConfigureAwait(false);
            NodeLinks links = new(
                database, new AppSenderClient(_nodeChannel), new WarpSignerClient(_nodeChannel), new ValidatorStateClient(_nodeChannel), new SharedMemoryClient(_nodeChannel),
                new AliasReaderClient(_nodeChannel));
            _events = new EventGate(_options.Time, () => open.Chain.Preference, () => open.Chain.HasPending);
            open.Pending += _events.Wake;
            _peers = _options.Peers?.Invoke(open, links) ?? _peers;
            _api = _options.Api?.Invoke(open);
            _ahead = _options.LooksAhead ? new AheadThread(open.Chain, failure => _options.OnBroken?.Invoke(failure)) : null;
            Metrics.Watch(open);
            (_peers as IMeasured)?.AddTo(Metrics.Set);
            (_api as IMeasured)?.AddTo(Metrics.Set);
            Volatile.Write(ref _open, open);

            Block last = open.Chain.LastAccepted;
            _options.Log?.Invoke($"chain {genesis.Name} ({genesis.ChainId}) is open at block {last.Header.Height} {last.Id}, {settings.Workers} workers");
            return new InitializeResponse
            {
                LastAcceptedId = Wire.Of(last.Id.Value),
                LastAcceptedParentId = Wire.Of(last.Header.ParentId.Value),
                Height = last.Header.Height.Value,
                Bytes = Wire.Bytes(last.Bytes),
                Timestamp = Wire.Of(last.Header.TimestampMs),
            };
        }
        catch (NodeDatabaseException e)
        {
            throw new RpcException(RpcCode.Unavailable, e.Message, e);
        }
        finally
        {
            _lock.Release();
        }
    }

    private SetStateResponse SetState(OpenChain open, SetStateRequest request)
    {
        if (request.State is not (State.StateSyncing or State.Bootstrapping or State.NormalOp))
        {
            throw new RpcException(RpcCode.InvalidArgument, $"There is no state {(int)request.State}.");
        }

        _state = request.State;
        _events!.IsOpen = _state == State.NormalOp;
        _peers.SetNormalOp(_state == State.NormalOp);
        Block last = open.Chain.LastAccepted;
        return new SetStateResponse
        {
            LastAcceptedId = Wire.Of(last.Id.Value),
            LastAcceptedParentId = Wire.Of(last.Header.ParentId.Value),
            Height = last.Header.Height.Value,
            Bytes = Wire.Bytes(last.Bytes),
            Timestamp = Wire.Of(last.Header.TimestampMs),
        };
    }

    // V5. Also without a chain, and twice.
    private async Task<Empty> ShutdownAsync()
    {
        if (!_shut.IsCancellationRequested)
        {
            await _shut.CancelAsync().ConfigureAwait(false);                // waiting calls end
        }

        await _lock.WaitAsync().ConfigureAwait(false);
        try
        {
            _api?.Dispose();                                                // its sockets end, or the servers would wait for them
            _api = null;
            foreach (RpcServer server in _apiServers)
            {
                await server.DisposeAsync().ConfigureAwait(false);
            }

            _apiServers.Clear();
            await _peers.DisposeAsync().ConfigureAwait(false);
            _peers = new NoPeers();
            _ahead?.Dispose();                                              // before what it looks at
            _ahead = null;
            if (_open is { } open)
            {
                Block last = open.Chain.LastAccepted;
                open.Dispose();
                Volatile.Write(ref _open, null);
                _options.Log?.Invoke($"chain is closed at block {last.Header.Height} {last.Id}");
            }

            _databaseChannel?.Dispose();
            _nodeChannel?.Dispose();
            _databaseChannel = null;
            _nodeChannel = null;
        }
        finally
        {
            _lock.Release();
        }

        _options.OnShutdown?.Invoke();
        return new Empty();
    }

    private async Task<CreateHandlersResponse> CreateHandlersAsync(OpenChain open)
    {
        CreateHandlersResponse response = new();
        foreach (ApiRoute route in _api?.Routes ?? [])
        {
            RpcServer server = await RpcServer.StartAsync([HttpBridge.ToRpc(route.Handle)], OnFailure, Metrics.Observe).ConfigureAwait(false);
            _apiServers.Add(server);
            response.Handlers.Add(new Handler { Prefix = route.Prefix, ServerAddr = server.Address });
        }

        return response;
    }

    private async Task<WaitForEventResponse> WaitForEventAsync(CancellationToken cancelled)
    {
        RequireOpen();
        using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(cancelled, _shut.Token);
        try
        {
            await _events!.WaitAsync(ends.Token).ConfigureAwait(false);
            return new WaitForEventResponse { Message = Message.BuildBlock };
        }
        catch (OperationCanceledException) when (!cancelled.IsCancellationRequested)
        {
            throw Shut();
        }
    }

    private GatherResponse Gather()
    {
        GatherResponse response = new();
        response.MetricFamilies.AddRange(Metrics.Gather());
        return response;
    }

    private HealthResponse CheckHealth(OpenChain open)
    {
        byte[] details = Vm.Health.Describe(open, _state, out string? fault);
        return fault is null ? new HealthResponse { Details = Wire.Bytes(details) } : throw new RpcException(RpcCode.Unavailable, fault);
    }

    private async Task<TResponse> LockedAsync<TResponse>(Func<OpenChain, Task<TResponse>> run, CancellationToken cancelled)
    {
        RequireOpen();                                                      // the lock may be gone with the chain
        await _lock.WaitAsync(cancelled).ConfigureAwait(false);
        try
        {
            return await run(RequireOpen()).ConfigureAwait(false);
        }
        finally
        {
            _lock.Release();
        }
    }

    private bool TryOpen([NotNullWhen(true)] out OpenChain? open)
    {
        open = Volatile.Read(ref _open);
        return open is not null && !_shut.IsCancellationRequested;
    }

    private OpenChain RequireOpen() =>
        TryOpen(out OpenChain? open) ? open
        : _shut.IsCancellationRequested ? throw Shut()
        : throw new RpcException(RpcCode.FailedPrecondition, "Initialize has not been called.");

    private static RpcException Shut() => new(RpcCode.Unavailable, "The VM is shut down.");
}
