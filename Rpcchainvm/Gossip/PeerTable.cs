// Who is connected, and which of them validate this chain.
//
// Without any known validator (sybil protection is off, or the P-chain has not answered yet) every peer counts as one: the same that
// the node's proposer rule does. The zero id, which stands for inactive validators, never counts.
//
// Threading: any; one lock. The validator set is fetched outside it.   Cost: sampling sorts nothing, it indexes a list.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>The peers of this node.</summary>
internal sealed class PeerTable(NodeId self, IValidatorSource source, TimeProvider time, PeerLimits limits, SeededRandom random)
{
    private readonly Lock _gate = new();
    private readonly HashSet<NodeId> _connected = [];
    private readonly List<NodeId> _sample = [];                     // connected validators but for ourselves, sorted: the draw hangs on the seed alone
    private ValidatorWeight[] _validators = [];                     // heaviest first
    private HashSet<NodeId> _validatorIds = [];
    private DateTimeOffset? _fetched;

    /// <summary>Peers that are connected.</summary>
    public int Connected
    {
        get
        {
            lock (_gate)
            {
                return _connected.Count;
            }
        }
    }

    /// <summary>Validators among them.</summary>
    public int ConnectedValidators
    {
        get
        {
            lock (_gate)
            {
                return _sample.Count + (_connected.Contains(self) && IsValidatorHere(self) ? 1 : 0);
            }
        }
    }

    /// <summary>A peer came.</summary>
    public void Add(NodeId peer)
    {
        lock (_gate)
        {
            if (_connected.Count < limits.MaxPeers && _connected.Add(peer))
            {
                Resample();
            }
        }
    }

    /// <summary>A peer went.</summary>
    public void Remove(NodeId peer)
    {
        lock (_gate)
        {
            if (_connected.Remove(peer))
            {
                Resample();
            }
        }
    }

    /// <summary>True for validators, and for everyone while none is known.</summary>
    public bool IsValidator(NodeId peer)
    {
        lock (_gate)
        {
            return IsValidatorHere(peer);
        }
    }

    /// <summary>A random connected validator that is not this node.</summary>
    public bool TrySample(out NodeId peer)
    {
        lock (_gate)
        {
            peer = _sample.Count == 0 ? NodeId.Zero : _sample[random.Next(_sample.Count)];
            return _sample.Count > 0;
        }
    }

    /// <summary>The largest validators that together hold a share of the stake; those of them that are connected.</summary>
    public NodeId[] Top(int permille)
    {
        lock (_gate)
        {
            UInt128 total = 0;
            foreach (ValidatorWeight validator in _validators)
            {
                total += validator.Weight;
            }

            List<NodeId> top = [];
            UInt128 sum = 0;
            foreach (ValidatorWeight validator in _validators)
            {
                if (sum * 1000 >= total * (uint)permille)
                {
                    break;
                }

                sum += validator.Weight;
                if (validator.Node != self && _connected.Contains(validator.Node))
                {
                    top.Add(validator.Node);
                }
            }

            return [.. top];
        }
    }

    /// <summary>Asks for the validators again when what is known is old. What cannot be known now stays as it was.</summary>
    public async ValueTask RefreshAsync(CancellationToken cancelled)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_gate)
        {
            if (_fetched is { } at && now - at < limits.ValidatorsPeriod)
            {
                return;
            }

            _fetched = now;                                         // also when it fails: not more often than this
        }

        if (await source.CurrentAsync(cancelled).ConfigureAwait(false) is { } validators)
        {
            Replace(validators);
        }
    }

    private void Replace(IReadOnlyList<ValidatorWeight> validators)
    {
        List<ValidatorWeight> sorted = [];
        HashSet<NodeId> ids = [];
        foreach (ValidatorWeight validator in validators)
        {
            if (validator.Node != NodeId.Zero && ids.Add(validator.Node))
            {
                sorted.Add(validator);
            }
        }

        sorted.Sort(static (a, b) => a.Weight != b.Weight ? b.Weight.CompareTo(a.Weight) : a.Node.CompareTo(b.Node));
        lock (_gate)
        {
            _validators = [.. sorted];
            _validatorIds = ids;
            Resample();
        }
    }

    private void Resample()
    {
        _sample.Clear();
        foreach (NodeId peer in _connected)
        {
            if (peer != self && IsValidatorHere(peer))
            {
                _sample.Add(peer);
            }
        }

        CollectionsMarshal.AsSpan(_sample).Sort();
    }

    private bool IsValidatorHere(NodeId peer) => _validatorIds.Count == 0 || _validatorIds.Contains(peer);
}
