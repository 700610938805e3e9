// What is meant to fail fails in its block, in the way that was meant; the rest succeeds.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Tests;

public sealed class TransactionFactoryTests
{
    private const int Count = 400;

    [Fact]
    public void Every_intent_ends_as_it_was_meant_to()
    {
        using TemporaryFolder folder = new();
        DexWorld world = new(4);
        Assert.False(DataFolder.Claim(folder.Folder, world).IsRefused);
        Assert.True(ChainSession.TryOpen(world, folder.Folder, 2, isReader: false, out ChainSession? session, out Refusal refusal), refusal.ToString());
        using (session)
        {
            WorkloadShape shape = new(4, DexWorld.AccountCount, DexWorld.PoolCount, new WorkloadMix(20, 20, 60), ConflictPermyriad: 0);
            Workload workload = new(shape);
            using LoadGenerator generator = new(workload, new TransactionFactory(world), new Height(1), 1, Count, threads: 2, aheadMax: 1);
            using LoadDriver driver = new(session!, generator);
            driver.Step();
            driver.Finish();
            Block block = session!.Chain.LastAccepted;
            Assert.True(session.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts));
            Assert.Equal(new Reports.TransactionCounts(Count, Count, 0, Count, driver.Transactions.Succeeded, driver.Transactions.Failed), driver.Transactions);

            // a block keeps the order of the offer, because all tips are equal
            Dictionary<IntentFailure, int> seen = [];
            foreach ((Intent intent, Receipt receipt) in workload.At(new Height(1), Count).Zip(receipts.ToArray()))
            {
                Assert.True(CodeOf(intent) == receipt.Outcome.Code, $"{intent}: {receipt.Outcome}");
                seen[intent.Failure] = seen.GetValueOrDefault(intent.Failure) + 1;
            }

            Assert.Equal(5, seen.Count);
        }
    }

    private static int CodeOf(Intent intent) => intent.Failure switch
    {
        IntentFailure.None => 0,
        IntentFailure.OutOfGas => (int)TrapCode.OutOfGas,
        IntentFailure.UndeclaredAccess => (int)TrapCode.UndeclaredAccess,
        IntentFailure.Slippage => (int)TrapCode.UserBase + (int)AmmAborts.Slippage,
        _ => (int)TrapCode.UserBase + (int)TokenAborts.Overdraft,
    };
}
