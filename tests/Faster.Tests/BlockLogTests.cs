// The block log over a disk that forgets, tears and fails. The law of all of it: a block that Append returned for is
// there with the same bytes, or the log refuses to open with a code; nothing in between.

using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster.Tests;

public sealed class BlockLogTests
{
    private const string Folder = "/log";
    private static readonly Bytes32 Key = Blake3.Hash("local key"u8);

    private static BlockLogOptions Options(IFileSystem files, long segmentBytes = 1500) => new(files, Folder, World.Chain, Key, segmentBytes);

    private static List<BlockRecord> Blocks(int count)
    {
        List<BlockRecord> blocks = [];
        for (int height = 0; height < count; height++)
        {
            blocks.Add(World.RecordOf(height, height == 0 ? default : blocks[^1].BlockId, new StateRoot(Blake3.Hash(BitConverter.GetBytes(height))), "log"));
        }

        return blocks;
    }

    private static void AssertHolds(BlockLog log, List<BlockRecord> blocks, int least, int most, string context)
    {
        int count = (int)log.Next.Value;
        Assert.True(count >= least && count <= most, $"{context}: {count} blocks instead of {least}..{most}");
        for (int height = 0; height < count; height++)
        {
            Assert.True(log.TryRead(new Height((ulong)height), out BlockRecord? record), $"{context}: block {height}");
            BlockRecord expected = blocks[height];
            Assert.Equal(expected.BlockId, record.Value.BlockId);
            Assert.Equal(expected.ParentId, record.Value.ParentId);
            Assert.Equal(expected.StateRoot, record.Value.StateRoot);
            Assert.True(expected.Payload.Span.SequenceEqual(record.Value.Payload.Span), $"{context}: payload {height}");
        }

        Assert.False(log.TryRead(log.Next, out _));
    }

    /// <summary>Writes all blocks; the disk stays as it is.</summary>
    private static MemoryDisk Written(List<BlockRecord> blocks, long segmentBytes = 1500)
    {
        MemoryDisk files = new();
        using BlockLog log = BlockLog.Open(Options(files, segmentBytes), null);
        blocks.ForEach(block => log.Append(block));
        return files;
    }

    [Fact]
    public void Blocks_come_back_by_height_across_segments_and_reopenings()
    {
        List<BlockRecord> blocks = Blocks(30);
        MemoryDisk files = new();
        for (int height = 0; height < blocks.Count; height++)
        {
            using BlockLog log = BlockLog.Open(Options(files), null);
            Assert.Equal(0, log.TornBytes);
            AssertHolds(log, blocks, height, height, $"before block {height}");
            log.Append(blocks[height]);
        }

        Assert.True(files.ListFiles(Folder).Length > 3);
        using BlockLog end = BlockLog.Open(Options(files), null);
        AssertHolds(end, blocks, 30, 30, "at the end");
    }

    [Fact]
    public void Log_torn_at_every_byte_of_the_last_record_opens_without_it()
    {
        List<BlockRecord> blocks = Blocks(4);
        MemoryDisk whole = Written(blocks, 1 << 20);
        string path = Folder + "/" + whole.ListFiles(Folder)[0];
        byte[] bytes = whole.Bytes(path);
        int last = bytes.Length - BlockRecordCodec.OverheadBytes - blocks[3].Payload.Length;
        for (int cut = last; cut < bytes.Length; cut++)
        {
            foreach (bool zeros in new[] { false, true })   // the file ends there, or has its length but not its bytes
            {
                byte[] torn = new byte[zeros ? bytes.Length : cut];
                bytes.AsSpan(0, cut).CopyTo(torn);
                MemoryDisk files = whole.With(path, torn).Without(Folder + "/" + AckMark.FileName);
                using (BlockLog log = BlockLog.Open(Options(files, 1 << 20), null))
                {
                    AssertHolds(log, blocks, 3, 3, $"cut at {cut}, zeros {zeros}");
                    Assert.Equal(torn.Length - last, log.TornBytes);
                    log.Append(blocks[3]);
                }

                using BlockLog again = BlockLog.Open(Options(files, 1 << 20), null);
                AssertHolds(again, blocks, 4, 4, $"cut at {cut}, written again");
            }
        }
    }

