// What calibrate builds on: programs that run on every opcode, and a solver that finds what mixes were made of.

using System;
using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Loadtest.Calibration;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class CalibrationTests
{
    [Fact]
    public void Least_squares_finds_the_parts_of_mixes_and_nothing_below_zero()
    {
        SeededRandom random = new(5);
        double[] parts = new double[12];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = i % 4 == 3 ? 0 : 1 + random.Next(100);
        }

        double[][] rows = new double[80][];
        double[] right = new double[rows.Length];
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row] = new double[parts.Length];
            for (int i = 0; i < parts.Length; i++)
            {
                rows[row][i] = random.Next(5);
                right[row] += rows[row][i] * parts[i];
            }
        }

        double[] found = LeastSquares.SolveNonNegative(rows, right);
        for (int i = 0; i < parts.Length; i++)
        {
            Assert.InRange(found[i], Math.Max(0, parts[i] - 0.01), parts[i] + 0.01);
        }

        // x = -1 would fit best; the best that is not negative is 0
        Assert.Equal([0.0], LeastSquares.SolveNonNegative([[1.0], [2.0]], [-1, -2]));
    }

    [Fact]
    public void Every_opcode_that_can_be_repeated_has_a_worst_case_and_its_gas_is_at_least_its_row()
    {
        List<WorstCase> cases = OpcodeSearch.All(seed: 2, static _ => { });
        HashSet<Opcode> probed = [];
        foreach (WorstCase worst in cases)
        {
            probed.Add(worst.Opcode);
            double gas = worst.Program.Gas / (worst.Program.Rounds * (double)ProbeProgram.Copies);
            Assert.True(gas >= OpcodeTable.Get(worst.Opcode).Gas, $"{worst.Opcode}: {gas}");
        }

        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            Assert.Equal(info.Flow != Flow.End && info.Opcode != Opcode.Loop, probed.Contains(info.Opcode));
        }
    }

    [Fact]
    public void Contracts_are_watched_to_their_last_gas()
    {
        foreach (ContractProbe probe in ContractProbe.All())
        {
            ulong sum = 0;
            foreach (ulong gas in probe.GasPerRun.Values)
            {
                sum += gas;
            }

            Assert.Equal(probe.Gas, sum);
            Assert.True(probe.Time(1) > 0);
        }
    }
}
