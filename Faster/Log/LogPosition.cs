// A place between two records of the block log, with enough about the record before it to check that it is that log.

using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The end of the log as it was after some record.</summary>
/// <param name="Segment">Height that the segment file is named after.</param>
/// <param name="LastOffset">Start of the last record, in bytes from the start of the segment.</param>
/// <param name="Offset">End of the last record; start of the next one unless it opens a segment.</param>
/// <param name="Last">Height of the last record.</param>
/// <param name="LastHash">Hash of the last record.</param>
/// <param name="LastBlock">Block id of the last record.</param>
public readonly record struct LogPosition(
    ulong Segment, long LastOffset, long Offset, Height Last, Bytes32 LastHash, BlockId LastBlock);
