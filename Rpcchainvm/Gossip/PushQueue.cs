// What this node tells others of its own accord: transactions that were submitted here, once to many, and again to few while they wait.
//
//   Add --> fresh --tick, to the top of the stake--> sent --30 s, to ten validators--> sent ...      until it waits no longer
//
// A transaction that was sent, vanished and came back is not sent at once again: who makes a mempool drop and take it would have it
// pushed without end.
//
// Invariants
//   G1  a transaction stands in one of the two queues iff it is tracked; both together hold at most MaxTracked
//   G2  the sent queue is ordered by the time of the last push
//
// Threading: any; one lock, never held while something is sent.   Cost: O(1) per transaction and push.
// Source: the p2p SDK's push gossiper; the bound is ours.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Transactions that are to be pushed.</summary>
internal sealed class PushQueue(IGossipSet set, TimeProvider time, PeerLimits limits)
{
    private readonly Lock _gate = new();
    private readonly Queue<GossipItem> _fresh = new();
    private readonly Queue<GossipItem> _sent = new();
    private readonly Dictionary<TxId, DateTimeOffset> _tracked = [];    // last push; MinValue: none
    private readonly HashSet<TxId> _discarded = [];
    private readonly Queue<TxId> _discardedOrder = new();

    /// <summary>Transactions that are remembered.</summary>
    public int Tracked
    {
        get
        {
            lock (_gate)
            {
                return _tracked.Count;
            }
        }
    }

    /// <summary>Takes in a transaction that was submitted here. One that is known, or one too many, changes nothing.</summary>
    public void Add(in GossipItem item)
    {
        lock (_gate)
        {
            if (_tracked.Count >= limits.MaxTracked || _tracked.ContainsKey(item.Id))
            {
                return;
            }

            bool cameBack = _discarded.Contains(item.Id);
            _tracked.Add(item.Id, cameBack ? time.GetUtcNow() : DateTimeOffset.MinValue);
            (cameBack ? _sent : _fresh).Enqueue(item);
        }
    }

    /// <summary>The next message of transactions that were never pushed; empty when there are none.</summary>
    public List<ReadOnlyMemory<byte>> TakeFresh() => Take(_fresh, isFirst: true);

    /// <summary>The next message of transactions whose last push is long ago; empty when there are none.</summary>
    public List<ReadOnlyMemory<byte>> TakeDue() => Take(_sent, isFirst: false);

    private List<ReadOnlyMemory<byte>> Take(Queue<GossipItem> queue, bool isFirst)
    {
        List<ReadOnlyMemory<byte>> message = [];
        int bytes = 0;
        DateTimeOffset now = time.GetUtcNow();
        lock (_gate)
        {
            while (bytes < limits.TargetMessageBytes && queue.TryPeek(out GossipItem item))
            {
                if (!set.Contains(item.Id))
                {
                    queue.Dequeue();
                    _tracked.Remove(item.Id);
                    if (!isFirst)
                    {
                        Discard(item.Id);
                    }

                    continue;
                }

                if (!isFirst && now - _tracked[item.Id] < limits.RegossipPeriod)
                {
                    break;                                          // G2: all behind it were pushed later
                }

                queue.Dequeue();
                _tracked[item.Id] = now;
                _sent.Enqueue(item);
                message.Add(item.Bytes);
                bytes += item.Bytes.Length;
            }
        }

        return message;
    }

    private void Discard(TxId id)
    {
        if (_discarded.Add(id))
        {
            _discardedOrder.Enqueue(id);
            if (_discardedOrder.Count > limits.MaxDiscarded)
            {
                _discarded.Remove(_discardedOrder.Dequeue());
            }
        }
    }
}
