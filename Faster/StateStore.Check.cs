// Reading everything again, on purpose: what an operator asks for when a disk is in doubt.

using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>What was read and found right.</summary>
/// <param name="Blocks">Blocks of the log, each hash and each link.</param>
/// <param name="Records">Records of the state, each read from the table; together they give the root.</param>
/// <param name="Checkpoints">Generations whose files have their checksums.</param>
/// <param name="Undos">Records of the history.</param>
public readonly record struct CheckSummary(long Blocks, long Records, int Checkpoints, long Undos);

public sealed partial class StateStore
{
    /// <summary>Reads blocks, records, checkpoint files and history again and checks each. O(everything).</summary>
    /// <exception cref="StateStoreException">The first thing that is not right.</exception>
    public CheckSummary CheckAll()
    {
        RequireUsable();
        _applier.Drain();
        RequireUsable();
        long blocks = 0;
        BlockId parent = default;
        for (ulong height = _log.First.Value; height < _log.Next.Value; height++, blocks++)
        {
            _ = _log.TryRead(new Height(height), out BlockRecord? record);
            if (blocks > 0 && record!.Value.ParentId != parent)
            {
                throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"Block {height} does not stand on the block before it.");
            }

            parent = record!.Value.BlockId;
        }

        long records = _applier.CheckTable(_base.Root, Records);
        int generations = _checkpoints.CheckFiles();
        long undos = 0;
        for (Height? at = _history.Newest; at is { } height && OldestState is { } oldest && height.CompareTo(oldest) > 0; undos++)
        {
            _ = _history.Read(height);
            at = new Height(height.Value - 1);
        }

        return new CheckSummary(blocks, records, generations, undos);
    }
}
