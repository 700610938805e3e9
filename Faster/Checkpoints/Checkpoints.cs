// Checkpoints of the state table, and coming back from them.
//
//   folder/checkpoints/00000000000000000256.manifest     what counts; two generations
//   folder/tables/00000001/0/hlog.log.N                  FASTER's log, one per part of the table
//   folder/tables/00000001/0/{cpr,index}-checkpoints/TOKEN/
//
// Taking one:   FASTER checkpoint -> sync its files and folders -> lengths and checksums of what is on disk
//               -> manifest (atomic) -> delete what no kept manifest names
// Coming back:  checksums -> recover by explicit token -> rebuild the tree from the records (TableRebuild)
//               -> the root must be the manifest's
//
// So a checkpoint that recovers is right to the last byte, and one that is not is left, with a sentence in the notes,
// for the generation before it. Nothing is repaired.
//
// A table that has mostly dead records, or more keys than its index is good for, is not compacted in place: the live
// records are written to a new table, and the old one goes when no manifest names it any more.
//
// Threading: one caller at a time: whoever applies blocks.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Where the accepted state stands: what a checkpoint is taken of.</summary>
/// <param name="Block">The last block in it. Its payload is not used.</param>
/// <param name="Root">Root after it.</param>
/// <param name="Records">Records after it.</param>
/// <param name="Position">End of its record in the block log.</param>
internal readonly record struct Cut(BlockRecord Block, StateRoot Root, long Records, LogPosition Position);

/// <summary>The checkpoints of one data folder.</summary>
internal sealed class Checkpoints
{
    public const string ManifestFolderName = "checkpoints";
    public const string TableFolderName = "tables";

    private static readonly string[] TokenFolders = ["cpr-checkpoints", "index-checkpoints"];

    private readonly StateStoreOptions _options;
    private readonly IFileSystem _files;
    private readonly ManifestFolder _manifests;
    private readonly FileChecksums _checksums;
    private readonly string _tables;
    private readonly ulong _bucketSalt;
    private readonly DeviceQueue? _queue;

    public Checkpoints(StateStoreOptions options, FolderIdentity identity, DeviceQueue? queue)
    {
        _queue = queue;
        _options = options;
        _files = options.Files;
        _manifests = new ManifestFolder(
            _files, Path.Combine(options.Folder, ManifestFolderName), identity.DeriveKey("manifest"), identity.Chain, options.TableMemoryBytes);
        _checksums = new FileChecksums(_files, identity.DeriveKey("file"));
        _tables = Path.Combine(options.Folder, TableFolderName);
        _bucketSalt = identity.DeriveKey("buckets").W0;
    }

    /// <summary>Checkpoints that can be trusted so far as their manifests go, newest first.</summary>
    public List<Manifest> Kept { get; private set; } = [];

    /// <summary>Lists the manifests. True when one is damaged.</summary>
    public bool Load(List<string> notes)
    {
        _files.CreateFolder(_manifests.Folder);
        _files.CreateFolder(_tables);
        Kept = _manifests.ReadAll(notes, out bool anyDamaged);
        if (Kept.Count == 0)
        {
            _files.SyncFolder(_options.Folder);   // the two folders may be new
        }

        return anyDamaged;
    }

