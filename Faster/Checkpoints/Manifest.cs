// What a checkpoint is: the one small file whose rename makes a set of FASTER files count. It names the block, the
// root, FASTER's tokens (one per part of the table), the place in the block log, and the length and checksum of every file that recovery reads.
//
// Decoding is bounded (file count, name length) and never throws; the file's own checksum was checked before.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>One file of a checkpoint: the first <paramref name="Length"/> bytes have that checksum.</summary>
/// <param name="Name">Path relative to the table's folder, with forward slashes.</param>
/// <param name="Length">Bytes covered. FASTER's log may be longer: what lies behind belongs to later blocks.</param>
/// <param name="Checksum">See <see cref="FileChecksums"/>.</param>
internal readonly record struct CheckpointFile(string Name, long Length, Bytes32 Checksum);

/// <summary>A checkpoint of the accepted state at one block.</summary>
internal sealed record Manifest(
    ChainId Chain,
    Height Height,
    BlockId BlockId,
    StateRoot Root,
    LogPosition Position,
    long Records,
    uint Table,
    Guid[] Tokens,
    TableShape Shape,
    long RewrittenTail,
    CheckpointFile[] Files)
{
    private const uint Magic = 0x464D5650;   // "PVMF"
    private const ushort Format = 2;
    private const int MaxFiles = 1 << 16;
    private const int MaxNameBytes = 200;

    /// <summary>The manifest as bytes.</summary>
    public byte[] Encode()
    {
        CanonicalWriter writer = new(1024);
        writer.WriteU32(Magic);
        writer.WriteU16(Format);
        writer.WriteBytes32(Chain.Value);
        writer.WriteU64(Height.Value);
        writer.WriteBytes32(BlockId.Value);
        writer.WriteBytes32(Root.Value);
        writer.WriteU64(Position.Segment);
        writer.WriteU64((ulong)Position.LastOffset);
        writer.WriteU64((ulong)Position.Offset);
        writer.WriteBytes32(Position.LastHash);
        writer.WriteU64((ulong)Records);
        writer.WriteU32(Table);
        writer.WriteU8((byte)Tokens.Length);
        foreach (Guid token in Tokens)
        {
            _ = token.TryWriteBytes(writer.Reserve(16));
        }

        writer.WriteU64((ulong)Shape.IndexBuckets);
        writer.WriteU32((uint)Shape.PageBytes);
        writer.WriteU64((ulong)Shape.SegmentBytes);
        writer.WriteU64((ulong)RewrittenTail);
        writer.WriteU32((uint)Files.Length);
        foreach (CheckpointFile file in Files)
        {
            writer.WriteCounted(System.Text.Encoding.UTF8.GetBytes(file.Name));
            writer.WriteU64((ulong)file.Length);
            writer.WriteBytes32(file.Checksum);
        }

        return writer.ToArray();
    }

    /// <summary>Reads a manifest.</summary>
    /// <param name="memoryBytes">Goes into the shape: it is a setting of this process, not of the files.</param>
    public static bool TryDecode(ReadOnlySpan<byte> body, long memoryBytes, out Manifest? manifest, out Refusal refusal)
    {
        manifest = null;
        CanonicalReader reader = new(body);
        if (reader.ReadU32() != Magic || reader.ReadU16() != Format)
        {
            refusal = new Refusal(RefusalCode.StoreFormatUnknown, "It is not a manifest of a known format.");
            return false;
        }

        ChainId chain = new(reader.ReadBytes32());
        Height height = new(reader.ReadU64());
        BlockId blockId = new(reader.ReadBytes32());
        StateRoot root = new(reader.ReadBytes32());
        ulong segment = reader.ReadU64();
        long lastOffset = (long)reader.ReadU64();
        long offset = (long)reader.ReadU64();
        LogPosition position = new(segment, lastOffset, offset, height, reader.ReadBytes32(), blockId);
        long records = (long)reader.ReadU64();
        uint table = reader.ReadU32();
        int parts = reader.ReadU8();
        if (parts is not (1 or StateTable.PartsMax))
        {
            _ = reader.Refuse(RefusalCode.OutOfRange, "A table has 1 or 16 parts.");
        }

        Guid[] tokens = new Guid[reader.Ok ? parts : 0];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> bytes = reader.ReadBytes(16);
            tokens[i] = bytes.Length == 16 ? new Guid(bytes) : default;
        }

        long buckets = (long)reader.ReadU64();
        int page = (int)reader.ReadU32();
        long segmentBytes = (long)reader.ReadU64();
        TableShape shape = new(buckets, page, segmentBytes, Math.Max(memoryBytes, 4L * page));
        long rewrittenTail = (long)reader.ReadU64();
        uint count = reader.ReadU32();
        if (count > MaxFiles || !shape.IsValid || lastOffset < 0 || offset <= lastOffset)
        {
            _ = reader.Refuse(RefusalCode.OutOfRange, "A count, a size or a position is outside its range.");
        }

        CheckpointFile[] files = new CheckpointFile[reader.Ok ? (int)count : 0];
        for (int i = 0; i < files.Length; i++)
        {
            string name = System.Text.Encoding.UTF8.GetString(reader.ReadCounted(MaxNameBytes));
            files[i] = new CheckpointFile(name, (long)reader.ReadU64(), reader.ReadBytes32());
        }

        if (!reader.TryEnd(out refusal))
        {
            return false;
        }

        manifest = new Manifest(chain, height, blockId, root, position, records, table, tokens, shape, rewrittenTail, files);
        return true;
    }
}
