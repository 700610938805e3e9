// What flood found: the chain alone, the chain under a flood, and the flood.

using System.Collections.Generic;

namespace ParallelVm.Loadtest.Reports;

/// <summary>The chain during one phase.</summary>
/// <param name="IncludedPerSecond">Transactions of the load that were in accepted blocks.</param>
internal sealed record FloodPhase(double Seconds, long Blocks, double P50Ms, double P99Ms, double IncludedPerSecond);

/// <summary>What was sent one way.</summary>
/// <param name="SentPerSecond">Hostile transactions.</param>
/// <param name="Ratio">That over what the chain includes, alone or under the flood, whichever is more.</param>
/// <param name="Kinds">Hostile transactions by kind.</param>
internal sealed record FloodWay(long Messages, long Transactions, double SentPerSecond, double Ratio, SortedDictionary<string, long> Kinds);

/// <summary>The report of flood.</summary>
/// <param name="P99Ratio">Flooded over quiet.</param>
/// <param name="RssRatio">The most memory of the last quarter of the flood over that of its second quarter.</param>
/// <param name="Plugin">The plugin's own counters of what it dropped and refused.</param>
internal sealed record FloodReport(
    EnvironmentInfo Environment, ulong Seed, FloodPhase Quiet, FloodPhase Flooded, FloodWay Gossip, FloodWay Api, double P99Ratio, double RssRatio, long RssBytesMax,
    SortedDictionary<string, double> Plugin, bool IsGood);
