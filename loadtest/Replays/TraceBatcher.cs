// A block of a trace as a batch that the engine runs: for every transaction a small program that touches just the
// records the trace says were written. Programs are made per shape (how many writes, how many adds) and kept.
//
// Keys are the block's own: a trace numbers them per block, so blocks do not share records.
//
// Threading: one thread.   Cost: one keyed hash per access; one assembly and verification per new shape.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Scheduler;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Replays;

/// <summary>Makes batches of trace blocks.</summary>
/// <param name="balancesAdd">Declare balances as Add; otherwise as Write, like everything else.</param>
/// <param name="body">What runs in place of the touch program; null for the touch program.</param>
internal sealed class TraceBatcher(StateHashing hashing, bool balancesAdd, INativeProgram? body = null)
{
    private const ulong GasLimit = 100_000_000;

    private static readonly ProgramId Owner = new(new Bytes32(0, 0, 0, 0x200));
    private static readonly PublicKey Payer = new(new Bytes32(0, 0, 0, 1));

    private readonly Dictionary<(int Writes, int Adds), VerifiedProgram> _programs = [];

    /// <summary>The batch of a block: one message per transaction, in order.</summary>
    public Message[] MessagesOf(TraceBlock block)
    {
        Message[] batch = new Message[block.Writes.Length];
        for (int tx = 0; tx < batch.Length; tx++)
        {
            batch[tx] = MessageOf(block, tx);
        }

        return batch;
    }

    /// <summary>Work and span of a block when every transaction costs one.</summary>
    public WorkSpan MeasureAtUnitCost(TraceBlock block)
    {
        int[] offsets = new int[block.Writes.Length + 1];
        List<int> keys = [];
        List<AccessMode> modes = [];
        for (int tx = 0; tx < block.Writes.Length; tx++)
        {
            foreach (int key in block.Writes[tx])
            {
                keys.Add(key);
                modes.Add(ModeOf(block, key));
            }

            offsets[tx + 1] = keys.Count;
        }

        uint[] costs = new uint[block.Writes.Length];
        Array.Fill(costs, 1u);
        BatchAccesses accesses = new(offsets, keys.ToArray(), modes.ToArray(), costs, block.Kinds.Length);
        return WorkSpan.Measure(accesses);
    }

    private AccessMode ModeOf(TraceBlock block, int key) =>
        balancesAdd && block.Kinds[key] == TraceKind.Balance ? AccessMode.Add : AccessMode.Write;

    private Message MessageOf(TraceBlock block, int tx)
    {
        List<LocalKey> writes = [];
        List<LocalKey> adds = [];
        foreach (int key in block.Writes[tx])
        {
            List<LocalKey> target = ModeOf(block, key) == AccessMode.Add ? adds : writes;
            target.Add(new LocalKey(new Bytes32(0, block.Number, 0, (ulong)key)));
        }

        VerifiedProgram program = ProgramOf(writes.Count, adds.Count);
        ProgramCall call = TouchProgram.Call(writes.ToArray(), adds.ToArray());
        call.BindWide(out Access[] accesses, out ushort[] slotTable);
        bool isLegal = AccessList.TryCreate(accesses, 1, out AccessList list, out _, TraceBlock.KeysPerTxMax);
        Invariant.Require(isLegal);

        StateKey[] keys = new StateKey[accesses.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = hashing.KeyOf(Owner, accesses[i].Key);
        }

        return new Message
        {
            Id = new TxId(new Bytes32(0, block.Number, 0, (ulong)tx)),
            Programs = [Owner],
            Program = program,
            Native = body,
            EntryIndex = program.FindEntry(call.Selector),
            Arguments = call.Arguments,
            Accesses = list,
            Keys = keys,
            SlotTable = slotTable,
            Payer = Payer,
            PayerKey = hashing.KeyOf(ProgramId.Native, new LocalKey(Payer.Value)),
            Signers = [Payer],
            GasLimit = GasLimit,
            IntrinsicGas = GasPrices.Launch.Intrinsic(0, 1, accesses),
            MaxPrice = 0,
            Tip = 0,
        };
    }

    private VerifiedProgram ProgramOf(int writes, int adds)
    {
        if (_programs.TryGetValue((writes, adds), out VerifiedProgram? program))
        {
            return program;
        }

        VerifierLimits limits = VerifierLimits.Default with { MaxSlots = TraceBlock.KeysPerTxMax };
        if (!Verifier.TryVerify(TouchProgram.Assemble(writes, adds), limits, out program, out Refusal refusal))
        {
            throw new InvariantException($"The touch program of {writes} writes and {adds} adds is refused: {refusal}");
        }

        _programs.Add((writes, adds), program);
        return program;
    }
}
