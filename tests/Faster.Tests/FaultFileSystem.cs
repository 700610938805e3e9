// A disk in memory that forgets. It keeps, for every file and folder, what is durable and what is only pending,
// and can stop the machine before any operation, or fail one.
//
//   file    durable bytes + pending writes;       Sync makes them durable
//   folder  durable names + pending name changes; SyncFolder makes them durable, also those of the folders in it
//
// A crash keeps, of what is pending, nothing, everything, or a prefix of which the last write is cut in half.
// Strict POSIX: the sync of a file says nothing about its name.

using System;
using System.Collections.Generic;
using System.IO;

namespace ParallelVm.Faster.Tests;

/// <summary>What survives of operations that were not synced.</summary>
public enum Survival
{
    Nothing,
    Everything,
    Prefix,
}

/// <summary>The machine stopped here. Not an IOException, so that no handler of disk errors takes it for one.</summary>
public sealed class CrashException() : Exception("The simulated machine stopped.");

public sealed class FaultFileSystem : IFileSystem
{
    private readonly Dictionary<string, Folder> _folders = new(StringComparer.Ordinal);
    private readonly HashSet<string> _durableFolders = new(StringComparer.Ordinal);
    private readonly HashSet<string> _locks = new(StringComparer.Ordinal);

    /// <summary>Changing operations so far: the places where a crash or a fault can be set.</summary>
    public int Operations { get; private set; }

    /// <summary>Operation before which the machine stops; -1 never.</summary>
    public int CrashAt { get; set; } = -1;

    /// <summary>Operation that fails with an IOException; -1 none.</summary>
    public int FailAt { get; set; } = -1;

    /// <summary>Bytes of a failing write that reach the file all the same.</summary>
    public bool FailingWriteIsPartial { get; set; }

    /// <summary>Bytes that all files may hold together (ENOSPC beyond).</summary>
    public long Capacity { get; set; } = long.MaxValue;

    /// <summary>Names of the operations, in order.</summary>
    public List<string> Journal { get; } = [];

    /// <summary>The disk as the next start of the machine finds it.</summary>
    public FaultFileSystem AfterCrash(Survival survival)
    {
        FaultFileSystem next = new();
        foreach ((string path, Folder folder) in _folders)
        {
            if (survival == Survival.Nothing && !_durableFolders.Contains(path))
            {
                continue;
            }

            Folder copy = new();
            next._durableFolders.Add(path);
            foreach ((string name, Inode inode) in folder.Surviving(survival))
            {
                copy.Adopt(name, new Inode(inode.Surviving(survival)));
            }

            next._folders[path] = copy;
        }

        return next;
    }

    /// <summary>Changes one durable byte.</summary>
    public void Flip(string path, long offset, byte mask = 0x40)
    {
        Inode inode = Find(path) ?? throw new FileNotFoundException(path);
        inode.Current[offset] ^= mask;
    }

    public byte[] Bytes(string path) => (Find(path) ?? throw new FileNotFoundException(path)).Current;

    public void SetBytes(string path, byte[] bytes) => FolderOf(path).Adopt(Path.GetFileName(path), new Inode(bytes));

    public void CreateFolder(string path)
    {
        if (!_folders.ContainsKey(path))
        {
            Step($"create folder {path}");
            _folders[path] = new Folder();
        }
    }

    public bool FileExists(string path) => Find(path) is not null;

    public string[] ListFiles(string folder)
    {
        string[] names = _folders.TryGetValue(folder, out Folder? found) ? [.. found.Current.Keys] : [];
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    }

    public string[] ListFolders(string folder) => [];

    public IDataFile OpenOrCreate(string path)
    {
        Inode? inode = Find(path);
        if (inode is null)
        {
            Step($"create {path}");
            inode = new Inode([]);
            FolderOf(path).Change(names => names[Path.GetFileName(path)] = inode);
        }

        return new OpenFile(this, inode, path);
    }

    public IDataFile OpenRead(string path) => new OpenFile(this, Find(path) ?? throw new FileNotFoundException(path), path);

    public void Rename(string source, string target)
    {
        Step($"rename {target}");
        Inode inode = Find(source) ?? throw new FileNotFoundException(source);
        Invariants.SameFolder(source, target);
        FolderOf(source).Change(names =>
        {
            names.Remove(Path.GetFileName(source));
            names[Path.GetFileName(target)] = inode;
        });
    }

    public void DeleteFile(string path)
    {
        if (Find(path) is not null)
        {
            Step($"delete {path}");
            FolderOf(path).Change(names => names.Remove(Path.GetFileName(path)));
        }
    }

    public void DeleteFolder(string path)
    {
        Step($"delete folder {path}");
        _folders.Remove(path);
    }

    public void SyncFolder(string path)
    {
        Step($"sync folder {path}");
        if (_folders.TryGetValue(path, out Folder? folder))
        {
            folder.Sync();
        }

        foreach (string below in _folders.Keys)
        {
            if (Path.GetDirectoryName(below) == path)
            {
                _durableFolders.Add(below);
            }
        }
    }

