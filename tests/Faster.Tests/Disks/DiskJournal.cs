// What a run did to its disk, operation by operation, and what a crash after any prefix of it leaves behind.
//
//   file    durable bytes + pending writes;        Sync makes them durable
//   folder  durable names + pending name changes;  SyncFolder makes them durable
//
// Strict POSIX: the sync of a file says nothing about its name, the sync of a folder nothing about what is in its files,
// and what was not synced may survive in any combination. After a failed sync what was pending is lost: a later sync that
// succeeds does not bring it back.
//
// Threading: one owner. Replaying is linear: one DiskReplay walks the journal once and is asked for images on its way.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

/// <summary>What survives of operations that were not synced.</summary>
public enum Survives
{
    /// <summary>Nothing.</summary>
    Nothing,

    /// <summary>Everything: the process was killed, the machine was not.</summary>
    Everything,

    /// <summary>The operations up to a random one, the last write cut at a random byte.</summary>
    Prefix,

    /// <summary>Each 512-byte sector of each write, and each name change, by a coin; what is missing reads as zeros or as garbage.</summary>
    Sectors,
}

/// <summary>Kinds of changing operations.</summary>
public enum DiskOperationKind
{
    MakeFolder,
    Create,
    Write,
    SetLength,
    Sync,
    SyncFailed,
    Rename,
    Delete,
    RemoveFolder,
    SyncFolder,
}

/// <summary>One operation.</summary>
/// <param name="Inode">The file, for what concerns its bytes.</param>
/// <param name="Path">Its name, or the folder's.</param>
/// <param name="Target">Where a rename goes.</param>
/// <param name="Offset">Where a write goes, or the new length.</param>
public readonly record struct DiskOperation(
    DiskOperationKind Kind, int Inode, string Path, string? Target = null, long Offset = 0, byte[]? Bytes = null)
{
    public override string ToString() => Kind switch
    {
        DiskOperationKind.Write => $"write {Bytes!.Length} bytes at {Offset} of {Path}",
        DiskOperationKind.SetLength => $"set length {Offset} of {Path}",
        DiskOperationKind.Rename => $"rename {Path} to {Target}",
        _ => $"{Kind} {Path}",
    };
}

/// <summary>Bytes that a crash left, by path; and the folders.</summary>
public sealed record DiskImage(Dictionary<string, byte[]> Files, HashSet<string> Folders);

/// <summary>Walks a journal and knows, at every place of it, what is durable and what is pending.</summary>
public sealed class DiskReplay
{
    private const int Sector = 512;

