// Making the log shorter, at either end, on purpose.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

public sealed partial class BlockLog
{
    /// <summary>Forgets every block above a height, durably. A crash in between leaves a shorter cut: do it again at the next start.</summary>
    /// <exception cref="StateStoreException">The disk failed (709), or the record of that height is damaged (705).</exception>
    public void CutAfter(Height height)
    {
        if (End is not { } end || height.Value >= end.Last.Value)
        {
            return;
        }

        LogPosition position = PositionAt(height);
        Latching($"Cutting the block log {_options.Folder} after block {height}", () =>
        {
            _mark!.Reset(position);
            _tail?.Dispose();
            _tail = null;
            while (_segments[^1].First > height.Value)
            {
                Delete(_segments.Count - 1);
            }

            Segment segment = _segments[^1];
            _tail = _options.Files.OpenOrCreate(segment.Path);
            _tail.SetLength(position.Offset);
            _tail.Sync();
            segment.Length = position.Offset;
            segment.Offsets?.RemoveRange((int)(height.Value - segment.First) + 1, segment.Offsets.Count - (int)(height.Value - segment.First) - 1);
            segment.Ids = null;
            End = position;
        });
    }

    /// <summary>Forgets whole segments of blocks below a height, oldest first.</summary>
    /// <exception cref="StateStoreException">The disk failed (709).</exception>
    public void DropBelow(Height height)
    {
        if (_segments.Count > 1 && _segments[1].First <= height.Value)
        {
            Latching($"Dropping old blocks of {_options.Folder}", () =>
            {
                while (_segments.Count > 1 && _segments[1].First <= height.Value)
                {
                    Delete(0);
                }
            });
        }
    }

    // One at a time and synced: what is left is always one piece.
    private void Delete(int index)
    {
        _options.Files.DeleteFile(_segments[index].Path);
        _options.Files.DeleteFile(System.IO.Path.ChangeExtension(_segments[index].Path, IdsExtension));
        _options.Files.SyncFolder(_options.Folder);
        _segments.RemoveAt(index);
    }

    private void Latching(string doing, Action action)
    {
        if (_latched)
        {
            throw StoreFault.Of(RefusalCode.StoreLatched, "The block log stopped at an earlier write failure; open the store again.");
        }

        try
        {
            action();
        }
        catch (Exception error) when (StoreFault.IsDisk(error))
        {
            _latched = true;                                                                            // L4
            throw StoreFault.Disk(RefusalCode.StoreWriteFailed, doing, error);
        }
    }
}
