// The node's database: a sorted map in memory over an append-only log. A batch is one record, so it is there whole or not at all.
//
//   record   length u32 | first 4 bytes of SHA-256(body) | body                        little-endian
//   body     per operation: 1 key value (put) or 0 key (delete); keys and values counted by u32
//
// A write returns after the log is synced. What stands behind the first record that is not whole is the torn tail of a crash: it is
// cut off when the map is opened.
//
// The log is never compacted: a test's or a load's database is small.
//
// Threading: any; one lock.   Cost: a sync per write; an iterator copies what it will give.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.NodeHost;

/// <summary>A durable sorted map of byte strings.</summary>
internal sealed class DiskMap : IDisposable
{
    private const int HeaderBytes = 8;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<byte[], byte[]> _map = new(ByteOrder.Instance);
    private readonly FileStream _log;
    private bool _isClosed;

    /// <summary>Opens or makes the map of a file.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public DiskMap(string file)
    {
        _log = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        byte[] bytes = new byte[_log.Length];
        _log.ReadExactly(bytes);
        int at = 0;
        while (TryReadRecord(bytes.AsSpan(at), out ReadOnlySpan<byte> body))
        {
            Apply(body);
            at += HeaderBytes + body.Length;
        }

        _log.SetLength(at);
        _log.Position = at;
    }

    /// <summary>Writes so far, for reports.</summary>
    public long Writes { get; private set; }

    /// <summary>Whether a key is there.</summary>
    public bool TryGet(byte[] key, out byte[]? value)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            return _map.TryGetValue(key, out value);
        }
    }

    /// <summary>Puts and deletes as one; durable when this returns.</summary>
    /// <param name="operations">In order; a null value deletes.</param>
    public void Write(IReadOnlyList<(byte[] Key, byte[]? Value)> operations)
    {
        using MemoryStream record = new();
        record.SetLength(HeaderBytes);
        record.Position = HeaderBytes;
        Span<byte> number = stackalloc byte[4];
        foreach ((byte[] key, byte[]? value) in operations)
        {
            record.WriteByte(value is null ? (byte)0 : (byte)1);
            WriteCounted(record, key, number);
            if (value is not null)
            {
                WriteCounted(record, value, number);
            }
        }

        byte[] bytes = record.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - HeaderBytes);
        ChecksumOf(bytes.AsSpan(HeaderBytes), bytes.AsSpan(4, 4));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            _log.Write(bytes);
            _log.Flush(flushToDisk: true);
            Apply(bytes.AsSpan(HeaderBytes));
            Writes++;
        }
    }

    /// <summary>Pairs whose keys begin with a prefix and are not below a start, ascending, as they are now.</summary>
    public List<(byte[] Key, byte[] Value)> List(byte[] start, byte[] prefix)
    {
        List<(byte[], byte[])> pairs = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            foreach ((byte[] key, byte[] value) in _map)
            {
                if (key.AsSpan().StartsWith(prefix) && key.AsSpan().SequenceCompareTo(start) >= 0)
                {
                    pairs.Add((key, value));
                }
            }
        }

        return pairs;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            _log.Dispose();
        }
    }

    private static bool TryReadRecord(ReadOnlySpan<byte> source, out ReadOnlySpan<byte> body)
    {
        body = default;
        if (source.Length < HeaderBytes)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(source);
        if (length < 0 || length > source.Length - HeaderBytes)
        {
            return false;
        }

        body = source.Slice(HeaderBytes, length);
        Span<byte> checksum = stackalloc byte[4];
        ChecksumOf(body, checksum);
        return checksum.SequenceEqual(source.Slice(4, 4));
    }

    private static void ChecksumOf(ReadOnlySpan<byte> body, Span<byte> target)
    {
        Span<byte> hash = stackalloc byte[Bytes32.Size];
        Sha256.Hash(body).CopyTo(hash);
        hash[..4].CopyTo(target);
    }

    private static void WriteCounted(MemoryStream record, byte[] bytes, Span<byte> number)
    {
        BinaryPrimitives.WriteInt32LittleEndian(number, bytes.Length);
        record.Write(number);
        record.Write(bytes);
    }

    private void Apply(ReadOnlySpan<byte> body)
    {
        while (!body.IsEmpty)
        {
            bool isPut = body[0] == 1;
            body = body[1..];
            byte[] key = TakeCounted(ref body);
            if (isPut)
            {
                _map[key] = TakeCounted(ref body);
            }
            else
            {
                _map.Remove(key);
            }
        }
    }

    private static byte[] TakeCounted(ref ReadOnlySpan<byte> body)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(body);
        byte[] bytes = body.Slice(4, length).ToArray();
        body = body[(4 + length)..];
        return bytes;
    }

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static readonly ByteOrder Instance = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
