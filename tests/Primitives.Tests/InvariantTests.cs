// A broken invariant says what did not hold and where. AUDIT is defined here, so Audit is tested in Release builds too.

#define AUDIT

using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives.Tests;

public class InvariantTests
{
    [Fact]
    public void A_broken_requirement_names_its_expression_file_and_line()
    {
        int pending = 3;
        int line = 0;
        InvariantException broken = Assert.Throws<InvariantException>(() =>
        {
            line = Here() + 1;
            Invariant.Require(pending == 0);
        });
        Assert.Equal($"Invariant broken: pending == 0 (InvariantTests.cs:{line})", broken.Message);
    }

    [Fact]
    public void A_broken_audit_names_its_expression_file_and_line()
    {
        int[] remaining = [1, 2];
        int line = 0;
        InvariantException broken = Assert.Throws<InvariantException>(() =>
        {
            line = Here() + 1;
            Invariant.Audit(remaining.Length > 2 && remaining[2] == 0);
        });
        Assert.Equal($"Invariant broken: remaining.Length > 2 && remaining[2] == 0 (InvariantTests.cs:{line})", broken.Message);
    }

    [Fact]
    public void What_holds_is_silent()
    {
        int pending = 0;
        Invariant.Require(pending == 0);
        Invariant.Audit(pending == 0);
    }

    private static int Here([CallerLineNumber] int line = 0) => line;
}
