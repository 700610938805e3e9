// Checksums of file prefixes: the keyed BLAKE3 of the list of keyed BLAKE3s of 1 MiB chunks. Chunks that were hashed
// before are remembered by path, because FASTER's log only grows behind a checkpoint: what a checkpoint covers is
// never written again. So a checkpoint reads what is new, not the whole store.
//
// Threading: one caller at a time.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Computes the checksums of checkpoint files.</summary>
internal sealed class FileChecksums(IFileSystem files, Bytes32 key)
{
    private const int ChunkBytes = 1 << 20;

    private readonly Dictionary<string, List<Bytes32>> _known = new(StringComparer.Ordinal);
    private byte[] _chunk = [];

    /// <summary>Checksum of the first <paramref name="length"/> bytes.</summary>
    /// <returns>False when the file is shorter. Disk errors pass through.</returns>
    public bool TryCompute(string path, long length, out Bytes32 checksum)
    {
        checksum = default;
        if (!files.FileExists(path))
        {
            return false;
        }

        using IDataFile file = files.OpenRead(path);
        if (file.Length < length)
        {
            return false;
        }

        int whole = checked((int)(length / ChunkBytes));
        if (_chunk.Length < Math.Min(length, ChunkBytes))
        {
            _chunk = new byte[Math.Min(length, ChunkBytes)];
        }

        List<Bytes32> chunks = Known(path);
        if (chunks.Count > whole)
        {
            chunks.RemoveRange(whole, chunks.Count - whole);
        }

        while (chunks.Count < whole)
        {
            if (file.Read((long)chunks.Count * ChunkBytes, _chunk) != ChunkBytes)
            {
                return false;
            }

            chunks.Add(Blake3.Keyed(key, _chunk));
        }

        Span<byte> rest = _chunk.AsSpan(0, (int)(length % ChunkBytes));
        if (file.Read((long)whole * ChunkBytes, rest) != rest.Length)
        {
            return false;
        }

        CanonicalWriter list = new((chunks.Count + 2) * Bytes32.Size);
        list.WriteU64((ulong)length);
        foreach (Bytes32 chunk in chunks)
        {
            list.WriteBytes32(chunk);
        }

        list.WriteBytes32(Blake3.Keyed(key, rest));
        checksum = Blake3.Keyed(key, list.Written);
        return true;
    }

    /// <summary>Forgets what was hashed of files that are not there any more.</summary>
    public void ForgetAllBut(HashSet<string> paths)
    {
        foreach (string path in _known.Keys)
        {
            if (!paths.Contains(path))
            {
                _known.Remove(path);
            }
        }
    }

    /// <summary>Forgets what was hashed, so that the next check reads the disk.</summary>
    public void Forget() => _known.Clear();

    private List<Bytes32> Known(string path)
    {
        if (!_known.TryGetValue(path, out List<Bytes32>? chunks))
        {
            chunks = [];
            _known.Add(path, chunks);
        }

        return chunks;
    }
}
