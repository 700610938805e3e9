// What the methods answer from.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Chain;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>The chain and what stands beside it.</summary>
internal sealed record ApiContext
{
    /// <summary>The chain.</summary>
    public required ChainService Chain { get; init; }

    /// <summary>The door of what is submitted.</summary>
    public required Admission Door { get; init; }

    /// <summary>Runs what is only tried.</summary>
    public required Simulator Simulator { get; init; }

    /// <summary>Finds keys.</summary>
    public required KeyDiscovery Discovery { get; init; }

    /// <summary>The clock of clients: what a default expiry is counted from.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Told of transactions that have just entered the mempool: they are to be gossiped, and a builder may be waiting for them.</summary>
    public Action<IReadOnlyList<GossipItem>>? Submitted { get; init; }

    /// <summary>For a method that turns out to be heavy only for some of what is asked; set by the server that runs it.</summary>
    public HeavyGate? Heavy { get; init; }

    /// <summary>The caller has gone away.</summary>
    public CancellationToken Cancel { get; init; }
}
