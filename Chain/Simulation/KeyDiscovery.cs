// Finds the keys of a call: run it, see which key the program wants in the place of one that nobody has said, put it there, run it
// again, until nothing is left to learn. What the entry needs of each slot (mode, and owner where it writes) is in its template
// and needs no search.
//
//   keys = what is said, a placeholder for what is not
//   repeat
//     run; done when it succeeds
//     for each clue of the run, the last first:     the comparison that a failure is about is among the last
//       take it when the run with it succeeds, or comes further                       (else it was one that must not hold)
//     when none helps alone, all together           two tests whose answers are joined before a branch
//   until nothing is taken
//   put back what the run did without
//
// Keys that are compared in memory, or as hashes of something that the run or the caller knows, are clues too (KeyWatch, DigestWatch).
//
// A slot that nothing decides stays open (the receiver of a transfer, the pool of a swap). So does one whose key is derived from an
// open one: a second search with other placeholders finds another key for it.
//
// Laws (tested)
//   L1  what is found, declared, runs as the last run did; the result of discovery on it is itself
//   L2  nothing is declared that the run did not need: another key in the place of a found one changes how it ends
//   L3  it ends: a taken clue makes the run longer, runs and gas are bounded; and it is a function of request and state
//
// Threading: any thread, each search has a machine of its own.   Cost: at most MaxRuns runs on a watched interpreter, GasBudget gas.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Finds keys.</summary>
public sealed class KeyDiscovery
{
    /// <summary>Most runs of one search.</summary>
    public const int MaxRuns = 512;

    /// <summary>Most gas of all runs of one search, beyond the first run's.</summary>
    public const ulong GasBudget = 30_000_000;

    private readonly ChainService _chain;
    private readonly Simulator _simulator;

    /// <summary>Discovery on a chain.</summary>
    public KeyDiscovery(ChainService chain, Simulator simulator)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ArgumentNullException.ThrowIfNull(simulator);
        _chain = chain;
        _simulator = simulator;
    }

    /// <summary>Finds the keys of a call.</summary>
    /// <param name="onPreferred">On the preferred block's state; else on the last accepted one's.</param>
    /// <param name="cancel">Ends the search early, as if its bounds were reached.</param>
    /// <returns>False when the call cannot be a transaction whatever its keys: the refusal says why.</returns>
    public bool TryDiscover(
        CallRequest request, bool onPreferred, [NotNullWhen(true)] out Discovery? discovery, out Refusal refusal, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        Discovery? found = null;
        Refusal why = default;
        bool runs = Simulator.WithSnapshot(_chain, onPreferred, snapshot => TryDiscover(request, snapshot, cancel, out found, out why));
        (discovery, refusal) = (found, why);
        return runs;
    }

    private bool TryDiscover(CallRequest request, StateSnapshot snapshot, CancellationToken cancel, out Discovery? discovery, out Refusal refusal) =>
        request.Program == ProgramId.System
            ? TryDeclareSystem(request, snapshot, out discovery, out refusal)
            : TrySearch(request, snapshot, cancel, out discovery, out refusal);

    private bool TryDeclareSystem(CallRequest request, StateSnapshot snapshot, out Discovery? discovery, out Refusal refusal)
    {
        discovery = null;
        BoundSlot[] declared = SystemKeys.Of(request.Signers[0], request.Selector, request.Arguments.Span);
        if (!request.TryBuild(_chain.Rules.ChainId, [], declared, out Transaction? transaction, out refusal)
            || !_simulator.TrySimulate(transaction, snapshot, out Simulation? simulation, out refusal))
        {
            return false;
        }

        discovery = new Discovery
        {
            On = snapshot.Block,
            Slots = [],
            Outcome = simulation.Receipt.Outcome,
            LastTried = transaction,
            Transaction = transaction,
            Simulation = simulation,
            Runs = 1,
            IsExhausted = false,
        };
        return true;
    }

    private bool TrySearch(CallRequest request, StateSnapshot snapshot, CancellationToken cancel, out Discovery? discovery, out Refusal refusal)
    {
        discovery = null;
        KeySearch search = new(_chain.Rules, request, snapshot, salt: 0, cancel);
        if (!search.TryRunToFixedPoint(out refusal))
        {
            return false;
        }

        DiscoveredSlot[] slots = search.Result();
        int runs = search.Runs;
        bool isExhausted = search.IsExhausted;
        if (Array.Exists(slots, static slot => slot.Key is null) && Array.Exists(slots, static slot => slot.Origin == SlotOrigin.Found))
        {
            KeySearch other = new(_chain.Rules, request, snapshot, salt: 1, cancel);
            bool runsToo = other.TryRunToFixedPoint(out refusal);
            Invariant.Require(runsToo);
            OpenWhatDiffers(slots, other.Result());
            runs += other.Runs;
            isExhausted |= other.IsExhausted;
        }

        Discovery result = new() { On = snapshot.Block, Slots = slots, Outcome = search.Outcome, LastTried = search.LastTried, Runs = runs, IsExhausted = isExhausted };
        if (!Array.Exists(slots, static slot => slot.Key is null))
        {
            BoundSlot[] bound = Array.ConvertAll(slots, static slot => new BoundSlot(slot.Owner, slot.Key!.Value, slot.Mode));
            if (!request.TryBuild(_chain.Rules.ChainId, bound, [], out Transaction? transaction, out refusal))
            {
                return false;
            }

            bool simulates = _simulator.TrySimulate(transaction, snapshot, out Simulation? simulation, out Refusal tooShort);
            result = result with
            {
                LastTried = transaction,
                Transaction = transaction,
                Simulation = simulation,
                Refusal = tooShort,
                Outcome = simulates ? simulation!.Receipt.Outcome : search.Outcome,
            };
        }

        discovery = result;
        refusal = Refusal.None;
        return true;
    }

    private static void OpenWhatDiffers(DiscoveredSlot[] slots, DiscoveredSlot[] other)
    {
        for (int i = 0; i < slots.Length; i++)
        {
            if (slots[i].Origin == SlotOrigin.Found && slots[i].Key != other[i].Key)
            {
                slots[i] = slots[i] with { Key = null, Origin = SlotOrigin.Open };
            }
        }
    }
}
