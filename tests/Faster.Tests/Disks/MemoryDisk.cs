// A disk in memory: folders, files, a journal of every changing operation, and faults on demand.
//
// Threading: any thread; one lock, so that a store with an applier of its own can run on it.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

/// <summary>What goes wrong.</summary>
public enum FaultKind
{
    None,

    /// <summary>A changing operation fails and does nothing.</summary>
    Error,

    /// <summary>A write reaches the file in part and fails.</summary>
    ShortWrite,

    /// <summary>A sync fails, and what was pending is lost.</summary>
    FailedSync,

    /// <summary>From here on nothing can be written that needs more space.</summary>
    NoSpace,

    /// <summary>From here on nothing can be changed, as on a disk that was mounted again read-only.</summary>
    ReadOnly,

    /// <summary>A read fails.</summary>
    ReadError,

    /// <summary>A read returns what was there before the last write.</summary>
    StaleRead,

    /// <summary>A read returns the bytes with one bit flipped.</summary>
    FlippedRead,
}

/// <summary>The machine stopped here. Not an IOException, so that no handler of disk errors takes it for one.</summary>
public sealed class MachineStoppedException() : Exception("The simulated machine stopped.");

/// <summary>Files and folders in memory.</summary>
public sealed class MemoryDisk : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Inode> _files = new(StringComparer.Ordinal);
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal) { "/" };
    private readonly HashSet<string> _locks = new(StringComparer.Ordinal);
    private int _inodes;

    public MemoryDisk(DiskImage? start = null)
    {
        Start = start;
        if (start is not null)
        {
            _folders.UnionWith(start.Folders);
            foreach (string path in Ordered(start.Files.Keys))
            {
                _files[path] = new Inode(_inodes++, start.Files[path]);
            }
        }
    }

    /// <summary>What was on it at first.</summary>
    public DiskImage? Start { get; }

    /// <summary>Every changing operation since, in order.</summary>
    public List<DiskOperation> Journal { get; } = [];

    /// <summary>Reads since.</summary>
    public int Reads { get; private set; }

    /// <summary>Told of every read, and of every announcement of one, while it is there.</summary>
    public Action<string, bool>? OnRead { get; set; }

    /// <summary>The fault that waits.</summary>
    public FaultKind Fault { get; set; }

    /// <summary>It comes at this place of <see cref="Journal"/>, or at this read.</summary>
    public int FaultAt { get; set; } = -1;

    /// <summary>Before this place of <see cref="Journal"/> the machine stops; -1 never.</summary>
    public int StopAt { get; set; } = -1;

    /// <summary>What the fault met; null before it came.</summary>
    public string? Met { get; private set; }

    public static IEnumerable<string> Ordered(ICollection<string> paths)
    {
        string[] sorted = [.. paths];
        Array.Sort(sorted, StringComparer.Ordinal);
        return sorted;
    }

    public static string FolderOf(string path) => path.LastIndexOf('/') is > 0 and int at ? path[..at] : "/";

    /// <summary>What is on it now, as a kill of the process leaves it.</summary>
    public DiskImage Image()
    {
        lock (_gate)
        {
            Dictionary<string, byte[]> files = new(StringComparer.Ordinal);
            foreach ((string path, Inode inode) in _files)
            {
                files[path] = inode.ToArray();
            }

            return new DiskImage(files, new HashSet<string>(_folders, StringComparer.Ordinal));
        }
    }

    /// <summary>The disk that the next start of the machine finds.</summary>
    public MemoryDisk AfterCrash(Survives survives, ulong seed = 1)
    {
        DiskReplay replay = new(Start, Journal);
        replay.AdvanceTo(Journal.Count);
        return new MemoryDisk(replay.Crash(survives, new SeededRandom(seed)));
    }

    /// <summary>A file's bytes.</summary>
    public byte[] Bytes(string path) => Image().Files[path];

    /// <summary>The disk as it is, but for one file.</summary>
    public MemoryDisk With(string path, byte[] bytes)
    {
        DiskImage image = Image();
        image.Files[path] = bytes;
        return new MemoryDisk(image);
    }

    /// <summary>The disk as it is, but for one bit.</summary>
    public MemoryDisk Flipped(string path, long offset, int bit)
    {
        byte[] bytes = Bytes(path);
        bytes[offset] ^= (byte)(1 << bit);
        return With(path, bytes);
    }

    /// <summary>The disk as it is, without one file.</summary>
    public MemoryDisk Without(string path)
    {
        DiskImage image = Image();
        image.Files.Remove(path);
        return new MemoryDisk(image);
    }

    public void CreateFolder(string path)
    {
        lock (_gate)
        {
            if (path == "/" || _folders.Contains(path))
            {
                return;
            }

            CreateFolder(FolderOf(path));
            Step(new DiskOperation(DiskOperationKind.MakeFolder, -1, path), needsSpace: true);
            _folders.Add(path);
        }
    }

    public bool FileExists(string path)
    {
        lock (_gate)
        {
            return _files.ContainsKey(path);
        }
    }

    public string[] ListFiles(string folder) => List(_files.Keys, folder);

    public string[] ListFolders(string folder) => List(_folders, folder);

    public IDataFile OpenOrCreate(string path)
    {
        lock (_gate)
        {
            if (!_files.TryGetValue(path, out Inode? inode))
            {
                if (!_folders.Contains(FolderOf(path)))
                {
                    throw new DirectoryNotFoundException($"There is no folder {FolderOf(path)}.");
                }

                inode = new Inode(_inodes, []);
                Step(new DiskOperation(DiskOperationKind.Create, inode.Number, path), needsSpace: true);
                _inodes++;
                _files[path] = inode;
            }

            return new OpenFile(this, inode, path);
        }
    }

    public IDataFile OpenRead(string path)
    {
        lock (_gate)
        {
            return new OpenFile(this, Find(path), path);
        }
    }

    public void Rename(string source, string target)
    {
        lock (_gate)
        {
            Assert.Equal(FolderOf(source), FolderOf(target));
            Inode inode = Find(source);
            Step(new DiskOperation(DiskOperationKind.Rename, inode.Number, source, target));
            _files.Remove(source);
            _files[target] = inode;
        }
    }

    public void DeleteFile(string path)
    {
        lock (_gate)
        {
            if (_files.TryGetValue(path, out Inode? inode))
            {
                Step(new DiskOperation(DiskOperationKind.Delete, inode.Number, path));
                _files.Remove(path);
            }
        }
    }

    /// <summary>File by file, as the real one: a crash can leave a part of it.</summary>
    public void DeleteFolder(string path)
    {
        lock (_gate)
        {
            if (!_folders.Contains(path))
            {
                return;
            }

            foreach (string name in ListFolders(path))
            {
                DeleteFolder(path + "/" + name);
            }

            foreach (string name in ListFiles(path))
            {
                DeleteFile(path + "/" + name);
            }

            Step(new DiskOperation(DiskOperationKind.RemoveFolder, -1, path));
            _folders.Remove(path);
        }
    }

    public void SyncFolder(string path)
    {
        lock (_gate)
        {
            Step(new DiskOperation(DiskOperationKind.SyncFolder, -1, path));
        }
    }

    public IDisposable? TryLock(string path)
    {
        lock (_gate)
        {
            return _locks.Add(path) ? new Release(this, path) : null;
        }
    }

    private string[] List(IEnumerable<string> paths, string folder)
    {
        lock (_gate)
        {
            List<string> names = [];
            foreach (string path in paths)
            {
                if (path != "/" && FolderOf(path) == folder)
                {
                    names.Add(path[(path.LastIndexOf('/') + 1)..]);
                }
            }

            names.Sort(StringComparer.Ordinal);
            return [.. names];
        }
    }

    private Inode Find(string path) => _files.TryGetValue(path, out Inode? inode) ? inode : throw new FileNotFoundException($"There is no file {path}.");

    private void Step(in DiskOperation operation, bool needsSpace = false)
    {
        if (Journal.Count == StopAt)
        {
            throw new MachineStoppedException();
        }

        bool here = Fault != FaultKind.None && Journal.Count == FaultAt && Met is null;
        switch (Fault)
        {
            case FaultKind.Error when here:
                Met = operation.ToString();
                throw new IOException($"Input/output error ({operation}).");
            case FaultKind.ShortWrite when here && operation.Kind == DiskOperationKind.Write:
                Met = operation.ToString();
                DiskOperation part = operation with { Bytes = operation.Bytes![..(operation.Bytes!.Length / 2)] };
                Journal.Add(part);
                _files.GetValueOrDefault(operation.Path)?.Write(part.Offset, part.Bytes);
                throw new IOException($"Short write ({operation}).");
            case FaultKind.FailedSync when here && operation.Kind is (DiskOperationKind.Sync or DiskOperationKind.SyncFolder):
                Met = operation.ToString();
                if (operation.Kind == DiskOperationKind.Sync)
                {
                    Journal.Add(operation with { Kind = DiskOperationKind.SyncFailed });
                }

                throw new IOException($"Input/output error ({operation}).");
            case FaultKind.ReadOnly when Journal.Count >= FaultAt:
                Met ??= operation.ToString();
                throw new UnauthorizedAccessException($"Read-only file system ({operation}).");
            case FaultKind.NoSpace when needsSpace && Journal.Count >= FaultAt:
                Met ??= operation.ToString();
                throw new IOException($"No space left on device ({operation}).");
        }

        Journal.Add(operation);
    }

    private sealed class OpenFile(MemoryDisk disk, Inode inode, string path) : IDataFile
    {
        public long Length
        {
            get
            {
                lock (disk._gate)
                {
                    return inode.Length;
                }
            }
        }

        public void WillRead(long offset, long length) => disk.OnRead?.Invoke(path, true);

        public int Read(long offset, Span<byte> target)
        {
            lock (disk._gate)
            {
                disk.OnRead?.Invoke(path, false);
                bool here = disk.Fault >= FaultKind.ReadError && disk.Reads++ == disk.FaultAt;
                int count = inode.Read(offset, target);
                if (here)
                {
                    disk.Met = $"read of {target.Length} bytes at {offset} of {path}";
                    switch (disk.Fault)
                    {
                        case FaultKind.ReadError:
                            throw new IOException($"Input/output error ({disk.Met}).");
                        case FaultKind.StaleRead:
                            inode.MakeStale(offset, target[..count]);
                            break;
                        case FaultKind.FlippedRead when count > 0:
                            int at = (int)(((uint)disk.FaultAt * 2654435761u) % (uint)count);
                            target[at] ^= (byte)(1 << (disk.FaultAt % 8));
                            break;
                    }
                }

                return count;
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            lock (disk._gate)
            {
                byte[] bytes = source.ToArray();
                disk.Step(new DiskOperation(DiskOperationKind.Write, inode.Number, path, Offset: offset, Bytes: bytes), offset + bytes.Length > inode.Reserved);
                inode.Write(offset, bytes);
            }
        }

        public void SetLength(long length)
        {
            lock (disk._gate)
            {
                disk.Step(new DiskOperation(DiskOperationKind.SetLength, inode.Number, path, Offset: length));
                inode.SetLength(length);
            }
        }

        public void Reserve(long length)
        {
            lock (disk._gate)
            {
                if (disk.Fault == FaultKind.NoSpace && disk.Journal.Count >= disk.FaultAt && length > inode.Reserved)
                {
                    disk.Met ??= $"reserve {length} bytes for {path}";
                    throw new IOException($"No space left on device (reserve {length} bytes for {path}).");
                }

                inode.Reserved = Math.Max(inode.Reserved, length);
            }
        }

        public void Sync()
        {
            lock (disk._gate)
            {
                disk.Step(new DiskOperation(DiskOperationKind.Sync, inode.Number, path));
            }
        }

        public void Dispose()
        {
        }
    }

    /// <summary>A file's bytes; copied from what it was made of when it is first written.</summary>
    private sealed class Inode(int number, byte[] bytes)
    {
        private byte[] _bytes = bytes;
        private int _length = bytes.Length;
        private bool _isShared = true;
        private (long Offset, byte[] Bytes)? _before;

        public int Number => number;

        public long Length => _length;

        /// <summary>Bytes that no full disk refuses.</summary>
        public long Reserved { get; set; } = bytes.Length;

        public byte[] ToArray() => _bytes.AsSpan(0, _length).ToArray();

        public int Read(long offset, Span<byte> target)
        {
            int count = (int)Math.Clamp(_length - offset, 0, target.Length);
            _bytes.AsSpan((int)Math.Min(offset, _length), count).CopyTo(target);
            return count;
        }

        public void MakeStale(long offset, Span<byte> target)
        {
            if (_before is not { } before)
            {
                return;
            }

            for (int i = 0; i < target.Length; i++)
            {
                long at = offset + i - before.Offset;
                if (at >= 0 && at < before.Bytes.Length)
                {
                    target[i] = before.Bytes[at];
                }
            }
        }

        public void Write(long offset, byte[] source)
        {
            int end = (int)offset + source.Length;
            Own(Math.Max(end, _length));
            _before = (offset, _bytes.AsSpan((int)offset, source.Length).ToArray());
            source.CopyTo(_bytes, offset);
            _length = Math.Max(_length, end);
            Reserved = Math.Max(Reserved, _length);
        }

        public void SetLength(long length)
        {
            Own((int)length);
            if (length < _length)
            {
                _bytes.AsSpan((int)length, _length - (int)length).Clear();
                Reserved = Math.Min(Reserved, length);
            }

            _length = (int)length;
        }

        private void Own(int length)
        {
            if (_isShared || length > _bytes.Length)
            {
                byte[] own = new byte[Math.Max(length, length > _bytes.Length ? _bytes.Length * 2 : _bytes.Length)];
                _bytes.AsSpan(0, _length).CopyTo(own);
                _bytes = own;
                _isShared = false;
            }
        }
    }

    private sealed class Release(MemoryDisk disk, string path) : IDisposable
    {
        public void Dispose()
        {
            lock (disk._gate)
            {
                disk._locks.Remove(path);
            }
        }
    }
}
