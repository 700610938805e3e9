// The production file system: a thin pass-through to pwrite, pread, fsync, rename.
//
// .NET has no call that syncs a folder, so on Unix it is open + fsync + close of libc. On Windows a rename is
// journaled by the file system and folders cannot be synced; SyncFolder does nothing there.
// The lock is the advisory lock that FileShare.None takes on the open file: it ends with the process, however it ends.

using System;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ParallelVm.Faster;

/// <summary>The files of this machine.</summary>
public sealed partial class DiskFileSystem : IFileSystem
{
    /// <summary>The only instance; it has no state.</summary>
    public static readonly DiskFileSystem Instance = new();

    private const int WouldBlockLinux = 11;
    private const int WouldBlockMac = 35;
    private const int KeepSize = 1;
    private const int WillNeed = 3;
    private const int NotSupportedLinux = 95;
    private const int NoSuchCallLinux = 38;
    private const int SharingViolationWindows = unchecked((int)0x80070020);

    private DiskFileSystem()
    {
    }

    /// <inheritdoc/>
    public void CreateFolder(string path) => Directory.CreateDirectory(path);

    /// <inheritdoc/>
    public bool FileExists(string path) => File.Exists(path);

    /// <inheritdoc/>
    public string[] ListFiles(string folder) => Directory.Exists(folder) ? Names(Directory.GetFiles(folder)) : [];

    /// <inheritdoc/>
    public string[] ListFolders(string folder) => Directory.Exists(folder) ? Names(Directory.GetDirectories(folder)) : [];

    /// <inheritdoc/>
    public IDataFile OpenOrCreate(string path) =>
        new DiskFile(File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));

    /// <inheritdoc/>
    public IDataFile OpenRead(string path) =>
        new DiskFile(File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));

    /// <inheritdoc/>
    public void Rename(string source, string target) => File.Move(source, target, overwrite: true);

    /// <inheritdoc/>
    public void DeleteFile(string path)
    {
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }

    /// <inheritdoc/>
    public void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <inheritdoc/>
    public void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = OpenDescriptor(path, 0);
        if (descriptor < 0)
        {
            throw new IOException($"Cannot open folder {path} to sync it (error {Marshal.GetLastPInvokeError()}).");
        }

        int outcome = SyncDescriptor(descriptor);
        int error = Marshal.GetLastPInvokeError();
        _ = CloseDescriptor(descriptor);
        if (outcome != 0)
        {
            throw new IOException($"Cannot sync folder {path} (error {error}).");
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (error.HResult is WouldBlockLinux or WouldBlockMac or SharingViolationWindows)
        {
            return null;   // any other failure is a folder that cannot be used, and must not be taken for a lock
        }
    }

    private static string[] Names(string[] paths)
    {
        string[] names = Array.ConvertAll(paths, static path => Path.GetFileName(path));
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenDescriptor(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncDescriptor(int descriptor);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int ReserveDescriptor(int descriptor, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int AdviseDescriptor(int descriptor, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseDescriptor(int descriptor);

    private sealed class DiskFile(SafeFileHandle handle) : IDataFile
    {
        public long Length => RandomAccess.GetLength(handle);

        public int Read(long offset, Span<byte> target)
        {
            int total = 0;
            while (total < target.Length)
            {
                int read = RandomAccess.Read(handle, target[total..], offset + total);
                if (read == 0)
                {
                    break;
                }

                total += read;
            }

            return total;
        }

        public void WillRead(long offset, long length)
        {
            if (!OperatingSystem.IsLinux())
            {
                return;
            }

            bool held = false;
            try
            {
                handle.DangerousAddRef(ref held);
                _ = AdviseDescriptor((int)handle.DangerousGetHandle(), offset, length, WillNeed);
            }
            finally
            {
                if (held)
                {
                    handle.DangerousRelease();
                }
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> source) => RandomAccess.Write(handle, source, offset);

        public void SetLength(long length) => RandomAccess.SetLength(handle, length);

        public void Reserve(long length)
        {
            if (!OperatingSystem.IsLinux())
            {
                return;
            }

            bool held = false;
            try
            {
                handle.DangerousAddRef(ref held);
                int outcome = ReserveDescriptor((int)handle.DangerousGetHandle(), KeepSize, 0, length);
                if (outcome != 0 && Marshal.GetLastPInvokeError() is not (NotSupportedLinux or NoSuchCallLinux) and int error)
                {
                    throw new IOException($"Cannot set {length} bytes of space aside: {Marshal.GetPInvokeErrorMessage(error)}.");
                }
            }
            finally
            {
                if (held)
                {
                    handle.DangerousRelease();
                }
            }
        }

        public void Sync() => RandomAccess.FlushToDisk(handle);

        public void Dispose() => handle.Dispose();
    }
}