    [Fact]
    public void Flipped_byte_of_any_acknowledged_record_is_refused_also_of_the_last_and_elsewhere_is_harmless()
    {
        List<BlockRecord> blocks = Blocks(9);
        MemoryDisk whole = Written(blocks, 1500);
        string[] names = whole.ListFiles(Folder);
        Assert.True(names.Length >= 2);
        foreach (string name in names)
        {
            byte[] bytes = whole.Bytes(Folder + "/" + name);
            for (int at = 0; at < bytes.Length; at++)
            {
                MemoryDisk files = whole.Flipped(Folder + "/" + name, at, at % 8);
                string context = $"byte {at} of {name}";
                if (name.EndsWith(".log", StringComparison.Ordinal))
                {
                    StateStoreException error = Assert.Throws<StateStoreException>(() => BlockLog.Open(Options(files), null));
                    Assert.Equal(RefusalCode.StoreLogDamaged, error.Refusal.Code);
                    continue;
                }

                using BlockLog log = BlockLog.Open(Options(files), null);
                AssertHolds(log, blocks, 9, 9, context);
                foreach (BlockRecord block in blocks)
                {
                    Assert.True(log.TryFind(block.BlockId, out Height height) && height == block.Height, context + $": block {block.Height} is not found");
                }
            }
        }
    }

    [Fact]
    public void Damage_below_the_trusted_position_is_found_when_the_block_is_read()
    {
        List<BlockRecord> blocks = Blocks(9);
        MemoryDisk files = Written(blocks, 1 << 20);
        LogPosition position;
        using (BlockLog log = BlockLog.Open(Options(files, 1 << 20), null))
        {
            position = log.PositionAt(new Height(5));
            Assert.Equal(blocks[5].BlockId, position.LastBlock);
        }

        files = files.Flipped(Folder + "/" + files.ListFiles(Folder)[0], BlockRecordCodec.HeaderBytes + 3, 6);   // payload of block 0
        using BlockLog reopened = BlockLog.Open(Options(files, 1 << 20), position);
        Assert.True(reopened.TryRead(new Height(1), out _));
        StateStoreException error = Assert.Throws<StateStoreException>(() => reopened.TryRead(new Height(0), out _));
        Assert.Equal(RefusalCode.StoreLogDamaged, error.Refusal.Code);
    }

    [Fact]
    public void Log_that_ends_below_a_trusted_position_is_refused()
    {
        List<BlockRecord> blocks = Blocks(6);
        LogPosition position;
        using (BlockLog log = BlockLog.Open(Options(Written(blocks)), null))
        {
            position = log.End!.Value;
        }

        StateStoreException shorter = Assert.Throws<StateStoreException>(() => BlockLog.Open(Options(Written(blocks[..5])), position));
        Assert.Equal(RefusalCode.StoreLogBehindCheckpoint, shorter.Refusal.Code);
        StateStoreException empty = Assert.Throws<StateStoreException>(() => BlockLog.Open(Options(new MemoryDisk()), position));
        Assert.Equal(RefusalCode.StoreLogBehindCheckpoint, empty.Refusal.Code);
    }

    [Fact]
    public void Block_is_found_by_its_id_whether_the_index_files_are_there_or_not()
    {
        List<BlockRecord> blocks = Blocks(40);
        MemoryDisk files = Written(blocks);
        foreach (bool without in new[] { false, true })
        {
            foreach (string name in files.ListFiles(Folder))
            {
                if (without && name.EndsWith(".ids", StringComparison.Ordinal))
                {
                    files.DeleteFile(Folder + "/" + name);
                }
            }

            LogPosition position;
            using (BlockLog whole = BlockLog.Open(Options(files), null))
            {
                position = whole.PositionAt(new Height(31));
            }

            using BlockLog log = BlockLog.Open(Options(files), position);
            foreach (BlockRecord block in blocks)
            {
                Assert.True(log.TryFind(block.BlockId, out Height height), $"block {block.Height}, without {without}");
                Assert.Equal(block.Height, height);
            }

            Assert.False(log.TryFind(new BlockId(Blake3.Hash("none"u8)), out _));
            Assert.False(log.TryFind(default, out _));
        }
    }

