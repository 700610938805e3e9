// From a block's diff to the changes of the tree: the hash of every new value.
//
// Cost: ValueHasher's.   Threading: pure; pieces of a large diff are jobs.

using System;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Hashes the values of a diff.</summary>
internal static class DiffHasher
{
    private const int Piece = ValueHasher.Most;

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
        Span<ValuePlace> places = stackalloc ValuePlace[Piece];
        Span<Bytes32> hashes = stackalloc Bytes32[Piece];
        for (int i = 0; i < count; i++)
        {
            ref readonly DiffEntry entry = ref entries[i];
            Invariant.Audit(hashing.KeyOf(entry.Program, entry.LocalKey) == entry.Key);
            places[i] = new ValuePlace(entry.Offset, entry.Length);
        }

        byte[] messages = [];
        ValueHasher.Hash(hashing, diff.Values, places[..count], hashes[..count], ref messages);
        for (int i = 0; i < count; i++)
        {
            changes[i] = new PathChange(entries[i].Key, hashes[i]);
        }
    }
}
