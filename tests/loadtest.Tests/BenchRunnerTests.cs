using System.Collections.Generic;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Loadtest.Reports;

namespace ParallelVm.Loadtest.Tests;

public sealed class BenchRunnerTests
{
    [Fact]
    public void Rows_alternate_with_their_twins_and_the_first_round_does_not_count()
    {
        List<string> order = [];
        Queue<double> fast = new([900, 3, 1, 2]);
        Queue<double> slow = new([900, 4, 8, 6]);
        BenchRow[] rows =
        [
            new("slow", "us", "", () => Take("slow", slow)),
            new("fast", "us", "slow", () => Take("fast", fast)),
        ];

        BenchReport report = BenchRunner.Run("test", rows, 3, EnvironmentProbe.Read(), _ => { });

        Assert.Equal(["slow", "fast", "slow", "fast", "slow", "fast", "slow", "fast"], order);
        Assert.Equal("parallelvm.bench/1", report.Schema);
        Assert.Null(report.Rows[0].TwinValue);
        Assert.Null(report.Rows[0].Ratio);
        Assert.Equal(2, report.Rows[1].Value);
        Assert.Equal(6, report.Rows[1].TwinValue);
        Assert.Equal(2.0 / 6, report.Rows[1].Ratio);
        Assert.Equal([1.0, 3.0], report.Rows[1].Spread);
        Assert.Equal(3, report.Rows[1].Runs);

        double Take(string name, Queue<double> values)
        {
            order.Add(name);
            return values.Dequeue();
        }
    }

    [Fact]
    public void Median_of_an_even_count_is_the_mean_of_the_middle()
    {
        Assert.Equal(2.5, BenchRunner.Median([1, 2, 3, 9]));
        Assert.Equal(2, BenchRunner.Median([1, 2, 9]));
    }
}
