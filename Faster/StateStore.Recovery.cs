// Opening a store. The order matters: nobody reads before the lock is held, nothing is believed before the identity
// matches, and no checkpoint is used before its root is rebuilt from its records.

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class StateStore
{
    private const string LockFileName = "lock";
    private const string LogFolderName = "blocks";

    /// <summary>What recovery starts from.</summary>
    private readonly record struct Recovered(StateTable Table, uint TableNumber, MerkleTree Tree, BlockRecord? Last);

    /// <summary>Opens or creates the store of a folder. Blocks newer than its checkpoint wait in <see cref="TryNextReplay"/>.</summary>
    /// <exception cref="StateStoreException">The folder cannot be used (700), is in use (701), belongs to another chain (702) or
    /// is damaged beyond what a checkpoint and the block log can prove right (703 to 707, 711).</exception>
    public static StateStore Open(StateStoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        IDisposable held = TakeLock(options);
        BlockLog? log = null;
        StateTable? table = null;
        HistoryLog? history = null;
        DeviceQueue? queue = null;
        bool opened = false;
        try
        {
            FolderIdentity identity = FolderIdentity.Establish(
                options.Files, options.Folder, options.Hashing.Chain, options.LocalSalt, HoldsData(options));
            List<string> notes = [];
            queue = options.AppliesInBackground ? new DeviceQueue() : null;
            Checkpoints checkpoints = new(options, identity, queue);
            Height? stepBack = UnfinishedStepBack(options, identity);
            bool anyDamaged = checkpoints.Load(notes);
            if (stepBack is { } height)
            {
                checkpoints.ForgetAbove(height);
            }

            BlockLogOptions logOptions = new(
                options.Files, Path.Combine(options.Folder, LogFolderName), identity.Chain, identity.DeriveKey("log"), options.LogSegmentBytes);
            log = BlockLog.Open(logOptions, ScanFrom(options, checkpoints));
            if (stepBack is { } target)
            {
                log.CutAfter(target);
                ForgetStepBack(options);
                notes.Add($"A step back to block {target}, which was under way when the process stopped, was finished.");
            }

            if (log.TornBytes > 0)
            {
                notes.Add($"{log.TornBytes} bytes of block {log.Next}, which was being written when the process stopped, were cut off.");
            }

            RequireLogReaches(log, checkpoints);
            Recovered recovered = Recover(options, log, checkpoints, notes, anyDamaged);
            table = recovered.Table;
            history = HistoryLog.Open(options.Files, options.Folder, identity.DeriveKey("history"), options.HistorySegmentBytes, recovered.Last?.Height, notes);
            StateStore store = new(options, identity, held, log, checkpoints, history, recovered, queue, notes);
            opened = true;
            return store;
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            throw StoreFault.Disk(RefusalCode.StoreFolderUnusable, $"Opening the data folder {options.Folder}", error);
        }
        finally
        {
            if (!opened)
            {
                table?.Dispose();
                history?.Dispose();
                queue?.Dispose();
                log?.Dispose();
                held.Dispose();
            }
        }
    }

    private static IDisposable TakeLock(StateStoreOptions options)
    {
        try
        {
            options.Files.CreateFolder(options.Folder);
            return options.Files.TryLock(Path.Combine(options.Folder, LockFileName))
                ?? throw StoreFault.Of(RefusalCode.StoreFolderLocked, $"The data folder {options.Folder} is open in another process.");
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            throw StoreFault.Disk(RefusalCode.StoreFolderUnusable, $"Opening the data folder {options.Folder} for writing", error);
        }
    }

    private static bool HoldsData(StateStoreOptions options) =>
        Array.Exists(options.Files.ListFiles(Path.Combine(options.Folder, LogFolderName)), static name => name.EndsWith(".log", StringComparison.Ordinal))
        || options.Files.ListFiles(Path.Combine(options.Folder, Checkpoints.ManifestFolderName)).Length > 0;

    /// <summary>The older checkpoint's place, so that its replay is verified too; null for the whole log.</summary>
    private static LogPosition? ScanFrom(StateStoreOptions options, Checkpoints checkpoints) =>
        options.VerifyWholeLog || checkpoints.Kept.Count == 0 ? null : checkpoints.Kept[^1].Position;

    /// <summary>Every checkpoint was taken of a durable block; if the log does not hold that block, blocks are lost.</summary>
    private static void RequireLogReaches(BlockLog log, Checkpoints checkpoints)
    {
        foreach (Manifest manifest in checkpoints.Kept)
        {
            if (log.Next.Value <= manifest.Height.Value)
            {
                throw StoreFault.Of(
                    RefusalCode.StoreLogBehindCheckpoint,
                    $"A checkpoint stands at block {manifest.Height}, but the block log ends before block {log.Next}: durable blocks are missing.");
            }

            if (log.PositionAt(manifest.Height) != manifest.Position)
            {
                throw StoreFault.Of(RefusalCode.StoreLogDamaged, $"Block {manifest.Height} of the log is not the one that a checkpoint was taken of.");
            }
        }
    }

    private static Recovered Recover(StateStoreOptions options, BlockLog log, Checkpoints checkpoints, List<string> notes, bool anyDamaged)
    {
        foreach (Manifest manifest in checkpoints.Kept.ToArray())
        {
            if (checkpoints.TryRecover(manifest, notes, out StateTable? table, out MerkleTree tree))
            {
                _ = log.TryRead(manifest.Height, out BlockRecord? last);
                return new Recovered(table!, manifest.Table, tree, last);
            }

            checkpoints.Distrust(manifest);
            anyDamaged = true;
        }

        // Every block executed again from genesis proves itself by its root; without block 0 there is nothing to start from.
        if (anyDamaged && (log.End is null || log.First.Value != 0))
        {
            throw StoreFault.Of(
                RefusalCode.StoreCheckpointsDamaged, "No checkpoint can be used, and the block log does not reach back to block 0: " + string.Join(" ", notes));
        }

        if (log.First.Value != 0)
        {
            throw StoreFault.Of(
                RefusalCode.StoreCheckpointsDamaged, $"There is no checkpoint, and the block log begins at block {log.First} instead of 0.");
        }

        return new Recovered(checkpoints.CreateTable(0, out uint number), number, MerkleTree.Create(new StateTreeHash(options.Hashing), options.Jobs), null);
    }
}
