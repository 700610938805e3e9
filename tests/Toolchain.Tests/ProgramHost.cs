// Runs calls of one program against records in a dictionary, one by one, on the naive machine: the smallest thing that can
// be called a chain.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using Record = ParallelVm.Executor.Record;

namespace ParallelVm.Toolchain.Tests;

internal sealed class ProgramHost
{
    private static readonly ProgramId Id = new(new Bytes32(7, 7, 7, 7));
    private static readonly ProgramId ForeignId = new(new Bytes32(8, 8, 8, 8));

    private readonly Container _container;

    public ProgramHost(byte[] container)
    {
        Assert.True(Container.TryDecode(container, out _container, out Refusal refusal), refusal.ToString());
    }

    public Dictionary<LocalKey, Record> Records { get; } = [];

    public UInt128 Balance(LocalKey key) => Records.TryGetValue(key, out Record? record) ? record.Accumulator : 0;

    public void Set(LocalKey key, ReadOnlySpan<byte> value)
    {
        Record record = new();
        record.Set(value);
        Records[key] = record;
    }

    /// <summary>Runs a call; its effects are in <see cref="Records"/> after a success.</summary>
    /// <param name="foreignSlot">A slot whose record is to belong to another program (it is then a missing record); -1 for none.</param>
    public Outcome Run(ProgramCall call, PublicKey caller, int foreignSlot = -1)
    {
        call.BindWide(out Access[] accesses, out ushort[] slotTable);
        if (foreignSlot >= 0)
        {
            (accesses, slotTable) = MoveToForeign(accesses, slotTable, slotTable[foreignSlot]);
        }

        Assert.True(AccessList.TryCreate(accesses, 2, out _, out Refusal refusal, 512), refusal.ToString());
        Record[] records = new Record[accesses.Length];
        for (int i = 0; i < accesses.Length; i++)
        {
            records[i] = accesses[i].ProgramIndex == 0 ? Find(accesses[i].Key) : ForeignRecord;
        }

        NaiveRecord[] naive = NaiveRecords(accesses, records);
        NaiveRecord[] slots = Array.ConvertAll(slotTable, access => naive[access]);
        ushort code = NaiveMachine.Run(_container, call.Selector, Id, caller, call.Arguments, slots);

        for (int i = 0; i < records.Length && code == 0; i++)
        {
            if (naive[i].Value is byte[] value)
            {
                records[i].Set(value);
            }
        }

        return new Outcome(code == 0 ? Halt.Success : code >= 256 ? Halt.Revert : Halt.Trap, code, 0, 0, 0, -1, default);
    }
    /// <summary>What a Read slot finds when its access names another program's record.</summary>
    public Record ForeignRecord { get; } = new();

    private static NaiveRecord[] NaiveRecords(Access[] accesses, Record[] records)
    {
        NaiveRecord[] naive = new NaiveRecord[accesses.Length];
        for (int i = 0; i < naive.Length; i++)
        {
            naive[i] = new NaiveRecord(accesses[i].Key, accesses[i].ProgramIndex == 0 ? Id : ForeignId)
            {
                Value = records[i].Exists ? records[i].Value.ToArray() : null,
            };
        }

        return naive;
    }

    private Record Find(LocalKey key)
    {
        if (!Records.TryGetValue(key, out Record? record))
        {
            record = new Record();
            Records.Add(key, record);
        }

        return record;
    }

    // The access moves to program index 1, which sorts behind all of index 0.
    private static (Access[] Accesses, ushort[] SlotTable) MoveToForeign(Access[] accesses, ushort[] slotTable, int moved)
    {
        Access[] result = [.. accesses];
        result[moved] = result[moved] with { ProgramIndex = 1 };
        ushort[] slots = new ushort[slotTable.Length];
        Access[] sorted = AccessList.Normalise(result);
        for (int slot = 0; slot < slots.Length; slot++)
        {
            slots[slot] = (ushort)Array.BinarySearch(sorted, result[slotTable[slot]]);
        }

        return (sorted, slots);
    }
}
