// The seam to the disk: the few operations that durability is built from, each with the meaning POSIX gives it.
//
//   Write + Sync          the bytes of a file survive a power cut
//   Create, Rename, Delete + SyncFolder   the name of a file survives a power cut
//
// Nothing above this seam assumes more, and tests replace it by one that loses everything that was not synced.
// Failures are IOException or UnauthorizedAccessException; StoreFault turns them into a refusal with a code.
//
// Threading: as the callers, one at a time.

using System;

namespace ParallelVm.Faster;

/// <summary>Files and folders. Paths are absolute or relative to the process, as the implementation says.</summary>
public interface IFileSystem
{
    /// <summary>Creates a folder and the folders above it; nothing happens if it is there.</summary>
    void CreateFolder(string path);

    /// <summary>True when a file of that name exists.</summary>
    bool FileExists(string path);

    /// <summary>Names (not paths) of the files directly in a folder, in ordinal order; empty when there is no such folder.</summary>
    string[] ListFiles(string folder);

    /// <summary>Names (not paths) of the folders directly in a folder, in ordinal order; empty when there is no such folder.</summary>
    string[] ListFolders(string folder);

    /// <summary>Opens a file for reading and writing, and creates it when it is missing.</summary>
    IDataFile OpenOrCreate(string path);

    /// <summary>Opens an existing file for reading.</summary>
    IDataFile OpenRead(string path);

    /// <summary>Gives a file another name in one step, replacing a file that has it.</summary>
    void Rename(string source, string target);

    /// <summary>Deletes a file; nothing happens if it is missing.</summary>
    void DeleteFile(string path);

    /// <summary>Deletes a folder and all that is in it; nothing happens if it is missing.</summary>
    void DeleteFolder(string path);

    /// <summary>Makes creations, renames and deletions in a folder durable.</summary>
    void SyncFolder(string path);

    /// <summary>Takes the exclusive lock that a file stands for, until the result is disposed or the process ends.</summary>
    /// <returns>Null when another opener holds it.</returns>
    IDisposable? TryLock(string path);
}

/// <summary>An open file.</summary>
public interface IDataFile : IDisposable
{
    /// <summary>Length in bytes.</summary>
    long Length { get; }

    /// <summary>Reads at an offset until the target is full or the file ends.</summary>
    /// <returns>Bytes read.</returns>
    int Read(long offset, Span<byte> target);

    /// <summary>These bytes will be read soon: a disk that can fetch them meanwhile does. Returns at once; nothing depends on it, not even that the bytes are there.</summary>
    void WillRead(long offset, long length)
    {
    }

    /// <summary>Writes all bytes at an offset; the file grows as needed. Durable only after <see cref="Sync"/>.</summary>
    void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>Cuts or extends the file.</summary>
    void SetLength(long length);

    /// <summary>Sets space aside for so many bytes, so that a full disk is noticed now and not by a later write. The length stays.</summary>
    void Reserve(long length);

    /// <summary>Returns when the bytes and the length are durable. After a failure the file must not be trusted or synced again.</summary>
    void Sync();
}
