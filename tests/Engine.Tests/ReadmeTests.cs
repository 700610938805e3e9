// The README's embedding example is this code: the text between the markers has to be the README's, and it runs.

using System;
using System.IO;
using System.Runtime.CompilerServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Engine.Tests;

public sealed class ReadmeTests
{
    [Fact]
    public void The_example_of_the_README_runs_and_counts_every_transaction()
    {
        // <example>
        ChainId chain = new(new Bytes32(1, 2, 3, 4));
        StateHashing hashing = new(chain);
        ProgramId id = new(new Bytes32(0, 0, 0, 7));
        LocalKey visits = new(new Bytes32(0, 0, 0, 42));
        if (!Verifier.TryVerify(ReferencePrograms.Counter, VerifierLimits.Default, out VerifiedProgram? counter, out Refusal refusal))
        {
            throw new ArgumentException(refusal.ToString());
        }

        Message[] batch = new Message[1_000];                    // a thousand callers add to one key; nobody waits for anybody
        for (int i = 0; i < batch.Length; i++)
        {
            PublicKey caller = new(new Bytes32(9, 9, 9, (ulong)i));
            TxId txId = new(new Bytes32(0, 0, 0, (ulong)i));
            batch[i] = Message.ForCall(
                hashing, txId, id, counter, CounterCalls.IncrementAddSelector, default, [(visits, AccessMode.Add)], caller, gasLimit: 100_000);
        }

        using ParallelEngine engine = new(TimeProvider.System, maxWorkers: 2);
        ExecutionRules rules = new() { Hashing = hashing, Treasury = default };
        BlockContext context = new(new Height(1), TimestampMs: 1, chain, BaseFee: 0, Fork: 0);
        BatchResult result = engine.Execute(batch, context, new MemoryState(hashing), rules, workers: 2);
        Console.WriteLine($"{result.Receipts.Length} receipts, gas {result.GasUsed}, root {result.Root}");
        // </example>

        byte[] record = new byte[StateLimits.MaxRecordBytes];
        Assert.Equal(16, result.Post.Read(hashing.KeyOf(id, visits), record));
        Assert.Equal((UInt128)1_000, BalanceRecord.Decode(record.AsSpan(0, 16)));
    }

    [Fact]
    public void The_README_shows_exactly_that_code()
    {
        string here = File.ReadAllText(ThisFile());
        int start = here.IndexOf("// <example>", StringComparison.Ordinal);
        int end = here.IndexOf("// </example>", StringComparison.Ordinal);
        string[] lines = here[(here.IndexOf('\n', start) + 1)..end].TrimEnd().Split('\n');
        string example = string.Join('\n', Array.ConvertAll(lines, line => line.Length >= 8 ? line[8..] : ""));
        string readme = File.ReadAllText(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "README.md"));
        Assert.Contains($"```csharp\n{example}\n```", readme, StringComparison.Ordinal);
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
