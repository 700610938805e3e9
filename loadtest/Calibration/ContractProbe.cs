// Calls of the reference programs, run again and again on one interpreter: whole contracts for the calibration.
//
// Threading: one owner.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>One call that succeeds however often it runs.</summary>
internal sealed class ContractProbe
{
    private const ulong Plenty = 1_000_000_000_000_000;
    private const int Batch = 200;

    private static readonly ProgramId Program = new(new Bytes32(0, 0, 0, 0x202));
    private static readonly PublicKey Payer = new(new Bytes32(1, 0, 0, 1));
    private static readonly Bytes32 AssetA = new(0, 0, 1, 0);
    private static readonly Bytes32 AssetB = new(0, 0, 2, 0);

    private readonly Interpreter _interpreter = new();
    private readonly Message _message;
    private readonly Record[] _records;
    private readonly byte[][] _values;
    private readonly BlockContext _block = new(new Height(1), 1, default, 0, 0);

    private ContractProbe(string name, byte[] container, ProgramCall call, Func<LocalKey, byte[]> valueOf)
    {
        Name = name;
        VerifiedProgram program = Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? verified, out Refusal refusal)
            ? verified
            : throw new InvariantException($"A reference program is refused: {refusal}");
        (LocalKey, AccessMode)[] slots = Array.ConvertAll(call.Slots, slot => (slot.Key, slot.Mode));
        _message = Message.ForCall(new StateHashing(default), new TxId(Bytes32.Zero), Program, program, call.Selector, call.Arguments, slots, Payer, 1_000_000);
        _records = new Record[_message.Accesses.Count];
        _values = new byte[_records.Length][];
        for (int i = 0; i < _records.Length; i++)
        {
            _records[i] = new Record();
            _values[i] = valueOf(_message.Accesses[i].Key);
        }

        Gas = RunOnce(new Counter(PerRun, GasPerRun)).GasUsed - _message.IntrinsicGas;
    }

    /// <summary>What is called.</summary>
    public string Name { get; }

    /// <summary>Its execution gas.</summary>
    public ulong Gas { get; }

    /// <summary>Instructions of a run, by opcode.</summary>
    public Dictionary<Opcode, int> PerRun { get; } = [];

    /// <summary>Gas of a run, by opcode, variable charges included.</summary>
    public Dictionary<Opcode, ulong> GasPerRun { get; } = [];

    /// <summary>The probes.</summary>
    public static ContractProbe[] All()
    {
        LocalKey pool = AmmLayout.PoolKey(AssetA, AssetB);
        byte[] poolRecord = new PoolRecord(AssetA, AssetB, ReserveA: Plenty, ReserveB: Plenty, Shares: Plenty, FeeBps: 30).Encode();
        return
        [
            new("amm.swap", ReferencePrograms.Amm, AmmCalls.Swap(Payer, pool, AssetA, AssetB, 1_000, 0, SwapDirection.AToB), key => key == pool ? poolRecord : BalanceRecord.Encode(Plenty)),
            new("token.transfer", ReferencePrograms.Token, TokenCalls.Transfer(Payer, new PublicKey(AssetA), 5), _ => BalanceRecord.Encode(Plenty)),
        ];
    }

    /// <summary>Nanoseconds of a call, binding and journal included: the least of some batches.</summary>
    public double Time(int runs)
    {
        TimeProvider time = TimeProvider.System;
        double least = double.MaxValue;
        for (int run = 0; run < runs; run++)
        {
            Reset();
            long start = time.GetTimestamp();
            for (int i = 0; i < Batch; i++)
            {
                _interpreter.Run(_message, _records, in _block);
            }

            least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds / Batch);
        }

        return least;
    }

    private Outcome RunOnce(ITraceSink sink)
    {
        Reset();
        Outcome outcome = _interpreter.Run(_message, _records, in _block, sink);
        Invariant.Require(outcome.Halt == Halt.Success);
        return outcome;
    }

    private void Reset()
    {
        for (int i = 0; i < _records.Length; i++)
        {
            _records[i].Set(_values[i]);
        }
    }

    private sealed class Counter(Dictionary<Opcode, int> counts, Dictionary<Opcode, ulong> charged) : ITraceSink
    {
        public void Enter(int depth, in ProgramId program, VerifiedProgram code, ProgramEntry entry, ReadOnlySpan<ushort> slots)
        {
        }

        public void Before(in TraceStep step, ReadOnlySpan<ulong> cells)
        {
            Opcode opcode = (Opcode)(byte)step.Word;
            counts[opcode] = counts.GetValueOrDefault(opcode) + 1;
        }

        public void After(in TraceStep step, ReadOnlySpan<ulong> cells, ulong gas, ushort code)
        {
            Opcode opcode = (Opcode)(byte)step.Word;
            charged[opcode] = charged.GetValueOrDefault(opcode) + step.Price + (step.Gas - gas);
        }

        public void Leave(ushort code)
        {
        }
    }
}
