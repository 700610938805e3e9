// A small file that is either whole or not there: body, then a keyed BLAKE3 of the body. Written beside its place,
// synced, renamed, and the folder synced, so a crash leaves the old one or the new one, never a mixture.
//
// Threading: as the callers, one at a time.

using System;
using System.IO;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Reads and writes files that carry their own checksum.</summary>
internal static class SealedFile
{
    /// <summary>Longest file that is read.</summary>
    public const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>Ending of a file that is being written; such files are leftovers after a crash.</summary>
    public const string TemporaryEnding = ".new";

    /// <summary>Replaces a file and returns when that is durable. Disk errors pass through.</summary>
    public static void Write(IFileSystem files, string folder, string name, in Bytes32 key, ReadOnlySpan<byte> body)
    {
        byte[] bytes = new byte[body.Length + Bytes32.Size];
        body.CopyTo(bytes);
        Blake3.Keyed(key, body).CopyTo(bytes.AsSpan(body.Length));

        string path = Path.Combine(folder, name);
        string temporary = path + TemporaryEnding;
        using (IDataFile file = files.OpenOrCreate(temporary))
        {
            file.SetLength(0);
            file.Write(0, bytes);
            file.Sync();
        }

        files.Rename(temporary, path);
        files.SyncFolder(folder);
    }

    /// <summary>Writes a file that can be made again: in place and not synced, so a crash may leave anything, which does not verify.</summary>
    public static void WriteDerived(IFileSystem files, string path, in Bytes32 key, ReadOnlySpan<byte> body)
    {
        byte[] bytes = new byte[body.Length + Bytes32.Size];
        body.CopyTo(bytes);
        Blake3.Keyed(key, body).CopyTo(bytes.AsSpan(body.Length));
        using IDataFile file = files.OpenOrCreate(path);
        file.SetLength(0);
        file.Write(0, bytes);
    }

    /// <summary>Reads a file whose checksum is right.</summary>
    /// <returns>False when it is damaged, too short or too long. Disk errors pass through.</returns>
    public static bool TryRead(IFileSystem files, string path, in Bytes32 key, out byte[] body)
    {
        body = [];
        using IDataFile file = files.OpenRead(path);
        long length = file.Length;
        if (length is < Bytes32.Size or > MaxBytes)
        {
            return false;
        }

        byte[] bytes = new byte[length];
        if (file.Read(0, bytes) != bytes.Length)
        {
            return false;
        }

        body = bytes[..^Bytes32.Size];
        return Blake3.Keyed(key, body) == Bytes32.From(bytes.AsSpan(body.Length));
    }
}
