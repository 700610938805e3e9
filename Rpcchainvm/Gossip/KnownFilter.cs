// The bloom filter of what this node has: sent with each pull, so that a peer answers with what is missing here.
//
//   Add -> bits set -> more ids than the filter was made for -> a new filter and a new salt, filled with what waits now
//
// Ids of transactions that left the mempool stay in the filter until then: accepted ones must not be sent to us again.
//
// Threading: any; one lock, which is taken before the set's own.   Cost: one SHA-256 per id; a reset is one per waiting transaction.
// Source: the p2p SDK's set with bloom filter.

using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>A salted filter over a set that changes.</summary>
internal sealed class KnownFilter
{
    private readonly Lock _gate = new();
    private readonly IGossipSet _set;
    private readonly PeerLimits _limits;
    private readonly SeededRandom _random;
    private BloomFilter _filter = null!;
    private Bytes32 _salt;
    private int _maxCount;

    public KnownFilter(IGossipSet set, PeerLimits limits, SeededRandom random)
    {
        _set = set;
        _limits = limits;
        _random = random;
        Reset();
    }

    /// <summary>How often a new filter was made, the first one included.</summary>
    public int Resets { get; private set; }

    /// <summary>Remembers a transaction.</summary>
    public void Add(TxId id)
    {
        lock (_gate)
        {
            _filter.Add(BloomFilter.HashOf(id.Value, _salt));
            if (_filter.Count > _maxCount)
            {
                Reset();
            }
        }
    }

    /// <summary>A pull request: salt and filter.</summary>
    public byte[] EncodeRequest()
    {
        lock (_gate)
        {
            return SdkMessages.WritePair(2, _salt.ToArray(), _filter.Encode());
        }
    }

    private void Reset()
    {
        List<GossipItem> waiting = [];
        _set.List(waiting);
        BloomShape shape = BloomShape.For(int.Max(2 * waiting.Count, _limits.FilterMinIds), _limits.FilterTargetRate);
        _filter = BloomFilter.Create(shape, _random);
        _salt = new Bytes32(_random.NextU64(), _random.NextU64(), _random.NextU64(), _random.NextU64());
        _maxCount = shape.CountAt(_limits.FilterResetRate);
        foreach (GossipItem item in waiting)
        {
            _filter.Add(BloomFilter.HashOf(item.Id.Value, _salt));
        }

        Resets++;
    }
}