    /// <summary>A new, empty table.</summary>
    public StateTable CreateTable(long leastKeys, out uint number)
    {
        number = 1;
        foreach (string name in _files.ListFolders(_tables))
        {
            if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint used) && used >= number)
            {
                number = used + 1;
            }
        }

        (TableShape shape, int parts) = ShapeFor(_options, leastKeys);
        string folder = FolderOf(number);
        _files.CreateFolder(folder);
        return StateTable.Create(_files, folder, shape, _bucketSalt, parts, _queue);
    }

    /// <summary>What a new table looks like: two to four keys for each bucket, so far as the largest index allows.</summary>
    public static (TableShape Shape, int Parts) ShapeFor(StateStoreOptions options, long leastKeys)
    {
        long expected = Math.Max(leastKeys, options.ExpectedKeys);
        int parts = expected > Math.Min(options.KeysPerPart, StateTable.KeysPerPartMax) ? StateTable.PartsMax : 1;
        long wanted = Math.Max(options.IndexBuckets, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(expected / parts) / 4));
        TableShape shape = new(
            Math.Min(wanted, TableShape.MaxIndexBuckets), options.TablePageBytes, options.TableSegmentBytes,
            Math.Max(options.TableMemoryBytes / parts, 4L * options.TablePageBytes));
        return (shape, parts);
    }

    /// <summary>Recovers one checkpoint and proves it.</summary>
    /// <returns>False, with a note, when it cannot be trusted.</returns>
    public bool TryRecover(Manifest manifest, List<string> notes, out StateTable? table, out MerkleTree tree)
    {
        table = null;
        tree = MerkleTree.Create(new StateTreeHash(_options.Hashing), _options.Jobs);
        string? problem = null;
        try
        {
            string folder = FolderOf(manifest.Table);
            foreach (CheckpointFile file in manifest.Files)
            {
                if (!_checksums.TryCompute(Path.Combine(folder, file.Name), file.Length, out Bytes32 checksum) || checksum != file.Checksum)
                {
                    problem = $"file {file.Name} is missing, short or damaged";
                    break;
                }
            }

            if (problem is null)
            {
                table = StateTable.Recover(_files, folder, manifest.Shape, _bucketSalt, manifest.Tokens, _queue, _checksums);
                tree = TableRebuild.TreeOf(table, _options.Hashing, manifest.Records, _options.Jobs);
                table.EndGuard();
                StateRoot root = _options.Hashing.Root(tree.Hash);
                problem = root == manifest.Root && tree.Count == manifest.Records
                    ? null
                    : $"the recovered records give root {root} instead of {manifest.Root}";
            }
        }
        catch (Exception error) when (error is not InvariantException)
        {
            // Whatever FASTER throws on files that passed their checksums, the answer is the same: not this generation.
            problem = error.Message.ReplaceLineEndings(" ");
        }

        _checksums.EndReads();
        if (problem is null)
        {
            return true;
        }

        notes.Add($"Checkpoint at block {manifest.Height} is not used: {problem}.");
        table?.Dispose();
        table = null;
        return false;
    }

    /// <summary>Takes a checkpoint and returns when it is durable and proven to be on disk.</summary>
    /// <param name="table">The table; replaced when it was rewritten, after <paramref name="replace"/> was told.</param>
    /// <param name="number">Its number; changes with it.</param>
    /// <param name="at">The block that the table stands after.</param>
    /// <param name="replace">Told of a rewritten table before the old one is closed.</param>
    /// <exception cref="StateStoreException">It does not hold what it should (712). Disk errors pass through.</exception>
    public void Take(ref StateTable table, ref uint number, in Cut at, Action<StateTable> replace)
    {
        long rewrittenTail = Kept.Count > 0 && Kept[0].Table == number ? Kept[0].RewrittenTail : 0;
        if (IsWorthRewriting(table, at.Records, rewrittenTail))
        {
            StateTable old = table;
            table = Rewrite(old, at, out number);
            rewrittenTail = table.Tail;
            replace(table);
            old.Dispose();
        }

        Guid[] tokens = table.TakeCheckpoint();
        Manifest manifest = new(
            _options.Hashing.Chain, at.Block.Height, at.Block.BlockId, at.Root, at.Position, at.Records, number, tokens, table.Shape,
            rewrittenTail, Describe(number, tokens, table));
        _manifests.Write(manifest);

        // After a step back there can be newer ones than this; whoever stepped back deletes them first.
        List<Manifest> kept = [manifest];
        foreach (Manifest other in Kept)
        {
            if (kept.Count < ManifestFolder.Generations && other.Height.CompareTo(manifest.Height) < 0)
            {
                kept.Add(other);
            }
        }

        Kept = kept;
    }

    /// <summary>Reads the files of every generation again.</summary>
    /// <returns>How many generations there are.</returns>
    /// <exception cref="StateStoreException">A file has not its checksum (712).</exception>
    public int CheckFiles()
    {
        _checksums.Forget();
        foreach (Manifest manifest in Kept)
        {
            foreach (CheckpointFile file in manifest.Files)
            {
                string path = Path.Combine(FolderOf(manifest.Table), file.Name);
                if (!_checksums.TryCompute(path, file.Length, out Bytes32 checksum) || checksum != file.Checksum)
                {
                    throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, $"File {path} of the checkpoint at block {manifest.Height} is missing, short or damaged.");
                }
            }
        }

        return Kept.Count;
    }

    /// <summary>Deletes the manifests above a height: the chain was taken back to it. Durable when it returns.</summary>
    public void ForgetAbove(Height height)
    {
        Kept.RemoveAll(manifest => manifest.Height.CompareTo(height) > 0);
        _manifests.DeleteAbove(height);
    }

    /// <summary>Drops a checkpoint that turned out to be unusable, so that the next one takes its place.</summary>
    public void Distrust(Manifest manifest) => Kept.Remove(manifest);

    /// <summary>Reads a record and checks it against the tree.</summary>
    /// <exception cref="StateStoreException">The table does not hold what the tree commits to (711).</exception>
    public static void RequireMatches(StateHashing hashing, in StateKey key, bool found, ReadOnlySpan<byte> stored, MerkleTree tree)
    {
        bool expected = tree.TryFind(key, out Bytes32 leaf);
        bool matches = found == expected
            && (!found || (FasterTable.TrySplit(stored, out _, out _, out ReadOnlySpan<byte> record)
                && hashing.Leaf(key, hashing.ValueHash(record)) == leaf));
        if (!matches)
        {
            throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The record of key {key} on disk is not the one that the state root commits to.");
        }
    }

    private bool IsWorthRewriting(StateTable table, long records, long rewrittenTail)
    {
        long buckets = table.Shape.IndexBuckets;
        bool mostlyDead = table.Tail > _options.RewriteAfterBytes + (3 * rewrittenTail);
        bool crowded = records / table.Parts > buckets * 8 && buckets < TableShape.MaxIndexBuckets;
        bool tooManyForOne = table.Parts == 1 && records > 2 * Math.Min(_options.KeysPerPart, StateTable.KeysPerPartMax);
        return mostlyDead || crowded || tooManyForOne;
    }

    /// <summary>Copies the live records to a new table, which proves itself by its root before the old one is let go.</summary>
    private StateTable Rewrite(StateTable old, in Cut at, out uint number)
    {
        StateTable table = CreateTable(at.Records, out number);
        bool whole = false;
        try
        {
            foreach (TableRange range in old.Ranges())
            {
                old.ReadLive(range, table.UpsertStored);
            }

            MerkleTree copied = TableRebuild.TreeOf(table, _options.Hashing, at.Records, jobs: null);
            whole = copied.Count == at.Records && _options.Hashing.Root(copied.Hash) == at.Root;
            return whole
                ? table
                : throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The records of block {at.Block.Height} on disk do not give its root {at.Root} any more.");
        }
        finally
        {
            if (!whole)
            {
                table.Dispose();
            }
        }
    }

    /// <summary>Makes a checkpoint's files durable and measures them.</summary>
    private CheckpointFile[] Describe(uint number, Guid[] tokens, StateTable table)
    {
        string folder = FolderOf(number);
        List<CheckpointFile> described = [];
        for (int part = 0; part < tokens.Length; part++)
        {
            int before = described.Count;
            string place = StateTable.NameOf(part);
            foreach (string kind in TokenFolders)
            {
                string tokenFolder = Path.Combine(folder, place, kind, tokens[part].ToString());
                foreach (string name in _files.ListFiles(tokenFolder))
                {
                    described.Add(DescribeFile(folder, $"{place}/{kind}/{tokens[part]}/{name}", null));
                }

                _files.SyncFolder(tokenFolder);
                _files.SyncFolder(Path.Combine(folder, place, kind));
            }

            RequirePlausible(described.GetRange(before, described.Count - before), table);
            long covered = table.TailOf(part);
            Invariant.Require(covered % FasterTable.SectorBytes == 0);                                     // T4
            for (long start = 0; start < covered; start += table.Shape.SegmentBytes)
            {
                long length = Math.Min(covered - start, table.Shape.SegmentBytes);
                described.Add(DescribeFile(folder, $"{place}/{FasterTable.LogFileName(start / table.Shape.SegmentBytes)}", length));
            }

            _files.SyncFolder(Path.Combine(folder, place));
        }

        _files.SyncFolder(folder);
        _files.SyncFolder(_tables);
        return [.. described];
    }

    private CheckpointFile DescribeFile(string folder, string name, long? covered)
    {
        string path = Path.Combine(folder, name);
        long length;
        using (IDataFile file = _files.OpenOrCreate(path))
        {
            file.Sync();
            length = covered ?? file.Length;
        }

        if (!_checksums.TryCompute(path, length, out Bytes32 checksum))
        {
            throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, $"Checkpoint file {path} is shorter than the {length} bytes that it should hold.");
        }

        return new CheckpointFile(name, length, checksum);
    }

    /// <summary>FASTER reports success for index files that it never wrote; their length tells.</summary>
    private static void RequirePlausible(List<CheckpointFile> files, StateTable table)
    {
        bool index = false;
        bool info = false;
        foreach (CheckpointFile file in files)
        {
            index |= file.Name.Contains("/ht.dat", StringComparison.Ordinal) && file.Length >= table.Shape.IndexBuckets * 64;
            info |= file.Name.Contains(TokenFolders[0], StringComparison.Ordinal)
                && file.Name.Contains("/info.dat", StringComparison.Ordinal) && file.Length > 0;
        }

        if (!index || !info)
        {
            throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, "FASTER's checkpoint lacks its index or its description.");
        }
    }

    /// <summary>Deletes what no kept manifest names: manifests first, then the files.</summary>
    public void Collect()
    {
        HashSet<string> used = new(StringComparer.Ordinal);
        foreach (Manifest manifest in Kept)
        {
            foreach (CheckpointFile file in manifest.Files)
            {
                used.Add(Path.Combine(FolderOf(manifest.Table), file.Name));
            }
        }

        _checksums.ForgetAllBut(used);
        _manifests.DeleteAllBut(Kept);
        foreach (string name in _files.ListFolders(_tables))
        {
            if (!uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) || FolderName(number) != name)
            {
                continue;
            }

            string folder = Path.Combine(_tables, name);
            if (!Kept.Exists(manifest => manifest.Table == number))
            {
                _files.DeleteFolder(folder);
                continue;
            }

            foreach (string part in _files.ListFolders(folder))
            {
                foreach (string kind in TokenFolders)
                {
                    foreach (string token in _files.ListFolders(Path.Combine(folder, part, kind)))
                    {
                        if (!Kept.Exists(manifest => manifest.Table == number && Array.Exists(manifest.Tokens, kept => kept.ToString() == token)))
                        {
                            _files.DeleteFolder(Path.Combine(folder, part, kind, token));
                        }
                    }
                }
            }
        }
    }

    private string FolderOf(uint number) => Path.Combine(_tables, FolderName(number));

    private static string FolderName(uint number) => number.ToString("D8", CultureInfo.InvariantCulture);
}