    public IDisposable? TryLock(string path) => _locks.Add(path) ? new Release(() => _locks.Remove(path)) : null;

    private void Step(string operation)
    {
        int number = Operations++;
        Journal.Add(operation);
        if (number == CrashAt)
        {
            throw new CrashException();
        }

        if (number == FailAt)
        {
            throw new IOException($"Injected fault at operation {number} ({operation}).");
        }
    }

    private Inode? Find(string path) =>
        _folders.TryGetValue(Path.GetDirectoryName(path)!, out Folder? folder) && folder.Current.TryGetValue(Path.GetFileName(path), out Inode? inode)
            ? inode
            : null;

    private Folder FolderOf(string path) =>
        _folders.TryGetValue(Path.GetDirectoryName(path)!, out Folder? folder) ? folder : throw new DirectoryNotFoundException(path);

    private long TotalBytes()
    {
        long total = 0;
        foreach (Folder folder in _folders.Values)
        {
            foreach (Inode inode in folder.Current.Values)
            {
                total += inode.Current.Length;
            }
        }

        return total;
    }

    private static class Invariants
    {
        public static void SameFolder(string source, string target) =>
            Assert.Equal(Path.GetDirectoryName(source), Path.GetDirectoryName(target));
    }

    private sealed class Folder
    {
        private readonly List<Action<Dictionary<string, Inode>>> _pending = [];
        private Dictionary<string, Inode> _durable = new(StringComparer.Ordinal);

        public Dictionary<string, Inode> Current { get; private set; } = new(StringComparer.Ordinal);

        public void Change(Action<Dictionary<string, Inode>> change)
        {
            _pending.Add(change);
            change(Current);
        }

        public void Adopt(string name, Inode inode)
        {
            Current[name] = inode;
            _durable[name] = inode;
        }

        public void Sync()
        {
            _durable = new Dictionary<string, Inode>(Current, StringComparer.Ordinal);
            _pending.Clear();
        }

        public Dictionary<string, Inode> Surviving(Survival survival)
        {
            Dictionary<string, Inode> names = new(_durable, StringComparer.Ordinal);
            int kept = survival switch { Survival.Nothing => 0, Survival.Everything => _pending.Count, _ => (_pending.Count + 1) / 2 };
            for (int i = 0; i < kept; i++)
            {
                _pending[i](names);
            }

            return names;
        }
    }

    private sealed class Inode(byte[] bytes)
    {
        private readonly List<(long Offset, byte[]? Bytes)> _pending = [];
        private byte[] _durable = (byte[])bytes.Clone();

        public byte[] Current { get; private set; } = bytes;

        public void Write(long offset, byte[] source)
        {
            _pending.Add((offset, source));
            Current = Apply(Current, offset, source);
        }

        public void SetLength(long length)
        {
            _pending.Add((length, null));
            Current = Apply(Current, length, null);
        }

        public void Sync()
        {
            _durable = (byte[])Current.Clone();
            _pending.Clear();
        }

        public byte[] Surviving(Survival survival)
        {
            byte[] bytes = (byte[])_durable.Clone();
            int kept = survival switch { Survival.Nothing => 0, Survival.Everything => _pending.Count, _ => (_pending.Count + 1) / 2 };
            for (int i = 0; i < kept; i++)
            {
                (long offset, byte[]? source) = _pending[i];
                bool torn = survival == Survival.Prefix && i == kept - 1 && source is not null;
                bytes = Apply(bytes, offset, torn ? source![..(source!.Length / 2)] : source);
            }

            return bytes;
        }

        private static byte[] Apply(byte[] target, long offset, byte[]? source)
        {
            byte[] result = new byte[source is null ? offset : Math.Max(target.Length, offset + source.Length)];
            target.AsSpan(0, Math.Min(target.Length, result.Length)).CopyTo(result);
            source?.CopyTo(result, offset);
            return result;
        }
    }

    private sealed class OpenFile(FaultFileSystem disk, Inode inode, string path) : IDataFile
    {
        public long Length => inode.Current.Length;

        public int Read(long offset, Span<byte> target)
        {
            int count = (int)Math.Clamp(inode.Current.Length - offset, 0, target.Length);
            inode.Current.AsSpan((int)Math.Min(offset, inode.Current.Length), count).CopyTo(target);
            return count;
        }

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            if (disk.Operations == disk.FailAt && disk.FailingWriteIsPartial)
            {
                inode.Write(offset, source[..(source.Length / 2)].ToArray());
            }

            disk.Step($"write {path}");
            if (disk.TotalBytes() + source.Length > disk.Capacity)
            {
                throw new IOException("No space left on device");
            }

            inode.Write(offset, source.ToArray());
        }

        public void SetLength(long length)
        {
            disk.Step($"set length {path}");
            inode.SetLength(length);
        }

        public void Reserve(long length)
        {
        }

        public void Sync()
        {
            disk.Step($"sync {path}");
            inode.Sync();
        }

        public void Dispose()
        {
        }
    }

    private sealed class Release(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
