// The machine's disk with one operation that fails: for the store, whose table needs real files.

using System;
using System.IO;

namespace ParallelVm.Faster.Tests;

/// <summary>Passes through to the disk; the operation number <see cref="FailAt"/> throws instead.</summary>
public sealed class FaultyDisk : IFileSystem
{
    private readonly DiskFileSystem _disk = DiskFileSystem.Instance;

    public int Operations { get; private set; }

    public int FailAt { get; set; } = -1;

    /// <summary>From <see cref="FailAt"/> on everything fails, as on a disk that is gone or mounted read-only.</summary>
    public bool FailsForGood { get; set; }

    /// <summary>The failure is a refused permission and not an I/O error.</summary>
    public bool Denies { get; set; }

    public string LastOperation { get; private set; } = "";

    public void CreateFolder(string path)
    {
        Step("create folder " + path);
        _disk.CreateFolder(path);
    }

    public bool FileExists(string path) => _disk.FileExists(path);

    public string[] ListFiles(string folder) => _disk.ListFiles(folder);

    public string[] ListFolders(string folder) => _disk.ListFolders(folder);

    public IDataFile OpenOrCreate(string path)
    {
        Step("open " + path);
        return new Watched(this, _disk.OpenOrCreate(path), path);
    }

    public IDataFile OpenRead(string path) => new Watched(this, _disk.OpenRead(path), path);

    public void Rename(string source, string target)
    {
        Step("rename " + target);
        _disk.Rename(source, target);
    }

    public void DeleteFile(string path)
    {
        Step("delete " + path);
        _disk.DeleteFile(path);
    }

    public void DeleteFolder(string path)
    {
        Step("delete folder " + path);
        _disk.DeleteFolder(path);
    }

    public void SyncFolder(string path)
    {
        Step("sync folder " + path);
        _disk.SyncFolder(path);
    }

    public IDisposable? TryLock(string path)
    {
        Step("lock " + path);
        return _disk.TryLock(path);
    }

    private void Step(string operation)
    {
        int number = Operations++;
        if (number == FailAt || (FailsForGood && FailAt >= 0 && number > FailAt))
        {
            LastOperation = operation;
            throw Denies ? new UnauthorizedAccessException($"Injected: permission denied ({operation}).") : new IOException($"Injected: {operation}.");
        }
    }

    private sealed class Watched(FaultyDisk disk, IDataFile file, string path) : IDataFile
    {
        public long Length => file.Length;

        public int Read(long offset, Span<byte> target) => file.Read(offset, target);

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            disk.Step("write " + path);
            file.Write(offset, source);
        }

        public void SetLength(long length)
        {
            disk.Step("set length " + path);
            file.SetLength(length);
        }

        public void Reserve(long length)
        {
            disk.Step("reserve " + path);
            file.Reserve(length);
        }

        public void Sync()
        {
            disk.Step("sync " + path);
            file.Sync();
        }

        public void Dispose() => file.Dispose();
    }
}
