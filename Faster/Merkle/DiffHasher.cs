// From a block's diff to the changes of the tree: the hash of every new value, in batches of values of one length.
//
// Records of one kind are of one length, so a few hundred neighbours fall into few groups, each hashed in lanes.
//
// Cost: with short values a few tens of nanoseconds each.   Threading: pure; pieces of a large diff are jobs.

using System;
using System.Buffers.Binary;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Hashes the values of a diff.</summary>
internal static class DiffHasher
{
    private const int Piece = 256;
    private const int PrefixBytes = sizeof(uint);
    private const int LongestInBatch = 1024 - PrefixBytes;

    /// <summary>Fills <paramref name="changes"/>, one for each entry.</summary>
    public static void Hash(StateHashing hashing, StateDiff diff, Memory<PathChange> changes, RunJobs? jobs)
    {
        int pieces = (changes.Length + Piece - 1) / Piece;
        if (pieces < 2 || jobs is null)
        {
            for (int i = 0; i < pieces; i++)
            {
                HashPiece(hashing, diff, changes, i);
            }

            return;
        }

        jobs(pieces, i => HashPiece(hashing, diff, changes, i));
    }

    private static void HashPiece(StateHashing hashing, StateDiff diff, Memory<PathChange> allChanges, int piece)
    {
        int start = piece * Piece;
        int count = Math.Min(Piece, allChanges.Length - start);
        ReadOnlySpan<DiffEntry> entries = diff.Entries.Slice(start, count);
        Span<PathChange> changes = allChanges.Span.Slice(start, count);
        Span<bool> done = stackalloc bool[count];
        done.Clear();
        Span<int> group = stackalloc int[count];
        byte[] messages = [];
        for (int i = 0; i < count; i++)
        {
            ref readonly DiffEntry entry = ref entries[i];
            Invariant.Audit(hashing.KeyOf(entry.Program, entry.LocalKey) == entry.Key);
            if (done[i])
            {
                continue;
            }

            if (entry.IsTombstone || entry.Length > LongestInBatch)
            {
                changes[i] = new PathChange(entry.Key, entry.IsTombstone ? default : hashing.ValueHash(diff.ValueOf(entry)));
                continue;
            }

            int members = 0;
            for (int j = i; j < count; j++)
            {
                if (entries[j].Length == entry.Length)
                {
                    group[members++] = j;
                    done[j] = true;
                }
            }

            HashGroup(hashing, diff, entries, group[..members], changes, ref messages);
        }
    }

    /// <summary>Values of one length: u32 length | value, one behind the other.</summary>
    private static void HashGroup(
        StateHashing hashing, StateDiff diff, ReadOnlySpan<DiffEntry> entries, ReadOnlySpan<int> group, Span<PathChange> changes, ref byte[] messages)
    {
        int bytes = PrefixBytes + entries[group[0]].Length;
        if (messages.Length < bytes * group.Length)
        {
            messages = new byte[bytes * group.Length];
        }

        Span<byte> packed = messages.AsSpan(0, bytes * group.Length);
        for (int i = 0; i < group.Length; i++)
        {
            Span<byte> message = packed.Slice(i * bytes, bytes);
            BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)(bytes - PrefixBytes));
            diff.ValueOf(entries[group[i]]).CopyTo(message[PrefixBytes..]);
        }

        Span<Bytes32> hashes = stackalloc Bytes32[Piece];
        hashing.ValueHashes(packed, bytes, hashes[..group.Length]);
        for (int i = 0; i < group.Length; i++)
        {
            changes[group[i]] = new PathChange(entries[group[i]].Key, hashes[i]);
        }
    }
}
