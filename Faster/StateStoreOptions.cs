// Settings of a store. Only the folder and the chain have to be said.

using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Where a store lives and how it is shaped.</summary>
public sealed record StateStoreOptions
{
    /// <summary>The data folder; created when missing. One process at a time.</summary>
    public required string Folder { get; init; }

    /// <summary>The chain's hashing; its chain id is the only one whose data is opened.</summary>
    public required StateHashing Hashing { get; init; }

    /// <summary>The disk, under everything, FASTER's files included.</summary>
    public IFileSystem Files { get; init; } = DiskFileSystem.Instance;

    /// <summary>Runs the jobs of a root computation, for example on a pool of workers; null: one after the other on the caller.</summary>
    public RunJobs? Jobs { get; init; }

    /// <summary>A checkpoint follows every so many accepted blocks; 0: only on demand and on a clean stop.</summary>
    public int CheckpointEveryBlocks { get; init; } = 256;

    /// <summary>Checkpoint when the store is disposed of in good order.</summary>
    public bool CheckpointOnDispose { get; init; } = true;

    /// <summary>Verify every block record at opening, and not only those since the older checkpoint. About a second per GiB.</summary>
    public bool VerifyWholeLog { get; init; }

    /// <summary>Accepted blocks are brought into the state table, and checkpoints taken, on a thread of the store's own. Hosts turn it on.</summary>
    public bool AppliesInBackground { get; init; }

    /// <summary>Blocks whose old values are kept at least: how far back the state can be read, proven, or taken. 0: none; -1: all.</summary>
    public int HistoryBlocks { get; init; } = 1024;

    /// <summary>A history file that has reached this length is followed by a new one.</summary>
    public long HistorySegmentBytes { get; init; } = 16L << 20;

    /// <summary>Newest blocks that stay in the block log at least; 0: all. Never fewer than the older checkpoint and the history need.</summary>
    public long KeepBlocks { get; init; }

    /// <summary>Keys that a new state table is made for. It is rewritten for more; an existing one is what its manifest says.</summary>
    public long ExpectedKeys { get; init; }

    /// <summary>
    /// A state table made for more keys has sixteen parts, by the first four bits of the key. No more than the default counts:
    /// it is three keys for each bucket of the largest index that FASTER can be trusted with.
    /// </summary>
    public long KeysPerPart { get; init; } = StateTable.KeysPerPartMax;

    /// <summary>
    /// Entropy for a new folder: it keys local checksums and salts hash buckets, so that nobody outside can aim at
    /// either. Never part of a root. Zero is allowed and makes the folder's bytes reproducible.
    /// </summary>
    public Bytes32 LocalSalt { get; init; }

    /// <summary>A block log segment that has reached this length is followed by a new one.</summary>
    public long LogSegmentBytes { get; init; } = 64L << 20;

    /// <summary>Hash buckets of a new state table, a power of two up to 2^24; 64 bytes of memory each, in every part. The table grows them when it is rewritten.</summary>
    public long IndexBuckets { get; init; } = 1 << 17;

    /// <summary>Page of the state table's log, a power of two.</summary>
    public int TablePageBytes { get; init; } = 1 << 20;

    /// <summary>One file of the state table's log, a power of two.</summary>
    public long TableSegmentBytes { get; init; } = 1L << 30;

    /// <summary>Part of the state table's log that stays in memory, at least four pages.</summary>
    public long TableMemoryBytes { get; init; } = 256L << 20;

    /// <summary>The state table is rewritten without dead records when its log has tripled since it was written, and grown by this much.</summary>
    public long RewriteAfterBytes { get; init; } = 256L << 20;
}
