// A whole state as one stream, the same bytes on every machine that holds it; and a store made of such a stream.
//
//   u32 magic | u16 format | u16 zero | chain 32 | u64 height | u64 records | u32 blocks
//   | blocks: (u64 height | parent 32 | id 32 | root 32 | u32 length | payload)*, ascending by one, the last at height
//   | records: (program 32 | local key 32 | u32 length | value)*, strictly ascending by state key
//   | BLAKE3 of all before 32
//
// Reading is total: bounded by the lengths it checks, refusing with 715 and a sentence. Nothing of an import counts before the
// root of its records equals the root of its newest block: until then the folder has neither block nor checkpoint.
// What the hash protects against is accident; what the root protects against is anybody, if the root is known from elsewhere.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class StateStore
{
    private const uint ExportMagic = 0x58455650;   // "PVEX"
    private const ushort ExportFormat = 1;
    private const int ExportBlocksMax = 1 << 20;
    private const int ImportBatch = 1 << 14;

    /// <summary>Writes the accepted state and the newest blocks.</summary>
    /// <param name="target">Taken from where it stands.</param>
    /// <param name="blocks">Newest blocks that go with it, at least 1; fewer when fewer are kept.</param>
    /// <exception cref="StateStoreException">A record or block cannot be read.</exception>
    public void Export(Stream target, int blocks)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        RequireUsable();
        Invariant.Require(_last is not null);
        Height last = _last!.Value.Height;
        ulong first = Math.Max(_log.First.Value, last.Value - Math.Min(last.Value, (ulong)Math.Min(blocks, ExportBlocksMax) - 1));
        Sink sink = new(target);
        CanonicalWriter writer = new(1 << 16);
        writer.WriteU32(ExportMagic);
        writer.WriteU16(ExportFormat);
        writer.WriteU16(0);
        writer.WriteBytes32(Hashing.Chain.Value);
        writer.WriteU64(last.Value);
        writer.WriteU64((ulong)Records);
        writer.WriteU32((uint)(last.Value - first + 1));
        sink.Take(writer);
        for (ulong height = first; height <= last.Value; height++)
        {
            bool kept = _log.TryRead(new Height(height), out BlockRecord? record);
            Invariant.Require(kept);
            writer.WriteU64(height);
            writer.WriteBytes32(record!.Value.ParentId.Value);
            writer.WriteBytes32(record.Value.BlockId.Value);
            writer.WriteBytes32(record.Value.StateRoot.Value);
            writer.WriteU32((uint)record.Value.Payload.Length);
            writer.WriteBytes(record.Value.Payload.Span);
            sink.Take(writer);
        }

        _applier.Drain();
        RequireUsable();
        ReleaseApplied();
        List<StateKey> keys = new((int)Math.Min(Records, int.MaxValue / 2));
        _base.Tree.Visit(keys.Add);
        foreach (StateKey key in keys)
        {
            bool found = _applier.Read(key, out ReadOnlySpan<byte> stored, out _);
            Checkpoints.RequireMatches(Hashing, key, found, stored, _base.Tree);
            _ = FasterTable.TrySplit(stored, out ProgramId program, out LocalKey local, out ReadOnlySpan<byte> value);
            writer.WriteBytes32(program.Value);
            writer.WriteBytes32(local.Value);
            writer.WriteU32((uint)value.Length);
            writer.WriteBytes(value);
            sink.Take(writer);
        }

        sink.End();
    }

    /// <summary>Makes a store in an empty folder of what <see cref="Export"/> wrote, and leaves it closed.</summary>
    /// <returns>Why not; then the folder holds nothing that counts.</returns>
    /// <exception cref="StateStoreException">The machine failed, or the folder holds blocks or checkpoints already (700).</exception>
    public static Refusal Import(StateStoreOptions options, Stream source)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(source);
        if (HoldsData(options))
        {
            throw StoreFault.Of(RefusalCode.StoreFolderUnusable, $"{options.Folder} holds a chain already; an import needs an empty folder.");
        }

        using StateStore store = Open(options with { AppliesInBackground = false, CheckpointOnDispose = false });
        Reader reader = new(source);
        Refusal refusal = store.Take(ref reader, out List<BlockRecord> blocks);
        if (refusal.IsRefused)
        {
            return refusal;
        }

        store._log.StartAt(blocks[0].Height);
        LogPosition[] positions = new LogPosition[blocks.Count];
        store._log.Append(blocks.ToArray(), positions);
        Cut cut = new(blocks[^1], store._base.Root, store.Records, positions[^1]);
        store.Guarded("Writing a checkpoint", () => store._applier.CheckpointNow(cut));
        return Refusal.None;
    }

    private Refusal Take(ref Reader reader, out List<BlockRecord> blocks)
    {
        blocks = [];
        uint magic = reader.U32();
        uint format = reader.U32();
        if (!reader.Ok || magic != ExportMagic || format != ExportFormat)
        {
            return Refuse("The file is not an export of a known format.");
        }

        ChainId chain = new(reader.Hash32());
        ulong height = reader.U64();
        ulong records = reader.U64();
        uint count = reader.U32();
        if (!reader.Ok || chain != Hashing.Chain)
        {
            return Refuse($"The export is of chain {chain}, not of {Hashing.Chain}.");
        }

        if (count is 0 or > ExportBlocksMax || count - 1 > height)
        {
            return Refuse($"An export does not carry {count} blocks up to height {height}.");
        }

        for (ulong next = height - (count - 1); next <= height; next++)
        {
            bool isNext = reader.U64() == next;
            BlockRecord record = new(new Height(next), new BlockId(reader.Hash32()), new BlockId(reader.Hash32()), new StateRoot(reader.Hash32()), reader.Bytes(BlockRecordCodec.MaxPayloadBytes));
            if (!reader.Ok || !isNext || (blocks.Count > 0 && record.ParentId != blocks[^1].BlockId))
            {
                return Refuse($"Block {next} of the export is cut off, too long, or does not stand on the one before it.");
            }

            blocks.Add(record);
        }

        List<DiffEntry> entries = [];
        MemoryStream values = new();
        StateKey before = default;
        for (ulong i = 0; i < records; i++)
        {
            ProgramId program = new(reader.Hash32());
            LocalKey local = new(reader.Hash32());
            byte[] value = reader.Bytes(StateLimits.MaxRecordBytes);
            StateKey key = Hashing.KeyOf(program, local);
            if (!reader.Ok || (i > 0 && before.CompareTo(key) >= 0))
            {
                return Refuse($"Record {i} of the export is cut off, too long, or out of order.");
            }

            before = key;
            entries.Add(new DiffEntry(key, program, local, (int)values.Length, value.Length));
            values.Write(value);
            if (entries.Count == ImportBatch || i + 1 == records)
            {
                TakeRecords(StateDiff.FromSorted([.. entries], values.ToArray()));
                entries.Clear();
                values = new MemoryStream();
            }
        }

        if (!reader.EndsWithItsHash())
        {
            return Refuse("The export's checksum is wrong, or bytes follow it.");
        }

        return _base.Root == blocks[^1].StateRoot
            ? Refusal.None
            : Refuse($"The records of the export give root {_base.Root}; its block {height} says {blocks[^1].StateRoot}.");
    }

    /// <summary>Puts records into the table and the tree. Nothing counts before there is a checkpoint.</summary>
    private void TakeRecords(StateDiff diff)
    {
        MerkleTree tree = Grow(_base.Tree, diff);
        tree.BecomeBase();
        Guarded("Importing records", () => _applier.Write(diff));
        _base = new BlockView(this, tree, Hashing.Root(tree.Hash));
        Acceptances++;
    }

    private static Refusal Refuse(string sentence) => new(RefusalCode.StoreExportRefused, sentence);

    /// <summary>Hashes what it passes on.</summary>
    private sealed class Sink(Stream target)
    {
        private Blake3.Hasher _hasher = Blake3.Hasher.Create();

        public void Take(CanonicalWriter writer)
        {
            _hasher.Append(writer.Written);
            target.Write(writer.Written);
            writer.Clear();
        }

        public void End()
        {
            byte[] hash = new byte[Bytes32.Size];
            _hasher.Hash().CopyTo(hash);
            target.Write(hash);
            target.Flush();
        }
    }

    /// <summary>Reads fields from a stream, hashing them; after the end of the stream everything is zero and <see cref="Ok"/> false.</summary>
    private ref struct Reader(Stream source)
    {
        private readonly byte[] _field = new byte[Bytes32.Size];
        private Blake3.Hasher _hasher = Blake3.Hasher.Create();

        public bool Ok { get; private set; } = true;

        public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(_field.AsSpan(0, 4)));

        public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(_field.AsSpan(0, 8)));

        public Bytes32 Hash32() => Bytes32.From(Take(_field));

        public byte[] Bytes(int max)
        {
            uint length = U32();
            Ok &= length <= max;
            byte[] bytes = new byte[Ok ? length : 0];
            _ = Take(bytes);
            return bytes;
        }

        public bool EndsWithItsHash()
        {
            Bytes32 expected = _hasher.Hash();
            return Hash32() == expected && Ok && source.ReadByte() < 0;
        }

        private Span<byte> Take(Span<byte> target)
        {
            if (!Ok || source.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) != target.Length)
            {
                Ok = false;
                target.Clear();
            }

            _hasher.Append(target);
            return target;
        }
    }
}
