// Non-negative least squares by coordinate descent: x >= 0 that makes the sum of (A x - b)^2 least. Each step solves for one
// unknown exactly and clips it at zero, so the sum never grows; a convex problem has no other minimum to get stuck in.
//
// Rows are scaled by the caller, so that what counts is the relative error.
//
// Cost: O(sweeps x rows x unknowns).   Threading: pure.

using System;

namespace ParallelVm.Loadtest.Calibration;

internal static class LeastSquares
{
    private const int Sweeps = 2_000;

    /// <summary>Solves.</summary>
    /// <param name="rows">One array per equation, all of one length.</param>
    /// <param name="right">The right side of each.</param>
    public static double[] SolveNonNegative(double[][] rows, double[] right)
    {
        int unknowns = rows[0].Length;
        double[] x = new double[unknowns];
        double[] residual = (double[])right.Clone();                    // b - A x
        double[] squares = new double[unknowns];
        foreach (double[] row in rows)
        {
            for (int i = 0; i < unknowns; i++)
            {
                squares[i] += row[i] * row[i];
            }
        }

        for (int sweep = 0; sweep < Sweeps; sweep++)
        {
            double moved = 0;
            for (int i = 0; i < unknowns; i++)
            {
                if (squares[i] == 0)
                {
                    continue;
                }

                double slope = 0;
                for (int row = 0; row < rows.Length; row++)
                {
                    slope += rows[row][i] * residual[row];
                }

                double next = Math.Max(0, x[i] + (slope / squares[i]));
                double step = next - x[i];
                x[i] = next;
                moved = Math.Max(moved, Math.Abs(step) * Math.Sqrt(squares[i]));
                for (int row = 0; row < rows.Length && step != 0; row++)
                {
                    residual[row] -= rows[row][i] * step;
                }
            }

            if (moved < 1e-9)
            {
                break;
            }
        }

        return x;
    }
}
