// The wire form has one encoding per list; everything else is refused by a code. Normalise is what a client does before it signs.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Primitives;

namespace ParallelVm.AccessLists.Tests;

public sealed class AccessListTests
{
    private const int ProgramCount = 4;

    [Theory, InlineData(1), InlineData(2026)]
    public void What_decodes_encodes_to_the_same_bytes(int seed)
    {
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 300; round++)
        {
            byte[] bytes = Encode(Draw(random, random.Next(AccessList.MaxAccesses + 1)));
            CanonicalReader reader = new(bytes);
            Assert.True(AccessList.TryDecode(ref reader, ProgramCount, out AccessList list), $"seed {seed} round {round}: {reader.Refusal}");
            Assert.True(reader.TryEnd(out _));
            CanonicalWriter writer = new();
            list.Encode(writer);
            Assert.True(writer.Written.SequenceEqual(bytes), $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void A_list_is_refused_at_every_truncated_length()
    {
        byte[] bytes = Encode(Draw(new SeededRandom(8), 5));
        for (int length = 0; length < bytes.Length; length++)
        {
            Refuses(bytes.AsSpan(0, length), RefusalCode.Truncated);
        }
    }

    [Fact]
    public void An_unsorted_list_is_refused()
    {
        Access[] accesses = Draw(new SeededRandom(9), 6);
        (accesses[2], accesses[3]) = (accesses[3], accesses[2]);
        Refuses(Encode(accesses), RefusalCode.UnsortedAccesses);
    }

    [Fact]
    public void A_key_declared_twice_is_refused_whatever_its_modes()
    {
        foreach (AccessMode mode in new[] { AccessMode.Read, AccessMode.Write, AccessMode.Add })
        {
            Access[] accesses = Draw(new SeededRandom(10), 6);
            accesses[3] = accesses[2] with { Mode = mode };
            Refuses(Encode(accesses), RefusalCode.DuplicateAccess);
        }
    }

    [Fact]
    public void The_same_key_under_two_programs_is_two_keys()
    {
        LocalKey key = new(new Bytes32(1, 2, 3, 4));
        Access[] accesses = [new(0, key, AccessMode.Read), new(1, key, AccessMode.Write)];
        Assert.True(AccessList.TryCreate(accesses, 2, out AccessList list, out _));
        Assert.Equal(0, list.IndexOf(0, key));
        Assert.Equal(1, list.IndexOf(1, key));
        Assert.Equal(-1, list.IndexOf(2, key));
    }

    [Fact]
    public void Every_byte_that_is_no_mode_is_refused()
    {
        byte[] bytes = Encode(Draw(new SeededRandom(11), 3));
        for (int mode = 3; mode < 256; mode++)
        {
            bytes[1 + AccessList.AccessBytes - 1] = (byte)mode;
            Refuses(bytes, RefusalCode.UnknownAccessMode);
        }
    }

    [Fact]
    public void Sixty_four_accesses_are_allowed_and_sixty_five_are_not()
    {
        Access[] accesses = Draw(new SeededRandom(12), AccessList.MaxAccesses + 1);
        byte[] bytes = Encode(accesses);
        Refuses(bytes, RefusalCode.TooManyAccesses);
        Assert.False(AccessList.TryCreate(accesses, ProgramCount, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.TooManyAccesses, refusal.Code);
        Assert.True(AccessList.TryCreate(accesses[..^1], ProgramCount, out AccessList list, out _));
        Assert.Equal(AccessList.MaxAccesses, list.Count);
        Assert.True(AccessList.TryCreate(accesses, ProgramCount, out list, out _, maxAccesses: 512));
        Assert.Equal(AccessList.MaxAccesses + 1, list.Count);
    }

    [Fact]
    public void A_program_outside_the_table_is_refused()
    {
        Access[] accesses = [new(0, default, AccessMode.Read), new(3, default, AccessMode.Read)];
        CanonicalReader reader = new(Encode(accesses));
        Assert.False(AccessList.TryDecode(ref reader, 3, out AccessList list));
        Assert.Equal(RefusalCode.ProgramIndexOutOfRange, reader.Refusal.Code);
        Assert.Equal(0, list.Count);
    }

    [Theory, InlineData(1), InlineData(99)]
    public void Random_bytes_are_refused_or_canonical_and_never_throw(int seed)
    {
        SeededRandom random = new((ulong)seed);
        byte[] buffer = new byte[200];
        for (int round = 0; round < 5_000; round++)
        {
            Span<byte> bytes = buffer.AsSpan(0, random.Next(buffer.Length));
            random.Fill(bytes);
            if (bytes.Length > 0)
            {
                bytes[0] = (byte)random.Next(7);
            }

            CanonicalReader reader = new(bytes);
            if (AccessList.TryDecode(ref reader, ProgramCount, out AccessList list))
            {
                CanonicalWriter writer = new();
                list.Encode(writer);
                Assert.True(writer.Written.SequenceEqual(bytes[..reader.Position]), $"seed {seed} round {round}");
            }
            else
            {
                Assert.True(reader.Refusal.IsRefused);
            }
        }
    }

    [Theory, InlineData(1), InlineData(515)]
    public void Normalise_sorts_keeps_every_key_once_and_covers_every_use(int seed)
    {
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 300; round++)
        {
            Access[] uses = new Access[random.Next(40)];
            for (int i = 0; i < uses.Length; i++)
            {
                uses[i] = new Access((byte)random.Next(2), new LocalKey(new Bytes32(0, 0, 0, (ulong)random.Next(8))), (AccessMode)random.Next(3));
            }

            Access[] declared = AccessList.Normalise(uses);
            Assert.True(AccessList.TryCreate(declared, 2, out AccessList list, out Refusal refusal), $"seed {seed} round {round}: {refusal}");
            Assert.Equal(uses.Select(use => (use.ProgramIndex, use.Key)).Distinct().Count(), list.Count);
            foreach (Access use in uses)
            {
                int index = list.IndexOf(use.ProgramIndex, use.Key);
                Assert.True(index >= 0 && AccessModes.Covers(list[index].Mode, use.Mode), $"seed {seed} round {round}");
            }

            // the least cover: a Write only where some use is Write or two uses differ
            foreach (Access access in declared)
            {
                AccessMode[] modes = uses.Where(use => use.CompareTo(access) == 0).Select(use => use.Mode).Distinct().ToArray();
                Assert.Equal(modes.Length == 1 ? modes[0] : AccessMode.Write, access.Mode);
            }

            Assert.Equal(declared, AccessList.Normalise(declared));
            Array.Reverse(uses);
            Assert.Equal(declared, AccessList.Normalise(uses));
        }
    }

    private static void Refuses(ReadOnlySpan<byte> bytes, RefusalCode code)
    {
        CanonicalReader reader = new(bytes);
        Assert.False(AccessList.TryDecode(ref reader, ProgramCount, out AccessList list));
        Assert.Equal(code, reader.Refusal.Code);
        Assert.Equal(0, list.Count);
    }

    private static Access[] Draw(SeededRandom random, int count)
    {
        SortedSet<Access> drawn = [];
        while (drawn.Count < count)
        {
            LocalKey key = new(new Bytes32((ulong)random.Next(3), random.NextU64(), 0, (ulong)random.Next(2)));
            drawn.Add(new Access((byte)random.Next(ProgramCount), key, (AccessMode)random.Next(3)));
        }

        return [.. drawn];
    }

    // By hand, so that lists which AccessList would never hold can be written too.
    private static byte[] Encode(ReadOnlySpan<Access> accesses)
    {
        CanonicalWriter writer = new();
        writer.WriteU8((byte)accesses.Length);
        foreach (Access access in accesses)
        {
            writer.WriteU8(access.ProgramIndex);
            writer.WriteBytes32(access.Key.Value);
            writer.WriteU8((byte)access.Mode);
        }

        return writer.ToArray();
    }
}
