// The declared accesses of one block as the scheduler sees them, with what a reader needs beside: a name for each key and the
// account that it belongs to. Other key models of the same block are tables made from this one by rewriting its rows.
//
// Invariant  N1  no key twice in a row: what would name one twice is joined to the mode that covers both
//
// Threading: immutable.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Replays;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Conflicts;

/// <summary>One declared access.</summary>
/// <param name="Key">Dense key of the table.</param>
internal readonly record struct TableAccess(int Key, AccessMode Mode);

/// <summary>A dense key's meaning.</summary>
/// <param name="Name">What a person calls it.</param>
/// <param name="Account">The account (or program) that it is a part of.</param>
/// <param name="IsBalance">It is a balance, which credits could be added to.</param>
internal readonly record struct TableKey(string Name, int Account, bool IsBalance);

/// <summary>Accesses of a block.</summary>
internal sealed class AccessTable
{
    private readonly int[] _offsets;
    private readonly int[] _keys;
    private readonly AccessMode[] _modes;
    private readonly uint[] _costs;
    private readonly TableKey[] _names;

    /// <summary>A table of rows.</summary>
    /// <param name="rows">One per transaction; a key may be there twice (N1).</param>
    public AccessTable(TableKey[] names, uint[] costs, IEnumerable<IEnumerable<TableAccess>> rows)
    {
        List<int> offsets = [0];
        List<int> keys = [];
        List<AccessMode> modes = [];
        foreach (IEnumerable<TableAccess> row in rows)
        {
            int first = offsets[^1];
            foreach (TableAccess access in row)
            {
                int known = keys.IndexOf(access.Key, first);
                if (known >= 0)
                {
                    modes[known] = AccessModes.Join(modes[known], access.Mode);
                    continue;
                }

                keys.Add(access.Key);
                modes.Add(access.Mode);
            }

            offsets.Add(keys.Count);
        }

        Invariant.Require(offsets.Count == costs.Length + 1);
        (_names, _costs, _offsets, _keys, _modes) = (names, costs, [.. offsets], [.. keys], [.. modes]);
    }

    /// <summary>Transactions.</summary>
    public int TxCount => _costs.Length;

    /// <summary>Names by key.</summary>
    public IReadOnlyList<TableKey> Keys => _names;

    /// <summary>What the scheduler takes.</summary>
    public BatchAccesses View => new(_offsets, _keys, _modes, _costs, _names.Length);

    /// <summary>A block of a trace, every transaction at cost one.</summary>
    public static AccessTable Of(TraceBlock block, bool balancesAdd)
    {
        TableKey[] names = new TableKey[block.Kinds.Length];
        for (int key = 0; key < names.Length; key++)
        {
            bool isBalance = block.Kinds[key] == TraceKind.Balance;
            string kind = isBalance ? "balance" : block.Kinds[key] == TraceKind.Nonce ? "nonce" : $"slot {key}";
            names[key] = new TableKey($"account {block.Accounts[key]} {kind}", block.Accounts[key], isBalance);
        }

        uint[] costs = new uint[block.Writes.Length];
        Array.Fill(costs, 1u);
        return new AccessTable(names, costs, Array.ConvertAll(block.Writes, writes => Array.ConvertAll(
            writes, key => new TableAccess(key, balancesAdd && names[key].IsBalance ? AccessMode.Add : AccessMode.Write))));
    }

    /// <summary>A batch of messages; a key's account is its program.</summary>
    /// <param name="costs">One per message.</param>
    public static AccessTable Of(Message[] batch, uint[] costs, KeyNames namesOf)
    {
        Dictionary<StateKey, int> ids = [];
        Dictionary<ProgramId, int> programs = [];
        List<TableKey> names = [];
        TableAccess[][] rows = Array.ConvertAll(batch, message =>
        {
            TableAccess[] row = new TableAccess[message.Keys.Length];
            for (int i = 0; i < row.Length; i++)
            {
                Access access = message.Accesses[i];
                if (!ids.TryGetValue(message.Keys[i], out int id))
                {
                    ProgramId program = message.Programs[access.ProgramIndex];
                    programs.TryAdd(program, programs.Count);
                    ids.Add(message.Keys[i], id = names.Count);
                    names.Add(new TableKey(namesOf.NameOf(message.Keys[i], program, access.Key), programs[program], IsBalance: true));
                }

                row[i] = new TableAccess(id, access.Mode);
            }

            return row;
        });
        return new AccessTable([.. names], costs, rows);
    }

    /// <summary>The accesses of a transaction.</summary>
    public TableAccess[] RowOf(int tx)
    {
        TableAccess[] row = new TableAccess[_offsets[tx + 1] - _offsets[tx]];
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = new TableAccess(_keys[_offsets[tx] + i], _modes[_offsets[tx] + i]);
        }

        return row;
    }

    /// <summary>The same block with other rows.</summary>
    public AccessTable Rewrite(Func<int, IEnumerable<TableAccess>> rowOf, TableKey[]? names = null) => new(names ?? _names, _costs, Rows(rowOf));

    /// <summary>The same block at other costs.</summary>
    public AccessTable WithCosts(uint[] costs) => new(_names, costs, Rows(tx => RowOf(tx)));

    private IEnumerable<IEnumerable<TableAccess>> Rows(Func<int, IEnumerable<TableAccess>> rowOf)
    {
        for (int tx = 0; tx < TxCount; tx++)
        {
            yield return rowOf(tx);
        }
    }
}

/// <summary>Names of the records of a load's world; other records are called by their bytes.</summary>
internal sealed class KeyNames
{
    private readonly Dictionary<StateKey, string> _known = [];

    /// <summary>No record has a name.</summary>
    public KeyNames()
    {
    }

    /// <summary>Pools, volumes and balances of a world.</summary>
    public KeyNames(DexWorld world)
    {
        foreach ((StateKey key, string name) in world.NamedRecords())
        {
            _known[key] = name;
        }
    }

    /// <summary>What to call a key.</summary>
    public string NameOf(in StateKey key, in ProgramId program, in LocalKey local) =>
        _known.TryGetValue(key, out string? name) ? name : $"{program.ToString()[^4..]}:{local.ToString()[..16]}";
}