    [Fact]
    public void Group_of_blocks_takes_one_sync_and_is_there_after_a_crash_whole()
    {
        List<BlockRecord> blocks = Blocks(12);
        MemoryDisk files = new();
        using (BlockLog log = BlockLog.Open(Options(files, 1 << 20), null))
        {
            log.Append(blocks[0]);
            int before = files.Journal.Count;
            LogPosition[] positions = new LogPosition[11];
            log.Append(blocks.ToArray().AsSpan(1), positions);
            Assert.Single(files.Journal.GetRange(before, files.Journal.Count - before), static step => step.Kind is DiskOperationKind.Sync or DiskOperationKind.SyncFolder);
            for (int i = 0; i < positions.Length; i++)
            {
                Assert.Equal(log.PositionAt(blocks[i + 1].Height), positions[i]);
            }
        }

        using BlockLog again = BlockLog.Open(Options(files.AfterCrash(Survives.Nothing), 1 << 20), null);
        AssertHolds(again, blocks, 12, 12, "after the crash");
    }

    [Theory, InlineData(0), InlineData(7), InlineData(18), InlineData(19)]
    public void Log_that_was_cut_after_a_block_ends_there_and_goes_on_from_there(int height)
    {
        List<BlockRecord> blocks = Blocks(20);
        MemoryDisk files = Written(blocks);
        using (BlockLog log = BlockLog.Open(Options(files), null))
        {
            log.CutAfter(new Height((ulong)height));
            AssertHolds(log, blocks, height + 1, height + 1, "cut");
            Assert.False(height < 19 && log.TryFind(blocks[19].BlockId, out _));
        }

        using (BlockLog log = BlockLog.Open(Options(files.AfterCrash(Survives.Nothing)), null))
        {
            AssertHolds(log, blocks, height + 1, height + 1, "cut and opened");
            for (int i = height + 1; i < 20; i++)
            {
                log.Append(blocks[i]);
            }

            AssertHolds(log, blocks, 20, 20, "grown again");
        }
    }

    [Fact]
    public void Old_segments_are_dropped_and_the_rest_is_whole()
    {
        List<BlockRecord> blocks = Blocks(30);
        MemoryDisk files = Written(blocks);
        Height first;
        using (BlockLog log = BlockLog.Open(Options(files), null))
        {
            log.DropBelow(new Height(17));
            first = log.First;
            Assert.InRange(first.Value, 1ul, 17ul);
        }

        using BlockLog again = BlockLog.Open(Options(files.AfterCrash(Survives.Nothing)), null);
        Assert.Equal(first, again.First);
        for (int i = 0; i < 30; i++)
        {
            Assert.Equal((ulong)i >= first.Value, again.TryRead(new Height((ulong)i), out _));
            Assert.Equal((ulong)i >= first.Value, again.TryFind(blocks[i].BlockId, out _));
        }
    }

    [Fact]
    public void Missing_segment_is_refused()
    {
        MemoryDisk files = Written(Blocks(20));
        string[] names = Array.FindAll(files.ListFiles(Folder), static name => name.EndsWith(".log", StringComparison.Ordinal));
        files.DeleteFile(Folder + "/" + names[1]);
        StateStoreException error = Assert.Throws<StateStoreException>(() => BlockLog.Open(Options(files), null));
        Assert.Equal(RefusalCode.StoreLogDamaged, error.Refusal.Code);
    }

