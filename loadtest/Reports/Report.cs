// The report of a run, as other programs read it: schema parallelvm.report/1. Property names are the JSON names in
// camel case; the order here is the order in the file. Every number is measured or counted by the run itself.
//
// Threading: immutable values.

using System.Text.Json.Serialization;

namespace ParallelVm.Loadtest.Reports;

/// <summary>Schema <c>parallelvm.report/1</c>.</summary>
internal sealed record Report
{
    /// <summary>The schema's name.</summary>
    public const string SchemaName = "parallelvm.report/1";

    public string Schema { get; init; } = SchemaName;

    /// <summary><c>main</c>, <c>run</c> or <c>replay</c>.</summary>
    public required string Command { get; init; }

    public required ulong Seed { get; init; }

    public required int Workers { get; init; }

    public required EnvironmentInfo Environment { get; init; }

    public required TransactionCounts Transactions { get; init; }

    public required int Blocks { get; init; }

    /// <summary>Blocks before those, which no figure counts but the roots.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int WarmUpBlocks { get; init; }

    /// <summary>Share of the blocks that more than one worker ran: a chain whose cores have other things to do takes one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Shared { get; init; }

    /// <summary>From the first submission to the last acceptance.</summary>
    public required double DurationSeconds { get; init; }

    public required Throughput Throughput { get; init; }

    public required Parallelism Parallelism { get; init; }

    /// <summary>From a transaction's submission to the acceptance of its block.</summary>
    public required LatencySummary LatencyMs { get; init; }

    public required StageSeconds StageSeconds { get; init; }

    /// <summary>Root of the state after the last block.</summary>
    public required string StateRoot { get; init; }

    /// <summary>Root that the serial twin reached over the same blocks; null when it was told not to run.</summary>
    public required string? SerialStateRoot { get; init; }

    /// <summary>Null when the serial twin did not run.</summary>
    public required bool? RootsEqual { get; init; }

    /// <summary>Over the steady part (after the first quarter of the blocks), without the thread that makes the load.</summary>
    public required double AllocatedBytesPerTx { get; init; }

    /// <summary>Only in the report of a replay.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReplaySummary? Replay { get; init; }

    /// <summary>Only in the report of a run whose load was signed first.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Bottleneck? Bottleneck { get; init; }

    /// <summary>Only in the report of a run through plugin processes; then <see cref="AllocatedBytesPerTx"/> is 0, because it is other processes' memory.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RpcSummary? Rpc { get; init; }
}

/// <summary>Calls between the node's side and the plugins, as the caller sees them; WaitForEvent is not counted.</summary>
/// <param name="Nodes">Plugin processes.</param>
internal sealed record RpcSummary(int Nodes, long Calls, double P50Ms, double P99Ms);

/// <summary>Where the numbers were taken.</summary>
/// <param name="Gc">Garbage collector: workstation or server, concurrent or not.</param>
/// <param name="Commit">Source revision of the build, or <c>unknown</c>.</param>
internal sealed record EnvironmentInfo(string Cpu, int Cores, string Os, string Dotnet, string Gc, string Commit);

/// <summary>What became of the load. Offered = accepted + rejected; included = succeeded + failed.</summary>
/// <param name="Offered">Made and submitted.</param>
/// <param name="Accepted">Admitted to the mempool.</param>
/// <param name="Rejected">Refused at admission.</param>
/// <param name="Included">In an accepted block.</param>
/// <param name="Failed">Included, with a receipt of revert or trap.</param>
internal sealed record TransactionCounts(long Offered, long Accepted, long Rejected, long Included, long Succeeded, long Failed);

/// <summary>Rates over the run.</summary>
/// <param name="Tps">Included transactions per second of the whole way: submission, signatures, build, execution, root, disk.</param>
/// <param name="SerialTps">The serial twin's included transactions per second of execution alone; null when it did not run.</param>
/// <param name="GasPerSecond">Gas used per second of the whole way.</param>
internal sealed record Throughput(double Tps, double? SerialTps, double GasPerSecond);

/// <summary>What the conflict graphs allowed and what was achieved.</summary>
/// <param name="WorkSeconds">Sum of the transactions' costs, as the trace measured or estimated it.</param>
/// <param name="SpanSeconds">Sum over the blocks of the critical path.</param>
/// <param name="Ceiling">Work over span: the best speed-up any number of workers can reach.</param>
/// <param name="Speedup">Serial execution time over ours, the same blocks; null when the twin did not run.</param>
/// <param name="Efficiency">Speed-up over the smaller of workers, cores and ceiling.</param>
internal sealed record Parallelism(double WorkSeconds, double SpanSeconds, double Ceiling, double? Speedup, double? Efficiency);

/// <summary>Quantiles in milliseconds; each is the upper edge of its bucket, within 1 %. Max is exact.</summary>
internal sealed record LatencySummary(double P50, double P90, double P99, double P999, double Max);

/// <summary>Time by stage, summed over the blocks.</summary>
/// <param name="Decode">Bytes to transactions.</param>
/// <param name="Verify">Signatures.</param>
/// <param name="Build">Choosing a block's transactions, without executing them.</param>
/// <param name="Execute">Batches on the engine, root excluded.</param>
/// <param name="Root">Diff to state root.</param>
/// <param name="Commit">Durable log and store.</param>
internal sealed record StageSeconds(double Decode, double Verify, double Build, double Execute, double Root, double Commit)
{
    /// <summary>What came on top of an earlier reading.</summary>
    public StageSeconds Minus(StageSeconds earlier) => new(
        Decode - earlier.Decode, Verify - earlier.Verify, Build - earlier.Build, Execute - earlier.Execute, Root - earlier.Root, Commit - earlier.Commit);
}

/// <summary>How near a run came to what its slowest stage alone lets through, over the blocks after the first quarter.</summary>
/// <param name="Stage">The stage that took the most time, in lower case.</param>
/// <param name="StageTps">Transactions per second of that stage if it did nothing else and never waited.</param>
/// <param name="Tps">Included transactions per second of the whole way, over the same blocks.</param>
/// <param name="Reached"><paramref name="Tps"/> over <paramref name="StageTps"/>.</param>
/// <param name="BusyCores">Processor time over elapsed time: with all cores busy, a stage's time is what the others leave it.</param>
internal sealed record Bottleneck(string Stage, double StageTps, double Tps, double Reached, double BusyCores);

/// <summary>What a trace's graph says at unit cost, one barrier per block.</summary>
/// <param name="SpanUnits">Sum over the blocks of the longest chain of conflicting transactions.</param>
/// <param name="CeilingUnits">Transactions over span.</param>
/// <param name="Balances"><c>add</c> or <c>write</c>: the mode balances were declared in.</param>
internal sealed record ReplaySummary(int Blocks, int Transactions, long SpanUnits, double CeilingUnits, string Balances);
