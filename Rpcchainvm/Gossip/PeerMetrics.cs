// Gossip's counts as families of metrics: what came, what went, what was dropped and why. What became of the transactions is counted at the door (Admission).

using System;
using System.Collections.Generic;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Families of gossip.</summary>
internal static class PeerMetrics
{
    private static readonly (string Cause, PeerEvent What)[] Causes =
        [("early", PeerEvent.DroppedEarly), ("crowded", PeerEvent.DroppedCrowded), ("muted", PeerEvent.DroppedMuted), ("fast", PeerEvent.DroppedFast)];

    /// <summary>Adds all of them.</summary>
    public static void Add(MetricSet metrics, PeerCounters counters, Func<int> connected)
    {
        metrics.Gauge("vm_gossip_peers", "Peers that are connected.", () => connected());
        metrics.Counter("vm_gossip_messages_received_total", "Messages of gossip that came.", () => counters[PeerEvent.Gossips]);
        metrics.Counters("vm_gossip_messages_dropped_total", "Messages of gossip that were dropped unread, by cause.", () => Dropped(counters));
        metrics.Counter("vm_gossip_messages_malformed_total", "Messages of peers that are none.", () => counters[PeerEvent.Malformed]);
        metrics.Counter("vm_gossip_messages_sent_total", "Pushes that went.", () => counters[PeerEvent.PushesSent]);
        metrics.Counter("vm_gossip_transactions_received_total", "Transactions in messages that were read.", () => counters[PeerEvent.ItemsReceived]);
        metrics.Counter("vm_gossip_transactions_added_total", "Those of them that were new and good.", () => counters[PeerEvent.ItemsAdded]);
        metrics.Counter("vm_gossip_transactions_sent_total", "Transactions that went, by push or in answer to a pull.", () => counters[PeerEvent.ItemsSent]);
        metrics.Counter("vm_gossip_pulls_sent_total", "Pulls that were sent.", () => counters[PeerEvent.PullsSent]);
        metrics.Counter("vm_gossip_pulls_answered_total", "Pulls that were answered.", () => counters[PeerEvent.PullsAnswered]);
        metrics.Counter("vm_gossip_rounds_failed_total", "Rounds that the node did not take.", () => counters[PeerEvent.RoundsFailed]);
        metrics.Counter("vm_peer_requests_total", "Requests of peers.", () => counters[PeerEvent.Requests]);
        metrics.Counter("vm_peer_requests_refused_total", "Requests of peers that were answered with an error.", () => counters[PeerEvent.RequestsRefused]);
        metrics.Counter("vm_peer_answers_unasked_total", "Answers that nobody asked for.", () => counters[PeerEvent.Unasked]);
        metrics.Counter("vm_warp_signatures_total", "Signatures that were given.", () => counters[PeerEvent.Signatures]);
    }

    private static IEnumerable<(LabelPair[] Labels, double Value)> Dropped(PeerCounters counters)
    {
        foreach ((string cause, PeerEvent what) in Causes)
        {
            yield return ([new LabelPair { Name = "cause", Value = cause }], counters[what]);
        }
    }
}
