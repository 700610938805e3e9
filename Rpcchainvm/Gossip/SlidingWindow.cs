// How much each peer took lately: what it took in this period, and the share of the last period that the sliding window still covers.
//
//   estimate = this period + last period * (1 - elapsed / period)          allowed while estimate < limit
//
// Peers decide how many entries there are, so their number is bounded: who comes above it is refused.
//
// Threading: any; one lock.   Cost: two look-ups.   Source: the p2p SDK's sliding window throttler; rates of its dynamic limit.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Amounts per peer over a sliding window.</summary>
internal sealed class SlidingWindow(TimeProvider time, TimeSpan period, int maxPeers)
{
    private readonly Lock _gate = new();
    private Dictionary<NodeId, long> _current = [];
    private Dictionary<NodeId, long> _last = [];
    private DateTimeOffset _start = time.GetUtcNow();

    /// <summary>Peers that are counted.</summary>
    public int Peers
    {
        get
        {
            lock (_gate)
            {
                return _current.Count + _last.Count;
            }
        }
    }

    /// <summary>Requests per period that a validator makes of one peer when it asks random ones: the expectation and four standard deviations.</summary>
    /// <param name="requests">It makes of all.</param>
    /// <param name="validators">Connected; none: no requests.</param>
    public static double LimitOf(double requests, int validators) =>
        validators == 0 ? 0 : (requests / validators) + (4 * Math.Sqrt(requests * (validators - 1.0) / ((double)validators * validators)));

    /// <summary>True when the peer is below the limit; the amount counts then.</summary>
    public bool TryTake(NodeId peer, long amount, double limit)
    {
        lock (_gate)
        {
            if (EstimateOf(peer) >= limit || (_current.Count >= maxPeers && !_current.ContainsKey(peer)))
            {
                return false;
            }

            _current[peer] = _current.GetValueOrDefault(peer) + amount;
            return true;
        }
    }

    /// <summary>True while the peer is below the limit.</summary>
    public bool IsBelow(NodeId peer, double limit)
    {
        lock (_gate)
        {
            return EstimateOf(peer) < limit;
        }
    }

    private double EstimateOf(NodeId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        TimeSpan elapsed = now - _start;
        if (elapsed >= period || elapsed < TimeSpan.Zero)
        {
            _last = elapsed >= period && elapsed < 2 * period ? _current : [];
            _current = [];
            _start = now;
            elapsed = TimeSpan.Zero;
        }

        return _current.GetValueOrDefault(peer) + (_last.GetValueOrDefault(peer) * (1 - (elapsed / period)));
    }
}
