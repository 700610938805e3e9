// Every number of gossip in one place. Those that peers can see are the p2p SDK's defaults; the others bound what a peer can cost.

using System;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>Sizes, rates and periods of gossip.</summary>
internal sealed record PeerLimits
{
    /// <summary>Bytes of transactions after which a message is full.</summary>
    public int TargetMessageBytes { get; init; } = 20 * 1024;

    /// <summary>Pushes that may leave at one tick.</summary>
    public int MessagesPerPush { get; init; } = 8;

    /// <summary>Between pushes.</summary>
    public TimeSpan PushPeriod { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Between pulls.</summary>
    public TimeSpan PullPeriod { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A transaction is pushed again after this long.</summary>
    public TimeSpan RegossipPeriod { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>First push: the largest validators with this share of the stake, in thousandths.</summary>
    public int PushStakePermille { get; init; } = 900;

    /// <summary>First push: that many more validators.</summary>
    public int PushValidators { get; init; } = 100;

    /// <summary>Later pushes: that many validators.</summary>
    public int RegossipValidators { get; init; } = 10;

    /// <summary>Transactions that are remembered for pushing; those above spread by pulls.</summary>
    public int MaxTracked { get; init; } = 65_536;

    /// <summary>Transactions that were pushed and vanished, remembered so that they are not pushed at once when they come back.</summary>
    public int MaxDiscarded { get; init; } = 16_384;

    /// <summary>The least number of ids that our filter is made for.</summary>
    public int FilterMinIds { get; init; } = 8 * 1024;

    /// <summary>False positives that a new filter is made for.</summary>
    public double FilterTargetRate { get; init; } = 0.01;

    /// <summary>False positives at which a filter is replaced.</summary>
    public double FilterResetRate { get; init; } = 0.05;

    /// <summary>Over which pulls of a peer are counted.</summary>
    public TimeSpan ThrottlePeriod { get; init; } = TimeSpan.FromHours(1);

    /// <summary>A validator set is asked for anew after this long.</summary>
    public TimeSpan ValidatorsPeriod { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A copy of the waiting transactions serves pulls for this long.</summary>
    public TimeSpan SnapshotPeriod { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Bytes of gossip that a peer may send in a second.</summary>
    public int GossipBytesPerSecond { get; init; } = 8 << 20;

    /// <summary>Transactions that a peer may send in a second.</summary>
    public int GossipItemsPerSecond { get; init; } = 32_768;

    /// <summary>Transactions of a peer that were refused in a minute; then its gossip is dropped.</summary>
    public int RefusedPerMinute { get; init; } = 8_192;

    /// <summary>So many refused ones weigh as much as one that no honest node passes on: forged, or no transaction.</summary>
    public int RefusedPerOffence { get; init; } = 128;

    /// <summary>So many that are known already weigh as much as one refused one.</summary>
    public int DuplicatesPerRefused { get; init; } = 8;

    /// <summary>Signatures that a peer may ask for in ten seconds.</summary>
    public int SignaturesPerTenSeconds { get; init; } = 128;

    /// <summary>Signatures that are remembered.</summary>
    public int SignaturesKept { get; init; } = 1_024;

    /// <summary>Messages of peers that are worked on at once; more are dropped, or answered as throttled.</summary>
    public int MaxInside { get; init; } = 16;

    /// <summary>Requests of ours that wait for an answer.</summary>
    public int MaxOutstanding { get; init; } = 64;

    /// <summary>Peers whose rates are counted; the node bounds its connections itself, this bounds us without trusting it.</summary>
    public int MaxPeers { get; init; } = 16_384;
}