    [Fact]
    public void Records_of_another_chain_or_of_another_folder_do_not_verify()
    {
        MemoryDisk files = Written(Blocks(3));
        files.DeleteFile(Folder + "/" + AckMark.FileName);
        BlockLogOptions foreignKey = Options(files) with { Key = Blake3.Hash("another folder"u8) };
        BlockLogOptions foreignChain = Options(files) with { Chain = new ChainId(Blake3.Hash("another chain"u8)) };
        foreach (BlockLogOptions options in new[] { foreignKey, foreignChain })
        {
            using BlockLog log = BlockLog.Open(options with { Files = files.AfterCrash(Survives.Everything) }, null);
            Assert.Null(log.End);
            Assert.True(log.TornBytes > 0);
        }
    }

    [Fact]
    public void Payload_that_imitates_a_record_does_not_turn_a_torn_tail_into_damage()
    {
        // The imitation is a perfect record, under a key that the sender of a block can guess at best.
        List<BlockRecord> blocks = Blocks(2);
        byte[] imitation = new byte[BlockRecordCodec.OverheadBytes + 5];
        BlockRecord later = new(new Height(7), default, default, default, "later"u8.ToArray());
        _ = BlockRecordCodec.Write(imitation, World.Chain, later, Bytes32.Zero, Blake3.Hash("guess"u8));
        BlockRecord hostile = new(new Height(2), blocks[1].BlockId, new BlockId(Blake3.Hash(imitation)), default, imitation);
        blocks.Add(hostile);

        MemoryDisk files = Written(blocks, 1 << 20);
        string path = Folder + "/" + files.ListFiles(Folder)[0];
        files = files.With(path, files.Bytes(path)[..^1]).Without(Folder + "/" + AckMark.FileName);      // it would know that the record was acknowledged
        using BlockLog log = BlockLog.Open(Options(files, 1 << 20), null);
        AssertHolds(log, blocks, 2, 2, "torn");
    }

    [Fact]
    public void Failed_operation_latches_the_log_and_loses_no_acknowledged_block()
    {
        List<BlockRecord> blocks = Blocks(12);
        int operations = Written(blocks).Journal.Count;
        foreach (FaultKind kind in new[] { FaultKind.Error, FaultKind.ShortWrite, FaultKind.FailedSync, FaultKind.NoSpace, FaultKind.ReadOnly })
        {
            for (int fail = 0; fail < operations; fail++)
            {
                MemoryDisk files = new() { Fault = kind, FaultAt = fail };
                int acknowledged = 0;
                StateStoreException? failure = null;
                BlockLog? log = null;
                try
                {
                    log = BlockLog.Open(Options(files), null);
                    for (; acknowledged < blocks.Count; acknowledged++)
                    {
                        log.Append(blocks[acknowledged]);
                    }
                }
                catch (StateStoreException error)
                {
                    failure = error;
                }

                if (failure is null)
                {
                    Assert.Equal(blocks.Count, acknowledged);        // the fault met the closing, which acknowledges nothing
                    log!.Dispose();
                }
                else if (log is not null)
                {
                    Assert.Equal(RefusalCode.StoreWriteFailed, failure.Refusal.Code);
                    Assert.Equal(RefusalCode.StoreLatched, Assert.Throws<StateStoreException>(() => log.Append(blocks[acknowledged])).Refusal.Code);
                    log.Dispose();
                }

                foreach (Survives survival in Enum.GetValues<Survives>())
                {
                    using BlockLog again = BlockLog.Open(Options(files.AfterCrash(survival)), null);
                    AssertHolds(again, blocks, acknowledged, acknowledged + 1, $"{kind} at {fail} ({files.Met}), {survival}");
                }
            }
        }
    }

