// Runs a transaction beside the chain, as the only one of a block that is built on a state now: the same engine, the same fee rules,
// the same receipt; nothing is kept. Signatures and expiry are not looked at, so what is not signed yet can be tried.
//
// Threading: any thread; one run at a time, others wait.   Cost: that of the run; the chain's lock for one record at a time.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>What would become of a transaction.</summary>
/// <param name="On">The block on whose state it ran.</param>
/// <param name="Receipt">Its receipt.</param>
/// <param name="Diff">What would change: its writes, and the fee at payer and treasury.</param>
public sealed record Simulation(Block On, Receipt Receipt, StateDiff Diff);

/// <summary>Runs transactions without keeping what they do.</summary>
public sealed class Simulator : IDisposable
{
    /// <summary>Snapshots that are tried while the chain goes on under them.</summary>
    private const int Attempts = 8;

    private readonly Lock _gate = new();
    private readonly ChainService _chain;
    private readonly ParallelEngine _engine;
    private readonly ExecutionRules _execution;

    /// <summary>A simulator for a chain.</summary>
    /// <param name="time">Measures; never seen by programs.</param>
    public Simulator(ChainService chain, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(chain);
        _chain = chain;
        _engine = new ParallelEngine(time, maxWorkers: 1, salt: null, jit: JitMode.Off);
        _execution = new ExecutionRules { Hashing = chain.Rules.Hashing, Treasury = chain.Rules.Genesis.Treasury };
    }

    /// <summary>Runs a transaction.</summary>
    /// <param name="onPreferred">On the preferred block's state; else on the last accepted one's.</param>
    /// <returns>False when no block on that state could hold it: the refusal says why.</returns>
    public bool TrySimulate(Transaction transaction, bool onPreferred, [NotNullWhen(true)] out Simulation? simulation, out Refusal refusal)
    {
        Simulation? result = null;
        Refusal why = default;
        bool runs = WithSnapshot(_chain, onPreferred, snapshot => TrySimulate(transaction, snapshot, out result, out why));
        (simulation, refusal) = (result, why);
        return runs;
    }

    /// <summary>Runs a transaction on a snapshot.</summary>
    /// <exception cref="SnapshotGoneException">The chain has gone on.</exception>
    public bool TrySimulate(Transaction transaction, StateSnapshot snapshot, [NotNullWhen(true)] out Simulation? simulation, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        simulation = null;
        BlockPrograms programs = new(_chain.Rules, snapshot);
        if (!_chain.Rules.TryPrepare(transaction, out PreparedTransaction? prepared, out refusal) || !programs.TryBind(prepared, out Message? message, out refusal))
        {
            return false;
        }

        lock (_gate)
        {
            if (!_engine.TryExecute([message], snapshot.ContextOf(programs), snapshot, _execution, 1, out BatchResult? result, out BatchFault fault))
            {
                refusal = fault.Refusal;
                return false;
            }

            simulation = new Simulation(snapshot.Block, result.Receipts.Span[0], result.Diff);
            return true;
        }
    }

    /// <summary>Does something on a snapshot, and again on a newer one while the chain goes on.</summary>
    /// <exception cref="SnapshotGoneException">It went on each time.</exception>
    public static T WithSnapshot<T>(ChainService chain, bool ofPreferred, Func<StateSnapshot, T> act)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ArgumentNullException.ThrowIfNull(act);
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return act(chain.Snapshot(ofPreferred));
            }
            catch (SnapshotGoneException) when (attempt < Attempts)
            {
                // the block was superseded between two reads: its successor's state is as good a place
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();
}
