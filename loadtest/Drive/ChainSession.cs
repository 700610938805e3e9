// An in-process chain over the real store: what a node is, without a network. Owns store and engine.
//
// Threading: the driver's thread; the engine has workers of its own.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>A chain that is open.</summary>
internal sealed class ChainSession : IDisposable
{
    private ChainSession(DexWorld world, StateStore store, ParallelEngine engine, LoadClock clock, ChainService chain)
    {
        World = world;
        Store = store;
        Engine = engine;
        Clock = clock;
        Chain = chain;
    }

    /// <summary>Accounts, pools, genesis.</summary>
    public DexWorld World { get; }

    /// <summary>The chain.</summary>
    public ChainService Chain { get; }

    /// <summary>Where it lives.</summary>
    public StateStore Store { get; }

    /// <summary>What runs its batches.</summary>
    public ParallelEngine Engine { get; }

    /// <summary>Its clock.</summary>
    public LoadClock Clock { get; }

    /// <summary>Opens the chain of a world in a data folder that is the world's already; see <see cref="DataFolder.Claim"/>.</summary>
    /// <param name="jit">How programs run.</param>
    /// <param name="settings">Changes the store's settings; null: none.</param>
    /// <param name="isReader">Nothing will be accepted: closing writes no checkpoint.</param>
    /// <exception cref="Primitives.State.StateStoreException">The machine failed, or the folder is damaged.</exception>
    public static bool TryOpen(
        DexWorld world, string folder, int workers, bool isReader, [NotNullWhen(true)] out ChainSession? session, out Refusal refusal,
        JitMode jit = JitMode.Background, Func<StateStoreOptions, StateStoreOptions>? settings = null)
    {
        session = null;
        LoadClock clock = new();
        clock.Set(DexWorld.GenesisTimeMs);
        ParallelEngine engine = new(clock, workers, jit: jit);
        StateStore? store = null;
        try
        {
            StateStoreOptions storeOptions = StoreOptions(world, folder, isReader) with { Jobs = (count, job) => engine.Pool.For(count, workers, job) };
            store = StateStore.Open(settings?.Invoke(storeOptions) ?? storeOptions);
            ChainOptions chainOptions = new() { Genesis = world.Genesis, Store = store, Engine = engine, Time = clock, Workers = workers };
            if (!ChainService.TryOpen(chainOptions, out ChainService? chain, out refusal))
            {
                return false;
            }

            session = new ChainSession(world, store, engine, clock, chain);
            return true;
        }
        finally
        {
            if (session is null)
            {
                engine.Dispose();
                store?.Dispose();
            }
        }
    }

    /// <summary>The store's settings for a data folder.</summary>
    public static StateStoreOptions StoreOptions(DexWorld world, string folder, bool isReader)
    {
        Span<byte> salt = stackalloc byte[Bytes32.Size];
        RandomNumberGenerator.Fill(salt);
        return new StateStoreOptions
        {
            Folder = DataFolder.StoreOf(folder),
            Hashing = world.Genesis.Hashing,
            CheckpointOnDispose = !isReader,
            LocalSalt = Bytes32.From(salt),
            TableMemoryBytes = 64L << 20,
            AppliesInBackground = !isReader,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        Store.Dispose();
    }
}
