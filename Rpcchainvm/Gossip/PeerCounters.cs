// Counts of what happens between nodes, for Gather and for tests.
//
// Threading: any; each count is exact, together they are not a snapshot.

using System;
using System.Threading;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>What is counted.</summary>
internal enum PeerEvent
{
    /// <summary>A request of a peer.</summary>
    Requests,

    /// <summary>One that was answered with an error.</summary>
    RequestsRefused,

    /// <summary>A message of gossip.</summary>
    Gossips,

    /// <summary>Gossip that was dropped unread, for one of the causes that follow.</summary>
    GossipDropped,

    /// <summary>Dropped: before normal operation, or of no node.</summary>
    DroppedEarly,

    /// <summary>Dropped: too many messages were being worked on.</summary>
    DroppedCrowded,

    /// <summary>Dropped: too much of what the peer sent was refused.</summary>
    DroppedMuted,

    /// <summary>Dropped: too many bytes or transactions of one peer in a second, or none at all.</summary>
    DroppedFast,

    /// <summary>Bytes that are no message.</summary>
    Malformed,

    /// <summary>An answer that was not asked for.</summary>
    Unasked,

    /// <summary>Transactions that came.</summary>
    ItemsReceived,

    /// <summary>Those of them that were new and good.</summary>
    ItemsAdded,

    /// <summary>Transactions that went.</summary>
    ItemsSent,

    /// <summary>Pulls that were answered.</summary>
    PullsAnswered,

    /// <summary>Pulls that were sent.</summary>
    PullsSent,

    /// <summary>Pushes that were sent.</summary>
    PushesSent,

    /// <summary>Signatures that were given.</summary>
    Signatures,

    /// <summary>Rounds of a loop that ended early, because the node did not take what was sent.</summary>
    RoundsFailed,
}

/// <summary>The counts.</summary>
internal sealed class PeerCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<PeerEvent>().Length];

    /// <summary>How often something happened.</summary>
    public long this[PeerEvent what] => Interlocked.Read(ref _counts[(int)what]);

    /// <summary>A message of gossip was dropped.</summary>
    public void Drop(PeerEvent cause)
    {
        Count(PeerEvent.GossipDropped);
        Count(cause);
    }

    /// <summary>It happened.</summary>
    public void Count(PeerEvent what, long times = 1) => Interlocked.Add(ref _counts[(int)what], times);
}