    /// <summary>A run of the log with manifests beside it, as the store makes them, stopped before every operation.</summary>
    [Fact]
    public void Crash_at_every_operation_loses_no_acknowledged_block_and_no_checkpoint_but_the_newest()
    {
        List<BlockRecord> blocks = Blocks(24);
        MemoryDisk dry = new();
        _ = Run(dry, blocks);
        for (int crash = 0; crash < dry.Journal.Count; crash++)
        {
            MemoryDisk files = new() { StopAt = crash };
            (int acknowledged, int checkpoints) = Run(files, blocks);
            foreach (Survives survival in Enum.GetValues<Survives>())
            {
                string context = $"crash before operation {crash} ({dry.Journal[crash]}), {survival}";
                MemoryDisk next = files.AfterCrash(survival);
                List<string> notes = [];
                List<Manifest> kept = ManifestsOf(next).ReadAll(notes, out bool damaged);
                Assert.False(damaged, context + ": a manifest is torn");
                Assert.True(kept.Count >= Math.Min(checkpoints, ManifestFolder.Generations), context + $": {kept.Count} of {checkpoints} checkpoints");

                using BlockLog log = BlockLog.Open(Options(next), kept.Count == 0 ? null : kept[^1].Position);
                AssertHolds(log, blocks, acknowledged, acknowledged + 1, context);
                foreach (Manifest manifest in kept)
                {
                    Assert.Equal(manifest.Position, log.PositionAt(manifest.Height));
                }
            }
        }
    }

    /// <summary>A killed process loses no page cache, so what it wrote is read; a power cut afterwards must not take it back.</summary>
    [Fact]
    public void What_opening_found_survives_a_power_cut_right_after()
    {
        List<BlockRecord> blocks = Blocks(6);
        MemoryDisk dry = new();
        _ = Run(dry, blocks);
        for (int crash = 0; crash < dry.Journal.Count; crash++)
        {
            MemoryDisk files = new() { StopAt = crash };
            _ = Run(files, blocks);
            files.StopAt = -1;
            using BlockLog log = BlockLog.Open(Options(files), null);
            int found = (int)log.Next.Value;
            using BlockLog after = BlockLog.Open(Options(files.AfterCrash(Survives.Nothing)), null);
            AssertHolds(after, blocks, found, found, $"killed before operation {crash} ({dry.Journal[crash]})");
        }
    }

    private static (int Acknowledged, int Checkpoints) Run(MemoryDisk files, List<BlockRecord> blocks)
    {
        int acknowledged = 0;
        int checkpoints = 0;
        try
        {
            ManifestFolder manifests = ManifestsOf(files);
            files.CreateFolder(manifests.Folder);
            files.SyncFolder("/");
            using BlockLog log = BlockLog.Open(Options(files), null);
            List<Manifest> kept = [];
            foreach (BlockRecord block in blocks)
            {
                log.Append(block);
                acknowledged++;
                if (acknowledged % 4 == 0)
                {
                    kept.Insert(0, ManifestOf(log.PositionAt(block.Height), block));
                    manifests.Write(kept[0]);
                    checkpoints++;
                    kept = kept[..Math.Min(kept.Count, ManifestFolder.Generations)];
                    manifests.DeleteAllBut(kept);
                }
            }
        }
        catch (MachineStoppedException)
        {
        }

        return (acknowledged, checkpoints);
    }

    private static ManifestFolder ManifestsOf(IFileSystem files) => new(files, "/manifests", Key, World.Chain, 1 << 20);

    internal static Manifest ManifestOf(LogPosition position, in BlockRecord block) => new(
        World.Chain, block.Height, block.BlockId, block.StateRoot, position, 3, 1, [new Guid(1, 2, 3, [4, 5, 6, 7, 8, 9, 10, 11])],
        new TableShape(64, 16384, 65536, 1 << 20), 100,
        [new CheckpointFile("hlog.log.0", 4608, Blake3.Hash("x"u8)), new CheckpointFile("index-checkpoints/a/ht.dat.0", 4096, Blake3.Hash("y"u8))]);

