// The oracle of a load: the same blocks, from genesis, one transaction after another, on a state in memory that computes
// its root from the definition. Root, gas and receipts of every block must be those of its header. Beside it each
// block is timed, serial against parallel, with nothing else running; see BlockTimer.
//
// Threading: the caller's thread; the engine has workers of its own.   Cost: a few executions and one whole root per block.

using System;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Drive;

/// <summary>Executes blocks again.</summary>
internal sealed class SerialTwin
{
    private const int TimedRounds = 3;

    private readonly ChainRules _rules;
    private readonly ExecutionRules _execution;
    private readonly ReceiptsHashing _receipts;
    private readonly ParallelEngine _engine;
    private readonly BlockTimer _timer;
    private IStateView _state;

    /// <summary>Starts at the genesis of a world.</summary>
    public SerialTwin(DexWorld world, ParallelEngine engine, int workers)
    {
        _rules = ChainRules.TryCreate(world.Genesis, out ChainRules? rules, out Refusal refusal)
            ? rules
            : throw new InvariantException($"The load's own genesis is refused: {refusal}");
        _execution = new ExecutionRules { Hashing = rules.Hashing, Treasury = world.Genesis.Treasury };
        _receipts = new ReceiptsHashing(world.Genesis.ChainId);
        _engine = engine;
        _timer = new BlockTimer(engine, _execution, workers, TimedRounds);
        _state = new MemoryState(rules.Hashing).Apply(world.Genesis.ToDiff());
    }

    /// <summary>Root after the blocks so far.</summary>
    public StateRoot Root => _state.Root;

    /// <summary>Height of the first block whose header the serial execution contradicts; null when there is none.</summary>
    public Height? FirstDivergence { get; private set; }

    /// <summary>Transactions timed.</summary>
    public long Transactions { get; private set; }

    /// <summary>Transactions among the timed ones whose effects were kept.</summary>
    public long Succeeded { get; private set; }

    /// <summary>Times of the blocks so far.</summary>
    public BlockTimes Times { get; private set; }

    /// <summary>Executes a block; <see cref="FirstDivergence"/> remembers when it does not lead to its header.</summary>
    /// <param name="bytes">The block as it was accepted; decoded anew, so nothing of the first execution is reused.</param>
    /// <param name="isTimed">False for blocks that an earlier run measured.</param>
    public void Run(ReadOnlyMemory<byte> bytes, bool isTimed)
    {
        if (!Block.TryDecode(bytes.Span, out Block? block, out Refusal wrong))
        {
            throw new InvariantException($"An accepted block does not decode: {wrong}");
        }

        Message[] batch = new Message[block.Transactions.Length];
        BlockPrograms programs = new(_rules, _state);
        for (int i = 0; i < batch.Length; i++)
        {
            batch[i] = _rules.TryPrepare(block.Transactions[i], out PreparedTransaction? prepared, out Refusal refusal)
                && programs.TryBind(prepared, out Message? message, out refusal)
                ? message
                : throw new InvariantException($"Transaction {i} of accepted block {block.Header.Height} is refused: {refusal}");
        }

        BlockContext context = _rules.ContextOf(block.Header, programs);
        if (isTimed)
        {
            Times = Times.Plus(_timer.Measure(batch, context, _state));
            Transactions += batch.Length;
        }

        if (!_engine.TryExecute(batch, context, _state, _execution, workers: 1, out BatchResult? result, out BatchFault fault))
        {
            throw new InvariantException($"Accepted block {block.Header.Height} does not execute: {fault.Refusal}");
        }

        if (result.Root != block.Header.StateRoot
            || result.GasUsed != block.Header.GasUsed
            || _receipts.Root(result.Receipts.Span) != block.Header.ReceiptsRoot)
        {
            FirstDivergence ??= block.Header.Height;
        }

        for (int i = 0; isTimed && i < result.Receipts.Length; i++)
        {
            Succeeded += result.Receipts.Span[i].Succeeded ? 1 : 0;
        }

        _state = result.Post;
    }
}
