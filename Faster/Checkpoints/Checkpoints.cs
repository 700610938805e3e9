// Checkpoints of the state table, and coming back from them.
//
//   folder/checkpoints/00000000000000000256.manifest     what counts; two generations
//   folder/tables/00000001/hlog.log.N                    FASTER's log
//   folder/tables/00000001/{cpr,index}-checkpoints/TOKEN/
//
// Taking one:   FASTER checkpoint -> sync its files and folders -> lengths and checksums of what is on disk
//               -> manifest (atomic) -> delete what no kept manifest names
// Coming back:  checksums -> recover by explicit token -> scan every record, check that it stands under its own key,
//               read it the way the store will -> rebuild the tree -> the root must be the manifest's
//
// So a checkpoint that recovers is right to the last byte, and one that is not is left, with a sentence in the notes,
// for the generation before it. Nothing is repaired.
//
// A table that has mostly dead records, or more keys than its index is good for, is not compacted in place: the live
// records are written to a new table, and the old one goes when no manifest names it any more.
//
// Threading: one caller at a time.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

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

    public Checkpoints(StateStoreOptions options, FolderIdentity identity)
    {
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
    public FasterTable CreateTable(long leastKeys, out uint number)
    {
        number = 1;
        foreach (string name in _files.ListFolders(_tables))
        {
            if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint used) && used >= number)
            {
                number = used + 1;
            }
        }

        long wanted = Math.Max(_options.IndexBuckets, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)leastKeys / 4));
        TableShape shape = new(
            Math.Min(wanted, TableShape.MaxIndexBuckets), _options.TablePageBytes, _options.TableSegmentBytes,
            Math.Max(_options.TableMemoryBytes, 4L * _options.TablePageBytes));
        string folder = FolderOf(number);
        _files.CreateFolder(folder);
        return FasterTable.Create(_files, folder, shape, _bucketSalt);
    }

    /// <summary>Recovers one checkpoint and proves it.</summary>
    /// <returns>False, with a note, when it cannot be trusted.</returns>
    public bool TryRecover(Manifest manifest, List<string> notes, out FasterTable? table, out MerkleTree tree)
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
                table = FasterTable.Recover(_files, folder, manifest.Shape, _bucketSalt, manifest.Token);
                tree = Rebuild(table, _options);
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
    /// <param name="table">The table; replaced when it was rewritten.</param>
    /// <param name="number">Its number; changes with it.</param>
    /// <exception cref="StateStoreException">It does not hold what it should (712). Disk errors pass through.</exception>
    public void Take(
        ref FasterTable table, ref uint number, in BlockRecord last, MerkleTree tree, StateRoot root, LogPosition position)
    {
        long rewrittenTail = Kept.Count > 0 && Kept[0].Table == number ? Kept[0].RewrittenTail : 0;
        FasterTable? old = null;
        if (IsWorthRewriting(table, tree, rewrittenTail))
        {
            old = table;
            table = Rewrite(old, tree, out number);
            rewrittenTail = table.Tail;
        }

        old?.Dispose();
        Guid token = table.TakeCheckpoint();
        Manifest manifest = new(
            _options.Hashing.Chain, last.Height, last.BlockId, root, position, tree.Count, number, token, table.Shape,
            table.Tail, rewrittenTail, Describe(number, token, table));
        _manifests.Write(manifest);

        List<Manifest> kept = [manifest];
        foreach (Manifest other in Kept)
        {
            if (kept.Count < ManifestFolder.Generations && other.Height != manifest.Height)
            {
                kept.Add(other);
            }
        }

        Kept = kept;
        Collect();
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

    private static MerkleTree Rebuild(FasterTable table, StateStoreOptions options)
    {
        StateHashing hashing = options.Hashing;
        List<PathChange> leaves = [];
        foreach (StateKey key in table.ScanKeys())
        {
            if (!table.ReadStored(key, out ReadOnlySpan<byte> stored, out _))
            {
                continue;
            }

            if (!FasterTable.TrySplit(stored, out ProgramId program, out LocalKey localKey, out ReadOnlySpan<byte> record)
                || hashing.KeyOf(program, localKey) != key)
            {
                throw StoreFault.Of(RefusalCode.StoreReadFailed, $"The record of key {key} does not stand under its own key.");
            }

            leaves.Add(new PathChange(key, hashing.ValueHash(record)));
        }

        return MerkleTree.Build(new StateTreeHash(hashing), leaves.ToArray(), options.Jobs);
    }

    private bool IsWorthRewriting(FasterTable table, MerkleTree tree, long rewrittenTail)
    {
        bool mostlyDead = table.Tail > _options.RewriteAfterBytes + (3 * rewrittenTail);
        bool crowded = tree.Count > table.Shape.IndexBuckets * 8 && table.Shape.IndexBuckets < TableShape.MaxIndexBuckets;
        return mostlyDead || crowded;
    }

    private FasterTable Rewrite(FasterTable old, MerkleTree tree, out uint number)
    {
        FasterTable table = CreateTable(tree.Count, out number);
        bool whole = false;
        try
        {
            tree.Visit(key =>
            {
                bool found = old.ReadStored(key, out ReadOnlySpan<byte> stored, out _);
                RequireMatches(_options.Hashing, key, found, stored, tree);
                table.UpsertStored(key, stored);
            });
            whole = true;
            return table;
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
    private CheckpointFile[] Describe(uint number, Guid token, FasterTable table)
    {
        string folder = FolderOf(number);
        List<CheckpointFile> described = [];
        foreach (string kind in TokenFolders)
        {
            string tokenFolder = Path.Combine(folder, kind, token.ToString());
            foreach (string name in _files.ListFiles(tokenFolder))
            {
                described.Add(DescribeFile(folder, $"{kind}/{token}/{name}", null));
            }

            _files.SyncFolder(tokenFolder);
            _files.SyncFolder(Path.Combine(folder, kind));
        }

        long covered = table.Tail;
        Invariant.Require(covered % FasterTable.SectorBytes == 0);                                         // T4
        for (long start = 0; start < covered; start += table.Shape.SegmentBytes)
        {
            long length = Math.Min(covered - start, table.Shape.SegmentBytes);
            described.Add(DescribeFile(folder, FasterTable.LogFileName(start / table.Shape.SegmentBytes), length));
        }

        _files.SyncFolder(folder);
        _files.SyncFolder(_tables);
        RequirePlausible(described, table);
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
    private static void RequirePlausible(List<CheckpointFile> files, FasterTable table)
    {
        bool index = false;
        bool info = false;
        foreach (CheckpointFile file in files)
        {
            index |= file.Name.Contains("/ht.dat", StringComparison.Ordinal) && file.Length >= table.Shape.IndexBuckets * 64;
            info |= file.Name.StartsWith(TokenFolders[0], StringComparison.Ordinal)
                && file.Name.Contains("/info.dat", StringComparison.Ordinal) && file.Length > 0;
        }

        if (!index || !info)
        {
            throw StoreFault.Of(RefusalCode.StoreCheckpointFailed, "FASTER's checkpoint lacks its index or its description.");
        }
    }

    /// <summary>Deletes what no kept manifest names: manifests first, then the files.</summary>
    private void Collect()
    {
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

            foreach (string kind in TokenFolders)
            {
                foreach (string token in _files.ListFolders(Path.Combine(folder, kind)))
                {
                    if (!Kept.Exists(manifest => manifest.Table == number && manifest.Token.ToString() == token))
                    {
                        _files.DeleteFolder(Path.Combine(folder, kind, token));
                    }
                }
            }
        }
    }

    private string FolderOf(uint number) => Path.Combine(_tables, FolderName(number));

    private static string FolderName(uint number) => number.ToString("D8", CultureInfo.InvariantCulture);
}
