// Hashes of many values at once, in batches of values of one length.
//
// Records of one kind are of one length, so a few hundred neighbours fall into few groups, each hashed in lanes.
//
// Cost: with short values a few tens of nanoseconds each.   Threading: pure.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Where a value lies in a buffer.</summary>
/// <param name="Offset">Its first byte.</param>
/// <param name="Length">Its bytes, [0, 4096]; -1: there is none.</param>
internal readonly record struct ValuePlace(int Offset, int Length);

/// <summary>Hashes up to <see cref="Most"/> values.</summary>
internal static class ValueHasher
{
    /// <summary>The most values of one call.</summary>
    public const int Most = 256;

    private const int PrefixBytes = sizeof(uint);
    private const int LongestInBatch = 1024 - PrefixBytes;

    /// <summary>Fills <paramref name="hashes"/>: zero where there is no value.</summary>
    /// <param name="messages">Room to work in, kept by the caller for the next call.</param>
    public static void Hash(StateHashing hashing, ReadOnlySpan<byte> values, ReadOnlySpan<ValuePlace> places, Span<Bytes32> hashes, ref byte[] messages)
    {
        Span<bool> done = stackalloc bool[Most];
        done.Clear();
        Span<int> group = stackalloc int[Most];
        for (int i = 0; i < places.Length; i++)
        {
            int length = places[i].Length;
            if (done[i])
            {
                continue;
            }

            if (length is < 0 or > LongestInBatch)
            {
                hashes[i] = length < 0 ? default : hashing.ValueHash(values.Slice(places[i].Offset, length));
                continue;
            }

            int members = 0;
            for (int j = i; j < places.Length; j++)
            {
                if (places[j].Length == length)
                {
                    group[members++] = j;
                    done[j] = true;
                }
            }

            HashGroup(hashing, values, places, group[..members], hashes, ref messages);
        }
    }

    /// <summary>Values of one length: u32 length | value, one behind the other.</summary>
    private static void HashGroup(
        StateHashing hashing, ReadOnlySpan<byte> values, ReadOnlySpan<ValuePlace> places, ReadOnlySpan<int> group, Span<Bytes32> hashes, ref byte[] messages)
    {
        int bytes = PrefixBytes + places[group[0]].Length;
        if (messages.Length < bytes * group.Length)
        {
            messages = new byte[bytes * group.Length];
        }

        Span<byte> packed = messages.AsSpan(0, bytes * group.Length);
        for (int i = 0; i < group.Length; i++)
        {
            Span<byte> message = packed.Slice(i * bytes, bytes);
            BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)(bytes - PrefixBytes));
            values.Slice(places[group[i]].Offset, bytes - PrefixBytes).CopyTo(message[PrefixBytes..]);
        }

        Span<Bytes32> found = stackalloc Bytes32[Most];
        hashing.ValueHashes(packed, bytes, found[..group.Length]);
        for (int i = 0; i < group.Length; i++)
        {
            hashes[group[i]] = found[i];
        }
    }
}
