// Checksums of file prefixes: the keyed BLAKE3 of the list of keyed BLAKE3s of 1 MiB chunks. Chunks that were hashed
// before are remembered by path, because FASTER's log only grows behind a checkpoint: what a checkpoint covers is
// never written again. So a checkpoint reads what is new, not the whole store.
//
// A checksum that matched says what was read then. What FASTER reads while it recovers comes through here too, chunk by chunk
// against the same hashes: it follows addresses and lengths without looking, and a disk that answers twice
// differently would end the process.
//
// Threading: one caller at a time; Read by any number.

using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>Computes the checksums of checkpoint files.</summary>
internal sealed class FileChecksums(IFileSystem files, Bytes32 key) : IReadGuard
{
    private const int ChunkBytes = 1 << 20;
    private const int ProvenMost = 8;

    private readonly Dictionary<string, List<Bytes32>> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Length, Bytes32 Last)> _computed = new(StringComparer.Ordinal);   // newest result's end
    private readonly Lock _gate = new();
    private readonly List<(string Path, long Index, byte[] Bytes)> _proven = [];
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
        _proven.Clear();
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

        Bytes32 last = Blake3.Keyed(key, rest);
        list.WriteBytes32(last);
        checksum = Blake3.Keyed(key, list.Written);
        _computed[path] = (length, last);
        return true;
    }

    /// <inheritdoc/>
    public void Read(string path, long offset, Span<byte> target)
    {
        if (!_computed.TryGetValue(path, out (long Length, Bytes32 Last) known))
        {
            throw new IOException($"{path} is no part of the checkpoint.");
        }

        target.Clear();
        lock (_gate)
        {
            for (int done = 0; done < target.Length && offset + done < known.Length;)
            {
                long at = offset + done;
                ReadOnlySpan<byte> chunk = Proven(path, at / ChunkBytes, known);
                int start = (int)(at % ChunkBytes);
                int length = Math.Min(chunk.Length - start, target.Length - done);
                chunk.Slice(start, length).CopyTo(target[done..]);
                done += length;
            }
        }
    }

    /// <summary>Recovery is over: lets go of the chunks that were read.</summary>
    public void EndReads() => _proven.Clear();

    /// <summary>A chunk that was read and has its hash; the last few are kept, newest last, for jobs that read side by side.</summary>
    private ReadOnlySpan<byte> Proven(string path, long index, in (long Length, Bytes32 Last) known)
    {
        int length = (int)Math.Min(ChunkBytes, known.Length - (index * ChunkBytes));
        int at = _proven.FindLastIndex(chunk => chunk.Index == index && chunk.Path == path);
        if (at >= 0)
        {
            return _proven[at].Bytes.AsSpan(0, length);
        }

        byte[] bytes = _proven.Count < ProvenMost ? [] : _proven[0].Bytes;
        if (_proven.Count == ProvenMost)
        {
            _proven.RemoveAt(0);
        }

        if (bytes.Length < length)
        {
            bytes = new byte[length];
        }

        Span<byte> chunk = bytes.AsSpan(0, length);
        using IDataFile file = files.OpenRead(path);
        Bytes32 expected = length == ChunkBytes ? Known(path)[(int)index] : known.Last;
        if (file.Read(index * ChunkBytes, chunk) != length || Blake3.Keyed(key, chunk) != expected)
        {
            throw new IOException($"{path} reads differently than a moment ago.");
        }

        _proven.Add((path, index, bytes));
        return chunk;
    }

    /// <summary>Forgets what was hashed of files that are not there any more.</summary>
    public void ForgetAllBut(HashSet<string> paths)
    {
        foreach (string path in _known.Keys)
        {
            if (!paths.Contains(path))
            {
                _known.Remove(path);
                _computed.Remove(path);
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
