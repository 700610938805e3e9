// One block of a data folder with everything it takes to run it again: its messages, its context, and the state before it, which
// is made by executing every block before it on a state in memory, from genesis, one transaction after another.
//
// Cost: all blocks up to the height.   Threading: the caller's thread.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Executor;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Conflicts;

/// <summary>A block that can be run.</summary>
/// <param name="World">Whose chain it is on.</param>
/// <param name="Batch">Its messages.</param>
/// <param name="Context">What its programs see of it.</param>
/// <param name="State">Before it.</param>
/// <param name="Result">What came of it, one transaction after another.</param>
internal sealed record FolderBlock(DexWorld World, Message[] Batch, BlockContext Context, IStateView State, BatchResult Result)
{
    /// <summary>What is fixed for its chain.</summary>
    public ExecutionRules Rules => new() { Hashing = World.Genesis.Hashing, Treasury = World.Genesis.Treasury };

    /// <summary>Reads a block of a folder.</summary>
    /// <exception cref="StateStoreException">The folder is damaged.</exception>
    public static bool TryRead(string folder, ulong height, [NotNullWhen(true)] out FolderBlock? block, out Refusal refusal)
    {
        block = null;
        if (!DataFolder.TryRead(folder, out DexWorld? world, out refusal)
            || !ChainSession.TryOpen(world!, folder, workers: 1, isReader: true, out ChainSession? session, out refusal))
        {
            return false;
        }

        using (session)
        using (ParallelEngine engine = new(TimeProvider.System, maxWorkers: 1, jit: JitMode.Off))
        {
            ChainRules rules = session.Chain.Rules;
            IStateView state = new MemoryState(rules.Hashing).Apply(world!.Genesis.ToDiff());
            for (ulong at = 1; at <= height; at++)
            {
                if (!session.Chain.TryGetBlock(new Height(at), out Block? accepted))
                {
                    refusal = new Refusal(RefusalCode.BadOption, $"There is no block of height {at}.");
                    return false;
                }

                BlockPrograms programs = new(rules, state);
                BlockContext context = rules.ContextOf(accepted.Header, programs);
                Message[] batch = Array.ConvertAll(accepted.Transactions, transaction => MessageOf(rules, programs, transaction));
                ExecutionRules execution = new() { Hashing = rules.Hashing, Treasury = world.Genesis.Treasury };
                BatchResult result = engine.Execute(batch, context, state, execution, workers: 1);
                block = new FolderBlock(world, batch, context, state, result);
                state = result.Post;
            }

            return block is not null;
        }
    }

    private static Message MessageOf(ChainRules rules, BlockPrograms programs, Transaction transaction) =>
        rules.TryPrepare(transaction, out PreparedTransaction? prepared, out Refusal refusal) && programs.TryBind(prepared, out Message? message, out refusal)
        ? message
        : throw new InvariantException($"A transaction that was accepted is refused: {refusal}");
}
