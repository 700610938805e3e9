// One chain that is open beside a node: the chain over its store, and the marker that keeps the two databases in step.
//
//   open     read the marker -> open the store -> is the marked block ours? -> step back to it when the store is ahead -> the chain
//   accept   our log (fsync) -> the marker in the node's database -> whoever listens
//
// Invariants
//   M1  what is reported at opening is not above the marker: no marker counts as genesis
//   M2  the marker moves after our log has the block, and before BlockAccept returns
//
// A store that does not fit the node's database (another block at the marked height, or a past that no longer reaches it) is refused with a sentence that says
// what to do. It is never emptied: whoever moved the folder or the database knows which of the two is right.
//
// Threading: AcceptAsync, Checkpointed and disposal under the node's lock; the rest is ChainService's own locking. Accepted is raised under the node's lock.

using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Threading.Tasks;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>A chain, its store, its engine.</summary>
internal sealed class OpenChain : IDisposable
{
    private const string StoreFolder = "parallelvm";

    private readonly AcceptedMarker _marker;
    private bool _isDisposed;

    private OpenChain(VmContext context, ChainSettings settings, AcceptedMarker marker, TimeProvider time, ParallelEngine engine, StateStore store)
    {
        Context = context;
        Settings = settings;
        Time = time;
        Engine = engine;
        Store = store;
        _marker = marker;
    }

    /// <summary>Raised for every accepted block after it is final here, under the node's lock: be quick and do not throw.</summary>
    public event Action<Block>? Accepted;

    /// <summary>Raised when a transaction begins to wait, under the chain's lock: be quick, do not throw and do not call the chain.</summary>
    public event Action? Pending;

    /// <summary>Told of transactions that clients submitted here and that wait now: peers are to hear of them. Set once, before the API is made.</summary>
    public Action<IReadOnlyList<GossipItem>>? OnSubmitted { get; set; }

    /// <summary>Where it lives.</summary>
    public VmContext Context { get; }

    /// <summary>The operator's choices.</summary>
    public ChainSettings Settings { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The chain.</summary>
    public ChainService Chain { get; private set; } = null!;

    /// <summary>The door of what peers pass on.</summary>
    public Admission FromPeers { get; private set; } = null!;

    /// <summary>The door of what clients submit here.</summary>
    public Admission FromClients { get; private set; } = null!;

    /// <summary>Its store: only what says so may be called beside the chain.</summary>
    public StateStore Store { get; }

    /// <summary>What runs its batches.</summary>
    public ParallelEngine Engine { get; }

    /// <summary>Opens a chain.</summary>
    /// <exception cref="RpcException">Genesis is refused, or the store does not fit the node's database: code and sentence.</exception>
    /// <exception cref="StateStoreException">The machine failed.</exception>
    public static async Task<OpenChain> OpenAsync(VmContext context, ChainSettings settings, Genesis genesis, AcceptedMarker marker, TimeProvider time)
    {
        MarkedBlock? marked = await marker.ReadAsync().ConfigureAwait(false);
        ParallelEngine engine = new(time, settings.Workers, jit: settings.Jit ? JitMode.Background : JitMode.Off);
        StateStore? store = null;
        OpenChain? open = null;
        try
        {
            Directory.CreateDirectory(context.DataFolder);
            store = StateStore.Open(StoreOptions(context, settings, genesis, engine));
            open = new OpenChain(context, settings, marker, time, engine, store);
            open.Bring(genesis, marked ?? new MarkedBlock(new Height(0), default), isMarked: marked is not null);
            Block last = open.Chain.LastAccepted;
            if (marked is null || marked.Value.Height != last.Header.Height)
            {
                await marker.WriteAsync(new MarkedBlock(last.Header.Height, last.Id)).ConfigureAwait(false);
            }

            OpenChain result = open;
            store = null;
            return result;
        }
        finally
        {
            if (store is not null)
            {
                engine.Dispose();
                store.Dispose();
            }
            else if (open is null)
            {
                engine.Dispose();
            }
        }
    }

    /// <summary>Makes a processing block final: durable in our log, then in the node's database.</summary>
    /// <exception cref="ArgumentException">The block is not a processing child of the last accepted one.</exception>
    public async Task AcceptAsync(BlockId id)
    {
        Chain.Accept(id);
        Block block = Chain.LastAccepted;
        await _marker.WriteAsync(new MarkedBlock(block.Header.Height, block.Id)).ConfigureAwait(false);
        Accepted?.Invoke(block);
    }

    /// <summary>Writes a checkpoint and closes everything.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            Engine.Dispose();
            Store.Dispose();
        }
    }

    private void Bring(Genesis genesis, MarkedBlock marked, bool isMarked)
    {
        if (isMarked && Store.TryReadBlock(marked.Height, out BlockRecord? ours) && ours.Value.BlockId != marked.Id)
        {
            throw new RpcException(
                RpcCode.FailedPrecondition,
                $"The store in '{Context.DataFolder}' has block {ours.Value.BlockId} at height {marked.Height}; the node's database has {marked.Id}. One of the two belongs to another chain.");
        }

        ChainOptions options = new()
        {
            Genesis = genesis,
            Store = Store,
            Engine = Engine,
            Time = Time,
            Workers = Settings.Workers,
            OpenAt = marked.Height,                                 // M1
            OnPending = () => Pending?.Invoke(),
            ReceiptBytesKept = (long)Settings.ReceiptMb << 20,
            Mempool = new MempoolOptions { MaxCount = Settings.MempoolTransactions, MaxBytes = (long)Settings.MempoolMb << 20 },
        };
        try
        {
            if (!ChainService.TryOpen(options, out ChainService? chain, out Refusal refusal))
            {
                throw new RpcException(RpcCode.FailedPrecondition, refusal.ToString());
            }

            Chain = chain;
            FromPeers = new Admission(chain, Time);
            FromClients = new Admission(chain, Time);
        }
        catch (StateStoreException e) when (e.Refusal.Code == RefusalCode.StoreHistoryTooShort)
        {
            throw new RpcException(
                RpcCode.FailedPrecondition,
                $"The node's database stands at block {marked.Height}{(isMarked ? "" : " (it holds no marker)")} and the store in '{Context.DataFolder}' cannot go back that far: {e.Refusal} "
                + $"Restore the node's database, or move the folder '{StoreFolder}' away and let the chain bootstrap again.",
                e);
        }
    }

    private static StateStoreOptions StoreOptions(VmContext context, ChainSettings settings, Genesis genesis, ParallelEngine engine)
    {
        Span<byte> salt = stackalloc byte[Bytes32.Size];
        RandomNumberGenerator.Fill(salt);
        return new StateStoreOptions
        {
            Folder = Path.Combine(context.DataFolder, StoreFolder),
            Hashing = genesis.Hashing,
            LocalSalt = Bytes32.From(salt),
            Jobs = (count, job) => engine.Pool.For(count, settings.Workers, job),
            AppliesInBackground = true,
            HistoryBlocks = settings.HistoryBlocks,
            KeepBlocks = settings.KeepBlocks,
            TableMemoryBytes = (long)settings.TableMemoryMb << 20,
        };
    }
}