    [Fact]
    public void Manifest_survives_its_encoding_and_refuses_every_shorter_or_flipped_one()
    {
        List<BlockRecord> blocks = Blocks(1);
        LogPosition position = new(0, 0, 300, new Height(0), Blake3.Hash("h"u8), blocks[0].BlockId);
        Manifest manifest = ManifestOf(position, blocks[0]);
        byte[] body = manifest.Encode();
        Assert.True(Manifest.TryDecode(body, 1 << 20, out Manifest? decoded, out _));
        Assert.Equal(body, decoded!.Encode());
        Assert.Equal(manifest with { Files = decoded.Files, Tokens = decoded.Tokens }, decoded);
        for (int length = 0; length < body.Length; length++)
        {
            Assert.False(Manifest.TryDecode(body.AsSpan(0, length), 1 << 20, out _, out Refusal refusal));
            Assert.True(refusal.IsRefused);
        }

        MemoryDisk files = new();
        files.CreateFolder("/manifests");
        ManifestFolder folder = ManifestsOf(files);
        folder.Write(manifest);
        string path = "/manifests/" + files.ListFiles("/manifests")[0];
        for (int at = 0; at < files.Bytes(path).Length; at++)
        {
            MemoryDisk flipped = files.Flipped(path, at, 6);
            List<string> notes = [];
            Assert.Empty(ManifestsOf(flipped).ReadAll(notes, out bool damaged));
            Assert.True(damaged);
            Assert.Single(notes);
        }
    }

    [Fact]
    public void Foreign_files_in_the_log_folder_are_left_alone()
    {
        MemoryDisk files = Written(Blocks(3), 1 << 20);
        files = files.With(Folder + "/readme.txt", Encoding.UTF8.GetBytes("mine")).With(Folder + "/123.log", [1, 2, 3]);
        using BlockLog log = BlockLog.Open(Options(files, 1 << 20), null);
        AssertHolds(log, Blocks(3), 3, 3, "with foreign files");
        Assert.Equal(3, files.Bytes(Folder + "/123.log").Length);
    }

    [Fact]
    public void Block_that_does_not_continue_the_chain_is_a_broken_invariant()
    {
        List<BlockRecord> blocks = Blocks(4);
        MemoryDisk files = new();
        using BlockLog log = BlockLog.Open(Options(files), null);
        Assert.Throws<InvariantException>(() => log.Append(blocks[1]));
        log.Append(blocks[0]);
        Assert.Throws<InvariantException>(() => log.Append(blocks[0]));
        Assert.Throws<InvariantException>(() => log.Append(blocks[1] with { ParentId = blocks[2].BlockId }));
        Assert.Throws<ArgumentException>(() => log.Append(blocks[1] with { Payload = new byte[BlockRecordCodec.MaxPayloadBytes + 1] }));
        log.Append(blocks[1]);
        AssertHolds(log, blocks, 2, 2, "after refusals");
    }

    // A chain reads blocks while it waits for the disk to take the next one.
    [Fact]
    public async Task What_is_read_or_looked_for_while_blocks_are_written_is_whole_or_not_there_yet()
    {
        List<BlockRecord> blocks = Blocks(150);
        using TempFolder temp = new();
        using BlockLog log = BlockLog.Open(new BlockLogOptions(DiskFileSystem.Instance, temp["log"], World.Chain, Key, 4_096), null);
        int written = 0;
        Task writer = Task.Run(() =>
        {
            foreach (BlockRecord block in blocks)
            {
                log.Append(block);
                Volatile.Write(ref written, written + 1);
            }
        });
        SeededRandom random = new(5);
        do
        {
            int known = Volatile.Read(ref written);
            int height = random.Next(blocks.Count);
            bool isThere = log.TryRead(new Height((ulong)height), out BlockRecord? record);
            Assert.True(isThere || height >= known, $"block {height} of {known}");
            Assert.True(!isThere || record!.Value.Payload.Span.SequenceEqual(blocks[height].Payload.Span));
            height = random.Next(blocks.Count);
            isThere = log.TryFind(blocks[height].BlockId, out Height found);
            Assert.True(isThere ? found.Value == (ulong)height : height >= known, $"id of block {height} of {known}");
        }
        while (!writer.IsCompleted);
        await writer;
        AssertHolds(log, blocks, blocks.Count, blocks.Count, "in the end");
    }
}
