// The load of a block as a pure function of (seed, height): two runs, or one run that stopped and went on, offer the
// same transactions for the same height, whatever was accepted before.
//
//   height --fork--> stream --draw--> kind by mix, sender uniform, pool by Zipf, a hot one by --conflict
//
// Failing transactions take the four failures in turn by lot. Their shape is otherwise that of the others, so what is
// measured is failing work, not an easy way out.
//
// Cost: O(transactions), one array.   Threading: pure; any thread.

using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Workloads;

/// <summary>What a load is drawn from.</summary>
/// <param name="Seed">Of the load.</param>
/// <param name="Accounts">Senders and recipients, at least 2.</param>
/// <param name="Pools">Pools, at least 1.</param>
/// <param name="ConflictPermyriad">Share in 1/10,000 of the transactions that take the hot sender and the hot pool.</param>
internal readonly record struct WorkloadShape(ulong Seed, int Accounts, int Pools, WorkloadMix Mix, int ConflictPermyriad);

/// <summary>Draws the load.</summary>
internal sealed class Workload(WorkloadShape shape)
{
    private readonly Zipf _pools = new(shape.Pools);

    /// <summary>The transactions offered for the block at <paramref name="height"/>.</summary>
    public Intent[] At(Height height, int count)
    {
        SeededRandom random = new SeededRandom(shape.Seed).Fork(height.Value);
        Intent[] intents = new Intent[count];
        for (int i = 0; i < count; i++)
        {
            intents[i] = Draw(random, i);
        }

        return intents;
    }

    private Intent Draw(SeededRandom random, int index)
    {
        int lot = random.Next(100);
        bool isFailing = lot >= shape.Mix.Transfers + shape.Mix.Swaps;
        IntentFailure failure = isFailing ? (IntentFailure)(1 + random.Next(4)) : IntentFailure.None;
        IntentKind kind = failure switch
        {
            IntentFailure.Slippage => IntentKind.Swap,
            IntentFailure.Overdraft => IntentKind.Transfer,
            IntentFailure.None => lot < shape.Mix.Transfers ? IntentKind.Transfer : IntentKind.Swap,
            _ => random.Chance(1, 2) ? IntentKind.Transfer : IntentKind.Swap,
        };

        bool isHot = random.Chance(shape.ConflictPermyriad, 10_000);
        int sender = isHot && kind == IntentKind.Transfer ? 0 : random.Next(shape.Accounts);
        int recipient = (sender + 1 + random.Next(shape.Accounts - 1)) % shape.Accounts;
        int pool = isHot ? 0 : _pools.Next(random);
        return new Intent(index, kind, failure, sender, recipient, pool, random.Chance(1, 2), 1 + (ulong)random.Next(1_000));
    }
}
