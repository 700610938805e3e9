// Protocol 0 of the p2p SDK: how transactions come from and go to other nodes.
//
//   peer's push  ------------------------------> set.Add          from anyone, within its budget
//   peer's pull (salt, filter) --> what it lacks, best first       for validators, a few an hour
//   our pull, once a second, of a random validator --> set.Add
//   our push of what was submitted here
//
// What comes from peers is not pushed on: whoever has it first pushes it, and pulls spread the rest.
//
// What a peer can cost: its gossip is dropped unread when it sends more bytes or transactions in a second, or more that are refused in a
// minute, than PeerLimits says. Forged and malformed ones weigh more, because no honest node passes them on, and those that are known
// already less; a message of too many elements, or one that is no message, is dropped and counts as an offence. What many peers can
// cost together is the door's matter (Admission).
//
// Threading: any.   Cost of a pull: a copy of the waiting ids, at most four a second, and a SHA-256 per id.
// Source: the fact sheet's section 11; AvalancheGo's network/p2p/gossip.

using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Transaction gossip.</summary>
internal sealed class TxGossip : IPeerProtocol
{
    /// <summary>The handler number.</summary>
    public const ulong Handler = 0;

    private readonly IGossipSet _set;
    private readonly PeerTable _peers;
    private readonly PeerCounters _counters;
    private readonly TimeProvider _time;
    private readonly PeerLimits _limits;
    private readonly SlidingWindow _pulls;
    private readonly SlidingWindow _bytes;
    private readonly SlidingWindow _items;
    private readonly SlidingWindow _refused;
    private readonly Lock _snapshotGate = new();
    private List<GossipItem> _snapshot = [];
    private DateTimeOffset _snapshotAt = DateTimeOffset.MinValue;

    public TxGossip(IGossipSet set, PeerTable peers, PeerCounters counters, TimeProvider time, PeerLimits limits, SeededRandom random)
    {
        _set = set;
        _peers = peers;
        _counters = counters;
        _time = time;
        _limits = limits;
        _pulls = new SlidingWindow(time, limits.ThrottlePeriod, limits.MaxPeers);
        _bytes = new SlidingWindow(time, TimeSpan.FromSeconds(1), limits.MaxPeers);
        _items = new SlidingWindow(time, TimeSpan.FromSeconds(1), limits.MaxPeers);
        _refused = new SlidingWindow(time, TimeSpan.FromMinutes(1), limits.MaxPeers);
        Known = new KnownFilter(set, limits, random);
        Queue = new PushQueue(set, time, limits);
    }

    /// <summary>What this node has.</summary>
    public KnownFilter Known { get; }

    /// <summary>What it will push.</summary>
    public PushQueue Queue { get; }

    /// <inheritdoc/>
    public ValueTask<PeerAnswer> RequestAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled) => ValueTask.FromResult(Answer(from, body));

    /// <inheritdoc/>
    public ValueTask GossipAsync(NodeId from, ReadOnlyMemory<byte> body, CancellationToken cancelled)
    {
        Take(from, body);
        return ValueTask.CompletedTask;
    }

    /// <summary>Takes transactions of a peer's push, or of its answer to our pull.</summary>
    public void Take(NodeId from, ReadOnlyMemory<byte> body)
    {
        List<ReadOnlyMemory<byte>> elements = [];
        if (!_refused.IsBelow(from, _limits.RefusedPerMinute))
        {
            _counters.Drop(PeerEvent.DroppedMuted);
            return;
        }

        if (!_bytes.TryTake(from, body.Length, _limits.GossipBytesPerSecond))
        {
            _counters.Drop(PeerEvent.DroppedFast);
            return;
        }

        if (!SdkMessages.TryReadElements(body, elements, out _))
        {
            _counters.Count(PeerEvent.Malformed);
            _refused.TryTake(from, _limits.RefusedPerOffence + elements.Count, double.PositiveInfinity);
            return;
        }

        if (elements.Count == 0 || !_items.TryTake(from, elements.Count, _limits.GossipItemsPerSecond))
        {
            _counters.Drop(PeerEvent.DroppedFast);
            return;
        }

        TxId[] ids = new TxId[elements.Count];
        IReadOnlyList<Refusal> answers = _set.Add(elements, ids);
        int added = 0;
        double refused = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            if (!answers[i].IsRefused)
            {
                Known.Add(ids[i]);
                added++;
            }
            else
            {
                refused += WeightOf(answers[i].Code);
            }
        }

        _counters.Count(PeerEvent.ItemsReceived, elements.Count);
        _counters.Count(PeerEvent.ItemsAdded, added);
        if (refused > 0)
        {
            _refused.TryTake(from, (long)Math.Ceiling(refused), double.PositiveInfinity);
        }
    }

    // What everyone else has refused before it could be passed on is no accident; what is known already mostly is one.
    private double WeightOf(RefusalCode code) => code switch
    {
        RefusalCode.NotLookedAt => 0,
        RefusalCode.DuplicateTransaction => 1.0 / _limits.DuplicatesPerRefused,
        _ => Admission.IsOffence(code) ? _limits.RefusedPerOffence : 1,
    };

    private PeerAnswer Answer(NodeId from, ReadOnlyMemory<byte> body)
    {
        if (!_peers.IsValidator(from))
        {
            return PeerAnswer.Fail(PeerError.NotAValidator);
        }

        if (!_pulls.TryTake(from, 1, SlidingWindow.LimitOf(_limits.ThrottlePeriod / _limits.PullPeriod, _peers.ConnectedValidators)))
        {
            return PeerAnswer.Fail(PeerError.Throttled);
        }

        if (!SdkMessages.TryReadPair(body, 2, out ReadOnlyMemory<byte> saltBytes, out ReadOnlyMemory<byte> filterBytes, out _)
            || saltBytes.Length != Bytes32.Size
            || !BloomFilter.TryDecode(filterBytes.Span, out BloomFilter? filter, out _))
        {
            _counters.Count(PeerEvent.Malformed);
            return PeerAnswer.Fail(PeerError.Unexpected);
        }

        Bytes32 salt = Bytes32.From(saltBytes.Span);
        List<ReadOnlyMemory<byte>> missing = [];
        int bytes = 0;
        foreach (GossipItem item in Snapshot())
        {
            if (filter.Contains(BloomFilter.HashOf(item.Id.Value, salt)))
            {
                continue;
            }

            missing.Add(item.Bytes);
            bytes += item.Bytes.Length;
            if (bytes > _limits.TargetMessageBytes)
            {
                break;
            }
        }

        _counters.Count(PeerEvent.PullsAnswered);
        _counters.Count(PeerEvent.ItemsSent, missing.Count);
        return PeerAnswer.Of(SdkMessages.WriteElements(missing));
    }

    private List<GossipItem> Snapshot()
    {
        lock (_snapshotGate)
        {
            DateTimeOffset now = _time.GetUtcNow();
            if (now - _snapshotAt >= _limits.SnapshotPeriod || now < _snapshotAt)
            {
                _snapshot = new List<GossipItem>(_set.Count);
                _set.List(_snapshot);
                _snapshotAt = now;
            }

            return _snapshot;
        }
    }
}