    private readonly IReadOnlyList<DiskOperation> _journal;
    private readonly Dictionary<int, byte[]> _durable = [];                                  // by inode
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);           // durable file names
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal) { "/" };         // durable folder names
    private readonly List<int> _pending = [];                                                // places in the journal, ascending

    /// <param name="start">What was on the disk before the journal: its files have the inodes 0, 1, .. in ordinal order of their paths.</param>
    public DiskReplay(DiskImage? start, IReadOnlyList<DiskOperation> journal)
    {
        _journal = journal;
        if (start is not null)
        {
            _folders.UnionWith(start.Folders);
            int inode = 0;
            foreach (string path in MemoryDisk.Ordered(start.Files.Keys))
            {
                _durable[inode] = start.Files[path];
                _names[path] = inode++;
            }
        }
    }

    /// <summary>Operations done so far.</summary>
    public int Done { get; private set; }

    /// <summary>Goes on until <paramref name="count"/> operations are done.</summary>
    public void AdvanceTo(int count)
    {
        while (Done < count)
        {
            DiskOperation operation = _journal[Done];
            switch (operation.Kind)
            {
                case DiskOperationKind.Sync:
                    Settle(place => IsBytesOf(_journal[place], operation.Inode), keep: true);
                    break;
                case DiskOperationKind.SyncFailed:
                    Settle(place => IsBytesOf(_journal[place], operation.Inode), keep: false);
                    break;
                case DiskOperationKind.SyncFolder:
                    Settle(place => IsNameIn(_journal[place], operation.Path), keep: true);
                    break;
                default:
                    _pending.Add(Done);
                    break;
            }

            Done++;
        }
    }

    /// <summary>The disk as the next start of the machine finds it.</summary>
    public DiskImage Crash(Survives survives, SeededRandom random)
    {
        Dictionary<int, byte[]> bytes = new(_durable);
        Dictionary<string, int> names = new(_names, StringComparer.Ordinal);
        HashSet<string> folders = new(_folders, StringComparer.Ordinal);
        int kept = survives switch
        {
            Survives.Nothing => 0,
            Survives.Prefix => random.Next(_pending.Count + 1),
            _ => _pending.Count,
        };
        for (int i = 0; i < kept; i++)
        {
            DiskOperation operation = _journal[_pending[i]];
            if (operation.Kind == DiskOperationKind.Write)
            {
                bool torn = survives == Survives.Prefix && i == kept - 1;
                bytes[operation.Inode] = survives == Survives.Sectors
                    ? Scatter(bytes.GetValueOrDefault(operation.Inode, []), operation, random)
                    : Overlay(bytes.GetValueOrDefault(operation.Inode, []), operation.Offset, torn ? operation.Bytes.AsSpan(0, random.Next(operation.Bytes!.Length + 1)) : operation.Bytes);
            }
            else if (survives != Survives.Sectors || random.Chance(1, 2))
            {
                Apply(operation, bytes, names, folders);
            }
        }

        Dictionary<string, byte[]> files = new(StringComparer.Ordinal);
        foreach ((string path, int inode) in names)
        {
            if (Reaches(folders, MemoryDisk.FolderOf(path)))
            {
                files[path] = bytes.GetValueOrDefault(inode, []);
            }
        }

        folders.RemoveWhere(folder => !Reaches(folders, folder));
        return new DiskImage(files, folders);
    }

    private static bool IsBytesOf(in DiskOperation operation, int inode) =>
        operation.Inode == inode && operation.Kind is (DiskOperationKind.Write or DiskOperationKind.SetLength);

    private static bool IsNameIn(in DiskOperation operation, string folder) =>
        operation.Kind is not (DiskOperationKind.Write or DiskOperationKind.SetLength) && MemoryDisk.FolderOf(operation.Path) == folder;

    private static bool Reaches(HashSet<string> folders, string folder)
    {
        while (folder != "/")
        {
            if (!folders.Contains(folder))
            {
                return false;
            }

            folder = MemoryDisk.FolderOf(folder);
        }

        return true;
    }

    private void Settle(Predicate<int> concerned, bool keep)
    {
        int kept = 0;
        for (int i = 0; i < _pending.Count; i++)
        {
            int place = _pending[i];
            if (!concerned(place))
            {
                _pending[kept++] = place;
            }
            else if (keep)
            {
                Apply(_journal[place], _durable, _names, _folders);
            }
        }

        _pending.RemoveRange(kept, _pending.Count - kept);
    }

    private static void Apply(in DiskOperation operation, Dictionary<int, byte[]> bytes, Dictionary<string, int> names, HashSet<string> folders)
    {
        switch (operation.Kind)
        {
            case DiskOperationKind.Write:
                bytes[operation.Inode] = Overlay(bytes.GetValueOrDefault(operation.Inode, []), operation.Offset, operation.Bytes);
                break;
            case DiskOperationKind.SetLength:
                byte[] old = bytes.GetValueOrDefault(operation.Inode, []);
                byte[] resized = new byte[operation.Offset];
                old.AsSpan(0, Math.Min(old.Length, resized.Length)).CopyTo(resized);
                bytes[operation.Inode] = resized;
                break;
            case DiskOperationKind.MakeFolder:
                folders.Add(operation.Path);
                break;
            case DiskOperationKind.RemoveFolder:
                folders.Remove(operation.Path);
                break;
            case DiskOperationKind.Create:
                names[operation.Path] = operation.Inode;
                break;
            case DiskOperationKind.Delete:
                names.Remove(operation.Path);
                break;
            case DiskOperationKind.Rename:
                names.Remove(operation.Path);
                names[operation.Target!] = operation.Inode;
                break;
        }
    }

    private static byte[] Overlay(byte[] old, long offset, ReadOnlySpan<byte> source)
    {
        byte[] result = new byte[Math.Max(old.Length, offset + source.Length)];
        old.CopyTo(result, 0);
        source.CopyTo(result.AsSpan((int)offset));
        return result;
    }

    private static byte[] Scatter(byte[] old, in DiskOperation operation, SeededRandom random)
    {
        byte[] source = operation.Bytes!;
        byte[] result = old;
        bool garbage = random.Chance(1, 4);
        for (int at = 0; at < source.Length;)
        {
            long offset = operation.Offset + at;
            int length = (int)Math.Min(Sector - (offset % Sector), source.Length - at);
            if (random.Chance(1, 2))
            {
                result = Overlay(result, offset, source.AsSpan(at, length));
            }
            else if (garbage && offset >= old.Length)
            {
                byte[] noise = new byte[length];
                random.Fill(noise);
                result = Overlay(result, offset, noise);
            }

            at += length;
        }

        return result;
    }
}
