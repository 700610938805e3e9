// What a load consists of, in whole percents.

namespace ParallelVm.Loadtest.Workloads;

/// <summary>Percents of transfers, of swaps and of transactions that are made to fail; their sum is 100.</summary>
internal readonly record struct WorkloadMix(int Transfers, int Swaps, int Failing)
{
    /// <summary>Names of the parts on the command line, in order.</summary>
    public static readonly string[] Names = ["transfers", "swaps", "failing"];

    /// <summary>Half transfers, 40 % swaps, 10 % failing.</summary>
    public static readonly WorkloadMix Default = new(50, 40, 10);

    /// <inheritdoc/>
    public override string ToString() => $"transfers={Transfers},swaps={Swaps},failing={Failing}";
}
