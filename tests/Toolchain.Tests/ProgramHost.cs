// Runs calls of one program against records in a dictionary, one by one, on the real verifier and interpreter: the smallest
// thing that can be called a chain. Adds are folded right after a run, as a serial engine does. Every call is
// judged first: all engines have to end like the third evaluator.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;
using Record = ParallelVm.Executor.Record;

namespace ParallelVm.Toolchain.Tests;

internal sealed class ProgramHost
{
    public const ulong GasLimit = 1_000_000;

    private static readonly ProgramId Id = new(new Bytes32(7, 7, 7, 7));
    private static readonly ProgramId ForeignId = new(new Bytes32(8, 8, 8, 8));

    private readonly Interpreter _interpreter = new();
    private readonly Engines _engines = new();
    private readonly VerifiedProgram _program;
    private readonly Container _container;

    public ProgramHost(byte[] container, int maxSlots = 64)
    {
        VerifierLimits limits = VerifierLimits.Default with { MaxSlots = maxSlots };
        Assert.True(Verifier.TryVerify(container, limits, out VerifiedProgram? program, out Refusal refusal), refusal.ToString());
        _program = program;
        Assert.True(Container.TryDecode(container, out _container, out refusal), refusal.ToString());
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

        Assert.True(AccessList.TryCreate(accesses, 2, out AccessList list, out Refusal refusal, 512), refusal.ToString());
        Record[] records = new Record[accesses.Length];
        StateKey[] keys = new StateKey[accesses.Length];
        for (int i = 0; i < accesses.Length; i++)
        {
            keys[i] = new StateKey(accesses[i].Key.Value);
            records[i] = accesses[i].ProgramIndex == 0 ? Find(accesses[i].Key) : ForeignRecord;
        }

        Message message = new()
        {
            Id = new TxId(Bytes32.Zero),
            Programs = [Id, ForeignId],
            Program = _program,
            EntryIndex = _program.FindEntry(call.Selector),
            Arguments = call.Arguments,
            Accesses = list,
            Keys = keys,
            SlotTable = slotTable,
            Payer = caller,
            PayerKey = new StateKey(caller.Value),
            Signers = [caller],
            GasLimit = GasLimit,
            IntrinsicGas = 0,
            MaxPrice = 0,
            Tip = 0,
        };
        byte[]?[] before = Array.ConvertAll(records, record => record.Exists ? record.Value.ToArray() : null);
        VmCase subject = new(message, _container, before, new BlockContext(new Height(1), 1_000, new ChainId(Bytes32.Zero), 0, 0));
        string? difference = _engines.Judge(subject).Difference;
        Assert.True(difference is null, difference);

        Outcome outcome = _interpreter.Run(message, records, subject.Block);
        if (outcome.Halt == Halt.Success)
        {
            foreach (PendingAdd add in _interpreter.Adds)
            {
                records[add.AccessIndex].Accumulate(add.Amount);
            }
        }

        return outcome;
    }

    /// <summary>What a Read slot finds when its access names another program's record.</summary>
    public Record ForeignRecord { get; } = new();

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
