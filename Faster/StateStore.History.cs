// The past of a store: values and proofs at older heights, and stepping back to one of them.
//
//   StepBack:  state of the height, proven by its root -> table -> checkpoint there -> the file "stepback" (this is the moment)
//              -> newer manifests, log, history cut -> the file is deleted
//
// Before the moment a crash leaves the store where it was, and a checkpoint more. After it, opening finishes the rest.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class StateStore
{
    private const string StepBackFileName = "stepback";
    private const uint StepBackMagic = 0x42535650;   // "PVSB"

    /// <summary>The oldest height whose state can be read; null before the first block.</summary>
    public Height? OldestState
    {
        get
        {
            RequireUsable();
            _applier.Drain();
            return _last is null ? null : _history.Newest == _last.Value.Height ? _history.Oldest ?? new Height(0) : _last.Value.Height;
        }
    }

    /// <summary>The state after an older block, proven by that block's root. Valid until the next acceptance.</summary>
    /// <remarks>Undoes every block since on the side: O(changes since). For one value <see cref="ReadAt"/> is cheaper.</remarks>
    /// <exception cref="StateStoreException">The history does not reach the height (713), or is damaged (714).</exception>
    public IStateView StateAt(Height height)
    {
        BlockRecord then = RequirePast(height);
        if (then.Height == _last!.Value.Height)
        {
            return _base;
        }

        IStateView past = _base.Apply(Undo.Merge(UndosAbove(height)));
        return past.Root == then.StateRoot
            ? past
            : throw StoreFault.Of(RefusalCode.StoreHistoryDamaged, $"Going back to block {height} gives root {past.Root} instead of {then.StateRoot}.");
    }

    /// <summary>A record as it was after an older block.</summary>
    /// <returns>Its length, or -1.</returns>
    /// <exception cref="StateStoreException">The history does not reach the height (713), or is damaged (714).</exception>
    public int ReadAt(Height height, in StateKey key, Span<byte> target)
    {
        BlockRecord then = RequirePast(height);
        for (Height above = then.Height.Next; above.CompareTo(_last!.Value.Height) <= 0; above = above.Next)
        {
            StateDiff undo = _history.Read(above);
            int index = undo.IndexOf(key);
            if (index >= 0)
            {
                ref readonly DiffEntry entry = ref undo.Entries[index];
                undo.ValueOf(entry).CopyTo(target);
                return entry.Length;
            }
        }

        return _base.Read(key, target);
    }

    /// <summary>A proof against the root of an older block; see <see cref="MerkleProof"/>.</summary>
    /// <exception cref="StateStoreException">The history does not reach the height (713), or is damaged (714).</exception>
    public byte[] ProveAt(Height height, in StateKey key) => Prove(StateAt(height), key);

    /// <inheritdoc/>
    public void StepBack(Height height)
    {
        Invariant.Require(_last is not null && height.CompareTo(_last.Value.Height) <= 0);
        BlockRecord then = RequirePast(height);
        if (then.Height == _last!.Value.Height)
        {
            return;
        }

        LogPosition position = _log.PositionAt(height);
        StateDiff undo = Undo.Merge(UndosAbove(height));
        IStateView past = _base.Apply(undo);
        if (past.Root != then.StateRoot)
        {
            throw StoreFault.Of(RefusalCode.StoreHistoryDamaged, $"Going back to block {height} gives root {past.Root} instead of {then.StateRoot}.");
        }

        ReleaseApplied();
        MerkleTree tree = ((BlockView)past).Tree;
        tree.BecomeBase();
        _base = new BlockView(this, tree, past.Root);
        Acceptances++;
        Cut cut = new(then, past.Root, tree.Count, position);
        Guarded($"Stepping back to block {height}", () =>
        {
            _applier.StepBack(undo, cut);
            WriteStepBack(height);
            _applier.ForgetAbove(height);
            _log.CutAfter(height);
            ForgetStepBack(_options);
        });
        _last = then;
        _position = position;
    }

    /// <summary>Finishes a step back that a crash interrupted after its moment. Before manifests and log are read.</summary>
    /// <returns>The height, or null when there is nothing to finish.</returns>
    private static Height? UnfinishedStepBack(StateStoreOptions options, FolderIdentity identity)
    {
        string path = Path.Combine(options.Folder, StepBackFileName);
        if (!options.Files.FileExists(path))
        {
            return null;
        }

        ulong height = 0;
        bool whole = SealedFile.TryRead(options.Files, path, identity.DeriveKey(StepBackFileName), out byte[] body);
        if (whole)
        {
            CanonicalReader reader = new(body);
            whole = reader.ReadU32() == StepBackMagic;
            height = reader.ReadU64();
            whole &= reader.TryEnd(out _);
        }

        return whole
            ? new Height(height)
            : throw StoreFault.Of(RefusalCode.StoreIdentityDamaged, $"The file {path}, which says that a step back was begun, is damaged.");
    }

    private static void ForgetStepBack(StateStoreOptions options)
    {
        options.Files.DeleteFile(Path.Combine(options.Folder, StepBackFileName));
        options.Files.SyncFolder(options.Folder);
    }

    private void WriteStepBack(Height height)
    {
        CanonicalWriter writer = new();
        writer.WriteU32(StepBackMagic);
        writer.WriteU64(height.Value);
        SealedFile.Write(_options.Files, _options.Folder, StepBackFileName, _identity.DeriveKey(StepBackFileName), writer.Written);
    }

    private IEnumerable<StateDiff> UndosAbove(Height height)
    {
        for (ulong above = _last!.Value.Height.Value; above > height.Value; above--)
        {
            yield return _history.Read(new Height(above));
        }
    }

    /// <summary>The block of a height that the history reaches.</summary>
    private BlockRecord RequirePast(Height height)
    {
        RequireUsable();
        _applier.Drain();
        RequireUsable();
        if (OldestState is not { } oldest || height.CompareTo(oldest) < 0 || height.CompareTo(_last!.Value.Height) > 0
            || !_log.TryRead(height, out BlockRecord? then))
        {
            throw StoreFault.Of(
                RefusalCode.StoreHistoryTooShort,
                $"The state after block {height} is not kept: history goes from block {OldestState?.ToString() ?? "none"} to {_last?.Height.ToString() ?? "none"}.");
        }

        return then.Value;
    }
}
