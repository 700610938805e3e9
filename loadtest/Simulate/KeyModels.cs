// One block under other rules of what a key is: what of the ceiling is owed to which rule. Each step of the ladder takes one reason
// for waiting away.
//
//   accounts        whole accounts are the keys (of a load: whole programs), all written; fees reserved
//   feesAsKey       single records; the fee's account is a key that every transaction writes
//   feesReserved    fees are reserved before the batch; everything is written
//   adds            balances are added to where they are credited: as declared
//
// A trace says neither who was paid the fee nor who paid it: the account whose balance most transactions wrote, if more than half
// did, is taken for the receiver. So `accounts`, `feesReserved` and `adds` are its block without that balance.
//
// Threading: pure.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Conflicts;
using ParallelVm.Loadtest.Replays;

namespace ParallelVm.Loadtest.Simulate;

/// <summary>The ladder.</summary>
internal static class KeyModels
{
    /// <summary>Names of the steps, in order.</summary>
    public static readonly string[] Names = ["accounts", "feesAsKey", "feesReserved", "adds"];

    /// <summary>A trace's block under every model.</summary>
    public static AccessTable[] Of(TraceBlock block)
    {
        AccessTable added = AccessTable.Of(block, balancesAdd: true);
        int fee = FeeBalanceOf(added);
        AccessTable reserved = added.Rewrite(tx => added.RowOf(tx).Where(access => access.Key != fee));
        return [Accounts(reserved), Written(added), Written(reserved), reserved];
    }

    /// <summary>A load's block under every model.</summary>
    public static AccessTable[] Of(AccessTable declared, Message[] batch)
    {
        Dictionary<ParallelVm.Primitives.StateKey, int> payers = [];
        int treasury = declared.Keys.Count;
        TableKey[] names = [.. declared.Keys, new TableKey("treasury", -1, true), .. batch.Select((_, i) => new TableKey($"payer {i}", -1, true))];
        AccessTable written = Written(declared);
        AccessTable paid = written.Rewrite(
            tx => [.. written.RowOf(tx), new TableAccess(treasury, AccessMode.Write), new TableAccess(PayerOf(tx), AccessMode.Write)], names);
        return [Accounts(declared), paid, written, declared];

        int PayerOf(int tx)
        {
            payers.TryAdd(batch[tx].PayerKey, treasury + 1 + payers.Count);
            return payers[batch[tx].PayerKey];
        }
    }

    private static AccessTable Accounts(AccessTable table)
    {
        TableKey[] accounts = [.. Enumerable.Range(0, 1 + table.Keys.Max(key => (int?)key.Account) ?? 0).Select(i => new TableKey($"account {i}", i, false))];
        return table.Rewrite(tx => table.RowOf(tx).Select(access => new TableAccess(table.Keys[access.Key].Account, AccessMode.Write)), accounts);
    }

    // Reads stay what they are; who adds, writes.
    private static AccessTable Written(AccessTable table) => table.Rewrite(
        tx => table.RowOf(tx).Select(access => access.Mode == AccessMode.Add ? access with { Mode = AccessMode.Write } : access));

    private static int FeeBalanceOf(AccessTable table)
    {
        int[] touched = new int[table.Keys.Count];
        for (int tx = 0; tx < table.TxCount; tx++)
        {
            foreach (TableAccess access in table.RowOf(tx))
            {
                touched[access.Key] += table.Keys[access.Key].IsBalance ? 1 : 0;
            }
        }

        int most = touched.Length == 0 ? -1 : Array.IndexOf(touched, touched.Max());
        return most >= 0 && touched[most] * 2 > table.TxCount ? most : -1;
    }
}
