// Suite "engine". Question: what does a transaction cost in the engine, and what does running in parallel win?
// Decides: whether work on scheduling or on the interpreter pays more. Read it as: us per transaction, signatures, roots and
// disk off; ratio below 1 means faster than the serial twin.
//
//   transfer.*      2,000 transfers, no two of which share a key
//   swap.1pool      2,000 swaps on one pool: a single chain, nothing to win, the overhead shows
//   swap.100pools   the same on 100 pools: 100 chains
//
// Threading: the caller's thread; the engine has workers of its own.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Benches;

/// <summary>The engine alone.</summary>
internal static class EngineSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "engine";

    private const int TxCount = 2_000;
    private const int BatchesPerRun = 5;
    private const ulong Plenty = 1_000_000_000_000_000;

    private static readonly ChainId Chain = new(new Bytes32(0, 0, 0, 0x62656e6368));
    private static readonly StateHashing Hashing = new(Chain);
    private static readonly ProgramId Token = new(new Bytes32(0, 0, 0, 0x100));
    private static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
    private static readonly Bytes32 AssetA = new(0, 0, 1, 0);

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        using ParallelEngine engine = new(TimeProvider.System, options.Workers);
        List<BenchRow> rows = [];
        AddPair(rows, engine, options.Workers, "transfer.serial", "transfer.parallel", Transfers());
        AddPair(rows, engine, options.Workers, "swap.1pool.serial", "swap.1pool", Swaps(1));
        AddPair(rows, engine, options.Workers, "swap.100pools.serial", "swap.100pools", Swaps(100));
        return BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
    }

    /// <summary>Transfers no two of which share a key, and a state that never changes: also what the scheduler suite takes apart.</summary>
    internal static (Message[] Batch, IStateView State) TransferBatch(int count)
    {
        Message[] batch = Transfers(count);
        return (batch, new FixedState(batch));
    }

    private static void AddPair(List<BenchRow> rows, ParallelEngine engine, int workers, string serial, string parallel, Message[] batch)
    {
        FixedState state = new(batch);
        rows.Add(new BenchRow(serial, "us/tx", "", () => Measure(engine, batch, state, 1)));
        rows.Add(new BenchRow(parallel, "us/tx", serial, () => Measure(engine, batch, state, workers)));
    }

    private static double Measure(ParallelEngine engine, Message[] batch, FixedState state, int workers)
    {
        TimeProvider time = TimeProvider.System;
        ExecutionRules rules = new() { Hashing = Hashing, Treasury = default };
        BlockContext context = new(new Height(1), 1, Chain, BaseFee: 1, Fork: 0);
        long start = time.GetTimestamp();
        for (int i = 0; i < BatchesPerRun; i++)
        {
            bool runs = engine.TryExecute(batch, context, state, rules, workers, out BatchResult? result, out _);
            Invariant.Require(runs);
            Invariant.Require(result!.Receipts[^1].Succeeded);
        }

        return time.GetElapsedTime(start).TotalMicroseconds / BatchesPerRun / batch.Length;
    }

    private static Message[] Transfers(int count = TxCount)
    {
        VerifiedProgram program = Verify(ReferencePrograms.Token);
        Message[] batch = new Message[count];
        for (int i = 0; i < batch.Length; i++)
        {
            batch[i] = MessageOf(i, Token, program, TokenCalls.Transfer(Account(i), Account(count + i), 5));
        }

        return batch;
    }

    private static Message[] Swaps(int pools)
    {
        VerifiedProgram program = Verify(ReferencePrograms.Amm);
        Message[] batch = new Message[TxCount];
        for (int i = 0; i < batch.Length; i++)
        {
            Bytes32 assetB = AssetB(i % pools);
            ProgramCall call = AmmCalls.Swap(Account(i), AmmLayout.PoolKey(AssetA, assetB), AssetA, assetB, 1_000, 0, SwapDirection.AToB);
            batch[i] = MessageOf(i, Amm, program, call);
        }

        return batch;
    }

    private static Message MessageOf(int index, ProgramId owner, VerifiedProgram program, ProgramCall call)
    {
        call.BindWide(out Access[] accesses, out ushort[] slotTable);
        bool isLegal = AccessList.TryCreate(accesses, 1, out AccessList list, out _);
        Invariant.Require(isLegal);
        StateKey[] keys = new StateKey[accesses.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = Hashing.KeyOf(owner, accesses[i].Key);
        }

        PublicKey payer = Account(index);
        return new Message
        {
            Id = new TxId(new Bytes32(0, 0, 0, (ulong)index)),
            Programs = [owner],
            Program = program,
            EntryIndex = program.FindEntry(call.Selector),
            Arguments = call.Arguments,
            Accesses = list,
            Keys = keys,
            SlotTable = slotTable,
            Payer = payer,
            PayerKey = Hashing.KeyOf(ProgramId.Native, new LocalKey(payer.Value)),
            Signers = [payer],
            GasLimit = 1_000_000,
            IntrinsicGas = GasPrices.Launch.Intrinsic(0, 1, accesses),
            MaxPrice = 1,
            Tip = 0,
        };
    }

    private static PublicKey Account(int index) => new(new Bytes32(1, 0, 0, (ulong)index));

    private static Bytes32 AssetB(int pool) => new(0, 0, 2, (ulong)pool);

    private static VerifiedProgram Verify(byte[] container) =>
        Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal)
            ? program
            : throw new InvariantException($"A reference program is refused: {refusal}");

    /// <summary>A state that never changes: every batch runs on the same records, and no root is computed.</summary>
    private sealed class FixedState : IStateView
    {
        private readonly Dictionary<StateKey, byte[]> _records = [];

        /// <summary>Plenty for every account that pays, sends or swaps, and all pools.</summary>
        public FixedState(Message[] batch)
        {
            foreach (Message message in batch)
            {
                _records[message.PayerKey] = BalanceRecord.Encode(Plenty);
                foreach (StateKey key in message.Keys)
                {
                    _records[key] = BalanceRecord.Encode(Plenty);
                }
            }

            for (int pool = 0; pool < 100; pool++)
            {
                PoolRecord record = new(AssetA, AssetB(pool), ReserveA: Plenty, ReserveB: Plenty, Shares: Plenty, FeeBps: 30);
                _records[Hashing.KeyOf(Amm, AmmLayout.PoolKey(AssetA, AssetB(pool)))] = record.Encode();
            }
        }

        public StateRoot Root => default;

        public int Readers => int.MaxValue;

        public int Read(in StateKey key, Span<byte> target)
        {
            if (!_records.TryGetValue(key, out byte[]? value))
            {
                return -1;
            }

            value.CopyTo(target);
            return value.Length;
        }

        public IStateView Apply(StateDiff diff) => this;
    }
}
